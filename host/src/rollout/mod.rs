//! Revisions of plugins while the gateway runs: installed, checked against what is stored, swapped, rolled back,
//! forgotten.
//!
//! A swap is one batch in the store (which revision is active, and the records that had to be put back into an older
//! schema) and then one pointer (see [`crate::plugin::Plugins`]); a crash between the two is a swap that the next start
//! completes. What is refused has changed nothing, and the active revision serves throughout. Of one plugin there is one
//! change at a time, and no plugin waits for a change of another; a component is compiled before its turn. Changes run to
//! their end even if whoever asked for them has gone. A swap between revisions of one schema waits for nobody. One between
//! schemas waits, for some seconds, until nothing of the namespace is being changed, and what comes meanwhile waits for it.
//!
//! A change works on a copy of its plugin's history, which is published once it is stored: who looks never waits, and
//! sees what was before the change or after it.

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

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use floci_az_contract::Manifest;
use tokio::sync::mpsc;

pub use archive::{Archive, ArchiveError};
pub use error::{RolloutError, RolloutErrorKind};
pub use gate::GateError;
pub use package::{Origin, Package, Then};
pub use start::Begun;
pub use state::State;
pub use swap::shared_ports;
pub use view::{Outcome, PluginView, RevisionView};

use crate::arm::{Held, Locks, Router};
use crate::config::Sources;
use crate::imports::Lender;
use crate::plugin::{Bounds, Compiled, Digest, Ended, Engine, Grants, Plugin, Plugins, Revision, Values, declared};
use crate::state::{self as store, Batch};
use crate::telemetry::Event;
use gate::Passed;
use history::{History, Known};
use state::Happening;
use swap::{Reason, alone};

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
    /// By namespace in lower case, as they were published last.
    histories: Mutex<BTreeMap<String, History>>,
    /// Of namespaces that nobody serves yet. One claim at a time: two may want the same name.
    claims: tokio::sync::Mutex<()>,
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
            claims: tokio::sync::Mutex::default(),
        });
        tokio::spawn(retire(Arc::downgrade(&rollout), endings));
        for history in rollout.published().values() {
            probation::resume(&rollout, history);
        }
        rollout
    }

    fn published(&self) -> MutexGuard<'_, BTreeMap<String, History>> {
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self, namespace: &str) -> Option<History> {
        self.published().get(&namespace.to_lowercase()).cloned()
    }

    fn publish(&self, history: &History) {
        self.published().insert(history.key(), history.clone());
    }

    /// Waits until nobody else changes the plugin. What is known of it, and its turn for as long as it is held.
    async fn begin(&self, namespace: &str) -> Result<(Held, History), RolloutError> {
        let turn = self.locks.plugin(namespace).await;
        let history = self.history(namespace).ok_or_else(|| self.no_such_plugin(namespace))?;
        Ok((turn, history))
    }

    fn no_such_plugin(&self, namespace: &str) -> RolloutError {
        let known = self.published().values().map(|history| history.namespace.as_str()).collect::<Vec<_>>().join(", ");
        RolloutError::NoSuchPlugin { namespace: namespace.to_owned(), known }
    }

    /// Loads; Active if its namespace is not served yet or `then` is Swap; else it stays Ready.
    pub async fn install(self: &Arc<Self>, package: Package, then: Then) -> Result<Outcome, RolloutError> {
        self.to_its_end(|this| async move {
            let (digest, origin) = (Digest::of(&package.bytes), package.origin.to_string());
            let installed = this.take_in(package, then).await;
            installed.inspect_err(|error| this.refused(None, Some(&digest), origin, error.code(), error))
        })
        .await
    }

    async fn take_in(self: &Arc<Self>, package: Package, then: Then) -> Result<Outcome, RolloutError> {
        let revision = self.workshop.load(&package).await?;
        let (digest, key) = (revision.digest(), revision.manifest().namespace.to_lowercase());
        let _turn = self.locks.plugin(&key).await;
        let before = self.history(&key);
        self.check_place(before.as_ref(), &revision)?;
        let (values, grants) = self.allowed(before.as_ref(), &revision)?;
        let lacks = grants.lacks(&Grants::asked(revision.manifest(), &values));
        self.workshop.archive.keep(digest, &package.bytes)?;
        let (labels, version) = (revision.labels().clone(), revision.manifest().version.clone());
        self.tell(Event::PluginLoaded { labels, version, origin: package.origin.to_string() });
        let is_new = before.as_ref().is_none_or(|history| history.known(digest).is_none());
        let mut history = before.unwrap_or_else(|| History::new(&revision));
        self.remember(&mut history, revision.clone(), package.origin, grants.lines()).await?;
        if self.plugins.of(&key).is_none() || then == Then::Swap {
            let mut swapped = self.activate(&mut history, digest, Reason::Asked).await;
            match &mut swapped {
                Ok(outcome) => outcome.notes.extend(lacks),
                Err(_) if is_new => self.drop_revision(&mut history, digest).await?,
                Err(_) => {}
            }
            return swapped;
        }
        let mut outcome = history.outcome(digest, None)?;
        if outcome.revision.state != State::Active.as_str() {
            outcome.notes.push("It is not the active one: a swap has it serve, if it reads what is stored.".to_owned());
        }
        outcome.notes.extend(lacks);
        Ok(outcome)
    }

    /// Everything that install and swap would look at; changes nothing, and waits for nobody.
    pub async fn check(self: &Arc<Self>, package: Package) -> Result<Outcome, RolloutError> {
        let revision = self.workshop.load(&package).await?;
        let known = self.history(&revision.manifest().namespace);
        self.check_place(known.as_ref(), &revision)?;
        let newer = self.workshop.newer_than(known.as_ref(), &revision).await;
        // A plugin of its own: nothing of what is found out is for the one that serves.
        let plugin = Arc::new(Plugin::new(revision.manifest()));
        let (values, grants) = self.allowed(known.as_ref(), &revision)?;
        let lacks = grants.lacks(&Grants::asked(revision.manifest(), &values));
        revision.bind(Bounds::read(&values));
        let allowed = grants.lines();
        plugin.configure(values, grants);
        let passed = self.gate(&revision, &newer, &plugin, Passed::default(), gate::WHOLE).await?;
        let mut history = History::new(&revision);
        history.add(Known { allowed, ..Known::new(&revision, package.origin) });
        let mut outcome = history.outcome(revision.digest(), None)?;
        outcome.converted = passed.converted.len();
        outcome.notes.extend(lacks);
        Ok(outcome)
    }

    /// `to` is a digest of a known revision, or its beginning.
    pub async fn swap(self: &Arc<Self>, namespace: &str, to: &str) -> Result<Outcome, RolloutError> {
        let (namespace, to) = (namespace.to_owned(), to.to_owned());
        self.to_its_end(|this| async move {
            let (_turn, mut history) = this.begin(&namespace).await?;
            let digest = history.named(&to)?;
            let swapped = this.activate(&mut history, &digest, Reason::Asked).await;
            swapped.inspect_err(|error| {
                this.refused(Some(&history.namespace), Some(&digest), "a swap".to_owned(), error.code(), error);
            })
        })
        .await
    }

    /// Back to the revision that was active before, or to the one named.
    pub async fn rollback(self: &Arc<Self>, namespace: &str, to: Option<&str>) -> Result<Outcome, RolloutError> {
        let (namespace, to) = (namespace.to_owned(), to.map(str::to_owned));
        self.to_its_end(|this| async move {
            let (_turn, mut history) = this.begin(&namespace).await?;
            let digest = match to {
                Some(to) => history.named(&to)?,
                None => history.before.last().cloned().ok_or_else(|| RolloutError::NothingBefore {
                    namespace: history.namespace.clone(),
                    known: history.others(),
                })?,
            };
            let swapped = this.activate(&mut history, &digest, Reason::RolledBack).await;
            swapped.inspect_err(|error| {
                this.refused(Some(&history.namespace), Some(&digest), "a rollback".to_owned(), error.code(), error);
            })
        })
        .await
    }

    /// Forgets one revision that is not active, and what is kept for its sake.
    pub async fn forget(self: &Arc<Self>, namespace: &str, digest: &str) -> Result<Outcome, RolloutError> {
        let (namespace, asked) = (namespace.to_owned(), digest.to_owned());
        self.to_its_end(|this| async move {
            let (_turn, mut history) = this.begin(&namespace).await?;
            let digest = history.named(&asked)?;
            let known = history.known(&digest).ok_or_else(|| history.lacks(&digest))?;
            if matches!(known.state, State::Active | State::Draining) || history.active.as_ref() == Some(&digest) {
                let (namespace, state) = (history.namespace.clone(), known.state.as_str());
                return Err(RolloutError::InUse { namespace, digest, state });
            }
            if history.is_bundled(&digest) {
                let (namespace, service) = (history.namespace.clone(), history.service.clone());
                return Err(RolloutError::Bundled { namespace, service });
            }
            let outcome = history.outcome(&digest, None)?;
            this.drop_revision(&mut history, &digest).await?;
            Ok(outcome)
        })
        .await
    }

    /// Removes a plugin of whose namespace nothing is stored.
    pub async fn remove(self: &Arc<Self>, namespace: &str) -> Result<(), RolloutError> {
        let namespace = namespace.to_owned();
        self.to_its_end(|this| async move {
            let (_turn, history) = this.begin(&namespace).await?;
            let (namespace, service) = (history.namespace.clone(), history.service.clone());
            if history.bundled.is_some() {
                return Err(RolloutError::Bundled { namespace, service });
            }
            let _alone = match &history.plugin {
                Some(plugin) => Some(alone(plugin).await?),
                None => None,
            };
            let stored = this.lender.inventory.of_namespace(&namespace);
            if let Some(first) = stored.first() {
                let first = first.id.to_string();
                return Err(RolloutError::HasResources { namespace, count: stored.len(), first });
            }
            let key = history.key();
            this.lender.inventory.commit_with(Vec::new(), Batch::default().remove(Self::TABLE, &key)).await?;
            if let Some(plugin) = &history.plugin {
                this.plugins.leave(plugin);
            }
            this.published().remove(&key);
            this.share_ports().await;
            for known in &history.revisions {
                this.forget_component(&known.digest);
            }
            tracing::info!(namespace, "plugin removed");
            this.tell(Event::PluginRemoved { plugin: namespace });
            Ok(())
        })
        .await
    }

    /// Every plugin that is known, whether it serves or not.
    pub fn list(&self) -> Vec<PluginView> {
        let view = |history: &History| {
            let serving = self.plugins.of(&history.namespace);
            PluginView {
                namespace: history.namespace.clone(),
                service: history.service.clone(),
                active: history.active.clone().filter(|_| serving.is_some()),
                revisions: history.revisions.iter().map(Known::view).collect(),
                resources: self.lender.inventory.of_namespace(&history.namespace).len(),
                settings: serving.map_or_else(Vec::new, |entry| declared(entry.revision.manifest())),
            }
        };
        self.published().values().map(view).collect()
    }

    /// A component that has not come as far as being installed.
    pub fn tell_refused(&self, origin: &Origin, code: &str, reason: &str) {
        self.refused(None, None, origin.to_string(), code, &reason);
    }

    /// `from` is where the component comes from, or what was to be done with it.
    fn refused(
        &self,
        plugin: Option<&str>,
        revision: Option<&Digest>,
        from: String,
        code: &str,
        reason: &dyn fmt::Display,
    ) {
        let revision = revision.map(|digest| digest.short().to_owned());
        tracing::warn!(plugin, revision, from, code, "a revision is refused: {reason}");
        let (plugin, code, reason) = (plugin.map(str::to_owned), code.to_owned(), reason.to_string());
        self.tell(Event::PluginRefused { plugin, revision, origin: from, code, reason });
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
    fn check_place(&self, known: Option<&History>, revision: &Revision) -> Result<(), RolloutError> {
        let manifest = revision.manifest();
        let table = self.plugins.now();
        let others =
            || table.iter().filter(|entry| !entry.plugin.namespace().eq_ignore_ascii_case(&manifest.namespace));
        let manifests = others().map(|entry| entry.revision.manifest()).chain([manifest]);
        Router::check(manifests)
            .map_err(|source| RolloutError::Routes { revision: revision.label().to_owned(), source })?;
        match known {
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
        history: &mut History,
        revision: Arc<Revision>,
        origin: Origin,
        allowed: Vec<String>,
    ) -> Result<(), RolloutError> {
        match history.known(revision.digest()).cloned() {
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
        self.publish(history);
        while let Some(surplus) = history.surplus() {
            if let Err(error) = self.drop_revision(history, &surplus).await {
                let surplus = surplus.short();
                tracing::warn!(surplus, %error, "a revision too many is kept until the next one is installed");
                break;
            }
        }
        Ok(())
    }
}

/// Marks what has ended, for as long as the gateway lives. Each waits for its plugin's turn, and for no other's.
async fn retire(rollout: Weak<Rollout>, mut endings: mpsc::UnboundedReceiver<Ended>) {
    while let Some(ended) = endings.recv().await {
        let Some(rollout) = rollout.upgrade() else { return };
        tokio::spawn(async move { rollout.retired(&ended).await });
    }
}

impl Rollout {
    async fn retired(&self, Ended { namespace, digest, turn }: &Ended) {
        // Of a plugin that was removed there is nothing to be said.
        let Ok((_turn, mut history)) = self.begin(namespace).await else { return };
        let key = history.key();
        let Some(known) = history.known_mut(digest).filter(|known| known.turn == *turn) else { return };
        let label = known.label(&key);
        known.happens(Happening::Ended, &label);
        self.tell(Event::PluginRetired { labels: known.labels(namespace) });
        history.unload();
        self.publish(&history);
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
