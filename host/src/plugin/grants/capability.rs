//! The interfaces of the contract that have to be granted, and what a component says of them by what it imports.
//!
//! `resources`, `settings` and `log` reach no further than the plugin's own resources, and are lent to every plugin.

use std::fmt;

use super::Grants;

/// One interface of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    Workloads,
    Ports,
    Resp,
    Ingress,
    Transfers,
}

impl Capability {
    pub const ALL: [Capability; 5] =
        [Capability::Workloads, Capability::Ports, Capability::Resp, Capability::Ingress, Capability::Transfers];

    /// As the contract and the settings name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Workloads => "workloads",
            Capability::Ports => "ports",
            Capability::Resp => "resp",
            Capability::Ingress => "ingress",
            Capability::Transfers => "transfers",
        }
    }

    /// That an import is of: `floci:provider/workloads@0.1.0`. None for what needs no grant.
    fn of_import(name: &str) -> Option<Capability> {
        let interface = name.strip_prefix("floci:provider/")?.split('@').next()?;
        Capability::ALL.into_iter().find(|capability| capability.as_str() == interface)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A component imports what is not granted at all. `Display` has the lines that would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ungranted {
    service: String,
    capabilities: Vec<Capability>,
    granted: Vec<Capability>,
}

impl fmt::Display for Ungranted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |capabilities: &[Capability]| match capabilities {
            [] => "nothing".to_owned(),
            some => some.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", "),
        };
        write!(
            f,
            "it imports {}, which the service {} is not granted (granted: {}). To allow it, write into floci-az.yml:",
            list(&self.capabilities),
            self.service,
            list(&self.granted)
        )?;
        self.capabilities.iter().try_for_each(|one| write!(f, "\n    floci-az.{}: true", one.setting(&self.service)))
    }
}

impl std::error::Error for Ungranted {}

impl Capability {
    /// The setting that allows it, as it stands in the file.
    pub(super) fn setting(self, service: &str) -> String {
        format!("services.{service}.{}", self.key())
    }

    /// The same, as the service's plugin is given it.
    pub(super) fn key(self) -> String {
        format!("grants.{self}")
    }
}

impl Grants {
    /// Whether a component may be given all that it imports, by the names of its imports. Whatever no interface that
    /// has to be granted has for its name is none of this question.
    pub fn check_imports<'a>(&self, imports: impl IntoIterator<Item = &'a str>) -> Result<(), Ungranted> {
        let mut capabilities: Vec<Capability> = imports.into_iter().filter_map(Capability::of_import).collect();
        capabilities.retain(|capability| !self.capabilities.contains(capability));
        capabilities.sort();
        capabilities.dedup();
        if capabilities.is_empty() {
            return Ok(());
        }
        Err(Ungranted {
            service: self.service.clone(),
            capabilities,
            granted: self.capabilities.iter().copied().collect(),
        })
    }
}
