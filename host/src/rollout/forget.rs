//! What is forgotten with a revision: its component, and the states that were kept for its sake.

use std::sync::Arc;

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
        // States in a schema that no known revision has any more.
        let orphaned = || {
            let mut stored = self.lender.inventory.of_namespace(&history.namespace);
            stored.retain(|record| next.has_lost_twin(record));
            stored
        };
        let _alone = match &history.plugin {
            Some(plugin) if !orphaned().is_empty() => {
                Some((alone(plugin).await?, self.hold(plugin, |record| next.has_lost_twin(record)).await))
            }
            _ => None,
        };
        let without_twin = |record: Arc<Record>| Transition::Store(Record { twin: None, ..(*record).clone() });
        let records = orphaned().into_iter().map(without_twin).collect();
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
