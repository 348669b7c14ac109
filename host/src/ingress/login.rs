//! Who is this? The conversation with a client that has not said yet which route it wants, or that may pass only with a
//! password of the workloads themselves.
//!
//! Until its login the gateway answers in the place of a server: a client has so many commands and so many bytes for it,
//! and its whole beginning has a deadline, which is the caller's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::resp::{
    Asked, Command, Commands, HELLO_WITHOUT_LOGIN, Held, Login, Malformed, NO_LOGIN, OK, WRONG_PASSWORD, error,
};
use super::session::{Admitted, admitted};
use super::table::{Published, Restriction, hash};

/// Commands before a login; each is answered.
const MOST_COMMANDS: usize = 100;
/// Bytes before a login.
const MOST_BYTES: usize = 64 * 1024;

/// Where a client comes from, and where it came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    pub address: IpAddr,
    pub port: u16,
    /// None without TLS.
    pub tls: Option<ProtocolVersion>,
}

/// What became of a client.
#[derive(Debug)]
pub(super) enum Decision {
    Admitted {
        route: Arc<Published>,
        /// What its workload gets first: the login.
        first: Vec<u8>,
        /// What came behind it, which may end in the middle of a command.
        rest: Vec<u8>,
        /// For how long, if it has logged in with a token.
        left: Option<Duration>,
    },
    /// It has been told why.
    Refused,
}

/// Until one of the candidates is chosen. Not cancel safe: what was read is lost.
pub(super) async fn converse(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    candidates: &[Arc<Published>],
    visitor: Visitor,
) -> std::io::Result<Decision> {
    let mut commands = Commands::new(Held::All);
    let mut buffer = vec![0; 4096];
    let (mut bytes, mut count) = (0, 0);
    loop {
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(Decision::Refused);
        }
        bytes += read;
        let mut input = buffer.get(..read).unwrap_or_default();
        let mut answers = Vec::new();
        let reply = loop {
            match commands.take(&mut input, &mut Vec::new()) {
                Ok(Some(command)) => {
                    count += 1;
                    match reply(&command, candidates, visitor) {
                        Reply::Answer(answer) if count <= MOST_COMMANDS => answers.extend(answer),
                        Reply::Answer(_) => break Some(Reply::Last(error("ERR too many commands before a login"))),
                        last => break Some(last),
                    }
                }
                Ok(None) if bytes > MOST_BYTES => break Some(Reply::Last(error("ERR too many bytes before a login"))),
                Ok(None) => break None,
                Err(Malformed(text)) => break Some(Reply::Last(error(text))),
            }
        };
        if let Some(Reply::Last(last)) = &reply {
            answers.extend_from_slice(last);
        }
        if !answers.is_empty() {
            client.write_all(&answers).await?;
            client.flush().await?;
        }
        match reply {
            Some(Reply::Route { route, first, left }) => {
                return Ok(Decision::Admitted { route, first, rest: input.to_vec(), left });
            }
            Some(Reply::Last(_)) => return Ok(Decision::Refused),
            Some(Reply::Answer(_)) | None => {}
        }
    }
}

enum Reply {
    /// And the conversation goes on.
    Answer(Vec<u8>),
    /// And it is over.
    Last(Vec<u8>),
    Route {
        route: Arc<Published>,
        first: Vec<u8>,
        left: Option<Duration>,
    },
}

fn reply(command: &Command, candidates: &[Arc<Published>], visitor: Visitor) -> Reply {
    let login = match Asked::of(command) {
        Asked::Login(login) => login,
        Asked::Quit => return Reply::Last(OK.to_vec()),
        Asked::Hello => return unknown(candidates, visitor, HELLO_WITHOUT_LOGIN),
        // A replica asks so whether it needs a password.
        Asked::Ping => return Reply::Answer(NO_LOGIN.to_vec()),
        Asked::Other => return unknown(candidates, visitor, NO_LOGIN),
    };
    let password = hash(&login.password);
    let peer = |route: &&Arc<Published>| !login.is_default() && route.peers.contains(&password);
    if let Some(route) = candidates.iter().find(peer) {
        return Reply::Route { route: route.clone(), first: command.bytes.clone(), left: None };
    }
    if let [only] = candidates {
        // There is nothing to choose; so it is here because it may not pass.
        if let Some(restriction) = restriction(only, visitor) {
            return Reply::Last(error(&restriction.text()));
        }
    }
    match candidates.iter().find(|route| route.keys.contains(&password)) {
        Some(route) => match restriction(route, visitor) {
            Some(restriction) => Reply::Last(error(&restriction.text())),
            None => Reply::Route { route: route.clone(), first: command.bytes.clone(), left: None },
        },
        None => by_token(command, &login, candidates, visitor),
    }
}

/// A command without a login. One that may not pass, whoever it is, is told so.
fn unknown(candidates: &[Arc<Published>], visitor: Visitor, answer: &[u8]) -> Reply {
    match candidates {
        [only] => match restriction(only, visitor) {
            Some(restriction) => Reply::Last(error(&restriction.text())),
            None => Reply::Answer(answer.to_vec()),
        },
        _ => Reply::Answer(answer.to_vec()),
    }
}

fn by_token(command: &Command, login: &Login, candidates: &[Arc<Published>], visitor: Visitor) -> Reply {
    let user = login.user.as_deref().unwrap_or_default();
    let mut known = candidates.iter().filter(|route| route.has_token_user(user));
    match (known.next(), known.next()) {
        (Some(route), None) => match (restriction(route, visitor), admitted(route, command, login)) {
            (Some(restriction), _) => Reply::Last(error(&restriction.text())),
            (None, Some(Ok(Admitted { command, left }))) => {
                Reply::Route { route: route.clone(), first: command, left: Some(left) }
            }
            (None, Some(Err(text))) => Reply::Answer(error(&text)),
            (None, None) => Reply::Answer(WRONG_PASSWORD.to_vec()),
        },
        (Some(_), Some(_)) => Reply::Answer(error(
            "ERR this user may log in to several resources on this port. Connect by the host name of one (TLS SNI)",
        )),
        (None, _) => Reply::Answer(WRONG_PASSWORD.to_vec()),
    }
}

fn restriction(route: &Published, visitor: Visitor) -> Option<Restriction> {
    route.restriction(visitor.port, visitor.address, visitor.tls)
}
