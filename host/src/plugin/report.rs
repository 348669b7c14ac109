//! What is told of a call: its metrics, and an event if it had to be stopped.

use super::call::CallError;
use super::contract::{Accepted, Answer, Rejection, State, Step};
use super::revision::Revision;
use crate::telemetry::{CallEnd, Calling, Event};

/// What a function of the contract returns, and whether that is a no.
pub(super) trait Verdict {
    fn end(&self) -> CallEnd {
        CallEnd::Answered
    }
}

impl Verdict for String {}
impl Verdict for Vec<String> {}
impl Verdict for Step {}
/// Of a state, and why there is none.
impl Verdict for Result<State, String> {}

impl Verdict for Result<Accepted, Rejection> {
    fn end(&self) -> CallEnd {
        said(self)
    }
}

impl Verdict for Result<Answer, Rejection> {
    fn end(&self) -> CallEnd {
        said(self)
    }
}

fn said<T>(result: &Result<T, Rejection>) -> CallEnd {
    if result.is_ok() { CallEnd::Answered } else { CallEnd::Rejected }
}

/// A call that is reported whatever becomes of it. Dropped, its caller went away.
pub(super) struct Report<'a> {
    revision: &'a Revision,
    function: &'static str,
    calling: Calling,
}

impl<'a> Report<'a> {
    /// From the moment at which there is a place for it.
    pub(super) fn begin(revision: &'a Revision, function: &'static str) -> Report<'a> {
        let calling = revision.engine().telemetry().calling(revision.labels(), function);
        Report { revision, function, calling }
    }

    /// `memory` is what the instance had, in bytes.
    pub(super) fn end<R: Verdict>(self, outcome: &Result<R, CallError>, memory: usize) {
        let (end, stopped_by) = match outcome {
            Ok(result) => (result.end(), None),
            Err(CallError::TimedOut { .. }) => (CallEnd::TimedOut, Some("deadline")),
            Err(CallError::Saturated { .. }) => (CallEnd::Saturated, None),
            Err(CallError::Failed { .. }) => (CallEnd::Trapped, Some("trap")),
        };
        self.calling.end(end, memory);
        if let Some(limit) = stopped_by {
            self.revision.engine().telemetry().publish(Event::PluginContained {
                labels: self.revision.labels().clone(),
                function: self.function.to_owned(),
                limit: limit.to_owned(),
            });
        }
    }
}

/// A call for which there was no place in time.
pub(super) fn saturated(revision: &Revision, function: &'static str, waited: std::time::Duration) {
    revision.engine().telemetry().call(revision.labels(), function, CallEnd::Saturated, waited, 0);
}
