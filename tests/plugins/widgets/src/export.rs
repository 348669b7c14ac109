//! The exports, by hand: those of the SDK, but for answers that no typed function can give.

use floci_az_sdk::wasm::Exported;
use floci_az_sdk::wasm::bindings::exports::floci::provider::provider::{
    Accepted, ActionCall, Answer, Change, Guest, Step, View,
};
use floci_az_sdk::wasm::bindings::exports::floci::provider::schemas;
use floci_az_sdk::wasm::bindings::floci::provider::types::{Rejection, Resource, State};

use crate::mischief::{Instead, instead};
use crate::{Script, Widgets};

/// What the SDK makes of the provider.
struct Usual;

impl Exported for Usual {
    type Provider = Widgets;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
}

struct Component;

impl Guest for Component {
    fn describe() -> String {
        let manifest = Usual::describe();
        match Script::read().describe.as_str() {
            "garbage" => Instead::Garbage.text(),
            _ => manifest,
        }
    }

    fn validate(change: Change) -> Result<Accepted, Rejection> {
        Usual::validate(change).map(|accepted| Accepted { state: state(accepted.state), ..accepted })
    }

    fn reconcile(resource: Resource) -> Step {
        let step = Usual::reconcile(resource);
        Step { state: state(step.state), ..step }
    }

    fn finalize(resource: Resource) -> Step {
        let step = Usual::finalize(resource);
        Step { state: state(step.state), ..step }
    }

    fn invoke(call: ActionCall) -> Result<Answer, Rejection> {
        Usual::invoke(call).map(|answer| Answer { body: instead().map_or(answer.body, Instead::text), ..answer })
    }

    fn present(views: Vec<View>) -> Vec<String> {
        let shown = |view| {
            let usual = Usual::present(vec![view]).pop().unwrap_or_default();
            instead().map_or(usual, Instead::text)
        };
        views.into_iter().map(shown).collect()
    }

    fn upgrade(resource: Resource, from_schema: u32) -> Result<State, String> {
        Usual::upgrade(resource, from_schema)
    }
}

impl schemas::Guest for Component {
    fn downgrade(resource: Resource, to_schema: u32) -> Result<State, String> {
        <Usual as schemas::Guest>::downgrade(resource, to_schema)
    }
}

fn state(state: State) -> State {
    State { document: instead().map_or(state.document, Instead::text), ..state }
}

floci_az_sdk::wasm::bindings::export!(Component with_types_in floci_az_sdk::wasm::bindings);
