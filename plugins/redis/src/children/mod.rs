//! What a cache has below it: rules, links, policies. None has a life of its own; what they ask for is brought about by
//! the cache's `reconcile`, which reads them all at once ([`Children::read`]).
//!
//! ```text
//! body ─ validate ─▶ Rule, Link, Policy, ... ─ document ─▶ what a GET shows
//!                              ▲
//!                    Children::read, from stored documents
//! ```

pub mod assignment;
mod commands;
pub mod connection;
pub mod firewall;
pub mod link;
pub mod permissions;
pub mod policy;
pub mod schedule;

use floci_az_sdk::ProvisioningState;
use floci_az_sdk::prelude::*;

use crate::cache::Cache;
use crate::member::{Members, invalid};
use crate::versions;

/// The types, as ids have them.
pub const FIREWALL_RULES: &str = "firewallRules";
pub const LINKED_SERVERS: &str = "linkedServers";
pub const ACCESS_POLICIES: &str = "accessPolicies";
pub const ASSIGNMENTS: &str = "accessPolicyAssignments";
/// Azure writes this one with a capital letter.
pub const SCHEDULES: &str = "PatchSchedules";
pub const CONNECTIONS: &str = "privateEndpointConnections";
pub const LINK_RESOURCES: &str = "privateLinkResources";

/// The children of a cache that matter to its server, by name; without those that are being deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Children {
    pub firewall: Vec<firewall::Rule>,
    /// Without the built-in ones.
    pub policies: Vec<policy::Policy>,
    pub assignments: Vec<assignment::Assignment>,
    pub links: Vec<link::Link>,
    pub connections: Vec<connection::Connection>,
}

impl Children {
    /// Fails with `DocumentUnreadable`, or as [`floci_az_sdk::Resources::children`].
    pub fn read(id: &ResourceId, host: &dyn Host) -> Result<Children, Fault> {
        Ok(Children {
            firewall: each(id, FIREWALL_RULES, host, firewall::Rule::of)?,
            policies: each(id, ACCESS_POLICIES, host, policy::Policy::of)?,
            assignments: each(id, ASSIGNMENTS, host, assignment::Assignment::of)?,
            links: each(id, LINKED_SERVERS, host, link::Link::of)?,
            connections: each(id, CONNECTIONS, host, connection::Connection::of)?,
        })
    }
}

fn each<T>(
    id: &ResourceId,
    child_type: &str,
    host: &dyn Host,
    of: impl Fn(&Resource) -> Result<T, Rejection>,
) -> Result<Vec<T>, Fault> {
    let children = host.resources().children(id, child_type)?;
    let staying = children.iter().filter(|child| is_staying(child));
    let read = |child: &Resource| of(child).map_err(|rejection| unreadable(&child.id, &rejection));
    staying.map(read).collect()
}

pub fn is_staying(resource: &Resource) -> bool {
    resource.provisioning_state != ProvisioningState::Deleting
}

fn unreadable(id: &ResourceId, rejection: &Rejection) -> Fault {
    Fault::new("DocumentUnreadable", format!("the stored document of '{id}' is not valid: {rejection}"))
}

/// A PUT of any child.
pub fn validate(change: Change, host: &dyn Host) -> Result<Accepted, Rejection> {
    let of = |kind: &str| change.desired.id.path().last().is_some_and(|(last, _)| last.eq_ignore_ascii_case(kind));
    match () {
        () if of(FIREWALL_RULES) => firewall::validate(&change),
        () if of(SCHEDULES) => schedule::validate(&change),
        () if of(ACCESS_POLICIES) => policy::validate(&change),
        () if of(ASSIGNMENTS) => assignment::validate(&change, host),
        () if of(LINKED_SERVERS) => link::validate(&change, host),
        () if of(CONNECTIONS) => connection::validate(&change),
        () => {
            let message = format!(
                "'{}' cannot be changed: resources of type '{}' come with their cache.",
                change.desired.id, change.desired.resource_type
            );
            Err(Rejection::bad_request("BadRequest", message))
        }
    }
}

/// A child as this version shows it.
pub fn presented(view: View) -> Value {
    let of_link = view.resource.id.path().last().is_some_and(|(kind, _)| kind.eq_ignore_ascii_case(LINKED_SERVERS));
    let document = view.resource.state.document;
    if of_link { versions::link_as_of(document, &view.api_version) } else { document }
}

/// The cache that a child is of.
fn parent(id: &ResourceId) -> Result<ResourceId, Rejection> {
    id.parent().ok_or_else(|| invalid("id", "It has to be that of a resource below a cache."))
}

/// A stored cache as it was asked for; none if there is none, or if it is being deleted.
fn cache(id: &ResourceId, host: &dyn Host) -> Result<Option<(Resource, Cache)>, Rejection> {
    let Some(resource) = host.resources().get(id)?.filter(is_staying) else { return Ok(None) };
    let cache = Cache::read(&resource.state.document, None).map_err(|rejection| unreadable(id, &rejection))?;
    Ok(Some((resource, cache)))
}

/// The member `properties` of a body.
fn properties<'a>(document: &'a Value) -> Result<Members<'a>, Rejection> {
    let missing = || invalid("properties", "It has to be an object.");
    let properties = document.get("properties").ok_or_else(missing)?;
    Members::of(properties, "properties")?.ok_or_else(missing)
}

/// A text that has to be there.
fn needed<'a>(members: &Members<'a>, name: &str) -> Result<&'a str, Rejection> {
    members.text(name)?.ok_or_else(|| members.invalid(name, "It is needed."))
}
