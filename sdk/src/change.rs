//! A PUT or a PATCH, and what a provider makes of it.

use crate::{Resource, State};

/// What a client asks for, already merged and checked by the gateway: JSON, names of groups, location, tags, conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub api_version: String,
    /// What the client wants. Its private state is the current one; empty for a resource that does not exist yet.
    pub desired: Resource,
    pub intent: Intent,
}

/// What a change is done to.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// A PUT of what does not exist.
    Create,
    /// A PUT of what exists: members that are not in it are to be gone.
    Replace { current: Resource },
    /// A PATCH: members that are not in it were merged from the current document.
    Patch { current: Resource },
}

impl Change {
    /// The resource as it is now; none if it does not exist yet.
    pub fn current(&self) -> Option<&Resource> {
        match &self.intent {
            Intent::Create => None,
            Intent::Replace { current } | Intent::Patch { current } => Some(current),
        }
    }
}

/// A change that is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub state: State,
    pub work: Work,
}

/// What remains after an accepted change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Nothing: the operation has succeeded.
    Settled,
    /// Side effects: the gateway answers `Creating` or `Updating`, and calls `reconcile`.
    Reconcile,
}

impl Accepted {
    /// The desired state is the actual state.
    pub fn settled(state: State) -> Accepted {
        Accepted { state, work: Work::Settled }
    }

    /// `reconcile` has something to do.
    pub fn reconcile(state: State) -> Accepted {
        Accepted { state, work: Work::Reconcile }
    }
}
