//! Talking to a running server: as its administrator, and as a client would.

use floci_az_sdk::{Command, Credentials, Endpoint, Fault, Host, Level, Reply, ResourceId, Value};

use crate::access::{ADMINISTRATOR, Access, DEFAULT_USER};
use crate::configuration::events;
use crate::keys::Keys;
use crate::private::Private;
use crate::server::{PORT, SERVER};

/// The server of one cache.
pub struct Administration<'a> {
    pub owner: &'a ResourceId,
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

impl<'a> Administration<'a> {
    pub fn of(owner: &'a ResourceId, host: &'a dyn Host, private: &'a Private) -> Administration<'a> {
        Administration { owner, host, password: &private.administrator }
    }

    /// Brings the running server to these parameters and this access. Idempotent; one connection if nothing differs.
    ///
    /// Fails with `CacheServerRefused` if the server does not take a value.
    pub fn apply(&self, parameters: &[(&str, String)], access: Access, keys: &Keys) -> Result<Applied, Fault> {
        let get = |name: &str| Command::new(["CONFIG", "GET", name]);
        let mut commands = vec![Command::new(["PING"]), Command::new(access.command(keys))];
        commands.extend(parameters.iter().map(|(name, _)| get(name)));
        let replies = match self.administer(&commands) {
            Ok(replies) => replies,
            Err(fault) if fault.is("ConnectionFailed") => return Ok(Applied::Silent(fault.message)),
            Err(fault) if fault.is("AuthenticationFailed") => return Ok(Applied::Stranger(fault.message)),
            Err(fault) => return Err(fault),
        };
        if let Some(error) = replies.first().and_then(Reply::error) {
            return match error.split(' ').next() {
                Some("LOADING") => Ok(Applied::Loading),
                Some("NOAUTH" | "NOPERM") => Ok(Applied::Stranger(error.to_owned())),
                _ => Err(refused("PING", error)),
            };
        }
        if let Some(error) = replies.get(1).and_then(Reply::error) {
            return Err(refused("ACL SETUSER", error));
        }
        for ((name, wanted), reply) in parameters.iter().zip(replies.iter().skip(2)) {
            if !same(name, wanted, value(reply)) {
                self.set(name, wanted)?;
            }
        }
        Ok(Applied::Ready)
    }

    /// Sets one parameter, and reads it back.
    fn set(&self, name: &str, wanted: &str) -> Result<(), Fault> {
        let set = Command::new(["CONFIG", "SET", name, wanted]);
        let replies = self.administer(&[set, Command::new(["CONFIG", "GET", name])])?;
        let found = replies.get(1).and_then(value);
        let problem = match replies.first().and_then(Reply::error) {
            Some(error) => error.to_owned(),
            None if same(name, wanted, found) => return Ok(()),
            None => format!("it was accepted, and is '{}' nevertheless", found.unwrap_or_default()),
        };
        if name == BEST_EFFORT {
            let found = found.unwrap_or_default();
            self.host.log().write(Level::Debug, &format!("{name} stays {found} in place of {wanted}: {problem}"));
            return Ok(());
        }
        Err(refused(&format!("CONFIG SET {name} {wanted}"), &problem))
    }

    /// Admits these keys and no others. Fails with `CacheServerRefused`, or as [`floci_az_sdk::Resp::execute`].
    pub fn admit(&self, access: Access, keys: &Keys) -> Result<(), Fault> {
        let replies = self.administer(&[Command::new(access.command(keys))])?;
        match replies.first().and_then(Reply::error) {
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

    fn administer(&self, commands: &[Command]) -> Result<Vec<Reply>, Fault> {
        let credentials = Credentials { user: ADMINISTRATOR, password: self.password };
        self.host.resp().execute(&self.endpoint(), Some(&credentials), commands)
    }

    fn endpoint(&self) -> Endpoint<'a> {
        Endpoint { owner: self.owner, workload: SERVER, port: PORT }
    }
}

fn refused(command: &str, error: &str) -> Fault {
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
