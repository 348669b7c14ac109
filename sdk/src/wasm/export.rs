//! The seven exported functions, for whatever implements [`Provider`].
//!
//! What the gateway sends is checked here once; text that is no JSON or no id would be the gateway's mistake, and is
//! answered as a fault, never by a trap.

use super::bindings::exports::floci::provider::provider as wit;
use super::bindings::floci::provider::types;
use super::convert::{self, Broken};
use super::gateway::Gateway;
use super::panic::report_panics;
use crate::{Provider, Rejection, Wants};

/// What [`crate::provider!`] implements.
pub trait Exported {
    type Provider: Provider;
    /// Of the plugin's crate.
    const VERSION: &'static str;
}

impl<E: Exported> wit::Guest for E {
    fn describe() -> String {
        report_panics();
        let mut manifest = E::Provider::manifest();
        if manifest.version.is_empty() {
            E::VERSION.clone_into(&mut manifest.version);
        }
        ask_for_what_is_imported(&mut manifest.wants);
        // A manifest has no part that JSON cannot hold; the gateway refuses the empty text, should that change.
        serde_json::to_string(&manifest).unwrap_or_default()
    }

    fn validate(change: wit::Change) -> Result<wit::Accepted, types::Rejection> {
        report_panics();
        convert::change(change)
            .map_err(Rejection::from)
            .and_then(|change| E::Provider::validate(change, &Gateway))
            .map(convert::accepted)
            .map_err(convert::rejection)
    }

    fn reconcile(resource: types::Resource) -> wit::Step {
        report_panics();
        match convert::resource(resource) {
            Ok(resource) => convert::step(E::Provider::reconcile(resource, &Gateway)),
            Err(broken) => failed(broken),
        }
    }

    fn finalize(resource: types::Resource) -> wit::Step {
        report_panics();
        match convert::resource(resource) {
            Ok(resource) => convert::step(E::Provider::finalize(resource, &Gateway)),
            Err(broken) => failed(broken),
        }
    }

    fn invoke(call: wit::ActionCall) -> Result<wit::Answer, types::Rejection> {
        report_panics();
        convert::action_call(call)
            .and_then(|call| E::Provider::invoke(call, &Gateway))
            .map(convert::answer)
            .map_err(convert::rejection)
    }

    fn present(views: Vec<wit::View>) -> Vec<String> {
        report_panics();
        let show = |view: wit::View| {
            let stored = view.resource.state.document.clone();
            convert::view(view).map_or(stored, |view| E::Provider::present(view, &Gateway).to_string())
        };
        views.into_iter().map(show).collect()
    }

    fn upgrade(resource: types::Resource, from_schema: u32) -> Result<types::State, String> {
        report_panics();
        let resource = convert::resource(resource).map_err(|broken| broken.fault.to_string())?;
        E::Provider::upgrade(resource, from_schema).map(convert::state)
    }
}

/// A component imports the interfaces whose features are on: so it asks for them, whether or not its author has said so.
fn ask_for_what_is_imported(wants: &mut Wants) {
    if cfg!(feature = "workloads") {
        wants.workloads.get_or_insert_default();
    }
    if cfg!(feature = "ports") {
        wants.ports.get_or_insert_default();
    }
    wants.resp |= cfg!(feature = "resp");
    wants.ingress |= cfg!(feature = "ingress");
    wants.transfers |= cfg!(feature = "transfers");
}

fn failed(broken: Broken) -> wit::Step {
    wit::Step { state: broken.state, next: wit::Next::Failed(convert::fault(broken.fault)) }
}
