//! Talking to a running server: as its administrator, and as a client would.

use std::collections::BTreeMap;

use floci_az_sdk::{Command, Credentials, Endpoint, Fault, Host, Level, Reply, ResourceId, Value};

use crate::access::{ADMINISTRATOR, DEFAULT_USER, User, promotion};
use crate::configuration::events;
use crate::nodes::PORT;
use crate::private::Private;

/// One server of a cache.
#[derive(Clone, Copy)]
pub struct Administration<'a> {
    pub owner: &'a ResourceId,
    pub workload: &'a str,
    pub host: &'a dyn Host,
    /// Password of [`ADMINISTRATOR`].
    pub password: &'a str,
}

/// What came of [`Administration::apply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The server is as it should be.
    Ready,
    /// It does not answer.
    Silent(String),
    /// It reads its data.
    Loading,
    /// It does not know its administrator.
    Stranger(String),
}

/// What came of a client's login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    Admitted,
    Refused,
}

/// The server lowers it by itself where the machine allows fewer open files, so it is no failure if it is not taken.
const BEST_EFFORT: &str = "maxclients";
/// Of which the value is in no text.
const SECRET: &str = "masterauth";

impl<'a> Administration<'a> {
    pub fn of(owner: &'a ResourceId, workload: &'a str, host: &'a dyn Host, private: &'a Private) -> Self {
        Administration { owner, workload, host, password: &private.administrator }
    }

    /// Brings the running server to these parameters and users. Idempotent; one connection if nothing differs.
    ///
    /// Fails with `CacheServerRefused` if the server does not take a value.
    pub fn apply(&self, parameters: &[(&str, String)], users: &[User]) -> Result<Applied, Fault> {
        let get = |name: &str| Command::new(["CONFIG", "GET", name]);
        let mut commands = vec![Command::new(["PING"]), Command::new(promotion())];
        commands.extend(users.iter().map(|user| Command::new(user.command())));
        commands.push(Command::new(["ACL", "USERS"]));
        commands.extend(parameters.iter().map(|(name, _)| get(name)));
        let replies = match self.run(&commands) {
            Ok(replies) => replies,
            Err(fault) if fault.is("ConnectionFailed") => return Ok(Applied::Silent(fault.message)),
            Err(fault) if fault.is("AuthenticationFailed") => return Ok(Applied::Stranger(fault.message)),
            Err(fault) => return Err(fault),
        };
        let mut replies = replies.into_iter();
        if let Some(error) = replies.next().as_ref().and_then(Reply::error) {
            return match error.split(' ').next() {
                Some("LOADING") => Ok(Applied::Loading),
                Some("NOAUTH" | "NOPERM") => Ok(Applied::Stranger(error.to_owned())),
                _ => Err(refused("PING", error)),
            };
        }
        for reply in replies.by_ref().take(1 + users.len()) {
            if let Some(error) = reply.error() {
                return Err(refused("ACL SETUSER", error));
            }
        }
        self.dismiss(replies.next().as_ref(), users)?;
        for ((name, wanted), reply) in parameters.iter().zip(replies) {
            if !same(name, wanted, value(&reply)) {
                self.set(name, wanted)?;
            }
        }
        Ok(Applied::Ready)
    }

    /// Ends the users that are none of these, and their connections.
    fn dismiss(&self, known: Option<&Reply>, users: &[User]) -> Result<(), Fault> {
        let Some(Reply::Aggregate(Value::Array(known))) = known else { return Ok(()) };
        let staying = |name: &str| name == ADMINISTRATOR || users.iter().any(|user| user.name == name);
        let gone: Vec<&str> = known.iter().filter_map(Value::as_str).filter(|name| !staying(name)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let words = ["ACL", "DELUSER"].into_iter().chain(gone);
        self.one(&Command::new(words)).map(drop)
    }

    /// Sets one parameter, and reads it back.
    fn set(&self, name: &str, wanted: &str) -> Result<(), Fault> {
        let set = Command::new(["CONFIG", "SET", name, wanted]);
        let replies = self.run(&[set, Command::new(["CONFIG", "GET", name])])?;
        let found = replies.get(1).and_then(value);
        let problem = match replies.first().and_then(Reply::error) {
            Some(error) => error.to_owned(),
            None if same(name, wanted, found) => return Ok(()),
            None if name == SECRET => "it was accepted, and is another nevertheless".to_owned(),
            None => format!("it was accepted, and is '{}' nevertheless", found.unwrap_or_default()),
        };
        if name == BEST_EFFORT {
            let found = found.unwrap_or_default();
            self.host.log().write(Level::Debug, &format!("{name} stays {found} in place of {wanted}: {problem}"));
            return Ok(());
        }
        let wanted = if name == SECRET { "..." } else { wanted };
        Err(refused(&format!("CONFIG SET {name} {wanted}"), &problem))
    }

    /// Sets these users. Fails with `CacheServerRefused`, or as [`floci_az_sdk::Resp::execute`].
    pub fn admit(&self, users: &[User]) -> Result<(), Fault> {
        let commands: Vec<Command> = users.iter().map(|user| Command::new(user.command())).collect();
        let replies = self.run(&commands)?;
        match replies.iter().find_map(Reply::error) {
            Some(error) => Err(refused("ACL SETUSER", error)),
            None => Ok(()),
        }
    }

    /// Logs in as a client with this key.
    pub fn login(&self, key: &str) -> Result<Login, Fault> {
        let credentials = Credentials { user: DEFAULT_USER, password: key };
        match self.host.resp().execute(&self.endpoint(), Some(&credentials), &[Command::new(["PING"])]) {
            Ok(replies) => match replies.first().and_then(Reply::error) {
                Some(error) => Err(refused("PING", error)),
                None => Ok(Login::Admitted),
            },
            Err(fault) if fault.is("AuthenticationFailed") => Ok(Login::Refused),
            Err(fault) => Err(fault),
        }
    }

    /// As the administrator. A command that the server refuses is a reply.
    pub fn run(&self, commands: &[Command]) -> Result<Vec<Reply>, Fault> {
        let credentials = Credentials { user: ADMINISTRATOR, password: self.password };
        self.host.resp().execute(&self.endpoint(), Some(&credentials), commands)
    }

    /// One command, which the server has to take. Fails with `CacheServerRefused`.
    pub fn one(&self, command: &Command) -> Result<Reply, Fault> {
        let reply = self.run(std::slice::from_ref(command))?.into_iter().next().unwrap_or(Reply::Nil);
        match reply.error() {
            Some(error) => {
                let shown = command.arguments().iter().take(2).map(|word| String::from_utf8_lossy(word));
                Err(refused(&shown.collect::<Vec<_>>().join(" "), error))
            }
            None => Ok(reply),
        }
    }

    /// A section of `INFO`, by name.
    pub fn info(&self, section: &str) -> Result<BTreeMap<String, String>, Fault> {
        let reply = self.one(&Command::new(["INFO", section]))?;
        Ok(pairs(&text(&reply)))
    }

    fn endpoint(&self) -> Endpoint<'a> {
        Endpoint { owner: self.owner, workload: self.workload, port: PORT }
    }
}

/// `name:value`, one a line.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A bulk or simple string.
pub fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Nil | Reply::Integer(_) | Reply::Error(_) | Reply::Aggregate(_) => String::new(),
    }
}

pub fn refused(command: &str, error: &str) -> Fault {
    Fault::new("CacheServerRefused", format!("the cache's server did not take '{command}': {error}"))
}

/// The value in the reply to `CONFIG GET <name>`: `[name, value]`, or a map of one in RESP 3.
fn value(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Aggregate(Value::Array(pair)) => pair.get(1)?.as_str(),
        Reply::Aggregate(Value::Object(map)) => map.values().next()?.as_str(),
        Reply::Nil | Reply::Integer(_) | Reply::Bulk(_) | Reply::Error(_) | Reply::Aggregate(_) => None,
    }
}

fn same(name: &str, wanted: &str, found: Option<&str>) -> bool {
    match name {
        "notify-keyspace-events" => found.is_some_and(|found| events(found) == events(wanted)),
        _ => found == Some(wanted),
    }
}
