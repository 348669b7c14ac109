//! A connection to a route that has token users: its logins are looked at for as long as one with a token may come.
//!
//! A token is checked here and replaced by the password that the workload knows. A login with a key ends the looking.
//! What is between logins passes as it is.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::resp::{AUDIENCES, Asked, Command, Commands, Held, Login, error};
use super::table::{Published, Table, hash};

/// After a token's end: an answer may be under way, and so may the client's next token.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Session {
    route: Arc<Published>,
    /// For the keys, which may have been replaced since.
    table: Arc<ArcSwap<Table>>,
    commands: Commands,
    /// Whether the workload has anything to answer: then an answer of ours would come out of turn.
    sent: Sent,
    looking: Looking,
    /// What is new about the end of the login.
    lease: Option<Option<Duration>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Nothing,
    Something,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looking {
    On,
    Over,
}

/// A token that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    /// For the workload, in the place of the client's.
    pub command: Vec<u8>,
    /// Until the connection has to end.
    pub left: Duration,
}

/// Whether a token user of the route may log in so; none if it is no such user. The error is for the client.
pub(super) fn admitted(route: &Published, command: &Command, login: &Login) -> Option<Result<Admitted, String>> {
    let named = login.user.as_deref()?;
    let user = route.route.tokens.iter().find(|known| known.user.as_bytes().eq_ignore_ascii_case(named))?;
    let logins = route.logins.as_ref()?;
    let now = Timestamp::now();
    let checked = std::str::from_utf8(&login.password)
        .map_err(|_| "the token is no JSON Web Token".to_owned())
        .and_then(|token| logins.check(token, &user.user, &AUDIENCES, now));
    Some(match checked {
        Ok(ends) => {
            let left = u64::try_from(ends.duration_since(now).as_secs()).unwrap_or_default();
            let command = command.with_login(Some(user.user.as_bytes()), user.password.as_bytes());
            Ok(Admitted { command, left: Duration::from_secs(left) + GRACE })
        }
        Err(reason) => {
            tracing::debug!(resource = route.owner, "a token was refused: {reason}");
            Err(format!("WRONGPASS {reason}"))
        }
    })
}

impl Session {
    pub(super) fn new(route: Arc<Published>, table: Arc<ArcSwap<Table>>) -> Session {
        let commands = Commands::new(Held::Logins);
        Session { route, table, commands, sent: Sent::Nothing, looking: Looking::On, lease: None }
    }

    /// After a login that the workload is told of.
    pub(super) fn after(route: Arc<Published>, table: Arc<ArcSwap<Table>>, left: Duration) -> Session {
        Session { sent: Sent::Something, lease: Some(Some(left)), ..Session::new(route, table) }
    }

    /// Whether what comes may be answered here. Then nothing else is on its way to the client.
    pub(super) fn may_answer(&self) -> bool {
        self.sent == Sent::Nothing
    }

    /// What has changed about when the connection has to end; `Some(None)` for never.
    pub(super) fn lease(&mut self) -> Option<Option<Duration>> {
        self.lease.take()
    }

    /// Whether all that comes passes as it is.
    pub(super) fn is_over(&self) -> bool {
        self.looking == Looking::Over
    }

    /// What the workload gets is added to `passed`; what the client gets is returned.
    pub(super) fn take(&mut self, mut input: &[u8], passed: &mut Vec<u8>) -> Vec<u8> {
        let mut answer = Vec::new();
        let before = passed.len();
        while !input.is_empty() {
            if self.looking == Looking::Over {
                passed.extend_from_slice(input);
                break;
            }
            // A parser that holds logins only takes everything.
            let Ok(Some(command)) = self.commands.take(&mut input, passed) else { continue };
            if passed.len() > before {
                self.sent = Sent::Something;
            }
            self.log_in(&command, passed, &mut answer);
        }
        if passed.len() > before {
            self.sent = Sent::Something;
        }
        answer
    }

    /// Whether the workload takes it for good.
    fn is_by_key(&self, login: &Login) -> bool {
        let table = self.table.load();
        login.is_default()
            && table.owner(&self.route.owner).is_some_and(|route| route.keys.contains(&hash(&login.password)))
    }

    fn log_in(&mut self, command: &Command, passed: &mut Vec<u8>, answer: &mut Vec<u8>) {
        let Asked::Login(login) = Asked::of(command) else { return passed.extend_from_slice(&command.bytes) };
        match admitted(&self.route, command, &login) {
            Some(Ok(Admitted { command, left })) => {
                passed.extend(command);
                self.lease = Some(Some(left));
            }
            Some(Err(text)) if self.sent == Sent::Nothing => answer.extend(error(&text)),
            // The workload refuses it in its turn: nobody has this password.
            Some(Err(_)) => passed.extend(command.with_login(None, uuid::Uuid::new_v4().to_string().as_bytes())),
            None => {
                passed.extend_from_slice(&command.bytes);
                if self.is_by_key(&login) {
                    self.looking = Looking::Over;
                    self.lease = Some(None);
                }
            }
        }
        self.sent = if passed.is_empty() { self.sent } else { Sent::Something };
    }
}
