//! The first minute of a revision that was swapped in: if its calls keep failing, the one before it is active again.
//!
//! Calls that trap or do not end count; what the revision refuses does not. A revision that was rolled back to has no
//! probation, so two bad ones do not chase each other.

use std::sync::Arc;
use std::time::Duration;

use super::swap::Reason;
use super::{Rollout, find};
use crate::plugin::Revision;
use crate::telemetry::Event;

/// Long enough for the reconcile loop to have looked at everything twice.
const LENGTH: Duration = Duration::from_secs(60);
/// Failed calls after which it is over. One may be its caller's fault.
const MOST_FAILURES: u32 = 3;

pub(super) fn begin(rollout: &Arc<Rollout>, revision: &Arc<Revision>) {
    let (rollout, revision) = (Arc::downgrade(rollout), revision.clone());
    tokio::spawn(async move {
        let mut trouble = revision.trouble();
        let allowed = *trouble.borrow() + MOST_FAILURES;
        let in_trouble = trouble.wait_for(|failures| *failures >= allowed);
        if tokio::time::timeout(LENGTH, in_trouble).await.is_err() {
            let serves = |rollout: &Arc<Rollout>| {
                let entry = rollout.plugins.of(&revision.manifest().namespace);
                entry.is_some_and(|entry| entry.revision.digest() == revision.digest())
            };
            if let Some(rollout) = rollout.upgrade().filter(serves) {
                tracing::info!(revision = revision.label(), "has passed its probation");
                rollout.tell(Event::PluginProbationEnded { labels: revision.labels().clone() });
            }
            return;
        }
        let Some(rollout) = rollout.upgrade() else { return };
        let mut histories = rollout.histories.lock().await;
        let namespace = revision.manifest().namespace.to_lowercase();
        let Ok(history) = find(&histories, &namespace) else { return };
        let Some(before) = history.before.last().cloned() else { return };
        if history.active.as_ref() != Some(revision.digest()) {
            return;
        }
        tracing::warn!(
            revision = revision.label(),
            "{MOST_FAILURES} of its calls have failed in its first {} s: rolling back to {}",
            LENGTH.as_secs(),
            before.short()
        );
        if let Err(error) = rollout.activate(&mut histories, &namespace, &before, Reason::Trouble).await {
            tracing::error!(revision = revision.label(), %error, "it stays active: it could not be rolled back");
        }
    });
}
