//! What `reconcile` and `finalize` answer: the state to store, and what comes next.

use std::time::Duration;

use crate::{Fault, State};

/// One step of a resource towards its desired state, or towards gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub state: State,
    pub next: Next,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The actual state is the desired state, or nothing is left.
    Done,
    /// Call again after this time (whole milliseconds), or earlier if something happened to a workload. The reason is
    /// shown if the operation runs out of time.
    Wait { after: Duration, reason: String },
    /// It cannot be reached. The operation ends as Failed; a later change tries again.
    Failed(Fault),
    /// What was asked for cannot be done, and the actual state is the desired state nevertheless: an action came to
    /// nothing. The operation ends as Failed, the resource stays Succeeded.
    Refused(Fault),
}

impl Step {
    pub fn done(state: State) -> Step {
        Step { state, next: Next::Done }
    }

    pub fn wait(state: State, after: Duration, reason: impl Into<String>) -> Step {
        Step { state, next: Next::wait(after, reason) }
    }

    pub fn failed(state: State, fault: Fault) -> Step {
        Step { state, next: Next::Failed(fault) }
    }

    pub fn refused(state: State, fault: Fault) -> Step {
        Step { state, next: Next::Refused(fault) }
    }
}

impl Next {
    pub fn wait(after: Duration, reason: impl Into<String>) -> Next {
        Next::Wait { after, reason: reason.into() }
    }
}

/// So that a step may be a function that uses `?` on what the host answers.
impl From<Result<Next, Fault>> for Next {
    fn from(outcome: Result<Next, Fault>) -> Next {
        outcome.unwrap_or_else(Next::Failed)
    }
}
