//! The life of a revision. All of its transitions are in one match; each is one line of the log.
//!
//! `Loading → Ready → Active → Draining → Retired`. One that is swapped in again while its last calls are still under
//! way goes from Draining back to Active; one that has retired is Ready again once it is loaded again.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Its steps are gone through: digest, contract, compilation, imports, description.
    #[default]
    Loading,
    /// It could be swapped in.
    Ready,
    /// New requests run on it.
    Active,
    /// Another is active; calls that began before that still run on it.
    Draining,
    /// Nothing runs on it.
    Retired,
}

/// What happens to a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    Loaded,
    Activated,
    Replaced,
    /// Its last call has ended.
    Ended,
}

impl State {
    /// None if that cannot happen now.
    pub(super) fn after(self, event: Happening) -> Option<State> {
        match (self, event) {
            (State::Loading | State::Retired, Happening::Loaded) => Some(State::Ready),
            (State::Ready | State::Draining, Happening::Activated) => Some(State::Active),
            (State::Active, Happening::Replaced) => Some(State::Draining),
            (State::Draining, Happening::Ended) => Some(State::Retired),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            State::Loading => "Loading",
            State::Ready => "Ready",
            State::Active => "Active",
            State::Draining => "Draining",
            State::Retired => "Retired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    const STATES: [State; 5] = [State::Loading, State::Ready, State::Active, State::Draining, State::Retired];
    const EVENTS: [Happening; 4] = [Happening::Loaded, Happening::Activated, Happening::Replaced, Happening::Ended];

    #[test]
    fn these_are_all_transitions() {
        let all = STATES.into_iter().flat_map(|state| EVENTS.into_iter().map(move |event| (state, event)));
        let lines = all.filter_map(|(state, event)| Some(format!("{state} + {event:?} = {}", state.after(event)?)));
        expect![[r#"
            Loading + Loaded = Ready
            Ready + Activated = Active
            Active + Replaced = Draining
            Draining + Activated = Active
            Draining + Ended = Retired
            Retired + Loaded = Ready"#]]
        .assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    }

    proptest! {
        /// Whatever happens in whatever order, nothing is swapped in that was not loaded, and nothing retires while it is
        /// the active one.
        #[test]
        fn only_what_is_ready_serves(events in proptest::collection::vec(0..EVENTS.len(), 0..40)) {
            let (mut state, mut loaded) = (State::Loading, false);
            for event in events.into_iter().map(|index| EVENTS[index]) {
                let Some(next) = state.after(event) else { continue };
                loaded |= event == Happening::Loaded;
                prop_assert!(loaded || next == State::Loading);
                prop_assert!(!(state == State::Active && next == State::Retired));
                state = next;
            }
        }
    }
}
