//! Revisions of plugins while the gateway runs: installed, checked against what is stored, swapped, rolled back,
//! forgotten.
//!
//! A swap is one batch in the store (which revision is active, and the records that had to be put back into an older
//! schema) and then one pointer (see [`crate::plugin::Plugins`]); a crash between the two is a swap that the next start
//! completes. What is refused has changed nothing, and the active revision serves throughout. One change at a time; a
//! component is compiled before its turn. Changes run to their end even if whoever asked for them has gone. A swap
//! between revisions of one schema waits for nobody. One between schemas waits, for some seconds, until nothing of the
//! namespace is being changed, and what comes meanwhile waits for it.

mod archive;
mod error;
mod forget;
mod gate;
mod history;
mod package;
mod probation;
mod start;
mod state;
mod swap;
mod view;

use arc_swap::ArcSwap;
use floci_az_contract::Manifest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

pub use archive::{Archive, ArchiveError};
pub use error::{RolloutError, RolloutErrorKind};
pub use gate::GateError;
pub use package::{Origin, Package, Then};
pub use start::Begun;
pub use state::State;
pub use swap::shared_ports;
pub use view::{Outcome, PluginView, RevisionView};

use crate::arm::{Locks, Router};
use crate::config::Sources;
use crate::imports::Lender;
use crate::plugin::{Bounds, Compiled, Digest, Ended, Engine, Grants, Plugin, Plugins, Revision, Values, declared};
use crate::state::{self as store, Batch};
use crate::telemetry::Event;
use gate::Passed;
use history::{History, Known};
use state::Happening;
use swap::{Reason, alone};

/// How long a look at the revisions waits for a change of them.
const SHORT: Duration = Duration::from_millis(500);

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
    locks: Arc<Locks>,
    /// By namespace in lower case. Held for as long as a change takes.
    histories: Mutex<BTreeMap<String, History>>,
    /// As they were shown last.
    shown: ArcSwap<Vec<PluginView>>,
}

impl Rollout {
    /// The table of the store that it keeps.
    pub const TABLE: store::Table = history::PLUGINS;

    pub fn new(begun: Begun, sources: Sources, lender: Arc<Lender>, locks: Arc<Locks>) -> Arc<Rollout> {
        let Begun { workshop, plugins, endings, histories } = begun;
        let rollout = Arc::new(Rollout {
            workshop,
            sources,
            plugins,
            lender,
            locks,
            histories: Mutex::new(histories),
            shown: ArcSwap::default(),
        });
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
        let (values, grants) = self.allowed(histories.get(&key), &revision)?;
        let lacks = grants.lacks(&Grants::asked(revision.manifest(), &values));
        self.workshop.archive.keep(revision.digest(), &package.bytes)?;
        let (labels, version) = (revision.labels().clone(), revision.manifest().version.clone());
        self.tell(Event::PluginLoaded { labels, version, origin: package.origin.to_string() });
        let is_new = histories.get(&key).is_none_or(|history| history.known(revision.digest()).is_none());
        self.remember(&mut histories, revision.clone(), package.origin, grants.lines()).await?;
        if self.plugins.of(&key).is_none() || then == Then::Swap {
            let mut swapped = self.activate(&mut histories, &key, revision.digest(), Reason::Asked).await;
            match &mut swapped {
                Ok(outcome) => outcome.notes.extend(lacks),
                Err(_) if is_new => self.drop_revision(&mut histories, &key, revision.digest()).await?,
                Err(_) => {}
            }
            return swapped;
        }
        let mut outcome = self.outcome(&histories, &key, revision.digest(), None)?;
        if outcome.revision.state != State::Active.as_str() {
            outcome.notes.push("It is ready, and not active: swap to it.".to_owned());
        }
        outcome.notes.extend(lacks);
        Ok(outcome)
    }

    /// Everything that install and swap would look at; changes nothing.
    pub async fn check(self: &Arc<Self>, package: Package) -> Result<Outcome, RolloutError> {
        let revision = self.workshop.load(&package).await?;
        let histories = self.histories.lock().await;
        self.check_place(&histories, &revision)?;
        let namespace = &revision.manifest().namespace;
        let known = histories.get(&namespace.to_lowercase());
        let newer = self.workshop.newer_than(known, &revision).await;
        // A plugin of its own: nothing of what is found out is for the one that serves.
        let plugin = Arc::new(Plugin::new(revision.manifest()));
        let (values, grants) = self.allowed(known, &revision)?;
        let lacks = grants.lacks(&Grants::asked(revision.manifest(), &values));
        revision.bind(Bounds::read(&values));
        let allowed = grants.lines();
        plugin.configure(values, grants);
        let passed = self.gate(&revision, &newer, &plugin, Passed::default()).await?;
        let mut history = History::new(&revision);
        history.plugin = Some(plugin);
        history.add(Known { allowed, ..Known::new(&revision, package.origin) });
        let mut outcome = history.outcome(revision.digest(), None).ok_or_else(|| gone(&history, revision.digest()))?;
        outcome.converted = passed.converted.len();
        outcome.notes.extend(lacks);
        Ok(outcome)
    }

    /// `to` is a digest of a known revision, or its beginning.
    pub async fn swap(self: &Arc<Self>, namespace: &str, to: &str) -> Result<Outcome, RolloutError> {
        let (namespace, to) = (namespace.to_owned(), to.to_owned());
        self.to_its_end(|this| async move {
            let mut histories = this.histories.lock().await;
            let history = find(&histories, &namespace)?;
            let (key, digest) = (history.key(), history.named(&to)?);
            let swapped = this.activate(&mut histories, &key, &digest, Reason::Asked).await;
            this.told(history_name(&histories, &key), &digest, "a swap", swapped)
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
            let swapped = this.activate(&mut histories, &key, &digest, Reason::RolledBack).await;
            this.told(history_name(&histories, &key), &digest, "a rollback", swapped)
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
            if history.is_bundled(&digest) {
                let (namespace, service) = (history.namespace.clone(), history.service.clone());
                return Err(RolloutError::Bundled { namespace, service });
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
            if history.bundled.is_some() {
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
        // While a change waits for others, what was there before it.
        let Ok(histories) = tokio::time::timeout(SHORT, self.histories.lock()).await else {
            return self.shown.load().as_ref().clone();
        };
        let view = |history: &History| PluginView {
            namespace: history.namespace.clone(),
            service: history.service.clone(),
            active: history.active.clone().filter(|_| self.plugins.of(&history.namespace).is_some()),
            revisions: history.revisions.iter().map(Known::view).collect(),
            resources: self.lender.inventory.of_namespace(&history.namespace).len(),
        };
        let all: Vec<PluginView> = histories.values().map(view).collect();
        self.shown.store(Arc::new(all.clone()));
        all
    }

    /// The same, and an event if it is a refusal.
    fn told(
        &self,
        plugin: Option<String>,
        digest: &Digest,
        what: &str,
        outcome: Result<Outcome, RolloutError>,
    ) -> Result<Outcome, RolloutError> {
        if let Err(error) = &outcome {
            let (revision, code) = (Some(digest.short().to_owned()), error.code().to_owned());
            let (origin, reason) = (what.to_owned(), error.to_string());
            self.tell(Event::PluginRefused { plugin, revision, origin, code, reason });
        }
        outcome
    }

    /// A component that has not come as far as being installed.
    pub fn tell_refused(&self, origin: &Origin, code: &str, reason: &str) {
        let (origin, code, reason) = (origin.to_string(), code.to_owned(), reason.to_owned());
        self.tell(Event::PluginRefused { plugin: None, revision: None, origin, code, reason });
    }

    /// Something that components come from, and cannot now.
    pub fn tell_failed(&self, source: String, reason: String) {
        self.tell(Event::PluginSourceFailed { source, reason });
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
            Some(history) if history.namespace != manifest.namespace => Err(RolloutError::OtherCasing {
                revision: revision.label().to_owned(),
                namespace: history.namespace.clone(),
            }),
            // Its own claim is no rival.
            Some(_) if table.of(&manifest.namespace).is_some() => Ok(()),
            _ => Ok(table.check_claims(revision)?),
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
    async fn remember(
        &self,
        histories: &mut BTreeMap<String, History>,
        revision: Arc<Revision>,
        origin: Origin,
        allowed: Vec<String>,
    ) -> Result<(), RolloutError> {
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
                history.add(Known { allowed, ..known });
            }
            None => history.add(Known { allowed, ..Known::new(&revision, origin) }),
        }
        self.lender.inventory.commit_with(Vec::new(), history.row()?).await?;
        while let Some(surplus) = histories.get(&key).and_then(History::surplus) {
            self.drop_revision(histories, &key, &surplus).await?;
        }
        Ok(())
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
        Some(bundled) => Grants::asked(bundled.manifest(), values),
        None => Grants::none(&manifest.service),
    };
    Grants::read(manifest, values, &by_default)
}

fn find<'a>(histories: &'a BTreeMap<String, History>, namespace: &str) -> Result<&'a History, RolloutError> {
    histories.get(&namespace.to_lowercase()).ok_or_else(|| no_such_plugin(histories, namespace))
}

fn history_name(histories: &BTreeMap<String, History>, key: &str) -> Option<String> {
    histories.get(key).map(|history| history.namespace.clone())
}

fn no_such_plugin(histories: &BTreeMap<String, History>, namespace: &str) -> RolloutError {
    let known = histories.values().map(|history| history.namespace.as_str()).collect::<Vec<_>>().join(", ");
    RolloutError::NoSuchPlugin { namespace: namespace.to_owned(), known }
}

fn gone(history: &History, digest: &Digest) -> RolloutError {
    let (namespace, known) = (history.namespace.clone(), history.digests());
    RolloutError::NoSuchRevision { namespace, asked: digest.to_string(), known }
}
