//! PUT and PATCH: the desired state is merged and checked, given to the plugin's rules, stored, and answered; the way
//! there is the reconcile loop's.

use floci_az_contract::Purpose;
use hyper::StatusCode;
use serde_json::{Map, Value};

use super::body::Body;
use super::error::ArmError;
use super::id::ResourceId;
use super::inventory::Transition;
use super::operation::Operation;
use super::record::{Past, Provisioning, Record, State};
use super::request::{Reply, Request, operation_url};
use super::route::Served;
use super::{FrontDoor, location, patch as merge_patch, show, tags};
use crate::imports::{Imports, Phase};
use crate::plugin::contract::{Accepted, Change, Work};

pub(super) async fn put(
    door: &FrontDoor,
    served: &Served,
    id: ResourceId,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    let members = request.object()?;
    let key = id.key();
    let _held = door.locks.write(&key).await;
    let current = door.inventory().get(&key);
    check_conditions(request, &id, current.as_deref())?;
    let body = Body::parse(members, current.as_deref())?;
    let offered = location::of_type(&served.kind);
    let asked = body.location.ok_or_else(ArmError::location_required)?;
    let location = location::display_name(&asked, &offered)
        .ok_or_else(|| ArmError::location_not_available(&asked, &id.full_type(), &offered))?;
    let tags = tags::parse(body.tags)?;
    let desired = match current.as_deref() {
        None => {
            check_parent(door, &id)?;
            Record {
                id,
                location: location.to_owned(),
                tags,
                state: State { document: body.document, private: Vec::new() },
                provisioning: Provisioning::Creating,
                past: Past::NeverReady,
                schema_version: served.kind.schema_version,
                generation: 1,
                operation: None,
            }
        }
        Some(current) => {
            check_idle(current)?;
            if location != current.location {
                return Err(ArmError::location_immutable(&id, &current.location, location));
            }
            let state = State { document: body.document, private: current.state.private.clone() };
            Record { id, tags, state, ..current.changed() }
        }
    };
    let purpose = if current.is_some() { "replace" } else { "create" };
    let status = if current.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let (stored, operation) = accept(door, served, desired, current.as_deref(), purpose, version).await?;
    let reply = Reply::json(status, show::one(door, served, &stored, Purpose::Put, version).await?);
    Ok(match operation {
        // A PUT ends at the resource itself, as Azure's does.
        Some(operation) => {
            let location = format!("{}{}?api-version={version}", request.base, stored.id);
            reply.polled(operation_url(request, version, &operation, "asyncOperations"), location)
        }
        None => reply,
    })
}

pub(super) async fn patch(
    door: &FrontDoor,
    served: &Served,
    id: ResourceId,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    let members = request.object()?;
    let key = id.key();
    let _held = door.locks.write(&key).await;
    let current = door.inventory().get(&key).ok_or_else(|| ArmError::resource_not_found(&id))?;
    check_conditions(request, &id, Some(&current))?;
    check_idle(&current)?;
    let body = Body::parse(members, Some(&current))?;
    if let Some(asked) =
        body.location.filter(|asked| location::normalised(asked) != location::normalised(&current.location))
    {
        return Err(ArmError::location_immutable(&id, &current.location, &asked));
    }
    let tags = match body.tags {
        Some(tags) => tags::parse(Some(tags))?,
        None => current.tags.clone(),
    };
    let mut document = Value::Object(current.state.document.clone());
    merge_patch::merge(&mut document, Value::Object(body.document));
    let Value::Object(document) = document else {
        return Err(ArmError::internal("the merged document is no object"));
    };
    let state = State { document, private: current.state.private.clone() };
    let desired = Record { id, tags, state, ..current.changed() };
    let (stored, operation) = accept(door, served, desired, Some(&current), "patch", version).await?;
    let reply = Reply::json(StatusCode::OK, show::one(door, served, &stored, Purpose::Patch, version).await?);
    Ok(match operation {
        Some(operation) => {
            let url = operation_url(request, version, &operation, "asyncOperations");
            reply.polled(url.clone(), url)
        }
        None => reply,
    })
}

/// Asks the plugin, stores what it accepts, and wakes the reconcile loop if there is work.
async fn accept(
    door: &FrontDoor,
    served: &Served,
    desired: Record,
    current: Option<&Record>,
    purpose: &str,
    version: &str,
) -> Result<(Record, Option<Operation>), ArmError> {
    let change = Change {
        purpose: purpose.to_owned(),
        api_version: version.to_owned(),
        desired: desired.to_contract(),
        current: current.map(Record::to_contract),
    };
    let imports = Imports::lend(&door.lender, &served.plugin, &served.revision, Phase::Pure, &desired.id);
    let Accepted { state, work } = served.revision.validate(imports, &change).await??;
    let state = State { document: document(served, &state.document)?, private: state.private };
    let (provisioning, past, operation) = match (work, desired.past) {
        // The plugin says that the desired state is there already.
        (Work::Settled, _) if current.is_none_or(|current| current.provisioning != Provisioning::Failed) => {
            (Provisioning::Succeeded, Past::BeenReady, None)
        }
        (_, Past::NeverReady) => {
            (Provisioning::Creating, Past::NeverReady, Some(Operation::start(&desired.id, &desired.location)))
        }
        (_, Past::BeenReady) => {
            (Provisioning::Updating, Past::BeenReady, Some(Operation::start(&desired.id, &desired.location)))
        }
    };
    let stored = Record {
        state,
        provisioning,
        past,
        schema_version: served.kind.schema_version,
        operation: operation.as_ref().map(|operation| operation.id),
        ..desired
    };
    door.inventory().commit(Transition::Store(stored.clone()), operation.clone()).await?;
    tracing::info!(resource = %stored.id, generation = stored.generation, "{}", provisioning.as_str());
    if operation.is_some() {
        door.wake(stored.id.key());
    }
    Ok((stored, operation))
}

/// A document that a plugin returned.
pub(super) fn document(served: &Served, text: &str) -> Result<Map<String, Value>, ArmError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(ArmError::plugin_failed(&format!(
            "the plugin {} returned a document that is no object",
            served.revision.label()
        ))),
        Err(error) => Err(ArmError::plugin_failed(&format!(
            "the plugin {} returned a document that is no JSON: {error}",
            served.revision.label()
        ))),
    }
}

/// Refuses a change while another is under way.
pub(super) fn check_idle(current: &Record) -> Result<(), ArmError> {
    match current.provisioning {
        Provisioning::Deleting => Err(ArmError::being_deleted(&current.id)),
        state if state.is_terminal() => Ok(()),
        _ => Err(ArmError::busy(&current.id)),
    }
}

/// `If-None-Match: *` means only to create, `If-Match: *` only to change. There are no entity tags to compare others with.
fn check_conditions(request: &Request, id: &ResourceId, current: Option<&Record>) -> Result<(), ArmError> {
    if request.if_none_match.as_deref() == Some("*") && current.is_some() {
        return Err(ArmError::precondition_failed("If-None-Match", id));
    }
    match request.if_match.as_deref() {
        None => Ok(()),
        Some("*") if current.is_some() => Ok(()),
        Some(_) => Err(ArmError::precondition_failed("If-Match", id)),
    }
}

fn check_parent(door: &FrontDoor, id: &ResourceId) -> Result<(), ArmError> {
    match id.parent() {
        Some(parent) if door.inventory().get(&parent).is_none() => Err(ArmError::parent_not_found(id)),
        _ => Ok(()),
    }
}
