//! The tags of a subscription, a group or a resource as a resource of their own:
//! `{scope}/providers/Microsoft.Resources/tags/default`.

use floci_az_contract::Tracking;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::FrontDoor;
use super::error::{ArmError, shown};
use super::group::Group;
use super::id::{ResourceId, Scope};
use super::inventory::Transition;
use super::request::{Reply, Request};
use super::route::Served;
use super::subscription::Subscription;
use super::{tags, write};

/// What has tags.
#[derive(Debug, Clone)]
pub enum Tagged {
    Subscription(String),
    Group(Scope),
    Resource { served: Served, id: ResourceId },
}

type Tags = Map<String, Value>;

impl Tagged {
    fn id(&self) -> String {
        match self {
            Tagged::Subscription(id) => format!("/subscriptions/{id}"),
            Tagged::Group(scope) => scope.to_string(),
            Tagged::Resource { id, .. } => id.to_string(),
        }
    }

    /// The subscription or group that it is or is in.
    pub fn scope(&self) -> Scope {
        match self {
            Tagged::Subscription(id) => Scope { subscription: id.clone(), group: None },
            Tagged::Group(scope) => scope.clone(),
            Tagged::Resource { id, .. } => id.scope(),
        }
    }

    fn tags(&self, door: &FrontDoor) -> Result<Tags, ArmError> {
        match self {
            Tagged::Subscription(id) => Ok(Subscription::load(door, id).tags),
            Tagged::Group(scope) => Ok(group(door, scope)?.tags),
            Tagged::Resource { id, .. } => {
                let record = door.inventory().get(&id.key()).ok_or_else(|| ArmError::resource_not_found(id))?;
                Ok(record.tags.clone())
            }
        }
    }

    fn body(&self, tags: &Tags) -> Value {
        json!({
            "id": format!("{}/providers/Microsoft.Resources/tags/default", self.id()),
            "name": "default",
            "type": "Microsoft.Resources/tags",
            "properties": { "tags": tags },
        })
    }

    /// Changes the tags, holding the lock of what has them.
    async fn change(&self, door: &FrontDoor, change: &Change) -> Result<Tags, ArmError> {
        match self {
            Tagged::Subscription(id) => {
                let _held = door.locks.write(&Subscription::key_of(id)).await;
                let mut subscription = Subscription::load(door, id);
                subscription.tags = change.apply(subscription.tags)?;
                let tags = subscription.tags.clone();
                door.inventory().commit(vec![Transition::Subscription(subscription)]).await?;
                Ok(tags)
            }
            Tagged::Group(scope) => {
                let _held = door.locks.write(&scope.key()).await;
                let mut group = group(door, scope)?;
                group.check_is_there()?;
                group.tags = change.apply(group.tags)?;
                let tags = group.tags.clone();
                door.inventory().commit(vec![Transition::Group(group)]).await?;
                Ok(tags)
            }
            Tagged::Resource { served, id } => {
                write::retag(door, served, id, |current| change.apply(current.clone())).await
            }
        }
    }
}

fn group(door: &FrontDoor, scope: &Scope) -> Result<Group, ArmError> {
    let group = door.inventory().group(&scope.key());
    let group = group.ok_or_else(|| ArmError::group_not_found(scope.group.as_deref().unwrap_or_default()))?;
    Ok((*group).clone())
}

/// What a PUT, PATCH or DELETE makes of the tags that are there.
enum Change {
    Replace(Tags),
    Merge(Tags),
    /// Those of this name; if a value is given, only with this value.
    Delete(Tags),
    DeleteAll,
}

impl Change {
    fn of(request: &Request) -> Result<Change, ArmError> {
        if request.method == Method::DELETE {
            return Ok(Change::DeleteAll);
        }
        let mut members = request.object()?;
        let Some(Value::Object(mut properties)) = members.shift_remove("properties") else {
            return Err(ArmError::invalid_request_content(
                "'properties' has to be an object with 'tags'",
                "properties",
            ));
        };
        let Some(tags) = properties.shift_remove("tags") else {
            return Err(ArmError::invalid_request_content(
                "'properties' has to have 'tags', an object",
                "properties.tags",
            ));
        };
        let tags = tags::parse(Some(tags))?;
        if request.method == Method::PUT {
            return Ok(Change::Replace(tags));
        }
        let operation = members.shift_remove("operation").unwrap_or_default();
        match operation.as_str().unwrap_or_default().to_lowercase().as_str() {
            "replace" => Ok(Change::Replace(tags)),
            "merge" => Ok(Change::Merge(tags)),
            "delete" => Ok(Change::Delete(tags)),
            _ => {
                let found = format!("'operation' has to be Replace, Merge or Delete, found {}", shown(&operation));
                Err(ArmError::invalid_request_content(found, "operation"))
            }
        }
    }

    fn apply(&self, mut current: Tags) -> Result<Tags, ArmError> {
        match self {
            Change::Replace(tags) => current = tags.clone(),
            Change::DeleteAll => current.clear(),
            Change::Delete(tags) => current.retain(|name, value| {
                let named = tags.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
                !named.is_some_and(|(_, wanted)| wanted == "" || wanted == value)
            }),
            Change::Merge(tags) => {
                for (name, value) in tags {
                    current.retain(|other, _| !other.eq_ignore_ascii_case(name));
                    current.insert(name.clone(), value.clone());
                }
            }
        }
        // Many small merges are a large one, too.
        tags::parse(Some(Value::Object(current)))
    }
}

pub(super) async fn answer(door: &FrontDoor, tagged: &Tagged, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET, PUT, PATCH, DELETE")?;
    if let Tagged::Resource { served, id } = tagged {
        door.check_provider(&served.plugin, &id.subscription)?;
        if served.kind.tracking != Tracking::Tracked {
            return Err(ArmError::no_tags(id));
        }
    }
    match request.method {
        Method::GET => Ok(Reply::json(StatusCode::OK, tagged.body(&tagged.tags(door)?))),
        Method::PUT | Method::PATCH => {
            let tags = tagged.change(door, &Change::of(request)?).await?;
            Ok(Reply::json(StatusCode::OK, tagged.body(&tags)))
        }
        _ => {
            tagged.change(door, &Change::of(request)?).await?;
            Ok(Reply::empty(StatusCode::OK))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_replaced_merged_and_deleted() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let before = object(json!({ "env": "test", "team": "a" }));
        for (change, after) in [
            (Change::Replace(object(json!({ "x": "y" }))), json!({ "x": "y" })),
            (
                Change::Merge(object(json!({ "ENV": "prod", "x": "y" }))),
                json!({ "team": "a", "ENV": "prod", "x": "y" }),
            ),
            (Change::Delete(object(json!({ "env": "test", "team": "other" }))), json!({ "team": "a" })),
            (Change::Delete(object(json!({ "Env": "" }))), json!({ "team": "a" })),
            (Change::DeleteAll, json!({})),
        ] {
            assert_eq!(Value::Object(change.apply(before.clone()).unwrap()), after);
        }
        let many = (0..50).map(|n| (format!("t{n}"), json!("v"))).collect();
        assert!(Change::Merge(many).apply(before).is_err(), "52 tags are too many");
    }
}
