//! Everything that is wrong with what was given, told at once.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use floci_az_contract::Setting;

use super::declared::{Expected, Unknown};
use super::settings::{Origin, shown};
use super::yaml::{Found, Malformed};

/// The settings cannot be used. `Display` tells every problem on a line of its own: where, what was found, what is
/// supported and what to do.
#[derive(Debug)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Ok if there are no problems. A problem that says the same as one before it is left out.
    pub(super) fn of(problems: Vec<Problem>) -> Result<(), ConfigError> {
        let mut told = BTreeSet::new();
        let problems: Vec<Problem> = problems.into_iter().filter(|problem| told.insert(problem.essence())).collect();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the settings have a problem:")?,
            several => write!(f, "the settings have {several} problems:")?,
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        f.write_str("\n`floci-az settings` prints every setting with its effect and an example")
    }
}

impl std::error::Error for ConfigError {}

/// One thing that is wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Problem {
    #[error("{}: {reason}", .file.display())]
    File { file: PathBuf, reason: String },

    #[error("{}:{}:{}: not readable as settings in YAML: {}. Correct it there or in the lines above", .file.display(), .malformed.line, .malformed.column, .malformed.reason)]
    Malformed { file: PathBuf, malformed: Malformed },

    #[error("{origin}: {name} stands outside of floci-az. Write it below that key: floci-az.{name}")]
    OutsideRoot { origin: Origin, name: String },

    #[error("{origin}: {}. {}", nothing(.origin, .unknown), instead(.unknown))]
    Unknown { origin: Origin, unknown: Unknown },

    #[error("{origin}: {} is {found}. Supported: {}. The default is {}", .setting.key, .setting.kind.supported(), shown(&.setting.default))]
    Value { origin: Origin, setting: Setting, found: Found },

    #[error("{origin}: {key} is {found}, but it is a group of settings. Supported in it: {}", list(.known))]
    Group { origin: Origin, key: String, found: Found, known: Vec<String> },

    #[error("{origin}: {key} is set a second time, after line {earlier}. Keep one of the two")]
    Twice { origin: Origin, key: String, earlier: usize },

    #[error("{origin}: {key} is set, and {missing} is not. Set both, or neither")]
    Half { origin: Origin, key: String, missing: &'static str },

    #[error("{origin}: its value is not UTF-8 text. Supported: UTF-8")]
    NotText { origin: Origin },
}

impl Problem {
    /// Two problems with one essence have one cause: ten keys below an unknown group are one unknown group.
    fn essence(&self) -> String {
        match self {
            Problem::OutsideRoot { name, .. } => format!("{name} is outside"),
            Problem::Unknown { origin: Origin::File { .. }, unknown } => format!("{} is unknown", unknown.name),
            Problem::Value { setting, found: Found::Mapping, .. } => format!("{} is a mapping", setting.key),
            other => other.to_string(),
        }
    }
}

/// A variable is its own place, and is not named twice.
fn nothing(origin: &Origin, Unknown { name, expected, .. }: &Unknown) -> String {
    match (origin, expected) {
        (Origin::Environment { .. }, Expected::Setting) => "there is no such setting".to_owned(),
        (Origin::Environment { .. }, Expected::Service) => "no plugin serves this service".to_owned(),
        (_, Expected::Setting) => format!("there is no setting {name}"),
        (_, Expected::Service) => format!("no plugin serves {name}"),
    }
}

fn instead(Unknown { nearest, known, .. }: &Unknown) -> String {
    match nearest {
        Some(nearest) => format!("The nearest is {nearest}"),
        None => format!("Supported in its place: {}", list(known)),
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
