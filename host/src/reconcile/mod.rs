//! The loop that brings resources to where they should be.
//!
//! Level-based, as in Kubernetes: a resource is *woken* (it was changed, a workload of it died, the gateway started,
//! some time has passed), and its worker calls the plugin until there is nothing more to do. What happened in
//! between does not matter, only the record as it is now; so a wake-up may be repeated, and two may become one.
//!
//! There is at most one worker per resource, and it ends when its resource is settled. A step runs under the
//! resource's effects lock; its outcome is stored under the write lock, if the record has not changed meanwhile, and
//! thrown away otherwise (see [`crate::arm::Locks`]). Bounds: so many steps at the same time of each plugin
//! ([`crate::plugin::Plugin::step_place`]); the manifest's deadline
//! for an operation; [`MOST_BROKEN`] traps in a row. An operation that runs out of them ends as Failed, with the
//! reason. What has been ready is repaired whatever its state says; a repair that fails changes no state, as in Azure,
//! and is tried again, ever less often. What is being deleted is tried until it is gone. A child whose life is its
//! parent's has no steps of its own (see [`family`]).

mod family;
mod removal;
mod step;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use crate::arm::{Key, Life, Locks};
use crate::imports::Lender;
use crate::plugin::Plugins;
use crate::telemetry::Telemetry;
use step::{Step, Stepper};

/// Traps or timeouts of the plugin in a row after which an operation ends as Failed.
const MOST_BROKEN: u32 = 3;
/// How long a first look at what was there at the start keeps the gateway from being ready. One that takes longer hangs in
/// its plugin, and is no reason to keep clients from the others.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// How long the end of the gateway waits for what is under way. An honest step that is cut off is repeated by the next
/// start; one that hangs keeps nobody from ending the gateway.
pub const FINISHING: Duration = Duration::from_secs(20);
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
    /// Steps under way.
    steps: AtomicUsize,
    /// What was there at the start.
    first: Vec<Key>,
    /// How many of these still await their first step.
    unseen: Arc<AtomicUsize>,
    began: Instant,
    telemetry: Arc<Telemetry>,
}

impl Reconciler {
    pub fn new(plugins: Arc<Plugins>, lender: Arc<Lender>, locks: Arc<Locks>, telemetry: Arc<Telemetry>) -> Reconciler {
        let stepper = Stepper { plugins, lender, locks, began: Timestamp::now() };
        let first = looked_after(&stepper);
        let unseen = Arc::new(AtomicUsize::new(first.len()));
        let (workers, steps, began) = (Mutex::default(), AtomicUsize::new(0), Instant::now());
        Reconciler { stepper, workers, steps, first, unseen, began, telemetry }
    }

    /// How many resources and groups it is not done with.
    pub fn working_on(&self) -> usize {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many steps are under way.
    pub fn steps_running(&self) -> usize {
        self.steps.load(Ordering::Relaxed)
    }

    /// How many resources that were there at the start are still to be looked at before the gateway is ready.
    pub fn unseen(&self) -> usize {
        if self.began.elapsed() > FIRST_LOOK { 0 } else { self.unseen.load(Ordering::Relaxed) }
    }

    /// Works until `closing` is true. The steps under way are then awaited, so that their outcome is stored, and cut off if
    /// they take long.
    pub async fn run(self: Arc<Self>, mut wake: mpsc::UnboundedReceiver<Key>, closing: watch::Receiver<bool>) {
        let mut closed = closing.clone();
        let mut workers = JoinSet::new();
        for key in self.first.clone() {
            self.wake(&mut workers, key, &closing, Reason::Start(Unseen(self.unseen.clone())));
        }
        let mut look = tokio::time::interval_at(tokio::time::Instant::now() + LOOK, LOOK);
        loop {
            tokio::select! {
                _ = closed.wait_for(|closing| *closing) => break,
                key = wake.recv() => match key {
                    Some(key) => self.wake(&mut workers, key, &closing, Reason::News),
                    None => break,
                },
                _ = look.tick() => {
                    for key in looked_after(&self.stepper) {
                        self.wake(&mut workers, key, &closing, Reason::Look);
                    }
                }
                Some(ended) = workers.join_next() => told(ended),
            }
        }
        let finishing = async {
            while let Some(ended) = workers.join_next().await {
                told(ended);
            }
        };
        if tokio::time::timeout(FINISHING, finishing).await.is_err() {
            let (left, seconds) = (workers.len(), FINISHING.as_secs());
            tracing::warn!("{left} steps have not ended within {seconds} s; the next start goes on with them");
            workers.shutdown().await;
        }
    }

    fn wake(self: &Arc<Self>, workers: &mut JoinSet<()>, key: Key, closing: &watch::Receiver<bool>, reason: Reason) {
        let mut table = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        match table.get(&key) {
            // It waits for a reason; a look is no news.
            Some(_) if matches!(reason, Reason::Look) => {}
            Some(inbox) => inbox.woken.notify_one(),
            None => {
                let inbox = Arc::new(Inbox::default());
                table.insert(key.clone(), inbox.clone());
                let post = Post { reconciler: self.clone(), key, inbox };
                workers.spawn(post.work(closing.clone(), reason));
            }
        }
    }
}

/// A worker's place in the table; left when the worker ends, however it ends.
struct Post {
    reconciler: Arc<Reconciler>,
    key: Key,
    inbox: Arc<Inbox>,
}

/// How often in a row something did not work.
#[derive(Debug, Default)]
struct Streaks {
    /// Calls of the plugin without an answer that can be used.
    broken: u32,
    /// Repairs that failed, until one succeeds.
    failed: u32,
}

impl Post {
    /// One worker's life. `notify_one` keeps one wake-up that comes during a step, so none is lost.
    async fn work(self, mut closing: watch::Receiver<bool>, reason: Reason) {
        let mut streaks = Streaks::default();
        let mut unseen = match reason {
            Reason::Start(unseen) => Some(unseen),
            Reason::News | Reason::Look => None,
        };
        loop {
            let Some(step) = self.step(&closing, streaks.broken).await else { return };
            drop(unseen.take());
            if step != Step::Broken {
                streaks.broken = 0;
            }
            let pause = match step {
                Step::Settled if self.leave() => return,
                Step::Settled => {
                    streaks.failed = 0;
                    continue;
                }
                Step::Again(pause) => pause,
                Step::Failed => {
                    streaks.failed += 1;
                    backoff(streaks.failed)
                }
                Step::Broken => {
                    streaks.broken += 1;
                    backoff(streaks.broken)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.inbox.woken.notified() => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
        }
    }

    /// None once the gateway is ending.
    async fn step(&self, closing: &watch::Receiver<bool>, broken: u32) -> Option<Step> {
        let Reconciler { stepper, steps, .. } = &*self.reconciler;
        // First the resource, then its turn: who waits for a resource takes nothing from others.
        let _effects = stepper.locks.effects(&self.key).await;
        let _turn = stepper.turn(&self.key).await;
        if *closing.borrow() {
            return None;
        }
        let _running = Running::of(steps);
        let (began, span) = (Instant::now(), tracing::debug_span!("step", resource = self.key.as_str()));
        let step = stepper.step(&self.key, broken).instrument(span).await;
        self.reconciler.telemetry.step(step.end(), began.elapsed());
        Some(step)
    }

    /// Ends the worker, unless it was woken meanwhile. A wake-up finds either this worker or none.
    fn leave(&self) -> bool {
        let mut table = self.reconciler.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = self.inbox.woken.notified().now_or_never().is_some();
        if !woken {
            table.remove(&self.key);
        }
        !woken
    }
}

impl Drop for Post {
    /// After a panic, too: the next wake-up has to find a place for a new worker.
    fn drop(&mut self) {
        let mut table = self.reconciler.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if table.get(&self.key).is_some_and(|inbox| Arc::ptr_eq(inbox, &self.inbox)) {
            table.remove(&self.key);
        }
    }
}

fn told(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a worker of the reconcile loop broke; the next look starts another");
    }
}

/// Everything but what has failed without ever having been ready, which waits for its user; the parents of what is on its
/// way and is theirs to bring there; and the groups that are on their way out. Each once.
fn looked_after(stepper: &Stepper) -> Vec<Key> {
    let records = stepper.lender.inventory.all();
    let resources = records.iter().filter_map(|record| {
        let whose = stepper.whose(record);
        let wanted = match whose == record.id.key() {
            true => step::is_looked_after(record),
            false => family::is_pending(record),
        };
        wanted.then_some(whose)
    });
    let groups = stepper.lender.inventory.groups(None);
    let groups = groups.iter().filter(|group| group.life != Life::There).map(|group| group.key());
    resources.chain(groups).collect::<BTreeSet<Key>>().into_iter().collect()
}

/// A resource that awaits its first step since the start; dropped after it, however it ends.
#[derive(Debug)]
struct Unseen(Arc<AtomicUsize>);

impl Drop for Unseen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A step under way, for the count of them; however it ends.
struct Running<'a>(&'a AtomicUsize);

impl Running<'_> {
    fn of(count: &AtomicUsize) -> Running<'_> {
        count.fetch_add(1, Ordering::Relaxed);
        Running(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a resource is woken.
#[derive(Debug)]
enum Reason {
    /// It was there when the gateway started.
    Start(Unseen),
    /// Something has happened to it.
    News,
    /// Some time has passed.
    Look,
}

fn backoff(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(LONGEST_PAUSE)
}
