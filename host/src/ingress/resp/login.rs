//! What a command asks for before a client is known.

use super::Command;

/// A client's user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// None for the default one.
    pub user: Option<Vec<u8>>,
    pub password: Vec<u8>,
}

impl Login {
    pub fn is_default(&self) -> bool {
        self.user.as_deref().is_none_or(|user| user == b"default")
    }
}

/// Without the password: what is printed ends in a log.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user.as_deref().map(<[u8]>::escape_ascii)).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Login(Login),
    /// `HELLO` without `AUTH`.
    Hello,
    Ping,
    Quit,
    Other,
}

impl Asked {
    pub fn of(command: &Command) -> Asked {
        let Some((name, words)) = command.words.split_first() else { return Asked::Other };
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let login = |user: Option<&Vec<u8>>, password: &[u8]| {
            Asked::Login(Login { user: user.cloned(), password: password.to_owned() })
        };
        match words {
            [password] if is("AUTH") => login(None, password),
            [user, password] if is("AUTH") => login(Some(user), password),
            [] | [_] if is("HELLO") => Asked::Hello,
            [_, _, ..] if is("HELLO") => match password_at(&command.words) {
                Some(place) => {
                    let word = |place: usize| command.words.get(place);
                    login(word(place - 1), word(place).map_or(&[], Vec::as_slice))
                }
                None => Asked::Hello,
            },
            _ if is("PING") => Asked::Ping,
            _ if is("QUIT") => Asked::Quit,
            _ => Asked::Other,
        }
    }
}

/// Where the password is in a HELLO: `HELLO 3 SETNAME name AUTH user password`.
fn password_at(words: &[Vec<u8>]) -> Option<usize> {
    let mut place = 2;
    loop {
        let option = words.get(place)?;
        match option {
            _ if option.eq_ignore_ascii_case(b"AUTH") => return words.get(place + 2).map(|_| place + 2),
            _ if option.eq_ignore_ascii_case(b"SETNAME") => place += 2,
            _ => return None,
        }
    }
}

impl Command {
    /// The same login with another password, and with another spelling of its user, as an array.
    pub fn with_login(&self, user: Option<&[u8]>, password: &[u8]) -> Vec<u8> {
        let place = match self.words.first() {
            Some(name) if name.eq_ignore_ascii_case(b"HELLO") => password_at(&self.words),
            _ => self.words.len().checked_sub(1),
        };
        let mut text = format!("*{}\r\n", self.words.len()).into_bytes();
        for (index, word) in self.words.iter().enumerate() {
            let word = match user {
                _ if Some(index) == place => password,
                Some(user) if Some(index + 1) == place => user,
                _ => word,
            };
            text.extend(format!("${}\r\n", word.len()).into_bytes());
            text.extend_from_slice(word);
            text.extend_from_slice(b"\r\n");
        }
        text
    }
}
