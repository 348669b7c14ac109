//! What the operator gave, and what comes of it once it is known which settings there are.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use floci_az_contract::Setting;

use super::declared::{Declared, Meaning, SERVICES, variable};
use super::environment::{self, Variable};
use super::error::{ConfigError, Problem};
use super::gateway::{self, Gateway};
use super::settings::{Origin, Resolved, Settings};
use super::yaml::{self, Found, Line};

/// Read if it is there and no other file was named.
const USUAL_FILE: &str = "floci-az.yml";

/// The key that everything in the file stands below.
const ROOT: &str = "floci-az";

/// A hundred times what all settings with all their comments need. Bounds what a wrong path (a log, a device) costs.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The settings file and the variables, as they were when the gateway started.
#[derive(Debug, Clone)]
pub struct Sources {
    file: PathBuf,
    lines: Vec<Line>,
    variables: Vec<Variable>,
    /// What is wrong with the file as a whole.
    problems: Vec<Problem>,
}

/// Which keys are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    /// All but those of the services, which nobody has declared yet.
    Gateway,
}

impl Sources {
    /// Reads `file`, or `./floci-az.yml` if there is one. Never fails: what is wrong with the file is told together
    /// with everything else by [`Sources::gateway`] and [`Sources::resolve`].
    pub fn read(file: Option<&Path>, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Sources {
        let path = file.unwrap_or(Path::new(USUAL_FILE));
        let text = match (read_text(path), file) {
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            (text, _) => text,
        };
        Sources::new(path, text, environment)
    }

    pub(super) fn new(
        path: &Path,
        text: io::Result<String>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Sources {
        let file = path.to_owned();
        let lines = match text {
            Ok(text) => yaml::flatten(&text).map_err(|malformed| Problem::Malformed { file: file.clone(), malformed }),
            Err(error) => Err(Problem::File { file: file.clone(), reason: unreadable(&error) }),
        };
        let (lines, problems) = match lines {
            Ok(lines) => (lines, Vec::new()),
            Err(problem) => (Vec::new(), vec![problem]),
        };
        Sources { file, lines, variables: environment::settings(environment), problems }
    }

    /// The gateway's own settings. Leaves those of the services aside: they are declared by plugins, and where plugins
    /// are found is itself a setting.
    pub fn gateway(&self) -> Result<Gateway, ConfigError> {
        let settings = self.resolve_in(Scope::Gateway, &[])?;
        Ok(Gateway::from(&settings))
    }

    /// All settings, when the services and what their plugins declare are known.
    pub fn resolve(&self, services: &[(String, Vec<Setting>)]) -> Result<Settings, ConfigError> {
        self.resolve_in(Scope::All, services)
    }

    fn resolve_in(&self, scope: Scope, services: &[(String, Vec<Setting>)]) -> Result<Settings, ConfigError> {
        let declared = Declared::new(services);
        let mut findings = Findings { given: BTreeMap::new(), problems: self.problems.clone() };
        self.look_at_lines(scope, &declared, &mut findings);
        self.look_at_variables(scope, &declared, &mut findings);

        let Findings { mut given, problems } = findings;
        ConfigError::of(problems)?;
        let resolved = declared
            .settings()
            .map(|setting| given.remove(&setting.key).unwrap_or_else(|| Resolved::by_default(setting)));
        let settings = Settings::new(resolved.collect());
        ConfigError::of(gateway::incomplete(&settings))?;
        Ok(settings)
    }

    fn look_at_lines(&self, scope: Scope, declared: &Declared, findings: &mut Findings) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for Line { key, line, found } in &self.lines {
            let origin = Origin::File { path: self.file.clone(), line: *line };
            let Some(key) = below_root(key) else {
                let name = key.split('.').next().unwrap_or(key).to_owned();
                findings.problems.push(Problem::OutsideRoot { origin, name });
                continue;
            };
            if scope == Scope::Gateway && key.split('.').next() == Some(SERVICES) {
                continue;
            }
            match declared.meaning(key) {
                Meaning::Setting(setting) => match seen.insert(key, *line) {
                    Some(earlier) => findings.problems.push(Problem::Twice { origin, key: key.to_owned(), earlier }),
                    None => findings.value(setting, found, origin),
                },
                // A group whose settings are all commented out.
                Meaning::Group(_) if matches!(found, Found::Nothing | Found::Mapping) => {}
                Meaning::Group(known) => {
                    let key = if key.is_empty() { ROOT } else { key }.to_owned();
                    let known = known.into_iter().map(str::to_owned).collect();
                    findings.problems.push(Problem::Group { origin, key, found: found.clone(), known });
                }
                Meaning::Below(setting) => findings.value(setting, &Found::Mapping, origin),
                Meaning::Unknown(unknown) => findings.problems.push(Problem::Unknown { origin, unknown }),
            }
        }
    }

    fn look_at_variables(&self, scope: Scope, declared: &Declared, findings: &mut Findings) {
        let of_services = variable(SERVICES) + "_";
        for Variable { name, value } in &self.variables {
            if scope == Scope::Gateway && name.starts_with(&of_services) {
                continue;
            }
            let origin = Origin::Environment { variable: name.clone() };
            match (declared.by_variable(name), value) {
                (Ok(setting), Some(value)) => findings.value(setting, &Found::Text(value.clone()), origin),
                (Ok(_), None) => findings.problems.push(Problem::NotText { origin }),
                (Err(unknown), _) => findings.problems.push(Problem::Unknown { origin, unknown }),
            }
        }
    }
}

/// What has been understood so far, and what has not.
#[derive(Debug)]
struct Findings {
    given: BTreeMap<String, Resolved>,
    problems: Vec<Problem>,
}

impl Findings {
    /// A value for a setting, which takes the place of one that was given before.
    fn value(&mut self, setting: &Setting, found: &Found, origin: Origin) {
        let setting = setting.clone();
        let value = match found {
            Found::Text(text) => setting.parse(text).ok(),
            Found::Nothing if setting.is_optional() => Some(String::new()),
            Found::Nothing | Found::List | Found::Mapping => None,
        };
        match value {
            Some(value) => drop(self.given.insert(setting.key.clone(), Resolved { setting, value, origin })),
            None => self.problems.push(Problem::Value { origin, setting, found: found.clone() }),
        }
    }
}

/// `storage.mode` of `floci-az.storage.mode`; the empty key, which is the group of all, of `floci-az`.
fn below_root(key: &str) -> Option<&str> {
    let rest = key.strip_prefix(ROOT)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "there is no such file. Give --config one that exists; without --config, ./{USUAL_FILE} is read if it is there"
        ),
        io::ErrorKind::InvalidData => "it is not UTF-8 text. Save it as UTF-8".to_owned(),
        _ => format!("it cannot be read: {error}. Let floci-az read it, or give --config another file"),
    }
}
