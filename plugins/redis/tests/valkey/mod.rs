//! A model of a server: users by ACL rules, configuration by name. As much of both as the plugin relies on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use floci_az_redis::Redis;
use floci_az_sdk::testing::FakeHost;
use floci_az_sdk::{Command, Credentials, Fault, Reply, json};

pub const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/cache";

/// A gateway whose workloads are this server.
pub fn gateway() -> (Rc<FakeHost>, Rc<RefCell<Valkey>>) {
    let host = Rc::new(FakeHost::of::<Redis>());
    let valkey = Rc::new(RefCell::new(Valkey::default()));
    let (weak, model) = (Rc::downgrade(&host), valkey.clone());
    host.answer(move |credentials, command| {
        let mut valkey = model.borrow_mut();
        if valkey.users.is_empty() {
            let spec = weak.upgrade().and_then(|host| host.spec(ID, "server")).expect("a workload");
            valkey.boot(&spec.files);
        }
        valkey.execute(credentials, command)
    });
    (host, valkey)
}

#[derive(Default)]
pub struct Valkey {
    /// Digests of passwords by user; none if the user is off.
    pub users: BTreeMap<String, Option<BTreeSet<String>>>,
    pub parameters: BTreeMap<String, String>,
    /// Answers every connection with this, if set.
    pub fault: Option<Fault>,
    /// Answers `PING` with this, if set.
    pub loading: Option<String>,
    /// Names that `CONFIG SET` refuses.
    pub immutable: BTreeSet<String>,
    /// Takes ACL commands without obeying them.
    pub deaf: bool,
}

impl Valkey {
    /// Starts: reads both files.
    pub fn boot(&mut self, files: &BTreeMap<String, String>) {
        for line in files["users.acl"].lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[0], "user", "an ACL file holds nothing else");
            self.set_user(words[1], &words[2..]);
        }
        for line in files["server.conf"].lines() {
            let (name, value) = line.split_once(' ').expect("a name and a value");
            self.parameters.insert(name.to_owned(), value.trim_matches('"').to_owned());
        }
    }

    fn set_user(&mut self, name: &str, rules: &[&str]) {
        let digests = rules.iter().filter_map(|rule| rule.strip_prefix('#')).map(str::to_owned).collect();
        self.users.insert(name.to_owned(), rules.contains(&"on").then_some(digests));
    }

    pub fn admits(&self, user: &str, password: &str) -> bool {
        let digest = sha256(password);
        self.users.get(user).is_some_and(|digests| digests.as_ref().is_some_and(|digests| digests.contains(&digest)))
    }

    fn execute(&mut self, credentials: Option<&Credentials<'_>>, command: &Command) -> Result<Reply, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let Credentials { user, password } = credentials.expect("every login has a user");
        if !self.admits(user, password) {
            return Err(Fault::new(
                "AuthenticationFailed",
                "WRONGPASS invalid username-password pair or user is disabled.",
            ));
        }
        let text = command.to_string();
        let words: Vec<&str> = text.split(' ').collect();
        Ok(match words.as_slice() {
            ["PING"] => self.loading.clone().map_or(Reply::text("PONG"), Reply::Error),
            ["ACL", "SETUSER", name, "reset", rules @ ..] => {
                if !self.deaf {
                    self.set_user(name, rules);
                }
                Reply::text("OK")
            }
            ["ACL", "SETUSER", "floci-az", "~*", ..] => Reply::text("OK"),
            ["ACL", "USERS"] => Reply::Aggregate(json!(self.users.keys().collect::<Vec<_>>())),
            ["ACL", "DELUSER", names @ ..] => {
                self.users.retain(|name, _| !names.contains(&name.as_str()));
                Reply::Integer(1)
            }
            ["INFO", "replication"] => Reply::text("# Replication\r\nrole:master\r\n"),
            ["FLUSHALL", "ASYNC"] => Reply::text("OK"),
            ["CONFIG", "GET", name] => Reply::Aggregate(json!([name, self.parameters.get(*name)])),
            ["CONFIG", "SET", name, ..] if self.immutable.contains(*name) => {
                Reply::Error(format!("ERR CONFIG SET failed - can't set '{name}'"))
            }
            ["CONFIG", "SET", name, value] => {
                self.parameters.insert((*name).to_owned(), (*value).to_owned());
                Reply::text("OK")
            }
            _ => Reply::Error(format!("ERR unknown command '{text}'")),
        })
    }
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
