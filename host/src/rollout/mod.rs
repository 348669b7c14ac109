//! Revisions of plugins while the gateway runs: installed, checked against what is stored, swapped, rolled back,
//! forgotten.
//!
//! A swap is one batch in the store (which revision is active, and the records that had to be put back into an older
//! schema) and then one pointer (see [`crate::plugin::Plugins`]); a crash between the two is a swap that the next start
//! completes. What is refused has changed nothing, and the active revision serves throughout. One change at a time; a
//! component is compiled before its turn. Changes run to their end even if whoever asked for them has gone. A swap
//! between revisions of one schema waits for nobody. One between schemas waits, for [`PATIENCE`], until nothing of the
//! namespace is being changed, and what comes meanwhile waits for it.

mod archive;
mod error;
mod gate;
mod history;
mod package;
mod probation;
mod start;
mod state;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use floci_az_contract::Manifest;
use tokio::sync::{Mutex, MutexGuard, mpsc};

pub use archive::{Archive, ArchiveError};
pub use error::{RolloutError, RolloutErrorKind};
pub use gate::GateError;
pub use package::{Origin, Package, Then};
pub use start::Begun;
pub use state::State;
pub use view::{Outcome, PluginView, RevisionView};

use crate::arm::{Record, Router, Transition};
use crate::config::Sources;
use crate::imports::Lender;
use crate::ingress::Shared;
use crate::plugin::{
    Bounds, Compiled, Digest, Ended, Engine, Entry, Grants, Plugin, Plugins, Revision, Table, Values, declared,
};
use crate::state::{self as store, Batch};
use crate::telemetry::{Event, Labels};
use gate::Passed;
use history::{History, Known};
use state::Happening;

/// How long a swap between schemas waits for the changes under way. Those that come later wait as long, too.
const PATIENCE: Duration = Duration::from_secs(10);

/// What revisions are loaded with and kept in.
#[derive(Debug)]
pub struct Workshop {
    pub engine: Engine,
    pub compiled: Compiled,
    pub archive: Archive,
}

impl Workshop {
    async fn load(&self, package: &Package) -> Result<Arc<Revision>, RolloutError> {
        let found = Digest::of(&package.bytes);
        if let Some(pin) = package.pin.clone().filter(|pin| *pin != found) {
            return Err(RolloutError::Pin { pin, found });
        }
        Ok(Arc::new(Revision::load(&self.engine, &self.compiled, package.bytes.clone()).await?))
    }

    async fn load_kept(&self, digest: &Digest) -> Result<Arc<Revision>, RolloutError> {
        let bytes = self.archive.take(digest)?;
        Ok(Arc::new(Revision::load(&self.engine, &self.compiled, bytes).await?))
    }
}

#[derive(Debug)]
pub struct Rollout {
    workshop: Workshop,
    /// Of the settings, which are looked at anew for each revision.
    sources: Sources,
    plugins: Arc<Plugins>,
    lender: Arc<Lender>,
    /// By namespace in lower case. Held for as long as a change takes.
    histories: Mutex<BTreeMap<String, History>>,
}

/// Why one revision takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Asked,
    RolledBack,
    /// In its probation.
    Trouble,
}

impl Rollout {
    /// The table of the store that it keeps.
    pub const TABLE: store::Table = history::PLUGINS;

    pub fn new(begun: Begun, sources: Sources, lender: Arc<Lender>) -> Arc<Rollout> {
        let Begun { workshop, plugins, endings, histories } = begun;
        let rollout = Arc::new(Rollout { workshop, sources, plugins, lender, histories: Mutex::new(histories) });
        tokio::spawn(retire(Arc::downgrade(&rollout), endings));
        rollout
    }

    /// Loads; Active if its namespace is not served yet or `then` is Swap; else it stays Ready.
    pub async fn install(self: &Arc<Self>, package: Package, then: Then) -> Result<Outcome, RolloutError> {
        self.to_its_end(|this| async move {
            let (digest, origin) = (Digest::of(&package.bytes), package.origin.clone());
            let installed = this.take_in(package, then).await;
            if let Err(error) = &installed {
                tracing::warn!(revision = digest.short(), %origin, %error, "a plugin was refused");
                this.tell(Event::PluginRefused {
                    plugin: None,
                    revision: Some(digest.short().to_owned()),
                    origin: origin.to_string(),
                    code: error.code().to_owned(),
                    reason: error.to_string(),
                });
            }
            installed
        })
        .await
    }

    async fn take_in(self: &Arc<Self>, package: Package, then: Then) -> Result<Outcome, RolloutError> {
        let revision = self.workshop.load(&package).await?;
        let mut histories = self.histories.lock().await;
        self.check_place(&histories, &revision)?;
        let key = revision.manifest().namespace.to_lowercase();
        self.allowed(histories.get(&key), &revision)?;
        self.workshop.archive.keep(revision.digest(), &package.bytes)?;
        let (labels, version) = (revision.labels().clone(), revision.manifest().version.clone());
        self.tell(Event::PluginLoaded { labels, version, origin: package.origin.to_string() });
        let history = self.remember(&mut histories, revision.clone(), package.origin).await?;
        if history.active.is_none() || then == Then::Swap {
            return self.activate(&mut histories, &key, revision.digest(), Reason::Asked).await;
        }
        let mut outcome = self.outcome(&histories, &key, revision.digest(), None)?;
        if outcome.revision.state != State::Active.as_str() {
            outcome.notes.push("It is ready, and not active: swap to it.".to_owned());
        }
        Ok(outcome)
    }

    /// Everything that install and swap would look at; changes nothing.
    pub async fn check(self: &Arc<Self>, package: Package) -> Result<Outcome, RolloutError> {
        let revision = self.workshop.load(&package).await?;
        let histories = self.histories.lock().await;
        self.check_place(&histories, &revision)?;
        let namespace = &revision.manifest().namespace;
        let known = histories.get(&namespace.to_lowercase());
        // A plugin of its own: nothing of what is found out is for the one that serves.
        let plugin = Arc::new(Plugin::new(revision.manifest()));
        let (values, grants) = self.allowed(known, &revision)?;
        revision.bind(Bounds::read(&values));
        plugin.configure(values, grants);
        let passed = self.gate(&revision, &newer_than(known, &revision), &plugin, Passed::default()).await?;
        let mut history = History::new(&revision);
        history.plugin = Some(plugin);
        history.add(Known::new(&revision, package.origin));
        let mut outcome = history.outcome(revision.digest(), None).ok_or_else(|| gone(&history, revision.digest()))?;
        outcome.converted = passed.converted.len();
        Ok(outcome)
    }

    /// `to` is a digest of a known revision, or its beginning.
    pub async fn swap(self: &Arc<Self>, namespace: &str, to: &str) -> Result<Outcome, RolloutError> {
        let (namespace, to) = (namespace.to_owned(), to.to_owned());
        self.to_its_end(|this| async move {
            let mut histories = this.histories.lock().await;
            let history = find(&histories, &namespace)?;
            let (key, digest) = (history.key(), history.named(&to)?);
            this.activate(&mut histories, &key, &digest, Reason::Asked).await
        })
        .await
    }

    /// Back to the revision that was active before, or to the one named.
    pub async fn rollback(self: &Arc<Self>, namespace: &str, to: Option<&str>) -> Result<Outcome, RolloutError> {
        let (namespace, to) = (namespace.to_owned(), to.map(str::to_owned));
        self.to_its_end(|this| async move {
            let mut histories = this.histories.lock().await;
            let history = find(&histories, &namespace)?;
            let digest = match to {
                Some(to) => history.named(&to)?,
                None => history.before.last().cloned().ok_or_else(|| RolloutError::NothingBefore {
                    namespace: history.namespace.clone(),
                    known: history.digests(),
                })?,
            };
            let key = history.key();
            this.activate(&mut histories, &key, &digest, Reason::RolledBack).await
        })
        .await
    }

    /// Forgets one revision that is not active, and what is kept for its sake.
    pub async fn forget(self: &Arc<Self>, namespace: &str, digest: &str) -> Result<Outcome, RolloutError> {
        let (namespace, asked) = (namespace.to_owned(), digest.to_owned());
        self.to_its_end(|this| async move {
            let mut histories = this.histories.lock().await;
            let history = find(&histories, &namespace)?;
            let (key, digest) = (history.key(), history.named(&asked)?);
            let known = history.known(&digest).ok_or_else(|| gone(history, &digest))?;
            if matches!(known.state, State::Active | State::Draining) || history.active.as_ref() == Some(&digest) {
                let (namespace, state) = (history.namespace.clone(), known.state.as_str());
                return Err(RolloutError::InUse { namespace, digest, state });
            }
            let outcome = this.outcome(&histories, &key, &digest, None)?;
            this.drop_revision(&mut histories, &key, &digest).await?;
            Ok(outcome)
        })
        .await
    }

    /// Removes a plugin of whose namespace nothing is stored.
    pub async fn remove(self: &Arc<Self>, namespace: &str) -> Result<(), RolloutError> {
        let namespace = namespace.to_owned();
        self.to_its_end(|this| async move {
            let mut histories = this.histories.lock().await;
            let history = find(&histories, &namespace)?;
            let (namespace, service) = (history.namespace.clone(), history.service.clone());
            if history.revisions.iter().any(|known| known.origin == Origin::Bundled) {
                return Err(RolloutError::Bundled { namespace, service });
            }
            let key = history.key();
            let plugin = history.plugin.clone();
            let _alone = match &plugin {
                Some(plugin) => Some(alone(plugin).await?),
                None => None,
            };
            let stored = this.lender.inventory.of_namespace(&namespace);
            if let Some(first) = stored.first() {
                let first = first.id.to_string();
                return Err(RolloutError::HasResources { namespace, count: stored.len(), first });
            }
            this.lender.inventory.commit_with(Vec::new(), Batch::default().remove(Self::TABLE, &key)).await?;
            if let Some(plugin) = &plugin {
                this.plugins.leave(plugin);
            }
            for known in histories.remove(&key).into_iter().flat_map(|history| history.revisions) {
                this.forget_component(&histories, &known.digest);
            }
            tracing::info!(namespace, "plugin removed");
            this.tell(Event::PluginRemoved { plugin: namespace });
            Ok(())
        })
        .await
    }

    /// Every plugin that is known, whether it serves or not.
    pub async fn list(&self) -> Vec<PluginView> {
        let histories = self.histories.lock().await;
        let view = |history: &History| PluginView {
            namespace: history.namespace.clone(),
            service: history.service.clone(),
            active: history.active.clone().filter(|_| self.plugins.of(&history.namespace).is_some()),
            revisions: history.revisions.iter().map(|known| known.view(history.allowed())).collect(),
            resources: self.lender.inventory.of_namespace(&history.namespace).len(),
        };
        histories.values().map(view).collect()
    }

    fn tell(&self, event: Event) {
        self.workshop.engine.telemetry().publish(event);
    }

    /// Runs a change in a task of its own, so that it ends even if whoever asked for it does not wait.
    async fn to_its_end<T, F>(self: &Arc<Self>, change: impl FnOnce(Arc<Rollout>) -> F) -> Result<T, RolloutError>
    where
        F: Future<Output = Result<T, RolloutError>> + Send + 'static,
        T: Send + 'static,
    {
        match tokio::spawn(change(self.clone())).await {
            Ok(result) => result,
            Err(broken) => Err(RolloutError::Broken(broken.to_string())),
        }
    }

    /// That the revision can be one of its namespace, beside all other plugins.
    fn check_place(&self, histories: &BTreeMap<String, History>, revision: &Revision) -> Result<(), RolloutError> {
        let manifest = revision.manifest();
        let table = self.plugins.now();
        let others =
            || table.iter().filter(|entry| !entry.plugin.namespace().eq_ignore_ascii_case(&manifest.namespace));
        let manifests = others().map(|entry| entry.revision.manifest()).chain([manifest]);
        Router::check(manifests)
            .map_err(|source| RolloutError::Routes { revision: revision.label().to_owned(), source })?;
        match histories.get(&manifest.namespace.to_lowercase()) {
            Some(history) if !history.service.eq_ignore_ascii_case(&manifest.service) => {
                Err(RolloutError::OtherService {
                    revision: revision.label().to_owned(),
                    namespace: history.namespace.clone(),
                    service: history.service.clone(),
                    found: manifest.service.clone(),
                })
            }
            Some(_) => Ok(()),
            None => Ok(table.check_claims(revision)?),
        }
    }

    /// The settings of a revision's service, and what its operator allows it.
    fn allowed(&self, history: Option<&History>, revision: &Revision) -> Result<(Values, Grants), RolloutError> {
        let manifest = revision.manifest();
        let label = || revision.label().to_owned();
        let values = self.sources.resolve_service(&manifest.service, &declared(manifest));
        let values = values.map_err(|source| RolloutError::Settings { revision: label(), source })?;
        let grants = granted(history, manifest, &values);
        let allowed = grants.check_imports(revision.imports().iter().map(String::as_str));
        allowed.map_err(|source| RolloutError::Ungranted { revision: label(), source })?;
        Ok((values, grants))
    }

    /// Puts a loaded revision into the history of its namespace.
    async fn remember<'a>(
        &self,
        histories: &'a mut MutexGuard<'_, BTreeMap<String, History>>,
        revision: Arc<Revision>,
        origin: Origin,
    ) -> Result<&'a History, RolloutError> {
        let key = revision.manifest().namespace.to_lowercase();
        let digest = revision.digest().clone();
        let history = histories.entry(key.clone()).or_insert_with(|| History::new(&revision));
        match history.known(&digest).cloned() {
            Some(mut known) => {
                if known.loaded.is_none() {
                    known.load(revision);
                }
                // What was brought again is the newest, from where it was brought last.
                if known.origin != Origin::Bundled {
                    known.origin = origin;
                }
                history.add(known);
            }
            None => history.add(Known::new(&revision, origin)),
        }
        self.lender.inventory.commit_with(Vec::new(), history.row()?).await?;
        while let Some(surplus) = histories.get(&key).and_then(History::surplus) {
            self.drop_revision(histories, &key, &surplus).await?;
        }
        find(histories, &key)
    }

    /// The swap: gate, one batch, one pointer.
    async fn activate(
        self: &Arc<Self>,
        histories: &mut BTreeMap<String, History>,
        key: &str,
        digest: &Digest,
        reason: Reason,
    ) -> Result<Outcome, RolloutError> {
        let history = find(histories, key)?;
        if history.active.as_ref() == Some(digest) && self.plugins.of(key).is_some() {
            let mut outcome = self.outcome(histories, key, digest, None)?;
            outcome.notes.push("It is the active one already.".to_owned());
            return Ok(outcome);
        }
        let known = history.known(digest).ok_or_else(|| gone(history, digest))?;
        let revision = match known.loaded.clone() {
            Some(revision) => revision,
            None => self.workshop.load_kept(digest).await?,
        };
        let before = self.plugins.of(key);
        let (values, grants) = self.allowed(Some(history), &revision)?;
        revision.bind(Bounds::read(&values));
        let plugin = match &before {
            Some(entry) => entry.plugin.clone(),
            None => Arc::new(Plugin::new(revision.manifest())),
        };
        let newer = newer_than(Some(history), &revision);
        let mut passed = self.gate(&revision, &newer, &plugin, Passed::default()).await?;
        // What was stored while the gate looked is looked at again, when nothing is stored any more.
        let _alone = match reshapes(before.as_ref(), &revision) {
            Reshapes::Nothing => None,
            Reshapes::Storage => {
                let alone = alone(&plugin).await?;
                passed = self.gate(&revision, &newer, &plugin, passed).await?;
                Some(alone)
            }
        };

        let history = histories.get_mut(key).ok_or_else(|| no_such_plugin(&BTreeMap::new(), key))?;
        let replaced = history.active.clone().filter(|active| active != digest);
        let converted = passed.converted.len();
        let mut next = history.kept();
        next.activate(digest);
        let records = passed.converted.into_values().map(Transition::Store).collect();
        self.lender.inventory.commit_with(records, next.row()?).await?;

        plugin.configure(values, grants);
        history.activate(digest);
        history.plugin = Some(plugin.clone());
        if let Some(known) = replaced.as_ref().and_then(|replaced| history.known_mut(replaced)) {
            let label = known.label(key);
            known.happens(Happening::Replaced, &label);
            if reason == Reason::Trouble {
                known.note = Some("rolled back by itself: its calls failed".to_owned());
            }
            let labels = known.labels(plugin.namespace());
            self.tell(Event::PluginDraining { labels: labels.clone() });
            let to = digest.short().to_owned();
            match reason {
                Reason::Asked => {}
                Reason::RolledBack => {
                    self.tell(Event::PluginRolledBack { labels, to, why: "it was asked for".to_owned() });
                }
                Reason::Trouble => {
                    self.tell(Event::PluginRolledBack {
                        labels,
                        to,
                        why: "calls of it failed soon after it was swapped in".to_owned(),
                    });
                }
            }
        }
        if let Some(known) = history.known_mut(digest) {
            known.load(revision.clone());
            known.happens(Happening::Activated, revision.label());
            known.note = None;
            known.turn = self.plugins.serve(plugin, revision.clone());
            let replaced = replaced.as_ref().map(|replaced| replaced.short().to_owned());
            self.tell(Event::PluginActivated { labels: revision.labels().clone(), replaced });
        }
        history.unload();
        drop(before);
        self.lender.ingress.share(shared_ports(&self.plugins.now())).await;
        for record in self.lender.inventory.of_namespace(key) {
            self.lender.wake(record.id.key());
        }
        if reason == Reason::Asked && replaced.is_some() {
            probation::begin(self, &revision);
        }
        let mut outcome = self.outcome(histories, key, digest, replaced)?;
        outcome.converted = converted;
        Ok(outcome)
    }

    async fn gate(
        &self,
        revision: &Arc<Revision>,
        newer: &[Arc<Revision>],
        plugin: &Arc<Plugin>,
        before: Passed,
    ) -> Result<Passed, RolloutError> {
        let stored = self.lender.inventory.of_namespace(plugin.namespace());
        Ok(gate::pass(revision, newer, stored, Some((&self.lender, plugin)), before).await?)
    }

    async fn drop_revision(
        &self,
        histories: &mut BTreeMap<String, History>,
        key: &str,
        digest: &Digest,
    ) -> Result<(), RolloutError> {
        let history = find(histories, key)?;
        let mut next = history.kept();
        next.drop_revision(digest);
        let _alone = match &history.plugin {
            Some(plugin) => Some(alone(plugin).await?),
            None => None,
        };
        // States in a schema that no known revision has any more.
        let stored = self.lender.inventory.of_namespace(&history.namespace);
        let orphaned = stored.iter().filter(|record| next.has_lost_twin(record));
        let records = orphaned.map(|record| Transition::Store(Record { twin: None, ..(**record).clone() })).collect();
        self.lender.inventory.commit_with(records, next.row()?).await?;
        if let Some(history) = histories.get_mut(key) {
            history.drop_revision(digest);
            self.tell(Event::PluginForgotten { labels: Labels::new(&history.namespace, digest.short()) });
            tracing::info!(namespace = history.namespace, revision = digest.short(), "revision forgotten");
        }
        self.forget_component(histories, digest);
        Ok(())
    }

    fn forget_component(&self, histories: &BTreeMap<String, History>, digest: &Digest) {
        if !histories.values().any(|history| history.known(digest).is_some()) {
            self.workshop.archive.forget(digest);
        }
    }

    fn outcome(
        &self,
        histories: &BTreeMap<String, History>,
        key: &str,
        digest: &Digest,
        replaced: Option<Digest>,
    ) -> Result<Outcome, RolloutError> {
        let history = find(histories, key)?;
        history.outcome(digest, replaced).ok_or_else(|| gone(history, digest))
    }
}

/// Marks what has ended, for as long as the gateway lives.
async fn retire(rollout: std::sync::Weak<Rollout>, mut endings: mpsc::UnboundedReceiver<Ended>) {
    while let Some(Ended { digest, turn }) = endings.recv().await {
        let Some(rollout) = rollout.upgrade() else { return };
        let mut histories = rollout.histories.lock().await;
        for (key, history) in histories.iter_mut() {
            let namespace = history.namespace.clone();
            if let Some(known) = history.known_mut(&digest).filter(|known| known.turn == turn) {
                let label = known.label(key);
                known.happens(Happening::Ended, &label);
                rollout.tell(Event::PluginRetired { labels: known.labels(&namespace) });
                history.unload();
            }
        }
    }
}

/// What an operator allows a revision: by default what the plugin that is part of the gateway asks for, if it is that.
fn granted(history: Option<&History>, manifest: &Manifest, values: &Values) -> Grants {
    let by_default = match history.and_then(|history| history.bundled.as_ref()) {
        Some(bundled) => Grants::asked(bundled, values),
        None => Grants::none(&manifest.service),
    };
    Grants::read(manifest, values, &by_default)
}

/// The ports that plugins want to share among their resources, of services that are served.
pub fn shared_ports(table: &Table) -> Vec<Shared> {
    let mut found = Vec::new();
    for Entry { plugin, revision } in table.iter().filter(|entry| entry.plugin.is_enabled()) {
        for listener in &revision.manifest().listeners {
            let port = plugin.setting(&listener.setting).and_then(|port| port.parse().ok());
            let setting = format!("services.{}.{}", plugin.service(), listener.setting);
            found.extend(port.map(|port| Shared { port, protocol: listener.protocol, setting }));
        }
    }
    found
}

/// What a swap changes of how resources are stored.
#[derive(Debug, PartialEq, Eq)]
enum Reshapes {
    Nothing,
    /// A type has another schema, or is gone.
    Storage,
}

fn reshapes(before: Option<&Entry>, revision: &Revision) -> Reshapes {
    let Some(before) = before else { return Reshapes::Nothing };
    let same = before
        .revision
        .manifest()
        .types
        .iter()
        .all(|kind| revision.kind(&kind.name).is_some_and(|other| other.schema_version == kind.schema_version));
    if same { Reshapes::Nothing } else { Reshapes::Storage }
}

/// Loaded revisions that may know a newer schema than this one.
fn newer_than(history: Option<&History>, revision: &Revision) -> Vec<Arc<Revision>> {
    let loaded = history.into_iter().flat_map(|history| &history.revisions).filter_map(|known| known.loaded.clone());
    loaded.filter(|other| other.digest() != revision.digest()).collect()
}

async fn alone(plugin: &Plugin) -> Result<tokio::sync::OwnedRwLockWriteGuard<()>, RolloutError> {
    let busy = || RolloutError::Busy { namespace: plugin.namespace().to_owned(), limit: PATIENCE };
    plugin.unchanging(PATIENCE).await.ok_or_else(busy)
}

fn find<'a>(histories: &'a BTreeMap<String, History>, namespace: &str) -> Result<&'a History, RolloutError> {
    histories.get(&namespace.to_lowercase()).ok_or_else(|| no_such_plugin(histories, namespace))
}

fn no_such_plugin(histories: &BTreeMap<String, History>, namespace: &str) -> RolloutError {
    let known = histories.values().map(|history| history.namespace.as_str()).collect::<Vec<_>>().join(", ");
    RolloutError::NoSuchPlugin { namespace: namespace.to_owned(), known }
}

fn gone(history: &History, digest: &Digest) -> RolloutError {
    let (namespace, known) = (history.namespace.clone(), history.digests());
    RolloutError::NoSuchRevision { namespace, asked: digest.to_string(), known }
}
