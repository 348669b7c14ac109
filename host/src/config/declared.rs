//! Every setting that there is: its dotted key, its variable, and what stands near a name that is none of them.

use std::collections::BTreeSet;

use floci_az_contract::Setting;

use super::gateway;

/// Below this stand the settings of the services, one group for each.
pub(super) const SERVICES: &str = "services";

/// What every variable begins with.
pub(super) const VARIABLE_PREFIX: &str = "FLOCI_AZ_";

/// The settings of the gateway and of every service, in the order in which they were declared.
#[derive(Debug)]
pub(super) struct Declared {
    settings: Vec<Setting>,
    services: Vec<String>,
}

/// What a dotted key is.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning<'a> {
    Setting(&'a Setting),
    /// Settings stand below it: the names of the next level.
    Group(Vec<&'a str>),
    /// It stands below a setting, which holds a value and nothing else.
    Below(&'a Setting),
    Unknown(Unknown),
}

/// A name that means nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The name up to the part that is not known: `stroage` of `stroage.mode`.
    pub name: String,
    pub expected: Expected,
    pub nearest: Option<String>,
    /// What could have stood in its place.
    pub known: Vec<String>,
}

/// What the unknown part of a name should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Setting,
    Service,
}

impl Declared {
    pub(super) fn new(services: &[(String, Vec<Setting>)]) -> Declared {
        let of_services = services.iter().flat_map(|(service, settings)| {
            let whole = move |name: &str| format!("{SERVICES}.{service}.{name}");
            settings.iter().map(move |setting| Setting {
                key: whole(&setting.key),
                example: whole(&setting.example),
                ..setting.clone()
            })
        });
        Declared {
            settings: gateway::declarations().into_iter().chain(of_services).collect(),
            services: services.iter().map(|(service, _)| service.clone()).collect(),
        }
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter()
    }

    pub(super) fn meaning(&self, key: &str) -> Meaning<'_> {
        if let Some(setting) = self.by_key(key) {
            return Meaning::Setting(setting);
        }
        let mut level = String::new();
        for part in key.split('.').skip_while(|_| key.is_empty()) {
            if let Some(setting) = self.by_key(&level) {
                return Meaning::Below(setting);
            }
            let known = self.below(&level);
            if !known.contains(&part) {
                let nearest = nearest(part, &known).map(|near| join(&level, near));
                return Meaning::Unknown(Unknown {
                    name: join(&level, part),
                    expected: if level == SERVICES { Expected::Service } else { Expected::Setting },
                    nearest: nearest.or_else(|| self.ending_in(key)),
                    known: known.into_iter().map(str::to_owned).collect(),
                });
            }
            level = join(&level, part);
        }
        Meaning::Group(self.below(&level))
    }

    pub(super) fn by_variable(&self, name: &str) -> Result<&Setting, Unknown> {
        if let Some(setting) = self.settings.iter().find(|setting| variable(&setting.key) == name) {
            return Ok(setting);
        }
        // The narrowest group that the name begins with. What follows it is compared.
        let groups = self.groups().into_iter().map(|group| (variable(&group) + "_", group));
        let fitting = groups.filter(|(prefix, _)| format!("{name}_").starts_with(prefix)).max();
        let (prefix, group) = fitting.unwrap_or_else(|| (VARIABLE_PREFIX.to_owned(), String::new()));
        let variables: Vec<String> = self.settings.iter().map(|setting| variable(&setting.key)).collect();
        let endings: Vec<&str> = variables.iter().filter_map(|known| known.strip_prefix(&prefix)).collect();
        let ending = name.strip_prefix(&prefix).unwrap_or_default();
        let nearest = nearest(ending, &endings);
        let (expected, nearest, known) = match group.as_str() {
            // Many services have settings of one name, so that alone makes no two variables near.
            SERVICES => (Expected::Service, nearest.filter(|_| self.is_nearly_served(ending)), self.services.clone()),
            _ => (Expected::Setting, nearest, endings.iter().map(|ending| format!("{prefix}{ending}")).collect()),
        };
        Err(Unknown { name: name.to_owned(), expected, nearest: nearest.map(|near| format!("{prefix}{near}")), known })
    }

    /// Whether the first words of a variable's ending (`REDSI_MAX_PORT`) are nearly a service's name.
    fn is_nearly_served(&self, ending: &str) -> bool {
        self.services.iter().any(|service| {
            let service = service.to_ascii_uppercase().replace('-', "_");
            let words: Vec<&str> = ending.split('_').take(service.split('_').count()).collect();
            nearest(&words.join("_"), &[&service]).is_some()
        })
    }

    fn by_key(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// The names one level below a group, or below the root, which is the empty name.
    fn below(&self, level: &str) -> Vec<&str> {
        if level == SERVICES {
            return self.services.iter().map(String::as_str).collect();
        }
        let mut seen = BTreeSet::new();
        let keys = self.settings.iter().map(|setting| setting.key.as_str()).chain([SERVICES]);
        keys.filter_map(|key| match level {
            "" => key.split('.').next(),
            _ => key.strip_prefix(level)?.strip_prefix('.')?.split('.').next(),
        })
        .filter(|part| seen.insert(*part))
        .collect()
    }

    /// Every group: `storage`, `services`, `services.cache`.
    fn groups(&self) -> BTreeSet<String> {
        let keys = self.settings.iter().map(|setting| setting.key.as_str());
        let nested = keys.flat_map(|key| key.match_indices('.').filter_map(|(dot, _)| key.get(..dot)));
        nested.chain([SERVICES]).map(str::to_owned).collect()
    }

    /// The one setting whose last parts are this key: its group was left out.
    fn ending_in(&self, key: &str) -> Option<String> {
        let ending = format!(".{key}");
        let mut matching = self.settings.iter().filter(|setting| setting.key.ends_with(&ending));
        let found = matching.next()?;
        matching.next().is_none().then(|| found.key.clone())
    }
}

/// `storage.persistent-path` → `FLOCI_AZ_STORAGE_PERSISTENT_PATH`.
pub(super) fn variable(key: &str) -> String {
    VARIABLE_PREFIX.to_owned() + &key.to_ascii_uppercase().replace(['.', '-'], "_")
}

fn join(level: &str, part: &str) -> String {
    if level.is_empty() { part.to_owned() } else { format!("{level}.{part}") }
}

/// The name that was probably meant: at most one edit in three characters away. Further away a suggestion is a guess,
/// and the list of all names helps more.
fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (given.chars().count() / 3).max(1);
    let distances = known.iter().map(|&name| (strsim::damerau_levenshtein(given, name), name));
    distances.filter(|(distance, _)| *distance <= allowed).min().map(|(_, name)| name)
}
