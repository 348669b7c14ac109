//! Redis serialisation protocol, to this plugin's own workloads only, of whichever resource.

use std::fmt;

use serde_json::Value;

use crate::{Fault, ResourceId};

/// See [`Resp::execute`].
pub trait Resp {
    /// Opens a connection, authenticates if credentials are given, runs the commands in order and returns one reply for
    /// each. A command that the server refuses is a [`Reply::Error`], not a fault.
    ///
    /// Fails with `ConnectionFailed` (not listening, not answering in time), `AuthenticationFailed` or
    /// `WorkloadNotFound`.
    fn execute(
        &self,
        endpoint: &Endpoint<'_>,
        credentials: Option<&Credentials<'_>>,
        commands: &[Command],
    ) -> Result<Vec<Reply>, Fault>;
}

/// A port of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint<'a> {
    pub owner: &'a ResourceId,
    pub workload: &'a str,
    /// Its name in the workload's spec.
    pub port: &'a str,
}

/// What to `AUTH` with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    pub user: &'a str,
    pub password: &'a str,
}

/// Without the password: what is printed ends in a log.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A command and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    arguments: Vec<Vec<u8>>,
}

impl Command {
    /// `Command::new(["CONFIG", "GET", "maxmemory"])`
    pub fn new<A: AsRef<[u8]>>(arguments: impl IntoIterator<Item = A>) -> Command {
        Command { arguments: arguments.into_iter().map(|argument| argument.as_ref().to_vec()).collect() }
    }

    pub fn arguments(&self) -> &[Vec<u8>] {
        &self.arguments
    }
}

/// As people write it, for logs and tests. Arguments may be secrets: do not log those of `AUTH` or `ACL`.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.arguments.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        f.write_str(&words.join(" "))
    }
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Nil,
    Integer(i64),
    /// A bulk or a simple string.
    Bulk(Vec<u8>),
    /// An error reply, whole: `WRONGPASS invalid username-password pair`.
    Error(String),
    /// An array, map or set.
    Aggregate(Value),
}

impl Reply {
    /// A bulk or simple string.
    pub fn text(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    /// The text of an error reply, for `?`-style handling of the others.
    pub fn error(&self) -> Option<&str> {
        match self {
            Reply::Error(text) => Some(text),
            Reply::Nil | Reply::Integer(_) | Reply::Bulk(_) | Reply::Aggregate(_) => None,
        }
    }
}
