//! The first minute of a revision that was swapped in: if its calls keep failing, the one before it is active again.
//!
//! Calls that trap or do not end count; what the revision refuses does not. A revision that was rolled back to has no
//! probation, so two bad ones do not chase each other.

use std::sync::Arc;
use std::time::Duration;

use super::swap::Reason;
use super::{Rollout, RolloutError, find};
use crate::plugin::Revision;
use crate::telemetry::Event;

/// Long enough for the reconcile loop to have looked at everything twice.
const LENGTH: Duration = Duration::from_secs(60);
/// Failed calls after which it is over. One may be its caller's fault.
const MOST_FAILURES: u32 = 3;
/// Between two tries: others have their turn.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is tried to roll back while changes under way hold it off.
const TRIES: u32 = 30;

/// Of one turn of a revision; another turn has a probation of its own, or none.
pub(super) fn begin(rollout: &Arc<Rollout>, revision: &Arc<Revision>, turn: u64) {
    let (weak, revision) = (Arc::downgrade(rollout), revision.clone());
    let mut trouble = revision.trouble();
    let allowed = *trouble.borrow() + MOST_FAILURES;
    tokio::spawn(async move {
        let in_trouble = trouble.wait_for(|failures| *failures >= allowed);
        let passed = tokio::time::timeout(LENGTH, in_trouble).await.is_err();
        for _ in 0..TRIES {
            let Some(rollout) = weak.upgrade() else { return };
            let mut histories = rollout.histories.lock().await;
            let namespace = revision.manifest().namespace.to_lowercase();
            let Ok(history) = find(&histories, &namespace) else { return };
            let is_its_turn = history.known(revision.digest()).is_some_and(|known| known.turn == turn);
            if history.active.as_ref() != Some(revision.digest()) || !is_its_turn {
                return;
            }
            if passed {
                tracing::info!(revision = revision.label(), "has passed its probation");
                return rollout.tell(Event::PluginProbationEnded { labels: revision.labels().clone() });
            }
            let Some(before) = history.before.last().cloned() else { return };
            tracing::warn!(
                revision = revision.label(),
                "{MOST_FAILURES} of its calls have failed in its first {} s: rolling back to {}",
                LENGTH.as_secs(),
                before.short()
            );
            match rollout.activate(&mut histories, &namespace, &before, Reason::Trouble).await {
                // What hangs is stopped some time.
                Err(error @ RolloutError::Busy { .. }) => {
                    tracing::warn!(revision = revision.label(), %error, "trying again");
                }
                Err(error) => {
                    return tracing::error!(revision = revision.label(), %error, "it stays active: it could not be rolled back");
                }
                Ok(_) => return,
            }
            drop(histories);
            tokio::time::sleep(PAUSE).await;
        }
    });
}
