//! How much of the machine a call gets that computes for long.
//!
//! A guest that computes is interrupted every [`TICK`], and others run. That alone would leave a plugin that loops one of
//! the machine's cores, and each of its calls another. So a call that has computed for [`AT_ONCE`] is a slow one, and all
//! slow calls together get one part in [`PARTS`] of one core: each rests between its ticks. What it costs: honest work of
//! more than that takes `PARTS` times as long.
//!
//! Time in an import counts as long as imports are short: a plugin that floods the gateway costs it as much as one that
//! loops. One that waits in an import costs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use wasmtime::UpdateDeadline;

use super::engine::TICK;

/// A call of the bundled plugin computes for less than a millisecond.
const AT_ONCE: Duration = Duration::from_millis(25);
/// Measured on two cores: with a plugin that loops in all of its places, others are answered a fifth slower.
const PARTS: u32 = 3;

/// The slow calls of the gateway.
#[derive(Debug, Clone, Default)]
pub(super) struct SlowCalls(Arc<AtomicU32>);

/// Of one call.
#[derive(Debug)]
pub(super) struct Pace {
    computed: Duration,
    /// When it was last known what it does.
    seen: Instant,
    is_in_import: bool,
    all: SlowCalls,
    is_slow: bool,
}

impl Pace {
    pub(super) fn new(all: SlowCalls) -> Pace {
        Pace { computed: Duration::ZERO, seen: Instant::now(), is_in_import: false, all, is_slow: false }
    }

    /// It has called an import.
    pub(super) fn asks(&mut self) {
        self.account(Instant::now());
        self.is_in_import = true;
    }

    /// It has computed for a tick.
    pub(super) fn tick(&mut self) -> UpdateDeadline {
        let now = Instant::now();
        self.account(now);
        self.is_in_import = false;
        if self.computed < AT_ONCE {
            return UpdateDeadline::Yield(1);
        }
        let others = match self.is_slow {
            true => self.all.0.load(Ordering::Relaxed).saturating_sub(1),
            false => self.all.0.fetch_add(1, Ordering::Relaxed),
        };
        self.is_slow = true;
        let rest = TICK * (PARTS * (others + 1) - 1);
        self.seen = now + rest;
        UpdateDeadline::YieldCustom(1, Box::pin(tokio::time::sleep(rest)))
    }

    fn account(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.seen);
        // What takes longer in an import is a wait.
        if !self.is_in_import || since < TICK {
            self.computed += since;
        }
        self.seen = now;
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        if self.is_slow {
            self.all.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_resting(pace: &mut Pace) -> bool {
        matches!(pace.tick(), UpdateDeadline::YieldCustom(..))
    }

    /// Which has computed, or waited in an import, for so long since it was last looked at.
    fn after(pace: &mut Pace, time: Duration) {
        pace.seen = Instant::now().checked_sub(time).unwrap();
    }

    #[tokio::test]
    async fn only_what_computes_for_long_rests() {
        let all = SlowCalls::default();
        let mut pace = Pace::new(all.clone());
        after(&mut pace, AT_ONCE / 2);
        assert!(!is_resting(&mut pace));
        pace.asks();
        after(&mut pace, AT_ONCE * 10);
        assert!(!is_resting(&mut pace), "it has waited in an import");
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
        after(&mut pace, AT_ONCE);
        assert!(is_resting(&mut pace));
        after(&mut pace, TICK);
        assert!(is_resting(&mut pace), "once slow, always slow");
        assert_eq!(all.0.load(Ordering::Relaxed), 1);
        drop(pace);
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_flood_of_short_imports_is_computing() {
        let mut pace = Pace::new(SlowCalls::default());
        for _ in 0..AT_ONCE.as_millis() {
            pace.asks();
            after(&mut pace, Duration::from_millis(1));
        }
        assert!(is_resting(&mut pace));
    }
}
