//! How many workloads a plugin has, where the operator bounds that.
//!
//! A runtime lists what is there; what has been let in and is not there yet (its image is being pulled, say) is here.
//! An entry that nothing came of counts for no longer than its resource lives, and one that another call makes at the
//! same moment is counted: the look and the entry are one step.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::runtime::WorkloadKey;

/// Workloads that have been let in since the start of the gateway.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeSet<WorkloadKey>>);

impl Tally {
    /// Lets a workload in if `allows` says so of the number of the others: those that are `listed`, and those of here
    /// that `counts`.
    pub(super) fn admit<E>(
        &self,
        key: &WorkloadKey,
        listed: BTreeSet<WorkloadKey>,
        counts: impl Fn(&WorkloadKey) -> bool,
        allows: impl FnOnce(usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut admitted = self.admitted();
        let mut others = listed;
        others.extend(admitted.iter().filter(|other| counts(other)).cloned());
        others.remove(key);
        allows(others.len())?;
        admitted.insert(key.clone());
        Ok(())
    }

    pub(super) fn forget(&self, key: &WorkloadKey) {
        self.admitted().remove(key);
    }

    fn admitted(&self) -> MutexGuard<'_, BTreeSet<WorkloadKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(owner: &str) -> WorkloadKey {
        WorkloadKey { owner: owner.to_owned(), name: "server".to_owned() }
    }

    #[test]
    fn what_is_there_and_what_is_on_its_way_count_once() {
        let tally = Tally::default();
        let at_most = |most: usize| move |others: usize| if others < most { Ok(()) } else { Err(others) };
        let admit = |owner: &str, listed: &[&str], most: usize| {
            let listed = listed.iter().map(|owner| key(owner)).collect();
            tally.admit(&key(owner), listed, |other| other.owner != "gone", at_most(most))
        };
        assert_eq!(admit("a", &[], 2), Ok(()));
        assert_eq!(admit("a", &["a"], 1), Ok(()), "itself is no other");
        assert_eq!(admit("b", &["a"], 2), Ok(()), "listed and admitted is one");
        assert_eq!(admit("c", &[], 2), Err(2), "both are on their way");
        tally.forget(&key("b"));
        assert_eq!(admit("gone", &["a"], 2), Ok(()));
        assert_eq!(admit("c", &["a"], 2), Ok(()), "what no resource has counts no more");
        assert_eq!(admit("d", &["a", "x"], 3), Err(3));
    }
}
