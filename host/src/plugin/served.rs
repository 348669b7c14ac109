//! Which plugin serves which provider namespace, and with which revision, at this moment.
//!
//! One pointer to one table that never changes. A request takes the table once, and runs on what it found there to its
//! end; a swap puts another table into the pointer's place, so the next request runs on the next revision. A revision
//! that neither a table nor a call holds any more says so, once: whoever swapped it out then knows that it has ended.
//! Tables are changed by one at a time; reading one never waits.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use floci_az_contract::{Manifest, Setting};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore, mpsc};

use super::compiled::Compiled;
use super::digest::Digest;
use super::engine::Engine;
use super::error::LoadError;
use super::grants::{self, Grants};
use super::limits::Limits;
use super::revision::Revision;

/// The values of a service's settings, by key.
pub type Values = BTreeMap<String, String>;

/// What serves one namespace, whatever its revisions.
#[derive(Debug)]
pub struct Plugin {
    namespace: String,
    service: String,
    settings: ArcSwap<Values>,
    grants: ArcSwap<Grants>,
    /// Shared by whoever may change what is stored of this namespace, for as long as it runs on one revision.
    changes: Arc<RwLock<()>>,
    steps: Arc<Semaphore>,
}

/// Steps of the reconcile loop at the same time, of one plugin: each may have an engine create a container. Those of
/// another plugin do not wait for them.
const STEPS: usize = 16;

impl Plugin {
    /// Without settings and grants, until it is told them.
    pub fn new(manifest: &Manifest) -> Plugin {
        Plugin {
            namespace: manifest.namespace.clone(),
            service: manifest.service.clone(),
            settings: ArcSwap::default(),
            grants: ArcSwap::from_pointee(Grants::none(&manifest.service)),
            changes: Arc::default(),
            steps: Arc::new(Semaphore::new(STEPS)),
        }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn service(&self) -> &str {
        &self.service
    }

    pub fn setting(&self, key: &str) -> Option<String> {
        self.settings.load().get(key).cloned()
    }

    pub fn is_enabled(&self) -> bool {
        self.settings.load().get("enabled").is_none_or(|enabled| enabled != "false")
    }

    /// What it may use.
    pub fn grants(&self) -> Arc<Grants> {
        self.grants.load_full()
    }

    /// For the calls that start from now on.
    pub fn configure(&self, settings: Values, grants: Grants) {
        self.settings.store(Arc::new(settings));
        self.grants.store(Arc::new(grants));
    }

    /// To be held while something of this namespace is changed, from before its revision is looked up. Waits for a swap
    /// between schemas.
    pub async fn changing(&self) -> OwnedRwLockReadGuard<()> {
        self.changes.clone().read_owned().await
    }

    /// A place for one step of the reconcile loop.
    pub async fn step_place(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        self.steps.clone().acquire_owned().await.ok()
    }

    /// Nothing of this namespace is changed for as long as it is held. None if those who do have not ended by then.
    pub async fn unchanging(&self, limit: Duration) -> Option<OwnedRwLockWriteGuard<()>> {
        tokio::time::timeout(limit, self.changes.clone().write_owned()).await.ok()
    }
}

/// A revision for as long as it serves: held by the table as its namespace's active one, and by every call under way.
pub struct Serving {
    revision: Arc<Revision>,
    turn: u64,
    ended: mpsc::UnboundedSender<Ended>,
}

/// A revision that serves no more, and which of its turns that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub namespace: String,
    pub digest: Digest,
    pub turn: u64,
}

impl Serving {
    pub fn shared(&self) -> &Arc<Revision> {
        &self.revision
    }
}

impl Deref for Serving {
    type Target = Revision;

    fn deref(&self) -> &Revision {
        &self.revision
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("revision", &self.revision).field("turn", &self.turn).finish_non_exhaustive()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let (namespace, digest) = (self.revision.manifest().namespace.clone(), self.revision.digest().clone());
        // Nobody listens when the gateway ends.
        let _ = self.ended.send(Ended { namespace, digest, turn: self.turn });
    }
}

/// A plugin, and the revision that is its active one.
#[derive(Debug, Clone)]
pub struct Entry {
    pub plugin: Arc<Plugin>,
    pub revision: Arc<Serving>,
}

/// All that is served, at one moment.
#[derive(Debug, Default)]
pub struct Table {
    /// Grows with every change.
    version: u64,
    entries: Vec<Entry>,
}

impl Table {
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entry of a namespace, in any casing.
    pub fn of(&self, namespace: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.plugin.namespace.eq_ignore_ascii_case(namespace))
    }
}

/// The table that is valid now.
#[derive(Debug)]
pub struct Plugins {
    now: ArcSwap<Table>,
    /// Held while a new table is made of the one before.
    turn: Mutex<u64>,
    ended: mpsc::UnboundedSender<Ended>,
}

impl Plugins {
    /// Nothing is served; and the revisions that will have ended.
    pub fn none() -> (Plugins, mpsc::UnboundedReceiver<Ended>) {
        let (ended, endings) = mpsc::unbounded_channel();
        (Plugins { now: ArcSwap::default(), turn: Mutex::new(0), ended }, endings)
    }

    /// These components, with their settings at their defaults.
    pub async fn load(
        engine: &Engine,
        compiled: &Compiled,
        components: &[&'static [u8]],
    ) -> Result<Plugins, LoadError> {
        let (plugins, _) = Plugins::none();
        for bytes in components {
            let revision = Arc::new(Revision::load(engine, compiled, Bytes::from_static(bytes)).await?);
            let table = plugins.now();
            table.check_claims(&revision)?;
            plugins.serve(Arc::new(Plugin::new(revision.manifest())), revision);
        }
        Ok(plugins)
    }

    /// What a request runs on to its end.
    pub fn now(&self) -> Arc<Table> {
        self.now.load_full()
    }

    /// The entry of a namespace, in any casing.
    pub fn of(&self, namespace: &str) -> Option<Entry> {
        self.now.load().of(namespace).cloned()
    }

    /// Makes a revision the active one of its plugin. Its turn, which [`Ended`] will name.
    pub fn serve(&self, plugin: Arc<Plugin>, revision: Arc<Revision>) -> u64 {
        self.change(|entries, turn| {
            let serving = Serving { revision, turn, ended: self.ended.clone() };
            let entry = Entry { plugin, revision: Arc::new(serving) };
            match entries.iter_mut().find(|other| other.plugin.namespace == entry.plugin.namespace) {
                Some(other) => *other = entry,
                None => entries.push(entry),
            }
        })
    }

    /// Nothing serves the namespace from now on.
    pub fn leave(&self, plugin: &Plugin) {
        self.change(|entries, _| entries.retain(|entry| entry.plugin.namespace != plugin.namespace));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Entry>, u64)) -> u64 {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *turn += 1;
        let mut entries = self.now.load().entries.clone();
        change(&mut entries, *turn);
        self.now.store(Arc::new(Table { version: *turn, entries }));
        *turn
    }

    /// The settings of every service.
    pub fn settings(&self) -> Vec<(String, Vec<Setting>)> {
        let declared = |entry: &Entry| (entry.plugin.service.clone(), declared(entry.revision.manifest()));
        self.now.load().iter().map(declared).collect()
    }
}

/// The settings of a service: those of its manifest, and what the gateway asks of every service's.
pub fn declared(manifest: &Manifest) -> Vec<Setting> {
    manifest.settings.iter().cloned().chain(Limits::declarations()).chain(grants::declarations()).collect()
}

impl Table {
    /// Two claims of one namespace, or of one name in the settings, are refused by name.
    pub fn check_claims(&self, revision: &Revision) -> Result<(), LoadError> {
        let Manifest { namespace, service, .. } = revision.manifest();
        let second = || revision.label().to_owned();
        let same_namespace = |entry: &&Entry| entry.plugin.namespace.eq_ignore_ascii_case(namespace);
        let same_service = |entry: &&Entry| entry.plugin.service.eq_ignore_ascii_case(service);
        if let Some(other) = self.entries.iter().find(same_namespace) {
            let first = other.revision.label().to_owned();
            return Err(LoadError::NamespaceTwice { namespace: namespace.clone(), first, second: second() });
        }
        if let Some(other) = self.entries.iter().find(same_service) {
            let first = other.revision.label().to_owned();
            return Err(LoadError::ServiceTwice { service: service.clone(), first, second: second() });
        }
        Ok(())
    }
}
