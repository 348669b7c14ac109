//! DELETE: accepted at any time, also of what is still being created; the plugin's finalize does the rest.

use hyper::StatusCode;

use super::FrontDoor;
use super::error::ArmError;
use super::id::ResourceId;
use super::inventory::Transition;
use super::operation::{Operation, Status};
use super::record::{Provisioning, Record};
use super::request::{Reply, Request, operation_url};

pub(super) async fn delete(
    door: &FrontDoor,
    id: &ResourceId,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    let key = id.key();
    let _held = door.locks.write(&key).await;
    let Some(current) = door.inventory().get(&key) else {
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    };
    if request.header("if-match").is_some_and(|condition| condition != "*") {
        return Err(ArmError::precondition_failed("If-Match", id));
    }
    let before = current
        .operation
        .and_then(|id| door.inventory().operation(&id))
        .filter(|operation| operation.status == Status::InProgress);
    let operation = match (current.provisioning, before) {
        // Asked again: the same operation.
        (Provisioning::Deleting, Some(running)) => (*running).clone(),
        (_, before) => start(door, &current, before.as_deref()).await?,
    };
    door.wake(key);
    let url = operation_url(request, version, &operation, "operationresults");
    Ok(Reply::empty(StatusCode::ACCEPTED).polled(url.clone(), url))
}

/// Marks the resource, and ends the operation that the deletion overtakes.
async fn start(door: &FrontDoor, current: &Record, overtaken: Option<&Operation>) -> Result<Operation, ArmError> {
    let operation = Operation::start(&current.id, &current.location);
    let deleting = Record { provisioning: Provisioning::Deleting, operation: Some(operation.id), ..current.changed() };
    let preempted = overtaken.map(|overtaken| {
        let message = "The operation was preempted by the deletion of its resource.".to_owned();
        overtaken.end(Status::Failed { code: "OperationPreempted".to_owned(), message })
    });
    let operations = preempted.into_iter().chain([operation.clone()]);
    door.inventory().commit(Transition::Store(deleting), operations).await?;
    tracing::info!(resource = %current.id, "Deleting");
    Ok(operation)
}
