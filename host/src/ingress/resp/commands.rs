//! Where commands begin and end in a stream of bytes that arrives in any pieces: arrays of bulk strings, and inline
//! commands.
//!
//! A parser either holds every command, until a client is known ([`Held::All`]), or only logins ([`Held::Logins`]): then
//! all other bytes pass as they are, and no more of a command is kept than its first word. What is held is bounded: the
//! bounds for clients that are not logged in are those of the servers.

use std::ops::Range;

use crate::words::words;

/// Words of a command that is held, and bytes of each (as servers have it for clients that are not logged in).
const MOST_WORDS: i64 = 10;
const LONGEST_WORD: i64 = 16 * 1024;
/// Bytes of a command that is held.
const LONGEST: usize = 64 * 1024;
/// Bytes of a number with its line end. Servers take no longer ones either.
const LONGEST_NUMBER: usize = 32;
/// Bytes of the longest name of a login.
const LOGIN_NAME: i64 = 5;

/// Which commands are held until they are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    All,
    /// Those that begin with `AUTH` or `HELLO`.
    Logins,
}

/// Bytes that are no command; the text is a server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// A whole command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub words: Vec<Vec<u8>>,
    /// As it came.
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
pub struct Commands {
    held: Held,
    state: State,
    /// Of the command under way, as it came: all of it, as far as it is held.
    bytes: Vec<u8>,
    words: Vec<Range<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between two commands.
    Begin,
    /// In the line `*3` that begins at this byte of what is held.
    Count {
        line: usize,
    },
    /// In the line `$3` of a word, of which this many are left.
    Length {
        words: i64,
        line: usize,
    },
    /// In a word, which begins at `start` and has this many bytes; two more end it.
    Word {
        words: i64,
        start: usize,
        length: i64,
    },
    /// In an inline command.
    Line,
    /// In a command that passes; in the line of a word's length.
    PassingLength {
        words: i64,
        number: Option<i64>,
    },
    /// In a word that passes: so many bytes are left, its line end included.
    PassingWord {
        words: i64,
        left: i64,
    },
    PassingLine,
    /// What comes cannot be understood, or is too long to be held: all passes, to be refused by who understands it.
    PassingAll,
}

impl Commands {
    pub fn new(held: Held) -> Commands {
        Commands { held, state: State::Begin, bytes: Vec::new(), words: Vec::new() }
    }

    /// Takes bytes from the front of `input`, to its end or that of a command that is held. What passes goes to `passed`.
    pub fn take(&mut self, input: &mut &[u8], passed: &mut Vec<u8>) -> Result<Option<Command>, Malformed> {
        while !input.is_empty() {
            match self.advance(input, passed) {
                Ok(None) => {}
                Ok(Some(words)) => {
                    let bytes = std::mem::take(&mut self.bytes);
                    self.words.clear();
                    self.state = State::Begin;
                    if !words.is_empty() {
                        return Ok(Some(Command { words, bytes }));
                    }
                    if self.held == Held::Logins {
                        passed.extend(bytes);
                    }
                }
                Err(malformed) if self.held == Held::All => return Err(malformed),
                Err(_) => self.pass(passed, State::PassingAll),
            }
        }
        Ok(None)
    }

    /// What is held of a command that is not whole.
    #[cfg(test)]
    fn unfinished(&self) -> &[u8] {
        &self.bytes
    }

    fn pass(&mut self, passed: &mut Vec<u8>, state: State) {
        passed.append(&mut self.bytes);
        // Idle connections keep nothing.
        self.bytes = Vec::new();
        self.words = Vec::new();
        self.state = state;
    }

    /// One step. The words of a command that is whole now; none for an empty one.
    fn advance(&mut self, input: &mut &[u8], passed: &mut Vec<u8>) -> Result<Option<Vec<Vec<u8>>>, Malformed> {
        match self.state {
            State::Begin => {
                let first = input.first().copied();
                self.state = if first == Some(b'*') { State::Count { line: 0 } } else { State::Line };
                Ok(None)
            }
            State::Count { line } => {
                let Some(count) = self.number(input, line, "ERR Protocol error: invalid multibulk length")? else {
                    return Ok(None);
                };
                match count {
                    ..=0 => return Ok(Some(Vec::new())),
                    _ if self.held == Held::All && count > MOST_WORDS => {
                        return Err(Malformed("ERR Protocol error: unauthenticated multibulk length"));
                    }
                    _ => self.state = State::Length { words: count, line: self.bytes.len() },
                }
                Ok(None)
            }
            State::Length { words, line } => {
                if self.bytes.len() == line && input.first().is_some_and(|first| *first != b'$') {
                    return Err(Malformed("ERR Protocol error: expected '$'"));
                }
                let Some(length) = self.number(input, line, "ERR Protocol error: invalid bulk length")? else {
                    return Ok(None);
                };
                if length < 0 {
                    return Err(Malformed("ERR Protocol error: invalid bulk length"));
                }
                if self.held == Held::Logins && self.words.is_empty() && length > LOGIN_NAME {
                    self.pass(passed, State::PassingWord { words, left: length.saturating_add(2) });
                    return Ok(None);
                }
                if length > LONGEST_WORD {
                    return Err(Malformed("ERR Protocol error: unauthenticated bulk length"));
                }
                self.state = State::Word { words, start: self.bytes.len(), length };
                Ok(None)
            }
            State::Word { words, start, length } => {
                let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
                self.keep(input, end.saturating_add(2).saturating_sub(self.bytes.len()))?;
                if self.bytes.len() < end.saturating_add(2) {
                    return Ok(None);
                }
                self.words.push(start..end);
                if self.held == Held::Logins && self.words.len() == 1 && !self.is_login() {
                    let state = match words {
                        ..=1 => State::Begin,
                        _ => State::PassingLength { words: words - 1, number: None },
                    };
                    self.pass(passed, state);
                    return Ok(None);
                }
                if words > 1 {
                    self.state = State::Length { words: words - 1, line: self.bytes.len() };
                    return Ok(None);
                }
                let word = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default().to_vec();
                Ok(Some(self.words.iter().map(word).collect()))
            }
            State::Line => {
                let end = input.iter().position(|byte| *byte == b'\n');
                self.keep(input, end.map_or(input.len(), |end| end + 1))?;
                if end.is_none() {
                    if self.held == Held::Logins && self.cannot_become_login() {
                        self.pass(passed, State::PassingLine);
                    }
                    return Ok(None);
                }
                if self.held == Held::Logins && !self.begins_with_login() {
                    self.pass(passed, State::Begin);
                    return Ok(None);
                }
                words(&self.bytes).map(Some).ok_or(Malformed("ERR Protocol error: unbalanced quotes in request"))
            }
            State::PassingLength { words, number } => {
                let Some((byte, rest)) = input.split_first() else { return Ok(None) };
                passed.push(*byte);
                *input = rest;
                self.state = match (byte, number) {
                    (b'$', None) => State::PassingLength { words, number: Some(0) },
                    (digit @ b'0'..=b'9', Some(number)) => {
                        let number = number.checked_mul(10).and_then(|tens| tens.checked_add(i64::from(digit - b'0')));
                        number.map_or(State::PassingAll, |number| State::PassingLength { words, number: Some(number) })
                    }
                    (b'\r', Some(_)) => self.state,
                    (b'\n', Some(number)) => State::PassingWord { words, left: number.saturating_add(2) },
                    _ => State::PassingAll,
                };
                Ok(None)
            }
            State::PassingWord { words, left } => {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                let (word, rest) = input.split_at(length);
                passed.extend_from_slice(word);
                *input = rest;
                self.state = match left.saturating_sub(i64::try_from(length).unwrap_or(i64::MAX)) {
                    0 if words > 1 => State::PassingLength { words: words - 1, number: None },
                    0 => State::Begin,
                    left => State::PassingWord { words, left },
                };
                Ok(None)
            }
            State::PassingLine => {
                let end = input.iter().position(|byte| *byte == b'\n');
                let (line, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
                passed.extend_from_slice(line);
                *input = rest;
                if end.is_some() {
                    self.state = State::Begin;
                }
                Ok(None)
            }
            State::PassingAll => {
                passed.extend_from_slice(input);
                *input = &[];
                Ok(None)
            }
        }
    }

    fn keep(&mut self, input: &mut &[u8], most: usize) -> Result<(), Malformed> {
        let (kept, rest) = input.split_at(most.min(input.len()));
        self.bytes.extend_from_slice(kept);
        *input = rest;
        if self.bytes.len() > LONGEST { Err(Malformed("ERR Protocol error: too big request")) } else { Ok(()) }
    }

    /// The number in a line that begins at `line` with one character for its kind; none while it is not whole.
    fn number(&mut self, input: &mut &[u8], line: usize, malformed: &'static str) -> Result<Option<i64>, Malformed> {
        let end = input.iter().position(|byte| *byte == b'\n');
        self.keep(input, end.map_or(input.len(), |end| end + 1))?;
        let text = self.bytes.get(line..).unwrap_or_default();
        if text.len() > LONGEST_NUMBER {
            return Err(Malformed(malformed));
        }
        if end.is_none() {
            return Ok(None);
        }
        let digits = text.get(1..).and_then(|text| text.strip_suffix(b"\r\n"));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
        number.map(Some).ok_or(Malformed(malformed))
    }

    fn is_login(&self) -> bool {
        self.words.first().and_then(|range| self.bytes.get(range.clone())).is_some_and(is_login)
    }

    fn begins_with_login(&self) -> bool {
        words(&self.bytes).is_some_and(|words| words.first().is_some_and(|first| is_login(first)))
    }

    /// Of an inline command that is not whole.
    fn cannot_become_login(&self) -> bool {
        let begun = self.bytes.trim_ascii_start();
        let end = begun.iter().position(u8::is_ascii_whitespace);
        // A quoted name is held to its end; nobody writes one.
        let quoted = begun.first().is_some_and(|first| matches!(first, b'"' | b'\''));
        match end.map_or(begun, |end| begun.get(..end).unwrap_or(begun)) {
            _ if quoted => false,
            name if end.is_some() => !is_login(name),
            name => !["auth", "hello"]
                .iter()
                .any(|login| login.as_bytes().get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))),
        }
    }
}

fn is_login(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"AUTH") || name.eq_ignore_ascii_case(b"HELLO")
}

#[cfg(test)]
mod tests;
