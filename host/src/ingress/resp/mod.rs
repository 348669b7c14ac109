//! As much of the Redis serialisation protocol as is needed to find out who a client is: where commands begin and end,
//! and which of them are logins. Values are never looked at.

mod commands;
mod login;

pub(super) use commands::{Command, Commands, Held, Malformed};
pub(super) use login::{Asked, Login};

/// What tokens for these servers are for: the name of the cloud's service, and its application.
pub(super) const AUDIENCES: [&str; 2] = ["https://redis.azure.com", "acca5fbb-b7e4-4009-81f1-37e38fd66d78"];

pub(super) const OK: &[u8] = b"+OK\r\n";
pub(super) const NO_LOGIN: &[u8] = b"-NOAUTH Authentication required.\r\n";
pub(super) const HELLO_WITHOUT_LOGIN: &[u8] = b"-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time\r\n";
pub(super) const WRONG_PASSWORD: &[u8] = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";

/// An error as a server sends it.
pub(super) fn error(text: &str) -> Vec<u8> {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("-{line}\r\n").into_bytes()
}
