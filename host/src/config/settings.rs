//! Every declared setting with its value and where that came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use floci_az_contract::Setting;

use super::declared::{Declared, SERVICES, variable};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    Environment {
        variable: String,
    },
    /// `line` is counted from 1.
    File {
        path: PathBuf,
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Environment { variable } => write!(f, "environment variable {variable}"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// A value for people.
pub(super) fn shown(value: &str) -> &str {
    if value.is_empty() { "not set" } else { value }
}

/// One setting and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Its key is the whole one: `services.cache.max-port`. So is that of its example, which is a line of the file.
    pub setting: Setting,
    /// Valid for the setting's kind, in canonical form; empty if an optional one is not set.
    pub value: String,
    pub origin: Origin,
}

impl Resolved {
    pub(super) fn by_default(setting: &Setting) -> Resolved {
        Resolved { setting: setting.clone(), value: setting.default.clone(), origin: Origin::Default }
    }

    /// `FLOCI_AZ_SERVICES_CACHE_MAX_PORT`.
    pub fn variable(&self) -> String {
        variable(&self.setting.key)
    }
}

/// Every declared setting, the gateway's first, each in the order of its declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    resolved: Vec<Resolved>,
    aside: Vec<String>,
}

impl Settings {
    pub(super) fn new(resolved: Vec<Resolved>, aside: Vec<String>) -> Settings {
        Settings { resolved, aside }
    }

    /// Every setting as it is when nothing is given. Also what can be shown while what was given is wrong.
    pub fn defaults(services: &[(String, Vec<Setting>)]) -> Settings {
        Settings::new(Declared::new(services).settings().map(Resolved::by_default).collect(), Vec::new())
    }

    /// The value of a setting. None if there is no such setting.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|resolved| resolved.setting.key == key).map(|resolved| resolved.value.as_str())
    }

    /// What a service's plugin is given: its settings by their keys below `services.<service>`.
    pub fn service(&self, service: &str) -> BTreeMap<String, String> {
        let group = format!("{SERVICES}.{service}.");
        let own =
            self.iter().filter_map(|resolved| Some((resolved.setting.key.strip_prefix(&group)?, &resolved.value)));
        own.map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }

    /// What was given for services that no plugin serves yet, by the names of the groups and the variables.
    pub fn aside(&self) -> &[String] {
        &self.aside
    }

    pub fn iter(&self) -> impl Iterator<Item = &Resolved> {
        self.resolved.iter()
    }
}
