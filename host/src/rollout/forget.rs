//! What is forgotten with a revision: its component, and the states that were kept for its sake.

use super::history::History;
use super::swap::alone;
use super::{Rollout, RolloutError};
use crate::arm::{Record, Transition};
use crate::plugin::Digest;
use crate::state::Batch;
use crate::telemetry::{Event, Labels};

impl Rollout {
    /// Of one that is not active. With the last one goes the history.
    pub(super) async fn drop_revision(&self, history: &mut History, digest: &Digest) -> Result<(), RolloutError> {
        let mut next = history.clone();
        next.drop_revision(digest);
        // States in a schema that no known revision has any more. If there is none now, there will be none: what is
        // stored from now on is of the active revision.
        let is_orphaned = |record: &Record| next.has_lost_twin(record);
        let any = self.lender.inventory.of_namespace(&history.namespace).iter().any(|record| is_orphaned(record));
        let mut records = Vec::new();
        let mut _alone = None;
        if any {
            let alone = match &history.plugin {
                Some(plugin) => Some(alone(plugin).await?),
                None => None,
            };
            let held = self.hold(&history.namespace, is_orphaned).await;
            let stored = self.lender.inventory.of_namespace(&history.namespace);
            let without = |record: &Record| Transition::Store(Record { twin: None, ..record.clone() });
            records.extend(stored.iter().filter(|record| is_orphaned(record)).map(|record| without(record)));
            _alone = Some((alone, held));
        }
        let row = match next.revisions.is_empty() {
            true => Batch::default().remove(Self::TABLE, history.key()),
            false => next.row()?,
        };
        self.lender.inventory.commit_with(records, row).await?;
        *history = next;
        if history.revisions.is_empty() {
            self.published().remove(&history.key());
        } else {
            self.publish(history);
            self.tell(Event::PluginForgotten { labels: Labels::new(&history.namespace, digest.short()) });
            tracing::info!(namespace = history.namespace, revision = digest.short(), "revision forgotten");
        }
        self.forget_component(digest);
        Ok(())
    }

    pub(super) fn forget_component(&self, digest: &Digest) {
        if !self.published().values().any(|history| history.known(digest).is_some()) {
            self.workshop.archive.forget(digest);
            self.workshop.compiled.forget(digest);
        }
    }
}
