//! Lists of resources of any provider: `/subscriptions/{s}/resources`, and the same in a group.

use floci_az_contract::Tracking;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::FrontDoor;
use super::error::ArmError;
use super::filter::{Filter, Item};
use super::id::Scope;
use super::page::{self, Page};
use super::record::Record;
use super::request::{Reply, Request};

/// Members of a resource that a list of any provider's resources shows, beside the host's own.
const SHOWN: &[&str] = &["sku", "kind", "identity", "zones", "plan", "managedBy", "extendedLocation"];

impl Record {
    fn item(&self) -> Item<'_> {
        Item {
            full_type: self.id.full_type().into(),
            group: &self.id.group,
            name: self.id.name(),
            location: &self.location,
            tags: &self.tags,
        }
    }
}

/// What `$expand` may ask for.
#[derive(Debug, Clone, Copy, Default)]
struct Expand {
    created: bool,
    changed: bool,
    state: bool,
}

impl Expand {
    /// What is not known is ignored, as any parameter.
    fn of(request: &Request) -> Expand {
        let asked = |wanted: &str| {
            let mut words = request.query("$expand").unwrap_or_default().split(',');
            words.any(|word| word.trim().eq_ignore_ascii_case(wanted))
        };
        Expand { created: asked("createdTime"), changed: asked("changedTime"), state: asked("provisioningState") }
    }
}

/// Tracked resources that are a group's own; their children are theirs to list.
pub(super) fn list(door: &FrontDoor, scope: &Scope, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET")?;
    if let Some(group) = &scope.group
        && door.inventory().group(&scope.key()).is_none()
    {
        return Err(ArmError::group_not_found(group));
    }
    let filter = Filter::of(request)?;
    let kept = |record: &Record| filter.as_ref().is_none_or(|filter| filter.matches(&record.item()));
    // What no plugin serves any more is shown, too: it is still there.
    let is_tracked = |record: &Record| door.kind(record).is_none_or(|kind| kind.tracking == Tracking::Tracked);
    let inside = door.inventory().inside(scope);
    let own = inside.iter().filter(|record| record.id.parent().is_none() && is_tracked(record) && kept(record));
    let (page, next) = Page::of(request)?.cut(own.map(|record| (record.id.key().to_string(), record)));
    let expand = Expand::of(request);
    Ok(page::reply(request, page.into_iter().map(|record| body(record, expand)).collect(), next))
}

fn body(record: &Record, expand: Expand) -> Value {
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    set("id", record.id.to_string().into());
    set("name", record.id.name().into());
    set("type", record.id.full_type().into());
    set("location", super::location::normalised(&record.location).into());
    set("tags", Value::Object(record.tags.clone()));
    for name in SHOWN {
        if let Some(value) = record.state.document.get(*name) {
            set(name, value.clone());
        }
    }
    if expand.created {
        set("createdTime", record.created.to_string().into());
    }
    if expand.changed {
        set("changedTime", record.modified.to_string().into());
    }
    if expand.state {
        set("provisioningState", record.provisioning.as_str().into());
    }
    Value::Object(body)
}

/// The names and values of tags in a subscription, with how often each is used.
pub(super) fn tag_names(door: &FrontDoor, subscription: &str, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let scope = Scope { subscription: subscription.to_owned(), group: None };
    let groups = door.inventory().groups(Some(subscription));
    let resources = door.inventory().inside(&scope);
    let tags = groups.iter().map(|group| &group.tags).chain(resources.iter().map(|record| &record.tags));
    let mut names: std::collections::BTreeMap<&str, std::collections::BTreeMap<&str, usize>> = Default::default();
    for (name, value) in tags.flatten() {
        *names.entry(name).or_default().entry(value.as_str().unwrap_or_default()).or_default() += 1;
    }
    let count = |count: usize| json!({ "type": "Total", "value": count });
    let value = names.iter().map(|(name, values)| {
        let id = format!("{scope}/tagNames/{name}");
        let used: Vec<Value> = values
            .iter()
            .map(|(value, times)| json!({ "id": format!("{id}/tagValues/{value}"), "tagValue": value, "count": count(*times) }))
            .collect();
        json!({ "id": id, "tagName": name, "count": count(values.values().sum()), "values": used })
    });
    Ok(Reply::json(StatusCode::OK, json!({ "value": value.collect::<Vec<_>>() })))
}
