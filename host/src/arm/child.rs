//! What a child type adds to a change: the parent that it is put into, and the children that are there with every parent.

use std::sync::Arc;

use floci_az_contract::{BuiltIn, Life, ResourceType};
use serde_json::{Map, Value};

use super::FrontDoor;
use super::error::ArmError;
use super::id::ResourceId;
use super::locks::Presence;
use super::record::{self, Past, Provisioning, Record};
use super::route::Served;

/// A parent that takes something in, and stays for as long as this is held.
pub(super) struct Parent {
    pub record: Arc<Record>,
    _presence: Presence,
}

/// The parent of what is created or, if its life is its parent's, changed; none of a top-level resource.
pub(super) async fn hold_parent(
    door: &FrontDoor,
    served: &Served,
    id: &ResourceId,
) -> Result<Option<Parent>, ArmError> {
    let Some(key) = id.parent() else { return Ok(None) };
    let _presence = door.locks.presence(&key).await;
    let record = door.inventory().get(&key).ok_or_else(|| ArmError::parent_not_found(id))?;
    match (record.provisioning, served.kind.life) {
        (Provisioning::Deleting, _) => Err(ArmError::being_deleted(&record.id)),
        (Provisioning::Failed, Life::Parents) if record.past == Past::NeverReady => {
            Err(ArmError::parent_failed(&record.id))
        }
        (state, Life::Parents) if !state.is_terminal() => Err(ArmError::busy(&record.id)),
        _ => Ok(Some(Parent { record, _presence })),
    }
}

/// Refuses to change what is there with every parent.
pub(super) fn check_not_built_in(door: &FrontDoor, served: &Served, id: &ResourceId) -> Result<(), ArmError> {
    match served.kind.built_in(id.name()) {
        None => Ok(()),
        Some(_) if id.parent().is_none_or(|parent| door.inventory().get(&parent).is_none()) => {
            Err(ArmError::parent_not_found(id))
        }
        Some(_) => Err(ArmError::built_in(id)),
    }
}

/// What a client sees of a built-in child: the type's shape around the document as it stands in the manifest.
pub(super) fn body(kind: &ResourceType, parent: &Record, child: &BuiltIn) -> Value {
    let last = kind.name.rsplit('/').next().unwrap_or_default();
    let id = parent.id.child(last, &child.name);
    let document = child.document.as_object().cloned().unwrap_or_default();
    let mut body: Map<String, Value> = record::head(kind, &id, &parent.location);
    body.extend(document);
    Value::Object(body)
}
