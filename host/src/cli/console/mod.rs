//! A console for whatever speaks the Redis serialisation protocol: `floci-az redis -n my-cache [command...]`.
//!
//! It asks the gateway for the resource and its keys, and connects as any client does: to the port with TLS, with the
//! gateway's certificate verified. One command, or line after line with a history, in which no login is kept. What a
//! command answers is printed as `redis-cli` does: for people on a terminal, as it is for programs.

mod find;
mod print;
mod talk;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use redis::Value;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use super::{CliError, Local, Surroundings};
use crate::config;
use crate::folders::private_folder;
use crate::words::words;
use find::Found;
pub use find::Wanted;
use print::{for_people, for_programs};
use talk::Talk;

/// In the user's state folder.
const HISTORY: &str = "console-history";
const MOST_LINES: usize = 1_000;

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Person,
    Program,
}

/// Runs one command, or what is typed if there is none. An error as an answer is a failure of the one command.
pub fn console(
    gateway: &config::Gateway,
    surroundings: &Surroundings,
    wanted: &Wanted,
    command: &[Vec<u8>],
) -> Result<ExitCode, CliError> {
    let local = Local::of(gateway);
    let found = Found::of(gateway, &local, wanted)?;
    let mut talk = Talk::begin(&found, &local.certificate()?)?;
    let reader = if io::stdout().is_terminal() { Reader::Person } else { Reader::Program };
    if !command.is_empty() {
        return match run(&mut talk, command, reader)? {
            Answered::Error => Ok(ExitCode::FAILURE),
            Answered::Value | Answered::Quit => Ok(ExitCode::SUCCESS),
        };
    }
    match io::stdin().is_terminal() {
        true => converse(&mut talk, &found, surroundings, reader)?,
        false => read(&mut talk, reader)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Value,
    Error,
    Quit,
}

fn run(talk: &mut Talk, command: &[Vec<u8>], reader: Reader) -> Result<Answered, CliError> {
    let value = talk.ask(command)?;
    let answered = match &value {
        Value::ServerError(_) => Answered::Error,
        _ if is(command, &["QUIT"]) => Answered::Quit,
        _ => Answered::Value,
    };
    say(&value, reader);
    // Until Ctrl-C: these answer again and again.
    while answered == Answered::Value && is(command, &["MONITOR", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"]) {
        say(&talk.next()?, reader);
    }
    Ok(answered)
}

fn is(command: &[Vec<u8>], names: &[&str]) -> bool {
    command.first().is_some_and(|name| names.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes())))
}

fn say(value: &Value, reader: Reader) {
    let mut text = match reader {
        Reader::Person => for_people(value),
        Reader::Program => for_programs(value),
    };
    text.push(b'\n');
    // A reader that has gone away (`| head`) is no error.
    let _ = io::stdout().write_all(&text).and_then(|()| io::stdout().flush());
}

/// Whether a line may be kept: one that holds a password may not.
fn is_kept(command: &[Vec<u8>]) -> bool {
    let has = |word: &str| command.iter().any(|one| one.eq_ignore_ascii_case(word.as_bytes()));
    let sets = is(command, &["CONFIG"]) && command.iter().any(|word| word.to_ascii_lowercase().ends_with(b"auth"));
    let is_secret = is(command, &["AUTH"])
        || (is(command, &["HELLO", "MIGRATE"]) && (has("AUTH") || has("AUTH2")))
        || (is(command, &["CONFIG"]) && has("requirepass"))
        || (is(command, &["ACL"]) && has("SETUSER"))
        || sets;
    !is_secret
}

/// Line after line, from a person.
fn converse(talk: &mut Talk, found: &Found, surroundings: &Surroundings, reader: Reader) -> Result<(), CliError> {
    let failed = |error: ReadlineError| CliError::Console(format!("the terminal cannot be read: {error}"));
    let config = Config::builder().max_history_size(MOST_LINES).map_err(failed)?.auto_add_history(false).build();
    let mut editor: Editor<(), FileHistory> = Editor::with_config(config).map_err(failed)?;
    let history = surroundings.state().map(|folder| folder.join(HISTORY));
    if let Some(history) = &history {
        // There is none at first.
        let _ = editor.load_history(history);
    }
    let prompt = format!("{}> ", found.name);
    loop {
        let line = match editor.readline(&prompt) {
            Ok(line) => line,
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => break,
            Err(error) => return Err(failed(error)),
        };
        let Some(command) = words(line.as_bytes()) else {
            eprintln!("Invalid argument(s): quotes are not balanced");
            continue;
        };
        if command.is_empty() {
            continue;
        }
        if is_kept(&command) {
            let _ = editor.add_history_entry(&line);
            if let Some(history) = &history {
                // One that cannot be kept is forgotten at the end.
                let _ = history
                    .parent()
                    .map_or(Ok(()), private_folder)
                    .is_ok_and(|()| editor.save_history(history).is_ok());
                restrict(history);
            }
        }
        if is(&command, &["EXIT"]) || run(talk, &command, reader)? == Answered::Quit {
            break;
        }
    }
    Ok(())
}

/// For this user only: there may be data in it.
fn restrict(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600));
}

/// Line after line, from a file or a program.
fn read(talk: &mut Talk, reader: Reader) -> Result<(), CliError> {
    for line in io::stdin().lock().split(b'\n') {
        let line = line.map_err(|error| CliError::Console(format!("the input cannot be read: {error}")))?;
        let Some(command) = words(&line) else {
            eprintln!("Invalid argument(s): quotes are not balanced");
            continue;
        };
        if !command.is_empty() && run(talk, &command, reader)? == Answered::Quit {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_kept() {
        for (line, kept) in [
            ("get auth", true),
            ("AUTH secret", false),
            ("auth user secret", false),
            ("hello 3", true),
            ("HELLO 3 auth user secret", false),
            ("config get maxmemory", true),
            ("config set requirepass secret", false),
            ("CONFIG SET masterauth secret", false),
            ("acl setuser me on >secret", false),
            ("acl whoami", true),
            ("migrate h 1 k 0 10 AUTH2 user secret", false),
        ] {
            assert_eq!(is_kept(&words(line.as_bytes()).unwrap()), kept, "{line}");
        }
    }
}
