//! PUT and PATCH: the desired state is merged and checked, given to the plugin's rules, stored, and answered; the way
//! there is the reconcile loop's.

use floci_az_contract::Purpose;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::content::Content;
use super::error::ArmError;
use super::group::Group;
use super::id::ResourceId;
use super::inventory::Transition;
use super::locks::{Held, Presence};
use super::operation::Operation;
use super::record::{Past, Provisioning, Record, State};
use super::request::{Reply, Request, check_size, operation_url, url};
use super::route::Served;
use super::subscription::Subscription;
use super::{FrontDoor, Place, location, patch as merge_patch, provider, show, tags};
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
    if let Some(current) = &current {
        check_idle(door, current)?;
    }
    let content = Content::parse(members, current.as_deref())?;
    let offered = location::of_type(&served.kind);
    let asked = content.location.ok_or_else(ArmError::location_required)?;
    let location = location::display_name(&asked, &offered)
        .ok_or_else(|| ArmError::location_not_available(&asked, &id.full_type(), &offered))?;
    let tags = tags::parse(content.tags)?;
    let creating = match current {
        None => Some(hold_creation(door, served, &id, location).await?),
        Some(_) => None,
    };
    let desired = match current.as_deref() {
        None => Record {
            id,
            location: location.to_owned(),
            tags,
            state: State { document: content.document, private: Vec::new() },
            provisioning: Provisioning::Creating,
            past: Past::NeverReady,
            schema_version: served.kind.schema_version,
            generation: 1,
            operation: None,
            created: Timestamp::now(),
            modified: Timestamp::now(),
        },
        Some(current) => {
            if location != current.location {
                return Err(ArmError::location_immutable(&id, &current.location, location));
            }
            let state = State { document: content.document, private: current.state.private.clone() };
            Record { id, tags, state, ..current.changed() }
        }
    };
    let (purpose, status) = match &current {
        None => ("create", StatusCode::CREATED),
        Some(_) => ("replace", StatusCode::OK),
    };
    let group = creating.as_ref().and_then(|creating| creating.group.created());
    let change = Accept { door, served, version, current: current.as_deref(), group };
    let resource = desired.id.to_string();
    let (body, operation) = change.run(desired, purpose, Purpose::Put).await?;
    let reply = Reply::json(status, body);
    Ok(match operation {
        // A PUT ends at the resource itself, as Azure's does.
        Some(operation) => {
            let location = url(request, &resource, version);
            reply.polled(operation_url(request, version, &operation, "asyncOperations"), location)
        }
        None => reply,
    })
}

/// What a creation holds besides its own resource (see [`super::locks`]).
struct Creating {
    _parent: Option<Presence>,
    _name: Option<Held>,
    group: Place,
    _subscription: Presence,
}

async fn hold_creation(
    door: &FrontDoor,
    served: &Served,
    id: &ResourceId,
    location: &str,
) -> Result<Creating, ArmError> {
    // Children are unique below their parent; only what is of a group may have to be unique beyond it.
    let (_parent, _name) = match id.parent() {
        Some(parent) => (Some(door.locks.presence(&parent).await), None),
        None => (None, Some(door.locks.name(&id.full_type(), id.name()).await)),
    };
    check_parent(door, id)?;
    let group = door.place(&id.scope(), location).await?;
    let _subscription = door.locks.presence(&Subscription::key_of(&id.subscription)).await;
    provider::check_registered(door, &id.subscription, served.plugin.namespace())?;
    Ok(Creating { _parent, _name, group, _subscription })
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
    check_idle(door, &current)?;
    let content = Content::parse(members, Some(&current))?;
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
    let change = Accept { door, served, version, current: Some(&current), group: None };
    let (body, operation) = change.run(desired, "patch", Purpose::Patch).await?;
    let reply = Reply::json(StatusCode::OK, body);
    Ok(match operation {
        Some(operation) => {
            let url = operation_url(request, version, &operation, "asyncOperations");
            reply.polled(url.clone(), url)
        }
        None => reply,
    })
}

/// Changes nothing but the tags; they are what is answered.
pub(super) async fn retag(
    door: &FrontDoor,
    served: &Served,
    id: &ResourceId,
    change: impl FnOnce(&Map<String, Value>) -> Result<Map<String, Value>, ArmError>,
) -> Result<Map<String, Value>, ArmError> {
    let key = id.key();
    let _held = door.locks.write(&key).await;
    let current = door.inventory().get(&key).ok_or_else(|| ArmError::resource_not_found(id))?;
    check_idle(door, &current)?;
    let tags = change(&current.tags)?;
    let desired = Record { tags: tags.clone(), ..current.changed() };
    let version = served.kind.newest_version().ok_or_else(|| ArmError::plugin_failed("the type has no api-version"))?;
    let change = Accept { door, served, version, current: Some(&current), group: None };
    change.run(desired, "patch", Purpose::Patch).await?;
    Ok(tags)
}

/// A change on its way in.
struct Accept<'a> {
    door: &'a FrontDoor,
    served: &'a Served,
    version: &'a str,
    current: Option<&'a Record>,
    /// The group, if it has to be created, too.
    group: Option<Group>,
}

impl Accept<'_> {
    /// Asks the plugin, stores what it accepts, and wakes the reconcile loop if there is work. The body of the answer is
    /// made first: once something is stored, nothing can fail any more.
    async fn run(
        &self,
        desired: Record,
        purpose: &str,
        shown: Purpose,
    ) -> Result<(Value, Option<Operation>), ArmError> {
        let Accept { door, served, version, current, group } = self;
        let change = Change {
            purpose: purpose.to_owned(),
            api_version: (*version).to_owned(),
            desired: desired.to_contract(),
            current: current.map(Record::to_contract),
        };
        let imports = Imports::lend(&door.lender, &served.plugin, &served.revision, Phase::Pure, &desired.id);
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
        let stored = Record {
            state,
            provisioning,
            past,
            schema_version: served.kind.schema_version,
            operation: operation.as_ref().map(|operation| operation.id),
            ..desired
        };
        let body = show::one(door, served, &stored, shown, version).await?;
        let key = stored.id.key();
        let group = group.clone().map(Transition::Group);
        let started = operation.clone().map(Transition::Operation);
        let transitions = group.into_iter().chain([Transition::Store(stored)]).chain(started);
        door.inventory().commit(transitions.collect()).await?;
        if let Some(started) = &operation {
            tracing::info!(resource = %key, operation = %started.id, "{}", provisioning.as_str());
            door.wake(key);
        }
        Ok((body, operation))
    }
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

fn check_parent(door: &FrontDoor, id: &ResourceId) -> Result<(), ArmError> {
    match id.parent() {
        None => Ok(()),
        Some(parent) => match door.inventory().get(&parent) {
            None => Err(ArmError::parent_not_found(id)),
            Some(parent) if parent.provisioning == Provisioning::Deleting => Err(ArmError::being_deleted(&parent.id)),
            Some(_) => Ok(()),
        },
    }
}
