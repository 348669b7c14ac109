//! `accessPolicies`: what the users that are assigned to one may do.

use floci_az_sdk::BuiltIn;
use floci_az_sdk::prelude::*;

use super::permissions::Permissions;
use super::{needed, properties};
use crate::member::invalid;

/// A policy of a client's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub permissions: Permissions,
}

/// Every cache has these, with what real ones show of them.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("Data Owner", "+@all allkeys"),
    ("Data Contributor", "+@all -@dangerous +cluster|info +cluster|nodes +cluster|slots allkeys"),
    ("Data Reader", "+@read +@connection +cluster|info +cluster|nodes +cluster|slots allkeys"),
];

/// As the manifest declares them.
pub fn built_in() -> Vec<BuiltIn> {
    let declared = |(name, permissions): (&str, &str)| BuiltIn {
        name: name.to_owned(),
        document: json!({
            "properties": { "type": "BuiltIn", "permissions": permissions, "provisioningState": "Succeeded" }
        }),
    };
    BUILT_IN.map(declared).to_vec()
}

impl Policy {
    pub fn of(resource: &Resource) -> Result<Policy, Rejection> {
        let properties = properties(&resource.state.document)?;
        let permissions = Permissions::parse(needed(&properties, "permissions")?)
            .map_err(|why| properties.invalid("permissions", &why))?;
        Ok(Policy { name: resource.name().to_owned(), permissions })
    }
}

/// What the policy of this name allows, among the built-in ones and these; none if there is none.
pub fn permissions(name: &str, policies: &[Policy]) -> Option<Permissions> {
    let built_in = BUILT_IN.iter().find(|(built_in, _)| built_in.eq_ignore_ascii_case(name));
    match built_in {
        Some((_, text)) => Permissions::parse(text).ok(),
        None => policies.iter().find(|p| p.name.eq_ignore_ascii_case(name)).map(|p| p.permissions.clone()),
    }
}

/// The specification's pattern: letters, digits, hyphens and, inside, spaces.
pub fn is_name(name: &str, spaces: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || spaces.contains(c);
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    (3..=63).contains(&name.len()) && name.chars().all(inside) && edge(name.chars().next()) && edge(name.chars().last())
}

pub fn validate(change: &Change) -> Result<Accepted, Rejection> {
    if !is_name(change.desired.name(), " ") {
        let why = "The name of an access policy has 3 to 63 letters, digits, hyphens and spaces; it begins and ends \
                   with a letter or a digit.";
        return Err(invalid("name", why));
    }
    let policy = Policy::of(&change.desired)?;
    let document = json!({ "properties": { "type": "Custom", "permissions": policy.permissions.as_str() } });
    Ok(Accepted::reconcile(State::new(document)))
}
