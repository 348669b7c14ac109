//! Resource groups: created, read, listed; removed when they are empty.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::FrontDoor;
use super::error::ArmError;
use super::id::{Key, Scope};
use super::request::{Reply, Request};
use super::{location, tags};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub subscription: String,
    pub name: String,
    /// Normalised, as Azure shows a group's: `eastus`.
    pub location: String,
    pub tags: Map<String, Value>,
}

/// The key of the group that a scope names.
pub(super) fn key(scope: &Scope) -> Key {
    Key::folded(&scope.to_string())
}

impl Group {
    pub fn key(&self) -> Key {
        key(&self.scope())
    }

    fn scope(&self) -> Scope {
        Scope { subscription: self.subscription.clone(), group: Some(self.name.clone()) }
    }

    fn body(&self) -> Value {
        json!({
            "id": self.scope().to_string(),
            "name": self.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": self.location,
            "tags": self.tags,
            "properties": { "provisioningState": "Succeeded" },
        })
    }
}

fn not_found(scope: &Scope) -> ArmError {
    ArmError::group_not_found(scope.group.as_deref().unwrap_or_default())
}

pub(super) fn get(door: &FrontDoor, scope: &Scope) -> Result<Reply, ArmError> {
    let group = door.inventory().group(&key(scope)).ok_or_else(|| not_found(scope))?;
    Ok(Reply::json(StatusCode::OK, group.body()))
}

pub(super) fn exists(door: &FrontDoor, scope: &Scope) -> Result<Reply, ArmError> {
    let group = door.inventory().group(&key(scope)).ok_or_else(|| not_found(scope))?;
    drop(group);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) fn list(door: &FrontDoor, subscription: &str) -> Reply {
    let groups = door.inventory().groups(subscription);
    Reply::json(StatusCode::OK, json!({ "value": groups.iter().map(|group| group.body()).collect::<Vec<_>>() }))
}

pub(super) async fn put(door: &FrontDoor, scope: &Scope, request: &Request) -> Result<Reply, ArmError> {
    let mut members = request.object()?;
    let key = key(scope);
    let _held = door.locks.write(&key).await;
    let current = door.inventory().group(&key);
    let asked = match members.shift_remove("location") {
        Some(Value::String(asked)) => asked,
        _ => return Err(ArmError::location_required()),
    };
    let Some(display) = location::any(&asked) else {
        return Err(ArmError::location_not_available(&asked, "Microsoft.Resources/resourceGroups", location::all()));
    };
    let location = location::normalised(display);
    let tags = tags::parse(members.shift_remove("tags"))?;
    let (subscription, name) = (scope.subscription.clone(), scope.group.clone().unwrap_or_default());
    if let Some(current) = current.as_deref().filter(|current| current.location != location) {
        return Err(ArmError::group_location_immutable(&name, &current.location, &location));
    }
    let group = Group { subscription, name, location, tags };
    door.inventory().put_group(group.clone()).await?;
    let status = if current.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Reply::json(status, group.body()))
}

pub(super) async fn delete(door: &FrontDoor, scope: &Scope) -> Result<Reply, ArmError> {
    let key = key(scope);
    let _held = door.locks.write(&key).await;
    let group = door.inventory().group(&key).ok_or_else(|| not_found(scope))?;
    let inside = door.inventory().inside(scope).len();
    if inside > 0 {
        return Err(ArmError::group_not_empty(&group.name, inside));
    }
    door.inventory().remove_group(&group).await?;
    Ok(Reply::empty(StatusCode::OK))
}
