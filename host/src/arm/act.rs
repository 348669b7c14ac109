//! An action of a resource, or of a provider: a POST or, if its manifest says so, a GET.
//!
//! An action that reads runs beside everything else. One that writes runs alone on its resource: it awaits the
//! reconcile step under way, and holds off PUT, PATCH and DELETE until its outcome is stored.

use floci_az_contract::{Action, Effect, Life, Method};
use hyper::StatusCode;

use super::FrontDoor;
use super::error::ArmError;
use super::id::ResourceId;
use super::inventory::Transition;
use super::operation::Operation;
use super::record::{Record, State};
use super::request::{Reply, Request, operation_url};
use super::route::Served;
use super::{child, version, write};
use crate::imports::{Imports, Phase};
use crate::plugin::contract::{ActionCall, Answer, Work};
use crate::plugin::{Entry, Revision};

pub(super) async fn act(
    door: &FrontDoor,
    served: &Served,
    id: &ResourceId,
    action: &Action,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    let body = body(action, request)?;
    let key = id.key();
    let find = || door.inventory().get(&key).ok_or_else(|| ArmError::resource_not_found(id));
    match action.effect {
        Effect::Reads => {
            let record = find()?;
            let record = served.fit(&record).await?;
            let answer = invoke(door, served, &record, action, version, body, Phase::Pure).await?;
            if answer.state.is_some() || answer.work == Work::Reconcile {
                let label = served.revision.label();
                let found = format!(
                    "the plugin {label} changed the resource in '{}', which its manifest says only reads",
                    action.name
                );
                return Err(ArmError::plugin_answer_invalid(&found));
            }
            reply(&served.revision, &answer, request)
        }
        Effect::Writes => {
            // Told at once, and looked at again when it is this call's turn.
            write::check_idle(door, &*find()?)?;
            let _effects = door.locks.effects(&key).await;
            let _changing = door.hold(served).await?;
            let _write = door.locks.write(&key).await;
            let record = find()?;
            write::check_idle(door, &record)?;
            let record = served.fit(&record).await?;
            let _parent = match served.kind.life {
                Life::Parents => child::hold_parent(door, served, id).await?,
                Life::Own => None,
            };
            let outcome = change(door, served, &record, action, version, body, request).await;
            if outcome.is_err() {
                // It may have had effects before it failed.
                door.wake(served, id);
            }
            outcome
        }
    }
}

/// An action of the provider itself, which has no resource to change.
pub(super) async fn of_provider(
    door: &FrontDoor,
    provider: &Entry,
    subscription: &str,
    action: &Action,
    request: &Request,
) -> Result<Reply, ArmError> {
    let body = body(action, request)?;
    let Entry { plugin, revision } = provider;
    let scope = format!("/subscriptions/{subscription}/providers/{}", plugin.namespace());
    let call = ActionCall {
        action: action.name.clone(),
        api_version: version::of_provider(request, revision.manifest(), door.policy.api_version)?.to_owned(),
        resource: None,
        scope: scope.clone(),
        body,
    };
    let imports = Imports::lend(&door.lender, plugin, revision.shared(), Phase::Pure, scope);
    reply(revision, &revision.invoke(imports, &call).await??, request)
}

/// The body of the call, if the action is asked for as its manifest says.
fn body(action: &Action, request: &Request) -> Result<String, ArmError> {
    match action.method {
        Method::Post => request.only("POST").and_then(|()| request.action_body()),
        Method::Get => request.only("GET, HEAD").map(|()| request.parameters()),
    }
}

/// An action that writes, to its end.
async fn change(
    door: &FrontDoor,
    served: &Served,
    record: &Record,
    action: &Action,
    version: &str,
    body: String,
    request: &Request,
) -> Result<Reply, ArmError> {
    let answer = invoke(door, served, record, action, version, body, Phase::Effects).await?;
    let reply = reply(&served.revision, &answer, request)?;
    Ok(match store(door, served, record, answer).await? {
        Some(operation) => {
            let url = operation_url(request, version, &operation, "operationresults");
            reply.polled(url.clone(), url)
        }
        None => reply,
    })
}

async fn invoke(
    door: &FrontDoor,
    served: &Served,
    record: &Record,
    action: &Action,
    version: &str,
    body: String,
    phase: Phase,
) -> Result<Answer, ArmError> {
    let call = ActionCall {
        action: action.name.clone(),
        api_version: version.to_owned(),
        resource: Some(record.to_contract()),
        scope: record.id.to_string(),
        body,
    };
    let imports = Imports::lend(&door.lender, &served.plugin, served.revision.shared(), phase, &record.id);
    Ok(served.revision.invoke(imports, &call).await??)
}

fn reply(revision: &Revision, answer: &Answer, request: &Request) -> Result<Reply, ArmError> {
    let wrong =
        |what: String| ArmError::plugin_answer_invalid(&format!("the plugin {} answered {what}", revision.label()));
    let status = StatusCode::from_u16(answer.status).ok().filter(StatusCode::is_success);
    let status =
        status.ok_or_else(|| wrong(format!("with the status {}, which has to be 200 to 299", answer.status)))?;
    if status == StatusCode::ACCEPTED && answer.work == Work::Settled {
        return Err(wrong("202, and nothing is left to be done: there is no operation to ask for".to_owned()));
    }
    if answer.body.is_empty() || request.method == hyper::Method::HEAD {
        return Ok(Reply::empty(status));
    }
    let body =
        serde_json::from_str(&answer.body).map_err(|error| wrong(format!("with a body that is no JSON: {error}")))?;
    Ok(Reply::json(status, body))
}

/// Stores what the action changed, and starts an operation if work is left.
async fn store(
    door: &FrontDoor,
    served: &Served,
    record: &Record,
    answer: Answer,
) -> Result<Option<Operation>, ArmError> {
    let operation = match answer.work {
        Work::Settled => None,
        Work::Reconcile => Some(Operation::of_resource(&record.id, &record.location)),
    };
    if answer.state.is_none() && operation.is_none() {
        return Ok(None);
    }
    let mut changed = record.changed();
    if let Some(state) = answer.state {
        let state = State { document: write::document(served, &state.document)?, private: state.private };
        changed = changed.with_state(state);
    }
    if let Some(operation) = &operation {
        changed.provisioning = changed.past.under_way();
        changed.operation = Some(operation.id);
    }
    let started = operation.clone().map(Transition::Operation);
    door.inventory().commit([Transition::Store(changed)].into_iter().chain(started).collect()).await?;
    if operation.is_some() {
        door.wake(served, &record.id);
    }
    Ok(operation)
}
