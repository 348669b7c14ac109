//! Between the contract's records and the SDK's types, one function for each.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bindings::exports::floci::provider::provider as wit;
use super::bindings::floci::provider::types;
use crate::{
    Accepted, ActionCall, Answer, Change, Fault, Intent, Next, ProvisioningState, Purpose, Rejection, Resource, State,
    Step, Target, View, Work,
};

/// A resource that the contract does not allow, with its state as it came.
pub(super) struct Broken {
    pub fault: Fault,
    pub state: types::State,
}

impl From<Broken> for Rejection {
    fn from(broken: Broken) -> Rejection {
        broken.fault.into()
    }
}

fn broken(what: &str, found: &str, why: impl ToString) -> Fault {
    Fault::new("ContractViolated", format!("the gateway sent {what} that is none: '{found}': {}", why.to_string()))
}

pub(super) fn resource(raw: types::Resource) -> Result<Resource, Broken> {
    match parse(&raw) {
        Ok(resource) => Ok(Resource { state: State { private: raw.state.private, ..resource.state }, ..resource }),
        Err(fault) => Err(Broken { fault, state: raw.state }),
    }
}

/// All but the private state, which needs no parsing and may be moved.
fn parse(raw: &types::Resource) -> Result<Resource, Fault> {
    let tags: BTreeMap<String, String> =
        serde_json::from_str(&raw.tags).map_err(|error| broken("an object of tags", &raw.tags, error))?;
    Ok(Resource {
        id: raw.id.parse().map_err(|error| broken("an id", &raw.id, error))?,
        resource_type: raw.type_.clone(),
        location: raw.location.clone(),
        tags,
        state: State::new(json("a document", &raw.state.document)?),
        provisioning_state: ProvisioningState::parse(&raw.provisioning_state)
            .ok_or_else(|| broken("a provisioning state", &raw.provisioning_state, "not one of contract 0.1"))?,
        schema_version: raw.schema_version,
        generation: raw.generation,
    })
}

/// The text is not repeated in the fault: documents may be large, and bodies may hold secrets.
fn json(what: &str, text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| broken(what, &format!("{} bytes", text.len()), error))
}

pub(super) fn change(raw: wit::Change) -> Result<Change, Broken> {
    let desired = resource(raw.desired)?;
    let current = raw.current.map(resource).transpose()?;
    let intent = match (raw.purpose.as_str(), current) {
        ("patch", Some(current)) => Intent::Patch { current },
        (_, Some(current)) => Intent::Replace { current },
        (_, None) => Intent::Create,
    };
    Ok(Change { api_version: raw.api_version, desired, intent })
}

pub(super) fn action_call(raw: wit::ActionCall) -> Result<ActionCall, Rejection> {
    let target = match raw.resource {
        Some(of) => Target::Resource(resource(of)?),
        None => Target::Provider { scope: raw.scope },
    };
    let body = json("a body", &raw.body)?;
    Ok(ActionCall { action: raw.action, api_version: raw.api_version, target, body })
}

pub(super) fn view(raw: wit::View) -> Result<View, Broken> {
    let purpose = match raw.purpose.as_str() {
        "put" => Purpose::Put,
        "patch" => Purpose::Patch,
        "list" => Purpose::List,
        _ => Purpose::Get,
    };
    Ok(View { purpose, api_version: raw.api_version, resource: resource(raw.resource)? })
}

pub(super) fn state(state: State) -> types::State {
    types::State { document: state.document.to_string(), private: state.private }
}

pub(super) fn accepted(accepted: Accepted) -> wit::Accepted {
    wit::Accepted { state: state(accepted.state), work: work(accepted.work) }
}

fn work(work: Work) -> types::Work {
    match work {
        Work::Settled => types::Work::Settled,
        Work::Reconcile => types::Work::Reconcile,
    }
}

pub(super) fn rejection(rejection: Rejection) -> types::Rejection {
    let Rejection { status, code, message, target } = rejection;
    types::Rejection { status, code, message, target }
}

pub(super) fn fault(fault: Fault) -> types::Fault {
    types::Fault { code: fault.code, message: fault.message }
}

pub(super) fn step(step: Step) -> wit::Step {
    let next = match step.next {
        Next::Done => wit::Next::Done,
        Next::Wait { after, reason } => {
            wit::Next::Wait(wit::Wait { milliseconds: u32::try_from(after.as_millis()).unwrap_or(u32::MAX), reason })
        }
        Next::Failed(cause) => wit::Next::Failed(fault(cause)),
        Next::Refused(cause) => wit::Next::Refused(fault(cause)),
    };
    wit::Step { state: state(step.state), next }
}

pub(super) fn answer(answer: Answer) -> wit::Answer {
    wit::Answer {
        status: answer.status,
        body: answer.body.map(|body| body.to_string()).unwrap_or_default(),
        state: answer.state.map(state),
        work: work(answer.work),
    }
}
