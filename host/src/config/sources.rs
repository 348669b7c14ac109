//! What the operator gave, and what comes of it once it is known which settings there are.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use floci_az_contract::Setting;

use super::declared::{Declared, Expected, Meaning, SERVICES, Unknown, variable};
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
    choice: Choice,
    lines: Vec<Line>,
    variables: Vec<Variable>,
    /// What is wrong with the file as a whole.
    problems: Vec<Problem>,
}

/// How the file was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// By name: it has to be there.
    Named,
    /// It is the usual one, and need not be.
    Usual,
}

/// Which keys are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope<'a> {
    All,
    /// All but those of the services, which nobody has declared yet.
    Gateway,
    /// Those of one service.
    Service(&'a str),
}

impl Scope<'_> {
    fn has_key(self, key: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Gateway => key.split('.').next() != Some(SERVICES),
            Scope::Service(service) => below(&format!("{SERVICES}.{service}"), key).is_some(),
        }
    }

    fn has_variable(self, name: &str) -> bool {
        let stands_below = |key: &str| name.starts_with(&(variable(key) + "_"));
        match self {
            Scope::All => true,
            Scope::Gateway => !stands_below(SERVICES),
            Scope::Service(service) => stands_below(&format!("{SERVICES}.{service}")),
        }
    }
}

impl Sources {
    /// Reads `file`, or `./floci-az.yml` if there is one. Never fails: what is wrong with the file is told together
    /// with everything else by [`Sources::gateway`] and [`Sources::resolve`].
    pub fn read(file: Option<&Path>, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Sources {
        let (path, choice) = match file {
            Some(file) => (file, Choice::Named),
            None => (Path::new(USUAL_FILE), Choice::Usual),
        };
        Sources { choice, ..Sources::new(path, read_text(path, choice), environment) }
    }

    /// The same file, as it is now. The variables are those of the start.
    fn again(&self) -> Sources {
        let (lines, problems) = understood(&self.file, read_text(&self.file, self.choice));
        Sources { lines, problems, ..self.clone() }
    }

    pub(super) fn new(
        path: &Path,
        text: io::Result<String>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Sources {
        let (lines, problems) = understood(path, text);
        let variables = environment::settings(environment);
        Sources { file: path.to_owned(), choice: Choice::Named, lines, variables, problems }
    }

    /// The gateway's own settings. Leaves those of the services aside: they are declared by plugins, and where plugins
    /// are found is itself a setting.
    pub fn gateway(&self) -> Result<Gateway, ConfigError> {
        let settings = self.resolve_in(Scope::Gateway, &[])?;
        Ok(Gateway::from(&settings))
    }

    /// All settings, when the services and what their plugins declare are known. Those of a service that no plugin serves
    /// yet are kept aside, unless its name is nearly that of one that is served.
    pub fn resolve(&self, services: &[(String, Vec<Setting>)]) -> Result<Settings, ConfigError> {
        self.resolve_in(Scope::All, services)
    }

    /// The settings of one service, of which a plugin is about to be installed: the file is read anew, and nothing else
    /// in it is looked at. So an operator can allow a plugin what it asks for while the gateway runs.
    pub fn resolve_service(
        &self,
        service: &str,
        declared: &[Setting],
    ) -> Result<BTreeMap<String, String>, ConfigError> {
        let services = [(service.to_owned(), declared.to_vec())];
        Ok(self.again().resolve_in(Scope::Service(service), &services)?.service(service))
    }

    fn resolve_in(&self, scope: Scope<'_>, services: &[(String, Vec<Setting>)]) -> Result<Settings, ConfigError> {
        let declared = Declared::new(services);
        let mut findings = Findings { given: BTreeMap::new(), aside: BTreeSet::new(), problems: self.problems.clone() };
        self.look_at_lines(scope, &declared, &mut findings);
        self.look_at_variables(scope, &declared, &mut findings);

        let Findings { mut given, aside, problems } = findings;
        ConfigError::of(problems)?;
        let resolved = declared
            .settings()
            .map(|setting| given.remove(&setting.key).unwrap_or_else(|| Resolved::by_default(setting)));
        let settings = Settings::new(resolved.collect(), aside.into_iter().collect());
        ConfigError::of(gateway::incomplete(&settings))?;
        Ok(settings)
    }

    fn look_at_lines(&self, scope: Scope<'_>, declared: &Declared, findings: &mut Findings) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for Line { key, line, found } in &self.lines {
            let origin = Origin::File { path: self.file.clone(), line: *line };
            let Some(key) = below(ROOT, key) else {
                if let Scope::Service(_) = scope {
                    continue;
                }
                let name = key.split('.').next().unwrap_or(key).to_owned();
                findings.problems.push(Problem::OutsideRoot { origin, name });
                continue;
            };
            if !scope.has_key(key) {
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
                Meaning::Unknown(unknown) => findings.unknown(unknown, origin),
            }
        }
    }

    fn look_at_variables(&self, scope: Scope<'_>, declared: &Declared, findings: &mut Findings) {
        for Variable { name, value } in &self.variables {
            if !scope.has_variable(name) {
                continue;
            }
            let origin = Origin::Environment { variable: name.clone() };
            match (declared.by_variable(name), value) {
                (Ok(setting), Some(value)) => findings.value(setting, &Found::Text(value.clone()), origin),
                (Ok(_), None) => findings.problems.push(Problem::NotText { origin }),
                (Err(unknown), _) => findings.unknown(unknown, origin),
            }
        }
    }
}

/// What has been understood so far, and what has not.
#[derive(Debug)]
struct Findings {
    given: BTreeMap<String, Resolved>,
    /// What is for services that no plugin serves yet.
    aside: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Findings {
    /// What nobody has declared: a typing error, but for a service whose plugin may come.
    fn unknown(&mut self, unknown: Unknown, origin: Origin) {
        match unknown {
            Unknown { expected: Expected::Service, nearest: None, name, .. } => drop(self.aside.insert(name)),
            unknown => self.problems.push(Problem::Unknown { origin, unknown }),
        }
    }

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

/// `storage.mode` of `floci-az.storage.mode` below `floci-az`; the empty key, which is the group of all, of `floci-az`.
fn below<'a>(group: &str, key: &'a str) -> Option<&'a str> {
    let rest = key.strip_prefix(group)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// The file's lines, and what is wrong with it as a whole.
fn understood(file: &Path, text: io::Result<String>) -> (Vec<Line>, Vec<Problem>) {
    let lines = match text {
        Ok(text) => yaml::flatten(&text).map_err(|malformed| Problem::Malformed { file: file.to_owned(), malformed }),
        Err(error) => Err(Problem::File { file: file.to_owned(), reason: unreadable(&error) }),
    };
    match lines {
        Ok(lines) => (lines, Vec::new()),
        Err(problem) => (Vec::new(), vec![problem]),
    }
}

fn read_text(path: &Path, choice: Choice) -> io::Result<String> {
    let mut text = String::new();
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && choice == Choice::Usual => return Ok(text),
        file => file?,
    };
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
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
