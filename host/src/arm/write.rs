//! PUT and PATCH: the desired state is merged and checked, given to the plugin's rules, stored, and answered; the way
//! there is the reconcile loop's.

use floci_az_contract::{Life, Purpose, ResourceType, Tracking};
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::answer::Stored;
use super::content::Content;
use super::error::ArmError;
use super::id::ResourceId;
use super::inventory::Transition;
use super::locks::Held;
use super::operation::Operation;
use super::record::{Past, Provisioning, Record, State};
use super::request::{Reply, Request, check_size};
use super::route::Served;
use super::{FrontDoor, answer, child, location, patch as merge_patch, show, tags};
use crate::imports::{Imports, Phase};
use crate::plugin::contract::{Accepted, Change, Work};

pub(super) async fn put(
    door: &FrontDoor,
    served: &Served,
    id: ResourceId,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    child::check_not_built_in(door, served, &id)?;
    let members = request.object()?;
    let key = id.key();
    let changing = door.hold(served).await?;
    let held = door.locks.write(&key).await;
    let stored = door.inventory().get(&key);
    check_conditions(request, &id, stored.as_deref())?;
    let current = match &stored {
        Some(stored) => {
            check_idle(door, stored)?;
            Some(served.fit(stored).await?)
        }
        None => None,
    };
    let content = Content::parse(members, served.kind.tracking, current.as_deref())?;
    let asked = asked_location(&served.kind, &id, content.location)?;
    let tags = tags::parse(content.tags)?;
    let parent = match (&current, served.kind.life) {
        (None, _) | (Some(_), Life::Parents) => child::hold_parent(door, served, &id).await?,
        (Some(_), Life::Own) => None,
    };
    let inherited = || current.as_deref().or(parent.as_ref().map(|parent| &*parent.record));
    let location =
        asked.or(inherited().map(|record| record.location.clone())).unwrap_or_else(|| location::NOWHERE.to_owned());
    let name = match current {
        None => hold_name(door, &id).await?,
        Some(_) => None,
    };
    let desired = match current.as_deref() {
        None => Record {
            id,
            location,
            tags,
            state: State { document: content.document, private: Vec::new() },
            provisioning: Provisioning::Creating,
            past: Past::NeverReady,
            schema_version: served.kind.schema_version,
            generation: 1,
            twin: None,
            operation: None,
            created: Timestamp::now(),
            modified: Timestamp::now(),
        },
        Some(current) => {
            if location != current.location {
                return Err(ArmError::location_immutable(&id, &current.location, &location));
            }
            let state = State { document: content.document, private: current.state.private.clone() };
            Record { id, tags, state, ..current.changed() }
        }
    };
    let (purpose, status) = match &current {
        None => ("create", StatusCode::CREATED),
        Some(_) => ("replace", StatusCode::OK),
    };
    let change = Accept { door, served, version, current: current.as_deref() };
    let stored = change.run(desired, purpose, Purpose::Put).await?;
    drop((held, parent, name, changing));
    answer::of_change(door, served, stored, (status, Purpose::Put), version, request).await
}

/// Where a tracked resource is to be; none of others, whatever was sent.
fn asked_location(kind: &ResourceType, id: &ResourceId, asked: Option<String>) -> Result<Option<String>, ArmError> {
    if kind.tracking != Tracking::Tracked {
        return Ok(None);
    }
    let offered = location::of_type(kind);
    let asked = asked.ok_or_else(ArmError::location_required)?;
    let location = location::display_name(&asked, &offered);
    let location = location.ok_or_else(|| ArmError::location_not_available(&asked, &id.full_type(), &offered))?;
    Ok(Some(location.to_owned()))
}

/// What a creation holds while its plugin is asked, besides its own resource and its parent (see [`super::locks`]): its
/// name, if it is of a group. Children are unique below their parent.
async fn hold_name(door: &FrontDoor, id: &ResourceId) -> Result<Option<Held>, ArmError> {
    // Looked at again when it is stored.
    door.has_group(&id.scope())?;
    Ok(match id.parent() {
        Some(_) => None,
        None => Some(door.locks.name(&id.full_type(), id.name()).await),
    })
}

pub(super) async fn patch(
    door: &FrontDoor,
    served: &Served,
    id: ResourceId,
    version: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    child::check_not_built_in(door, served, &id)?;
    let members = request.object()?;
    let key = id.key();
    let changing = door.hold(served).await?;
    let held = door.locks.write(&key).await;
    let stored = door.inventory().get(&key).ok_or_else(|| ArmError::resource_not_found(&id))?;
    check_conditions(request, &id, Some(&stored))?;
    check_idle(door, &stored)?;
    let current = served.fit(&stored).await?;
    let parent = match served.kind.life {
        Life::Parents => child::hold_parent(door, served, &id).await?,
        Life::Own => None,
    };
    let content = Content::parse(members, served.kind.tracking, Some(&current))?;
    if let Some(asked) =
        content.location.filter(|asked| location::normalised(asked) != location::normalised(&current.location))
    {
        return Err(ArmError::location_immutable(&id, &current.location, &asked));
    }
    let tags = match content.tags {
        Some(tags) => tags::parse(Some(tags))?,
        None => current.tags.clone(),
    };
    let mut document = Value::Object(current.state.document.clone());
    merge_patch::merge(&mut document, Value::Object(content.document));
    check_size(&document)?;
    let Value::Object(document) = document else {
        return Err(ArmError::internal("the merged document is no object"));
    };
    let state = State { document, private: current.state.private.clone() };
    let desired = Record { id, tags, state, ..current.changed() };
    let change = Accept { door, served, version, current: Some(&current) };
    let stored = change.run(desired, "patch", Purpose::Patch).await?;
    drop((held, parent, changing));
    answer::of_change(door, served, stored, (StatusCode::OK, Purpose::Patch), version, request).await
}

/// Changes nothing but the tags; they are what is answered.
pub(super) async fn retag(
    door: &FrontDoor,
    served: &Served,
    id: &ResourceId,
    change: impl FnOnce(&Map<String, Value>) -> Result<Map<String, Value>, ArmError>,
) -> Result<Map<String, Value>, ArmError> {
    let key = id.key();
    let _changing = door.hold(served).await?;
    let _held = door.locks.write(&key).await;
    let stored = door.inventory().get(&key).ok_or_else(|| ArmError::resource_not_found(id))?;
    check_idle(door, &stored)?;
    let current = served.fit(&stored).await?;
    let tags = change(&current.tags)?;
    let desired = Record { tags: tags.clone(), ..current.changed() };
    let version = served.kind.newest_version().ok_or_else(|| ArmError::plugin_failed("the type has no api-version"))?;
    let change = Accept { door, served, version, current: Some(&current) };
    change.run(desired, "patch", Purpose::Patch).await?;
    Ok(tags)
}

/// A change on its way in.
struct Accept<'a> {
    door: &'a FrontDoor,
    served: &'a Served,
    version: &'a str,
    /// None if it is a creation.
    current: Option<&'a Record>,
}

impl Accept<'_> {
    /// Asks the plugin, stores what it accepts, and wakes the reconcile loop if there is work. The body of the answer is
    /// made first: once something is stored, nothing can fail any more.
    async fn run(&self, desired: Record, purpose: &str, shown: Purpose) -> Result<Stored, ArmError> {
        let Accept { door, served, version, current } = self;
        let change = Change {
            purpose: purpose.to_owned(),
            api_version: (*version).to_owned(),
            desired: desired.to_contract(),
            current: current.map(Record::to_contract),
        };
        let imports = Imports::lend(&door.lender, &served.plugin, served.revision.shared(), Phase::Pure, &desired.id);
        let Accepted { state, work } = served.revision.validate(imports, &change).await??;
        let state = State { document: document(served, &state.document)?, private: state.private };
        // What has failed is not there, whatever the plugin compares.
        let failed = current.is_some_and(|current| current.provisioning == Provisioning::Failed);
        let operation = match work {
            Work::Settled if !failed => None,
            Work::Settled | Work::Reconcile => Some(Operation::of_resource(&desired.id, &desired.location)),
        };
        let (provisioning, past) = match operation {
            None => (Provisioning::Succeeded, Past::BeenReady),
            Some(_) => (desired.past.under_way(), desired.past),
        };
        let record = Record {
            provisioning,
            past,
            schema_version: served.kind.schema_version,
            operation: operation.as_ref().map(|operation| operation.id),
            ..desired.with_state(state)
        };
        let body = show::one(door, served, &record, shown, version).await?;
        let place = match current {
            None => Some(door.place(&served.plugin, &record.id.scope(), &record.location).await?),
            Some(_) => None,
        };
        let group = place.as_ref().and_then(|place| place.implied.clone()).map(Transition::Group);
        let started = operation.clone().map(Transition::Operation);
        let transitions = group.into_iter().chain([Transition::Store(record.clone())]).chain(started);
        door.inventory().commit(transitions.collect()).await?;
        if let Some(started) = &operation {
            tracing::info!(resource = %record.id, operation = %started.id, "{}", provisioning.as_str());
        }
        // A parent heeds its children, settled or not.
        if operation.is_some() || served.kind.life == Life::Parents {
            door.wake(served, &record.id);
        }
        Ok(Stored { record, body, operation })
    }
}

/// A document that a plugin returned.
pub(super) fn document(served: &Served, text: &str) -> Result<Map<String, Value>, ArmError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(ArmError::plugin_answer_invalid(&format!(
            "the plugin {} returned a document that is no object",
            served.revision.label()
        ))),
        Err(error) => Err(ArmError::plugin_answer_invalid(&format!(
            "the plugin {} returned a document that is no JSON: {error}",
            served.revision.label()
        ))),
    }
}

/// Refuses a change while another is under way, or while its group is being deleted.
pub(super) fn check_idle(door: &FrontDoor, current: &Record) -> Result<(), ArmError> {
    if let Some(group) = door.inventory().group(&current.id.scope().key()) {
        group.check_is_there()?;
    }
    match current.provisioning {
        Provisioning::Deleting => Err(ArmError::being_deleted(&current.id)),
        state if state.is_terminal() => Ok(()),
        _ => Err(ArmError::busy(&current.id)),
    }
}

/// `If-None-Match: *` means only to create, `If-Match: *` only to change. There are no entity tags to compare others with.
fn check_conditions(request: &Request, id: &ResourceId, current: Option<&Record>) -> Result<(), ArmError> {
    if request.header("if-none-match") == Some("*") && current.is_some() {
        return Err(ArmError::precondition_failed("If-None-Match", id));
    }
    match request.header("if-match") {
        None => Ok(()),
        Some("*") if current.is_some() => Ok(()),
        Some(_) => Err(ArmError::precondition_failed("If-Match", id)),
    }
}
