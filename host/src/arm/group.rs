//! Resource groups. A group's deletion is accepted at once, and is done when everything in it is gone (see
//! [`crate::reconcile`]).

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::{ArmError, shown};
use super::filter::{Filter, Item};
use super::id::{Key, Scope};
use super::inventory::Transition;
use super::operation::{Operation, Status};
use super::page::{self, Page};
use super::request::{Reply, Request, operation_url};
use super::{FrontDoor, location, tags};

const TYPE: &str = "Microsoft.Resources/resourceGroups";
/// Members of a group's body that a client may send back as it has read them.
const READ_ONLY: &[&str] = &["id", "name", "type", "properties"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub subscription: String,
    pub name: String,
    /// Normalised, as Azure shows a group's: `eastus`.
    pub location: String,
    pub tags: Map<String, Value>,
    /// The id of a resource that manages the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    #[serde(default)]
    pub life: Life,
}

/// Where a group is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    #[default]
    There,
    /// Until everything in it is gone.
    Deleting { operation: Uuid },
}

impl Group {
    /// The group that a resource was put into without anybody having created it.
    pub fn implied(scope: &Scope, location: &str) -> Group {
        Group {
            subscription: scope.subscription.clone(),
            name: scope.group.clone().unwrap_or_default(),
            location: location::normalised(location),
            tags: Map::new(),
            managed_by: None,
            life: Life::There,
        }
    }

    pub fn key(&self) -> Key {
        self.scope().key()
    }

    pub fn scope(&self) -> Scope {
        Scope { subscription: self.subscription.clone(), group: Some(self.name.clone()) }
    }

    pub(super) fn check_is_there(&self) -> Result<(), ArmError> {
        match self.life {
            Life::There => Ok(()),
            Life::Deleting { .. } => Err(ArmError::group_being_deleted(&self.name)),
        }
    }

    fn body(&self) -> Value {
        let state = match self.life {
            Life::There => "Succeeded",
            Life::Deleting { .. } => "Deleting",
        };
        let mut body = json!({
            "id": self.scope().to_string(),
            "name": self.name,
            "type": TYPE,
            "location": self.location,
            "tags": self.tags,
            "properties": { "provisioningState": state },
        });
        if let (Some(manager), Some(members)) = (&self.managed_by, body.as_object_mut()) {
            members.insert("managedBy".to_owned(), manager.clone().into());
        }
        body
    }

    fn item(&self) -> Item<'_> {
        Item { full_type: TYPE.into(), group: &self.name, name: &self.name, location: &self.location, tags: &self.tags }
    }
}

pub(super) async fn answer(door: &FrontDoor, scope: &Scope, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET, HEAD, PUT, PATCH, DELETE")?;
    let found = || door.inventory().group(&scope.key()).ok_or_else(|| not_found(scope));
    match request.method {
        Method::GET => Ok(Reply::json(StatusCode::OK, found()?.body())),
        Method::HEAD => found().map(|_| Reply::empty(StatusCode::NO_CONTENT)),
        Method::PUT => put(door, scope, request).await,
        Method::PATCH => patch(door, scope, request).await,
        _ => delete(door, scope, request).await,
    }
}

fn not_found(scope: &Scope) -> ArmError {
    ArmError::group_not_found(scope.group.as_deref().unwrap_or_default())
}

pub(super) fn list(door: &FrontDoor, subscription: &str, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let filter = Filter::of(request)?;
    let groups = door.inventory().groups(Some(subscription));
    let kept = groups.iter().filter(|group| filter.as_ref().is_none_or(|filter| filter.matches(&group.item())));
    let (values, next) = Page::of(request)?.cut(kept.map(|group| (group.key().to_string(), group.body())));
    Ok(page::reply(request, values, next))
}

async fn put(door: &FrontDoor, scope: &Scope, request: &Request) -> Result<Reply, ArmError> {
    let mut members = request.object()?;
    let _held = door.locks.write(&scope.key()).await;
    let current = door.inventory().group(&scope.key());
    if let Some(current) = &current {
        current.check_is_there()?;
    }
    let asked = location(&mut members)?.ok_or_else(ArmError::location_required)?;
    let Some(display) = location::any(&asked) else {
        return Err(ArmError::location_not_available(&asked, TYPE, location::all()));
    };
    let group = Group {
        tags: tags::parse(members.shift_remove("tags"))?,
        managed_by: managed_by(&mut members)?,
        ..Group::implied(scope, display)
    };
    check_rest(members)?;
    if let Some(current) = current.as_deref().filter(|current| current.location != group.location) {
        return Err(ArmError::group_location_immutable(&group.name, &current.location, &group.location));
    }
    let reply = Reply::json(if current.is_some() { StatusCode::OK } else { StatusCode::CREATED }, group.body());
    door.inventory().commit(vec![Transition::Group(group)]).await?;
    Ok(reply)
}

async fn patch(door: &FrontDoor, scope: &Scope, request: &Request) -> Result<Reply, ArmError> {
    let mut members = request.object()?;
    let _held = door.locks.write(&scope.key()).await;
    let current = door.inventory().group(&scope.key()).ok_or_else(|| not_found(scope))?;
    current.check_is_there()?;
    let asked = location(&mut members)?.map(|asked| location::normalised(&asked));
    if let Some(asked) = asked.filter(|asked| *asked != current.location) {
        return Err(ArmError::group_location_immutable(&current.name, &current.location, &asked));
    }
    let mut group = Group { name: scope.group.clone().unwrap_or_default(), ..(*current).clone() };
    if let Some(sent) = members.shift_remove("tags") {
        group.tags = tags::parse(Some(sent))?;
    }
    if members.contains_key("managedBy") {
        group.managed_by = managed_by(&mut members)?;
    }
    check_rest(members)?;
    let reply = Reply::json(StatusCode::OK, group.body());
    door.inventory().commit(vec![Transition::Group(group)]).await?;
    Ok(reply)
}

async fn delete(door: &FrontDoor, scope: &Scope, request: &Request) -> Result<Reply, ArmError> {
    let key = scope.key();
    let _held = door.locks.write(&key).await;
    let current = door.inventory().group(&key).ok_or_else(|| not_found(scope))?;
    let running = match current.life {
        Life::Deleting { operation } => door.inventory().operation(&operation),
        Life::There => None,
    };
    let operation = match running.filter(|operation| operation.status == Status::InProgress) {
        // Asked again: the same operation.
        Some(running) => (*running).clone(),
        None => {
            let operation = Operation::of_group(current.scope());
            let life = Life::Deleting { operation: operation.id };
            let deleting = Group { life, ..(*current).clone() };
            let transitions = vec![Transition::Group(deleting), Transition::Operation(operation.clone())];
            door.inventory().commit(transitions).await?;
            tracing::info!(group = %current.scope(), "Deleting");
            operation
        }
    };
    door.lender.wake(key);
    let version = request.api_version().unwrap_or_default();
    Ok(Reply::empty(StatusCode::ACCEPTED).at(operation_url(request, version, &operation, "operationresults")))
}

/// Azure's rule: 1 to 90 letters, digits, `-`, `_`, `(`, `)` and `.`, the last of which is no `.`.
pub(super) fn check_name(name: &str) -> Result<(), ArmError> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '(' | ')' | '.');
    let is_name = (1..=90).contains(&name.chars().count()) && name.chars().all(allowed) && !name.ends_with('.');
    if is_name { Ok(()) } else { Err(ArmError::invalid_group_name(name)) }
}

fn location(members: &mut Map<String, Value>) -> Result<Option<String>, ArmError> {
    text(members, "location")
}

fn managed_by(members: &mut Map<String, Value>) -> Result<Option<String>, ArmError> {
    text(members, "managedBy")
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, ArmError> {
    match members.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let found = format!("'{name}' has to be a string, found {}", shown(&other));
            Err(ArmError::invalid_request_content(found, name))
        }
    }
}

fn check_rest(mut members: Map<String, Value>) -> Result<(), ArmError> {
    members.retain(|name, _| !READ_ONLY.contains(&name.as_str()));
    match members.keys().next() {
        None => Ok(()),
        Some(unknown) => Err(ArmError::unknown_member(unknown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_names_have_a_rule() {
        for fine in ["g", "my-rg", "My_RG.1(x)", "ä", &"g".repeat(90)] {
            assert!(check_name(fine).is_ok(), "{fine}");
        }
        for refused in ["", "ends.", "sp ace", "sl/ash", "perc%", &"g".repeat(91)] {
            assert!(check_name(refused).is_err(), "{refused}");
        }
    }
}
