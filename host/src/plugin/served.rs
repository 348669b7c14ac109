//! Which plugin serves which provider namespace. Two claims of one namespace are refused by name.

use std::sync::Arc;

use floci_az_contract::{Manifest, Setting};

use super::compiled::Compiled;
use super::engine::Engine;
use super::limits::Limits;
use super::revision::{self, Active, LoadError, Revision};

/// One namespace, and the revision that serves it now.
#[derive(Debug)]
pub struct Plugin {
    active: Active,
    namespace: String,
    service: String,
}

impl Plugin {
    /// The revision that a call which starts now runs on, to its end.
    pub fn revision(&self) -> Arc<Revision> {
        self.active.load_full()
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn service(&self) -> &str {
        &self.service
    }
}

/// All plugins.
#[derive(Debug)]
pub struct Plugins {
    plugins: Vec<Arc<Plugin>>,
}

impl Plugins {
    pub async fn load(engine: &Engine, compiled: &Compiled, components: &[&[u8]]) -> Result<Plugins, LoadError> {
        let mut plugins: Vec<Arc<Plugin>> = Vec::new();
        for bytes in components {
            let revision = Revision::load(engine, compiled, bytes).await?;
            let Manifest { namespace, service, .. } = revision.manifest();
            let (first, second) =
                (|plugin: &Arc<Plugin>| plugin.revision().label().to_owned(), revision.label().to_owned());
            if let Some(other) = plugins.iter().find(|other| other.namespace.eq_ignore_ascii_case(namespace)) {
                return Err(LoadError::NamespaceTwice { namespace: namespace.clone(), first: first(other), second });
            }
            if let Some(other) = plugins.iter().find(|other| other.service.eq_ignore_ascii_case(service)) {
                return Err(LoadError::ServiceTwice { service: service.clone(), first: first(other), second });
            }
            let (namespace, service) = (namespace.clone(), service.clone());
            plugins.push(Arc::new(Plugin { active: revision::active(revision), namespace, service }));
        }
        Ok(Plugins { plugins })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.iter()
    }

    /// The plugin of a namespace, in any casing.
    pub fn of(&self, namespace: &str) -> Option<&Arc<Plugin>> {
        self.plugins.iter().find(|plugin| plugin.namespace.eq_ignore_ascii_case(namespace))
    }

    /// The settings of every service: those that its manifest declares, and the limits.
    pub fn settings(&self) -> Vec<(String, Vec<Setting>)> {
        let all =
            |revision: &Revision| revision.manifest().settings.iter().cloned().chain(Limits::declarations()).collect();
        self.plugins.iter().map(|plugin| (plugin.service.clone(), all(&plugin.revision()))).collect()
    }
}
