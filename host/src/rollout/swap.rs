//! The swap itself: gate, one batch in the store, one pointer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedRwLockWriteGuard;

use super::gate::{self, Passed};
use super::history::History;
use super::state::Happening;
use super::{Outcome, Rollout, RolloutError, Workshop, find, gone, no_such_plugin, probation};
use crate::arm::{Held, Record, Transition};
use crate::ingress::Shared;
use crate::plugin::{Ask, Bounds, Capability, Digest, Entry, Plugin, Revision, Table};
use crate::telemetry::Event;

/// How long a swap between schemas waits for the changes under way. Those that come later wait as long, too.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why one revision takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Asked,
    RolledBack,
    /// In its probation.
    Trouble,
}

impl Rollout {
    /// The swap: gate, one batch, one pointer.
    pub(super) async fn activate(
        self: &Arc<Self>,
        histories: &mut BTreeMap<String, History>,
        key: &str,
        digest: &Digest,
        reason: Reason,
    ) -> Result<Outcome, RolloutError> {
        let history = find(histories, key)?;
        if let Some(entry) = self.plugins.of(key).filter(|entry| entry.revision.digest() == digest) {
            let (values, grants) = self.allowed(Some(history), &entry.revision)?;
            if let Some(known) = histories.get_mut(key).and_then(|history| history.known_mut(digest)) {
                known.allowed = grants.lines();
            }
            entry.revision.bind(Bounds::read(&values));
            entry.plugin.configure(values, grants);
            let mut outcome = self.outcome(histories, key, digest, None)?;
            outcome.notes.push("It is the active one already; its settings were read anew.".to_owned());
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
        let newer = self.workshop.newer_than(Some(history), &revision).await;
        let mut passed = self.gate(&revision, &newer, &plugin, Passed::default()).await?;
        // What was stored while the gate looked is looked at again, when nothing is stored any more.
        let _alone = match reshapes(before.as_ref(), &revision) {
            Reshapes::Nothing => None,
            Reshapes::Storage => {
                let alone = alone(&plugin).await?;
                // Who marks something for its deletion has no part in that, but in these.
                let held = self.hold(&plugin, |record| is_newer(record, &revision)).await;
                passed = self.gate(&revision, &newer, &plugin, passed).await?;
                Some((alone, held))
            }
        };

        let history = histories.get_mut(key).ok_or_else(|| no_such_plugin(&BTreeMap::new(), key))?;
        let replaced = history.active.clone().filter(|active| active != digest);
        let converted = passed.converted.len();
        let mut next = history.kept();
        next.replace(digest, replaced.as_ref(), reason);
        let records = passed.converted.into_values().map(Transition::Store).collect();
        self.lender.inventory.commit_with(records, next.row()?).await?;

        let allowed = grants.lines();
        plugin.configure(values, grants);
        history.replace(digest, replaced.as_ref(), reason);
        history.plugin = Some(plugin.clone());
        if let Some(known) = replaced.as_ref().and_then(|replaced| history.known_mut(replaced)) {
            let label = known.label(key);
            known.happens(Happening::Replaced, &label);
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
            known.allowed = allowed;
            known.turn = self.plugins.serve(plugin, revision.clone());
            let replaced = replaced.as_ref().map(|replaced| replaced.short().to_owned());
            self.tell(Event::PluginActivated { labels: revision.labels().clone(), replaced });
        }
        let turn = history.known(digest).map_or(0, |known| known.turn);
        history.unload();
        drop(before);
        self.lender.ingress.share(shared_ports(&self.plugins.now())).await;
        for record in self.lender.inventory.of_namespace(key) {
            self.lender.wake(record.id.key());
        }
        if reason == Reason::Asked && replaced.is_some() {
            probation::begin(self, &revision, turn);
        }
        let mut outcome = self.outcome(histories, key, digest, replaced)?;
        outcome.converted = converted;
        Ok(outcome)
    }

    pub(super) async fn gate(
        &self,
        revision: &Arc<Revision>,
        newer: &[Arc<Revision>],
        plugin: &Arc<Plugin>,
        before: Passed,
    ) -> Result<Passed, RolloutError> {
        let stored = self.lender.inventory.of_namespace(plugin.namespace());
        Ok(gate::pass(revision, newer, stored, Some((&self.lender, plugin)), before).await?)
    }

    /// The write locks of some of what is stored. Whoever has one of them waits for none.
    pub(super) async fn hold(&self, plugin: &Plugin, which: impl Fn(&Record) -> bool) -> Vec<Held> {
        let mut held = Vec::new();
        for record in self.lender.inventory.of_namespace(plugin.namespace()) {
            if which(&record) {
                held.push(self.locks.write(&record.id.key()).await);
            }
        }
        held
    }
}

/// The ports that plugins want to share among their resources: of services that are served, and that may.
pub fn shared_ports(table: &Table) -> Vec<Shared> {
    let mut found = Vec::new();
    let may = |plugin: &Plugin| plugin.is_enabled() && plugin.grants().allows(Ask::Use(Capability::Ingress)).is_ok();
    for Entry { plugin, revision } in table.iter().filter(|entry| may(&entry.plugin)) {
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

/// Whether a record is in a newer schema than a revision reads.
fn is_newer(record: &Record, revision: &Revision) -> bool {
    revision.kind(&record.id.kind()).is_some_and(|kind| kind.schema_version < record.schema_version)
}

impl Workshop {
    /// The known revisions that have a newer schema of some type than this one. What cannot be loaded is left out.
    pub(super) async fn newer_than(&self, history: Option<&History>, revision: &Revision) -> Vec<Arc<Revision>> {
        let mut newer = Vec::new();
        for known in history.into_iter().flat_map(|history| &history.revisions) {
            let is_newer =
                |(name, schema): &(String, u32)| revision.kind(name).is_some_and(|kind| kind.schema_version < *schema);
            if known.digest == *revision.digest() || !known.schemas.iter().any(is_newer) {
                continue;
            }
            let loaded = match known.loaded.clone() {
                Some(loaded) => Some(loaded),
                None => self.load_kept(&known.digest).await.ok(),
            };
            newer.extend(loaded);
        }
        newer
    }
}

pub(super) async fn alone(plugin: &Plugin) -> Result<OwnedRwLockWriteGuard<()>, RolloutError> {
    let busy = || RolloutError::Busy { namespace: plugin.namespace().to_owned(), limit: PATIENCE };
    plugin.unchanging(PATIENCE).await.ok_or_else(busy)
}
