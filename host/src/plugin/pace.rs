//! How much of the machine a call gets that computes for long, and a plugin that does so in call after call.
//!
//! A guest that computes is interrupted every [`TICK`], and others run. That alone would leave a plugin that loops one of
//! the machine's cores, and each of its calls another. So a call that has computed for [`AT_ONCE`] is a slow one, and so is
//! one that is interrupted when its plugin has used up its [`Budget`]; all slow calls together get one part in [`PARTS`] of
//! one core: each rests between its ticks. What it costs: honest work of more than that takes `PARTS` times as long.
//!
//! Time in an import counts as long as imports are short: a plugin that floods the gateway costs it as much as one that
//! loops. One that waits in an import costs nothing. A call that had to be ended costs the gateway more than it computed,
//! so it is answered after [`AFTER_FAILURE`] alone: a plugin that traps in call after call does so some times a second.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::UpdateDeadline;

use super::engine::TICK;

/// A call of the bundled plugin computes for less than a millisecond.
const AT_ONCE: Duration = Duration::from_millis(25);
/// Measured on two cores: with a plugin that loops in eight calls at a time, the slowest hundredth of another's requests
/// takes about an eighth longer.
const PARTS: u32 = 4;
/// With the 32 places that a plugin has by default these are 128 failures a second. Who looks for the reason of one does
/// not notice.
pub(super) const AFTER_FAILURE: Duration = Duration::from_millis(250);
/// What the calls of a plugin may compute at their own pace, beside all that is over before it is interrupted: so much at
/// once, and one part in so many of the time that passes.
const BURST: Duration = Duration::from_millis(100);
const REFILL: u32 = 4;

/// The slow calls of the gateway.
#[derive(Debug, Clone, Default)]
pub(super) struct SlowCalls(Arc<AtomicU32>);

/// What the calls of one plugin may still compute at their own pace.
#[derive(Debug)]
pub(super) struct Budget(Mutex<(Duration, Instant)>);

impl Default for Budget {
    fn default() -> Budget {
        Budget(Mutex::new((BURST, Instant::now())))
    }
}

impl Budget {
    /// Whether there was enough left. What was computed is taken all the same.
    fn takes(&self, computed: Duration, now: Instant) -> bool {
        let mut budget = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *budget;
        let filled = BURST.min(left + now.saturating_duration_since(since) / REFILL);
        *budget = (filled.saturating_sub(computed), now.max(since));
        filled >= computed
    }
}

/// Of one call.
#[derive(Debug)]
pub(super) struct Pace {
    computed: Duration,
    /// Of that, what its plugin's budget was not asked for.
    unpaid: Duration,
    /// When it was last known what it does.
    seen: Instant,
    is_in_import: bool,
    budget: Arc<Budget>,
    all: SlowCalls,
    is_slow: bool,
}

impl Pace {
    pub(super) fn new(all: SlowCalls, budget: Arc<Budget>) -> Pace {
        Pace {
            computed: Duration::ZERO,
            unpaid: Duration::ZERO,
            seen: Instant::now(),
            is_in_import: false,
            budget,
            all,
            is_slow: false,
        }
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
        let has_budget = self.budget.takes(std::mem::take(&mut self.unpaid), now);
        if !self.is_slow && has_budget && self.computed < AT_ONCE {
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
            self.unpaid += since;
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
        let mut pace = Pace::new(all.clone(), Arc::default());
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
        let mut pace = Pace::new(SlowCalls::default(), Arc::default());
        for _ in 0..AT_ONCE.as_millis() {
            pace.asks();
            after(&mut pace, Duration::from_millis(1));
        }
        assert!(is_resting(&mut pace));
    }

    #[tokio::test]
    async fn a_plugin_that_computes_in_call_after_call_rests_too() {
        let (budget, short) = (Arc::new(Budget::default()), AT_ONCE / 2);
        let mut rested = Vec::new();
        for _ in 0..12 {
            let mut pace = Pace::new(SlowCalls::default(), budget.clone());
            after(&mut pace, short);
            rested.push(is_resting(&mut pace));
        }
        let first = rested.iter().position(|rested| *rested).unwrap();
        assert!(BURST <= short * u32::try_from(first + 1).unwrap(), "{rested:?}");
        assert!(rested.iter().skip(first).all(|rested| *rested), "{rested:?}");
    }

    #[test]
    fn a_budget_fills_again() {
        let budget = Budget::default();
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let milliseconds = Duration::from_millis;
        for (computed, now, expected) in
            [(60, 0, true), (60, 1, false), (1, 2, false), (9, 40, true), (90, 10_000, true), (90, 10_001, false)]
        {
            assert_eq!(budget.takes(milliseconds(computed), at(now)), expected, "{computed} ms after {now} ms");
        }
    }
}
