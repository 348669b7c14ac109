//! What a runtime remembers of its workloads while the gateway runs: which end was expected, and how many were not.
//!
//! Nothing here is needed to find or repair a workload; it is all lost with the gateway, and then an end that nobody
//! saw is not counted. One entry per workload, dropped when that is removed.
//!
//! Each start is a [`Run`]. Whoever looks asks for the run first and names it in what they report, so that a report
//! about an earlier run, which comes late, changes nothing:
//!
//! ```text
//!     Unknown ── found running ──▶ Running ── ended by itself (counted) ──▶ Ended
//!        ▲                        │      ▲                                    │
//!     created               stopping    started ◀─────────────────────────────┘
//!                                 ▼      │
//!                                Stopping
//! ```

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::WorkloadKey;

/// One start of one workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run(u64);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    ByItself,
    /// The gateway stopped it, or has started another one since.
    Expected,
}

/// Whether a running workload was known to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    Known,
    New(Run),
}

#[derive(Debug, Default)]
pub struct Remembered(Mutex<Lives>);

#[derive(Debug, Default)]
struct Lives {
    runs: u64,
    by_key: HashMap<WorkloadKey, Life>,
}

#[derive(Debug, Default)]
struct Life {
    run: Run,
    phase: Phase,
    exits: u32,
    /// Digest of the files as last written.
    files: Option<String>,
    /// How the last run ended.
    how: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Phase {
    #[default]
    Unknown,
    Running,
    Stopping,
    Ended,
}

impl Remembered {
    /// It was made, or made anew to another spec: what was counted so far is of no interest.
    pub fn created(&self, key: &WorkloadKey) {
        self.lives().by_key.insert(key.clone(), Life::default());
    }

    pub fn started(&self, key: &WorkloadKey) -> Run {
        self.lives().begin(key)
    }

    pub fn found_running(&self, key: &WorkloadKey) -> Sighting {
        let mut lives = self.lives();
        match lives.by_key.get(key).map(|life| life.phase) {
            Some(Phase::Running) => Sighting::Known,
            _ => Sighting::New(lives.begin(key)),
        }
    }

    /// Its end is wanted from now on, until it is started again.
    pub fn stopping(&self, key: &WorkloadKey) {
        self.lives().by_key.entry(key.clone()).or_default().phase = Phase::Stopping;
    }

    /// The run that a look at the workload is about; ask before looking.
    pub fn run(&self, key: &WorkloadKey) -> Run {
        self.lives().by_key.get(key).map(|life| life.run).unwrap_or_default()
    }

    /// It was seen not to run. May be told more than once, by whoever comes across it.
    pub fn ended(&self, key: &WorkloadKey, run: Run, how: Option<String>) -> Ending {
        let mut lives = self.lives();
        let Some(life) = lives.by_key.get_mut(key).filter(|life| life.run == run) else { return Ending::Expected };
        life.how = how.or(life.how.take());
        match life.phase {
            Phase::Unknown | Phase::Stopping => Ending::Expected,
            Phase::Ended => Ending::ByItself,
            Phase::Running => {
                life.phase = Phase::Ended;
                life.exits = life.exits.saturating_add(1);
                Ending::ByItself
            }
        }
    }

    pub fn is_stopping(&self, key: &WorkloadKey) -> bool {
        self.lives().by_key.get(key).is_some_and(|life| matches!(life.phase, Phase::Stopping))
    }

    pub fn exits(&self, key: &WorkloadKey) -> u32 {
        self.lives().by_key.get(key).map_or(0, |life| life.exits)
    }

    pub fn how_it_ended(&self, key: &WorkloadKey) -> Option<String> {
        self.lives().by_key.get(key)?.how.clone()
    }

    pub fn has_files(&self, key: &WorkloadKey, digest: &str) -> bool {
        self.lives().by_key.get(key).is_some_and(|life| life.files.as_deref() == Some(digest))
    }

    pub fn wrote_files(&self, key: &WorkloadKey, digest: String) {
        self.lives().by_key.entry(key.clone()).or_default().files = Some(digest);
    }

    pub fn forget(&self, key: &WorkloadKey) {
        self.lives().by_key.remove(key);
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        // No code between lock and unlock can leave an entry half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lives {
    fn begin(&mut self, key: &WorkloadKey) -> Run {
        self.runs += 1;
        let run = Run(self.runs);
        let life = self.by_key.entry(key.clone()).or_default();
        (life.run, life.phase, life.how) = (run, Phase::Running, None);
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> WorkloadKey {
        WorkloadKey { owner: "/o".to_owned(), name: "n".to_owned() }
    }

    #[test]
    fn an_end_is_counted_once_however_many_report_it() {
        let remembered = Remembered::default();
        let run = remembered.started(&key());
        assert_eq!(remembered.ended(&key(), run, None), Ending::ByItself);
        assert_eq!(remembered.ended(&key(), run, Some("exit code 1".to_owned())), Ending::ByItself);
        assert_eq!((remembered.exits(&key()), remembered.how_it_ended(&key()).as_deref()), (1, Some("exit code 1")));
    }

    #[test]
    fn an_end_that_was_asked_for_is_not_counted() {
        let remembered = Remembered::default();
        let run = remembered.started(&key());
        remembered.stopping(&key());
        assert_eq!(remembered.ended(&key(), run, None), Ending::Expected);
        assert_eq!(remembered.exits(&key()), 0);
    }

    #[test]
    fn a_late_report_about_an_earlier_run_changes_nothing() {
        let remembered = Remembered::default();
        let first = remembered.started(&key());
        let second = remembered.started(&key());
        assert_eq!(remembered.ended(&key(), first, None), Ending::Expected);
        assert_eq!(remembered.ended(&key(), second, None), Ending::ByItself);
    }

    #[test]
    fn what_ended_before_the_gateway_looked_is_not_counted_but_what_it_found_running_is() {
        let remembered = Remembered::default();
        assert_eq!(remembered.ended(&key(), remembered.run(&key()), None), Ending::Expected);
        let Sighting::New(run) = remembered.found_running(&key()) else { panic!("it was not known") };
        assert_eq!(remembered.found_running(&key()), Sighting::Known);
        assert_eq!(remembered.ended(&key(), run, None), Ending::ByItself);
        remembered.created(&key());
        assert_eq!(remembered.exits(&key()), 0);
    }
}
