//! The loop that brings resources to where they should be.
//!
//! Level-based, as in Kubernetes: a resource is *woken* (it was changed, a workload of it died, the gateway started,
//! some time has passed), and its worker calls the plugin until there is nothing more to do. What happened in
//! between does not matter, only the record as it is now; so a wake-up may be repeated, and two may become one.
//!
//! There is at most one worker per resource, and it ends when its resource is settled. A step runs under the
//! resource's effects lock; its outcome is stored under the write lock, if the record has not changed meanwhile, and
//! thrown away otherwise (see [`crate::arm::Locks`]). Bounds: [`AT_ONCE`] steps at the same time; the manifest's deadline
//! for an operation; [`MOST_FAILURES`] traps in a row. An operation that runs out of them ends as Failed, with the
//! reason. A settled resource whose repair fails stays Succeeded, as Azure's do, and is tried again, ever less often.

mod step;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::arm::{Key, Locks, Provisioning};
use crate::imports::Lender;
use crate::plugin::Plugins;
use step::{Step, Stepper};

/// Steps at the same time, over all resources: each may have an engine create a container.
const AT_ONCE: usize = 16;
/// Traps or timeouts of the plugin in a row after which an operation ends as Failed.
const MOST_FAILURES: u32 = 3;
/// The first pause after a failed repair; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often every settled resource is looked at, should the news of a dead workload have been lost.
const LOOK: Duration = Duration::from_secs(30);

/// A worker's inbox.
#[derive(Debug, Default)]
struct Inbox {
    woken: Notify,
}

#[derive(Debug)]
pub struct Reconciler {
    stepper: Stepper,
    workers: Mutex<HashMap<Key, Arc<Inbox>>>,
    steps: Semaphore,
    /// How many of the resources that were there at the start still await their first step.
    unseen: AtomicUsize,
}

impl Reconciler {
    pub fn new(plugins: Arc<Plugins>, lender: Arc<Lender>, locks: Arc<Locks>) -> Reconciler {
        let stepper = Stepper { plugins, lender, locks };
        let unseen = AtomicUsize::new(unsettled_or_live(&stepper).len());
        Reconciler { stepper, workers: Mutex::new(HashMap::new()), steps: Semaphore::new(AT_ONCE), unseen }
    }

    /// How many resources that were there at the start have not been looked at yet.
    pub fn unseen(&self) -> usize {
        self.unseen.load(Ordering::Relaxed)
    }

    /// Works until `closing` is true. The steps under way are then awaited: their outcome is stored.
    pub async fn run(self: Arc<Self>, mut wake: mpsc::UnboundedReceiver<Key>, closing: watch::Receiver<bool>) {
        let mut closed = closing.clone();
        let mut workers = JoinSet::new();
        for key in unsettled_or_live(&self.stepper) {
            self.wake(&mut workers, key, &closing, First::OfStart);
        }
        let mut look = tokio::time::interval_at(tokio::time::Instant::now() + LOOK, LOOK);
        loop {
            tokio::select! {
                _ = closed.wait_for(|closing| *closing) => break,
                key = wake.recv() => match key {
                    Some(key) => self.wake(&mut workers, key, &closing, First::OfMany),
                    None => break,
                },
                _ = look.tick() => {
                    for key in unsettled_or_live(&self.stepper) {
                        self.wake(&mut workers, key, &closing, First::OfMany);
                    }
                }
                Some(_) = workers.join_next() => {}
            }
        }
        while workers.join_next().await.is_some() {}
    }

    fn wake(self: &Arc<Self>, workers: &mut JoinSet<()>, key: Key, closing: &watch::Receiver<bool>, first: First) {
        let mut table = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inbox) = table.get(&key) {
            inbox.woken.notify_one();
            return;
        }
        let inbox = Arc::new(Inbox::default());
        table.insert(key.clone(), inbox.clone());
        workers.spawn(self.clone().work(key, inbox, closing.clone(), first));
    }

    /// One worker's life. `notify_one` keeps one wake-up that comes during a step, so none is lost.
    async fn work(self: Arc<Self>, key: Key, inbox: Arc<Inbox>, mut closing: watch::Receiver<bool>, mut first: First) {
        let mut failures = 0;
        loop {
            let step = {
                let Ok(_permit) = self.steps.acquire().await else { return };
                if *closing.borrow() {
                    return;
                }
                self.stepper.step(&key, failures).await
            };
            if first == First::OfStart {
                // A resource that was created while the loop began may be counted here and not there.
                let _ = self.unseen.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |unseen| unseen.checked_sub(1));
                first = First::OfMany;
            }
            let pause = match step {
                Step::Settled => {
                    failures = 0;
                    if self.leave(&key, &inbox) {
                        return;
                    }
                    continue;
                }
                Step::Again(pause) => {
                    failures = 0;
                    pause
                }
                Step::Failed => {
                    failures += 1;
                    backoff(failures)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = inbox.woken.notified() => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
        }
    }

    /// Ends the worker, unless it was woken meanwhile. A wake-up finds either this worker or none.
    fn leave(&self, key: &Key, inbox: &Inbox) -> bool {
        let mut table = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = futures_util::FutureExt::now_or_never(inbox.woken.notified()).is_some();
        if !woken {
            table.remove(key);
        }
        !woken
    }
}

/// Everything but what has failed, which waits for its user.
fn unsettled_or_live(stepper: &Stepper) -> Vec<Key> {
    let records = stepper.lender.inventory.all();
    records.iter().filter(|record| record.provisioning != Provisioning::Failed).map(|record| record.id.key()).collect()
}

/// Whether a worker's first step is counted as the look at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    OfStart,
    OfMany,
}

fn backoff(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(LONGEST_PAUSE)
}
