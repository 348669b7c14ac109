//! What the operator allows a plugin: one struct that answers one question.
//!
//! A manifest asks; `floci-az.yml` allows. What is not allowed is refused whatever was asked for, and what is allowed
//! can be used whether or not it was asked for. The plugin that is part of the gateway's binary is allowed what it asks
//! for: that is the default of its namespace, for later revisions too. Any other has nothing by default.
//!
//! Taking away needs no grant: a resource whose plugin has lost one can still be deleted.

mod capability;
mod declared;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use floci_az_contract::{Manifest, PortRange, Setting, WantedWorkloads, WorkloadSpec, fill};

pub use capability::{Capability, Ungranted};
pub(super) use declared::declarations;

/// The values of a service's settings, by key.
type Values = BTreeMap<String, String>;

/// What one plugin may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Its name in the settings.
    service: String,
    capabilities: BTreeSet<Capability>,
    workloads: Workloads,
    ports: Vec<PortRange>,
}

/// Bounds of the workloads, where these are allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Workloads {
    /// A `*` at the end stands for anything; so it does of programs.
    images: Vec<String>,
    programs: Vec<String>,
    /// None for as many as there is place for.
    count: Option<u32>,
    /// Bytes of each; none for as much as there is.
    memory: Option<u64>,
}

/// What a plugin is about to do.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// To use an interface at all.
    Use(Capability),
    /// To have this workload.
    Workload(&'a WorkloadSpec),
    /// To have one workload more than so many.
    OneMoreThan(usize),
    /// To have one of these ports. There are none if the first is after the last.
    Ports { first: u16, last: u16 },
}

/// It may not. `Display` says what was asked for, what is granted, and which setting would change it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} is not granted to this plugin (granted: {granted}). Whoever operates the gateway can allow it: services.{service}.{key}"
)]
pub struct NotGranted {
    what: String,
    granted: String,
    service: String,
    key: String,
}

impl Grants {
    /// Nothing, to a service.
    pub fn none(service: &str) -> Grants {
        Grants { service: service.to_owned(), ..Grants::default() }
    }

    /// All that a manifest asks for, where its settings have these values.
    pub fn asked(manifest: &Manifest, values: &Values) -> Grants {
        let wants = &manifest.wants;
        let is_wanted = |capability: &Capability| match capability {
            Capability::Workloads => wants.workloads.is_some(),
            Capability::Ports => wants.ports.is_some(),
            Capability::Resp => wants.resp,
            Capability::Ingress => wants.ingress,
            Capability::Transfers => wants.transfers,
        };
        // What a setting that is not set, or a range that is none, would ask for is nothing.
        let filled = |texts: &[String]| -> Vec<String> {
            texts.iter().filter_map(|text| fill(text, values).ok()).filter(|text| !text.is_empty()).collect()
        };
        let WantedWorkloads { images, count, memory } = wants.workloads.clone().unwrap_or_default();
        let ports = filled(wants.ports.as_deref().unwrap_or_default());
        Grants {
            service: manifest.service.clone(),
            capabilities: Capability::ALL.into_iter().filter(is_wanted).collect(),
            workloads: Workloads {
                images: filled(&images),
                programs: manifest.programs.clone(),
                count,
                memory: memory.and_then(|size| Setting::bytes(&fill(&size, values).ok()?)),
            },
            ports: ports.iter().filter_map(|range| range.parse().ok()).collect(),
        }
    }

    /// What the operator allows: by the settings where they are set, else as `by_default`.
    pub fn read(manifest: &Manifest, values: &Values, by_default: &Grants) -> Grants {
        let asked = Grants::asked(manifest, values);
        let set = |key: &str| values.get(key).map(String::as_str).filter(|value| !value.is_empty());
        // A switch that is on allows what this manifest asks for.
        let source = |capability: Capability| match set(&capability.key()) {
            Some("true") => &asked,
            _ => by_default,
        };
        let is_allowed = |capability: &Capability| match set(&capability.key()) {
            Some(value) => value == "true",
            None => by_default.capabilities.contains(capability),
        };
        let words = |key| set(key).map(|words| words.split(',').map(str::to_owned).collect::<Vec<String>>());
        let Workloads { images, programs, count, memory } = source(Capability::Workloads).workloads.clone();
        Grants {
            service: manifest.service.clone(),
            capabilities: Capability::ALL.into_iter().filter(is_allowed).collect(),
            workloads: Workloads {
                images: words(declared::IMAGES).unwrap_or(images),
                programs: words(declared::PROGRAMS).unwrap_or(programs),
                count: set(declared::COUNT).and_then(|count| count.parse().ok()).or(count),
                memory: set(declared::MEMORY).and_then(Setting::bytes).or(memory),
            },
            ports: set(declared::PORT_RANGES)
                .and_then(PortRange::parse_all)
                .unwrap_or_else(|| source(Capability::Ports).ports.clone()),
        }
    }

    /// Whether the plugin may.
    pub fn allows(&self, ask: Ask<'_>) -> Result<(), NotGranted> {
        match ask {
            Ask::Use(capability) if self.capabilities.contains(&capability) => Ok(()),
            Ask::Use(capability) => {
                Err(self.refused(format!("'{capability}'"), list(&self.capabilities), capability.key()))
            }
            Ask::Workload(spec) => {
                self.allows(Ask::Use(Capability::Workloads))?;
                self.allows_workload(spec)
            }
            Ask::OneMoreThan(others) => {
                self.allows(Ask::Use(Capability::Workloads))?;
                match self.workloads.count {
                    Some(most) if others >= most as usize => {
                        Err(self.refused(format!("workload number {}", others + 1), most.to_string(), declared::COUNT))
                    }
                    _ => Ok(()),
                }
            }
            Ask::Ports { first, last } => {
                self.allows(Ask::Use(Capability::Ports))?;
                match first > last || covers(&self.ports, PortRange { first, last }) {
                    true => Ok(()),
                    false => {
                        let what = format!("a port of {}", PortRange { first, last });
                        Err(self.refused(what, list(&self.ports), declared::PORT_RANGES))
                    }
                }
            }
        }
    }

    fn allows_workload(&self, spec: &WorkloadSpec) -> Result<(), NotGranted> {
        let Workloads { images, programs, memory, .. } = &self.workloads;
        if !matches_one(images, &spec.image) {
            return Err(self.refused(format!("the image '{}'", spec.image), list(images), declared::IMAGES));
        }
        if let Some(program) = spec.programs.iter().find(|program| !matches_one(programs, program)) {
            return Err(self.refused(format!("the program '{program}'"), list(programs), declared::PROGRAMS));
        }
        match (memory, spec.memory) {
            (Some(most), None) => {
                let what = format!("the workload '{}' without a bound of its memory", spec.name);
                Err(self.refused(what, format!("{most} bytes"), declared::MEMORY))
            }
            (Some(most), Some(asked)) if asked > *most => {
                let what = format!("the workload '{}' with {asked} bytes of memory", spec.name);
                Err(self.refused(what, format!("{most} bytes"), declared::MEMORY))
            }
            _ => Ok(()),
        }
    }

    /// Whether it matters how many workloads there are.
    pub fn counts_workloads(&self) -> bool {
        self.workloads.count.is_some()
    }

    fn refused(&self, what: String, granted: String, key: impl Into<String>) -> NotGranted {
        NotGranted { what, granted, service: self.service.clone(), key: key.into() }
    }
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// Whether a word, or everything that a pattern stands for, is among the patterns.
fn matches_one(patterns: &[String], word: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning),
        None => pattern == word,
    })
}

/// Whether every port of a range is in one of the ranges.
fn covers(ranges: &[PortRange], wanted: PortRange) -> bool {
    let mut next = u32::from(wanted.first);
    // Each round either goes on behind a range or ends: they are as many as the ranges.
    while next <= u32::from(wanted.last) {
        let holds = |range: &&PortRange| u16::try_from(next).is_ok_and(|port| range.contains(port));
        match ranges.iter().find(holds) {
            Some(range) => next = u32::from(range.last) + 1,
            None => return false,
        }
    }
    true
}
