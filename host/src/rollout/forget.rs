//! What is forgotten with a revision: its component, and the states that were kept for its sake.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::history::History;
use super::swap::alone;
use super::{Rollout, RolloutError, find};
use crate::arm::{Record, Transition};
use crate::plugin::Digest;
use crate::state::Batch;
use crate::telemetry::{Event, Labels};

impl Rollout {
    /// Of one that is not active. With the last one goes the history.
    pub(super) async fn drop_revision(
        &self,
        histories: &mut BTreeMap<String, History>,
        key: &str,
        digest: &Digest,
    ) -> Result<(), RolloutError> {
        let history = find(histories, key)?;
        let mut next = history.kept();
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
        let row = if next.revisions.is_empty() { Batch::default().remove(Self::TABLE, key) } else { next.row()? };
        self.lender.inventory.commit_with(records, row).await?;
        if next.revisions.is_empty() {
            histories.remove(key);
        } else if let Some(history) = histories.get_mut(key) {
            history.drop_revision(digest);
            self.tell(Event::PluginForgotten { labels: Labels::new(&history.namespace, digest.short()) });
            tracing::info!(namespace = history.namespace, revision = digest.short(), "revision forgotten");
        }
        self.forget_component(histories, digest);
        Ok(())
    }

    pub(super) fn forget_component(&self, histories: &BTreeMap<String, History>, digest: &Digest) {
        if !histories.values().any(|history| history.known(digest).is_some()) {
            self.workshop.archive.forget(digest);
            self.workshop.compiled.forget(digest);
        }
    }
}
