//! `accessPolicyAssignments`: who has which policy. Each becomes a user of the server, whose name is the object id.
//!
//! Clients log in with a token, which the gateway checks and exchanges for a password that nobody else knows: it is made
//! with the assignment and kept in its private state.

use std::fmt;

use floci_az_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ACCESS_POLICIES, ASSIGNMENTS, is_staying, needed, parent, policy, properties};
use crate::keys::new_key;
use crate::member::{Members, invalid, shown};

#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    pub name: String,
    /// Of a user or a service principal, in lower case.
    pub object_id: String,
    pub policy: String,
    /// What the gateway logs in with in place of the token.
    pub password: String,
}

/// Without the password: what is printed ends in a log.
impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Assignment { name, object_id, policy, .. } = self;
        f.debug_struct("Assignment").field("name", name).field("object_id", object_id).field("policy", policy).finish()
    }
}

/// The private state, in schema 1.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    password: String,
}

impl Assignment {
    pub fn of(resource: &Resource) -> Result<Assignment, Rejection> {
        let properties = properties(&resource.state.document)?;
        let secret: Option<Secret> = resource.state.private()?;
        Ok(Assignment {
            name: resource.name().to_owned(),
            object_id: object_id(&properties)?,
            policy: needed(&properties, "accessPolicyName")?.to_owned(),
            password: secret.map(|secret| secret.password).unwrap_or_default(),
        })
    }
}

/// Nothing but a GUID: the names of the server's other users are none.
fn object_id(properties: &Members<'_>) -> Result<String, Rejection> {
    let text = needed(properties, "objectId")?;
    let groups: Vec<&str> = text.split('-').collect();
    let hexadecimal = groups.iter().all(|group| group.chars().all(|c| c.is_ascii_hexdigit()));
    if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) || !hexadecimal {
        let why = format!(
            "It has to be a GUID, such as 6497c918-11ad-41e7-1b0f-7c518a87d0b0, and is {}.",
            shown(&text.into())
        );
        return Err(properties.invalid("objectId", &why));
    }
    Ok(text.to_ascii_lowercase())
}

pub fn validate(change: &Change, host: &dyn Host) -> Result<Accepted, Rejection> {
    let id = &change.desired.id;
    if !policy::is_name(id.name(), "") {
        let why = "The name of an access policy assignment has 3 to 63 letters, digits and hyphens; it begins and ends \
                   with a letter or a digit.";
        return Err(invalid("name", why));
    }
    let assignment = Assignment::of(&change.desired)?;
    let properties = properties(&change.desired.state.document)?;
    let alias = needed(&properties, "objectIdAlias")?;
    let cache = parent(id)?;
    let policy = policy_name(&assignment.policy, &cache, host)?.ok_or_else(|| {
        let why = format!("There is no access policy '{}' on the cache '{}'.", assignment.policy, cache.name());
        properties.invalid("accessPolicyName", &why)
    })?;
    for other in host.resources().children(&cache, ASSIGNMENTS)? {
        let same = Assignment::of(&other).is_ok_and(|other| other.object_id == assignment.object_id);
        if other.id != *id && is_staying(&other) && same {
            let message = format!(
                "The object id '{}' has a policy already, by the assignment '{}': it can have one. Change that \
                 assignment, or delete it first.",
                assignment.object_id,
                other.name()
            );
            return Err(Rejection::conflict("Conflict", message).at("properties.objectId"));
        }
    }
    let object_id = needed(&properties, "objectId")?;
    let mut state = State::new(json!({
        "properties": { "objectId": object_id, "objectIdAlias": alias, "accessPolicyName": policy }
    }));
    let password = if assignment.password.is_empty() { new_key()? } else { assignment.password };
    state.set_private(&Secret { password })?;
    Ok(Accepted::reconcile(state))
}

/// In the casing of the policy; none if there is none.
fn policy_name(name: &str, cache: &ResourceId, host: &dyn Host) -> Result<Option<String>, Rejection> {
    if let Some((built_in, _)) = policy::BUILT_IN.iter().find(|(built_in, _)| built_in.eq_ignore_ascii_case(name)) {
        return Ok(Some((*built_in).to_owned()));
    }
    let policies = host.resources().children(cache, ACCESS_POLICIES)?;
    let mut named = policies.iter().filter(|policy| is_staying(policy) && policy.name().eq_ignore_ascii_case(name));
    Ok(named.next().map(|policy| policy.name().to_owned()))
}
