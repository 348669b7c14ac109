//! The swap itself: gate, one batch in the store, one pointer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedRwLockWriteGuard;

use super::gate::{self, Passed};
use super::history::History;
use super::state::Happening;
use super::{Outcome, Rollout, RolloutError, Workshop, probation};
use crate::arm::{Held, Record, Transition};
use crate::ingress::Shared;
use crate::plugin::{Ask, Bounds, Capability, Digest, Entry, Plugin, Revision, Table};
use crate::telemetry::{Event, Labels};

/// How long a swap between schemas waits for the changes under way. Those that come later wait as long, too, and for the
/// second look.
const PATIENCE: Duration = Duration::from_secs(10);
/// For what was stored while the gate looked, which is looked at when nothing is changed.
const SECOND_LOOK: Duration = Duration::from_secs(10);

/// Why one revision takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Asked,
    RolledBack,
    /// In its probation.
    Trouble,
}

impl Rollout {
    /// The swap: gate, one batch, one pointer. In the plugin's turn, which the caller holds.
    pub(super) async fn activate(
        self: &Arc<Self>,
        history: &mut History,
        digest: &Digest,
        reason: Reason,
    ) -> Result<Outcome, RolloutError> {
        let known = history.known(digest).ok_or_else(|| history.lacks(digest))?;
        let before = self.plugins.of(&history.namespace);
        if let Some(entry) = before.as_ref().filter(|entry| entry.revision.digest() == digest) {
            return self.configure_anew(history, entry).await;
        }
        let revision = match known.loaded.clone() {
            Some(revision) => revision,
            None => self.workshop.load_kept(digest).await?,
        };
        let (values, grants) = self.allowed(Some(history), &revision)?;
        revision.bind(Bounds::read(&values));
        let plugin = match &before {
            Some(entry) => entry.plugin.clone(),
            None => Arc::new(Plugin::new(revision.manifest())),
        };
        let newer = self.workshop.newer_than(Some(history), &revision).await;
        let mut passed = self.gate(&revision, &newer, &plugin, Passed::default(), gate::WHOLE).await?;
        // What was stored while the gate looked is looked at again, when nothing is stored any more.
        let _alone = match reshapes(before.as_ref(), &revision) {
            Reshapes::Nothing => None,
            Reshapes::Storage => {
                let alone = alone(&plugin).await?;
                // Who marks something for its deletion has no part in that, but in these.
                let held = self.hold(plugin.namespace(), |record| is_newer(record, &revision)).await;
                passed = self.gate(&revision, &newer, &plugin, passed, SECOND_LOOK).await?;
                Some((alone, held))
            }
        };

        let replaced = history.active.clone().filter(|active| active != digest);
        let converted = passed.converted.len();
        let mut next = history.clone();
        next.replace(digest, replaced.as_ref(), reason);
        let records = passed.converted.into_values().map(Transition::Store).collect();
        // Of a namespace that nobody serves yet: from the look at who else wants its names until it has them.
        let claim = match &before {
            Some(_) => None,
            None => {
                let claim = self.claims.lock().await;
                self.plugins.now().check_claims(&revision)?;
                Some(claim)
            }
        };
        self.lender.inventory.commit_with(records, next.row()?).await?;

        *history = next;
        let allowed = grants.lines();
        plugin.configure(values, grants);
        history.plugin = Some(plugin.clone());
        if let Some(known) = replaced.as_ref().and_then(|replaced| history.known_mut(replaced)) {
            let label = known.label(plugin.namespace());
            known.happens(Happening::Replaced, &label);
            self.tell_replaced(known.labels(plugin.namespace()), digest, reason);
        }
        let mut turn = 0;
        if let Some(known) = history.known_mut(digest) {
            known.load(revision.clone());
            known.happens(Happening::Activated, revision.label());
            known.allowed = allowed;
            turn = self.plugins.serve(plugin, revision.clone());
            known.turn = turn;
            let replaced = replaced.as_ref().map(|replaced| replaced.short().to_owned());
            self.tell(Event::PluginActivated { labels: revision.labels().clone(), replaced });
        }
        history.unload();
        self.publish(history);
        drop((before, claim));
        self.share_ports().await;
        for record in self.lender.inventory.of_namespace(&history.namespace) {
            self.lender.wake(record.id.key());
        }
        if history.on_probation.is_some() {
            probation::begin(self, &revision, turn);
        }
        let mut outcome = history.outcome(digest, replaced)?;
        outcome.converted = converted;
        Ok(outcome)
    }

    /// Of the revision that is active already.
    async fn configure_anew(&self, history: &mut History, entry: &Entry) -> Result<Outcome, RolloutError> {
        let Entry { plugin, revision } = entry;
        let (values, grants) = self.allowed(Some(history), revision)?;
        if let Some(known) = history.known_mut(revision.digest()) {
            known.allowed = grants.lines();
        }
        self.publish(history);
        revision.bind(Bounds::read(&values));
        plugin.configure(values, grants);
        self.share_ports().await;
        let mut outcome = history.outcome(revision.digest(), None)?;
        outcome.notes.push("It is the active one already; its settings were read anew.".to_owned());
        Ok(outcome)
    }

    pub(super) async fn share_ports(&self) {
        self.lender.ingress.share(|| shared_ports(&self.plugins.now())).await;
    }

    fn tell_replaced(&self, labels: Labels, by: &Digest, reason: Reason) {
        self.tell(Event::PluginDraining { labels: labels.clone() });
        let why = match reason {
            Reason::Asked => return,
            Reason::RolledBack => "it was asked for",
            Reason::Trouble => "calls of it failed soon after it was swapped in",
        };
        self.tell(Event::PluginRolledBack { labels, to: by.short().to_owned(), why: why.to_owned() });
    }

    pub(super) async fn gate(
        &self,
        revision: &Arc<Revision>,
        newer: &[Arc<Revision>],
        plugin: &Arc<Plugin>,
        before: Passed,
        limit: Duration,
    ) -> Result<Passed, RolloutError> {
        let stored = self.lender.inventory.of_namespace(plugin.namespace());
        Ok(gate::pass(revision, newer, stored, Some((&self.lender, plugin)), before, limit).await?)
    }

    /// The write locks of some of what is stored. Whoever has one of them waits for none.
    pub(super) async fn hold(&self, namespace: &str, which: impl Fn(&Record) -> bool) -> Vec<Held> {
        let mut held = Vec::new();
        for record in self.lender.inventory.of_namespace(namespace) {
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
