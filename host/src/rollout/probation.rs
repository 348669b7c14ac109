//! The first minute of a revision that was swapped in: if its calls keep failing, the one before it is active again.
//!
//! Calls that trap or do not end count; what the revision refuses does not. A revision that was rolled back to has no
//! probation, so two bad ones do not chase each other. That one is on probation is stored: a gateway that starts again
//! goes on with it.

use std::sync::Arc;
use std::time::Duration;

use super::Rollout;
use super::history::{History, Known};
use super::swap::Reason;
use crate::plugin::Revision;
use crate::telemetry::Event;

/// Long enough for the reconcile loop to have looked at everything twice. Then for as long as a call that has begun by then
/// may take: a revision that hangs has failed when its calls are ended.
const LENGTH: Duration = Duration::from_secs(60);
/// Failed calls after which it is over. One may be its caller's fault.
const MOST_FAILURES: u32 = 3;
/// Between two tries: others have their turn.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is tried to roll back while changes under way hold it off.
const TRIES: u32 = 30;

/// Of the revision that was on probation when the gateway ended, by kill -9 perhaps: it has all of its time again.
pub(super) fn resume(rollout: &Arc<Rollout>, history: &History) {
    let known = history.on_probation.as_ref().filter(|one| history.active.as_ref() == Some(*one));
    if let Some((revision, turn)) = known.and_then(|one| history.known(one)).and_then(Known::serving) {
        begin(rollout, revision, turn);
    }
}

/// Of one turn of a revision; another turn has a probation of its own, or none.
pub(super) fn begin(rollout: &Arc<Rollout>, revision: &Arc<Revision>, turn: u64) {
    let (weak, revision) = (Arc::downgrade(rollout), revision.clone());
    let mut trouble = revision.trouble();
    let allowed = *trouble.borrow() + MOST_FAILURES;
    let length = LENGTH + revision.limits().effect;
    tokio::spawn(async move {
        let in_trouble = trouble.wait_for(|failures| *failures >= allowed);
        let passed = tokio::time::timeout(length, in_trouble).await.is_err();
        for tries in (1..=TRIES).rev() {
            let Some(rollout) = weak.upgrade() else { return };
            let Ok((held, mut history)) = rollout.begin(&revision.manifest().namespace).await else { return };
            let is_its_turn = history.known(revision.digest()).is_some_and(|known| known.turn == turn);
            if history.active.as_ref() != Some(revision.digest()) || !is_its_turn {
                return;
            }
            if passed {
                return rollout.passed(history, &revision).await;
            }
            let Some(before) = history.before.last().cloned() else { return };
            tracing::warn!(
                revision = revision.label(),
                "{MOST_FAILURES} of its calls have failed in its first {} s: rolling back to {}",
                length.as_secs(),
                before.short()
            );
            match rollout.activate(&mut history, &before, Reason::Trouble).await {
                // What hangs is stopped some time.
                Err(error) if tries > 1 && error.may_pass() => {
                    tracing::warn!(revision = revision.label(), %error, "trying again");
                }
                Err(error) => {
                    return tracing::error!(revision = revision.label(), %error, "it stays active: it could not be rolled back");
                }
                Ok(_) => return,
            }
            drop(held);
            tokio::time::sleep(PAUSE).await;
        }
    });
}

impl Rollout {
    async fn passed(&self, mut history: History, revision: &Revision) {
        history.on_probation = None;
        let stored = match history.row() {
            Ok(row) => self.lender.inventory.commit_with(Vec::new(), row).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            tracing::warn!(revision = revision.label(), %error, "that it has passed could not be stored: the next start has it on probation again");
        }
        self.publish(&history);
        tracing::info!(revision = revision.label(), "has passed its probation");
        self.tell(Event::PluginProbationEnded { labels: revision.labels().clone() });
    }
}
