//! DELETE: accepted at any time, also of what is still being created; the plugin's finalize does the rest.

use hyper::StatusCode;

use super::error::ArmError;
use super::id::{Key, ResourceId};
use super::inventory::{Inventory, Transition};
use super::locks::Locks;
use super::operation::{Operation, Status};
use super::record::{Provisioning, Record};
use super::request::{Reply, Request};
use super::route::Served;
use super::{FrontDoor, answer, child};
use crate::state::StoreError;

pub(super) async fn delete(
    door: &FrontDoor,
    served: &Served,
    id: &ResourceId,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    child::check_not_built_in(door, served, id)?;
    if door.inventory().get(&id.key()).is_some() && request.header("if-match").is_some_and(|condition| condition != "*")
    {
        return Err(ArmError::precondition_failed("If-Match", id));
    }
    let Some(operation) = begin(door.inventory(), &door.locks, &id.key()).await? else {
        return Ok(Reply::empty(StatusCode::NO_CONTENT));
    };
    door.wake(served, id);
    answer::of_deletion(door, served, id, &operation, version, request).await
}

/// Marks a resource as on its way out. The operation of its deletion, which may have begun before; none if there is no
/// such resource. Whoever asks wakes the resource.
pub async fn begin(inventory: &Inventory, locks: &Locks, key: &Key) -> Result<Option<Operation>, StoreError> {
    let _held = locks.write(key).await;
    let Some(current) = inventory.get(key) else { return Ok(None) };
    let before = current.operation.and_then(|id| inventory.operation(&id));
    let before = before.filter(|operation| operation.status == Status::InProgress);
    if let (Provisioning::Deleting, Some(running)) = (current.provisioning, &before) {
        // Asked again: the same operation.
        return Ok(Some((**running).clone()));
    }
    let operation = Operation::of_resource(&current.id, &current.location);
    let deleting = Record { provisioning: Provisioning::Deleting, operation: Some(operation.id), ..current.changed() };
    let preempted = before.map(|overtaken| Transition::Operation(overtaken.preempted()));
    let transitions = [Transition::Store(deleting), Transition::Operation(operation.clone())];
    inventory.commit(transitions.into_iter().chain(preempted).collect()).await?;
    tracing::info!(resource = %current.id, "Deleting");
    Ok(Some(operation))
}
