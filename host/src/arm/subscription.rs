//! Tenants, subscriptions and regions: what a client looks at before it creates anything.
//!
//! There is one tenant. The configured subscriptions are there from the start; any other one is there once something is
//! in it, unless the settings say that only those configured exist.

use std::collections::{BTreeSet, HashSet};

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::ArmError;
use super::id::{Key, Scope};
use super::page::{self, Page};
use super::request::{Reply, Request};
use super::{FrontDoor, location};

/// The one tenant. Tokens carry it, and every subscription is its.
pub const TENANT: &str = "00000000-0000-0000-0000-000000000002";

/// Which subscriptions there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriptions {
    /// There from the start.
    pub configured: Vec<String>,
    pub others: Others,
}

/// What a subscription is that was not configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// As good as any: a quickstart may say `my-sub`.
    Accepted,
    /// As in Azure: 400 if its id is no GUID, 404 otherwise.
    Refused,
}

/// What is kept of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub id: String,
    pub tags: Map<String, Value>,
    /// Namespaces that were unregistered, in lower case. All others are registered.
    pub unregistered: BTreeSet<String>,
}

impl Subscription {
    pub fn key(&self) -> Key {
        Subscription::key_of(&self.id)
    }

    pub fn key_of(id: &str) -> Key {
        Scope { subscription: id.to_owned(), group: None }.key()
    }

    /// What is kept, or nothing yet.
    pub(super) fn load(door: &FrontDoor, id: &str) -> Subscription {
        match door.inventory().subscription(id) {
            Some(kept) => (*kept).clone(),
            None => Subscription { id: id.to_owned(), tags: Map::new(), unregistered: BTreeSet::new() },
        }
    }
}

impl Subscriptions {
    /// Whether a path's subscription can be asked about. Azure's are GUIDs; here any word is one, unless told otherwise.
    pub fn check(&self, id: &str) -> Result<(), ArmError> {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || id.len() > 64 || !id.chars().all(word) {
            return Err(ArmError::invalid_subscription(id));
        }
        match self.others {
            Others::Accepted => Ok(()),
            Others::Refused if self.configured.iter().any(|one| one.eq_ignore_ascii_case(id)) => Ok(()),
            Others::Refused if uuid::Uuid::try_parse(id).is_err() => Err(ArmError::invalid_subscription(id)),
            Others::Refused => Err(ArmError::subscription_not_found(id, &self.configured)),
        }
    }
}

/// The configured ones, then those in which there is something.
fn all(door: &FrontDoor) -> Vec<String> {
    let mut all: Vec<String> = door.policy.subscriptions.configured.clone();
    let in_use = door.inventory().groups(None);
    let in_use = in_use.iter().map(|group| group.subscription.clone()).chain(door.inventory().subscriptions());
    let mut known: HashSet<String> = all.iter().map(|id| id.to_lowercase()).collect();
    for id in in_use {
        if door.policy.subscriptions.check(&id).is_ok() && known.insert(id.to_lowercase()) {
            all.push(id);
        }
    }
    all
}

fn body(door: &FrontDoor, id: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{id}"),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "tags": Subscription::load(door, id).tags,
        "subscriptionId": id,
        "tenantId": TENANT,
        "displayName": format!("floci-az {id}"),
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

pub(super) fn tenants(request: &Request) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let tenant = json!({
        "id": format!("/tenants/{TENANT}"),
        "tenantId": TENANT,
        "displayName": "floci-az",
        "defaultDomain": "localhost",
        "domains": ["localhost"],
        "tenantCategory": "Home",
    });
    Ok(Reply::json(StatusCode::OK, json!({ "value": [tenant] })))
}

pub(super) fn list(door: &FrontDoor, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let mut all = all(door);
    all.sort_by_key(|id| id.to_lowercase());
    let items = all.into_iter().map(|id| (Subscription::key_of(&id).to_string(), body(door, &id)));
    let (values, next) = Page::of(request)?.cut(items);
    Ok(page::reply(request, values, next))
}

pub(super) fn get(door: &FrontDoor, id: &str, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET")?;
    Ok(Reply::json(StatusCode::OK, body(door, id)))
}

pub(super) fn locations(id: &str, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let region = |display: &&str| {
        let name = location::normalised(display);
        json!({
            "id": format!("/subscriptions/{id}/locations/{name}"),
            "name": name,
            "type": "Region",
            "displayName": display,
            "regionalDisplayName": display,
            "metadata": { "regionType": "Physical", "regionCategory": "Recommended", "pairedRegion": [] },
        })
    };
    Ok(Reply::json(StatusCode::OK, json!({ "value": location::all().iter().map(region).collect::<Vec<_>>() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_than_the_configured_are_words_or_refused() {
        let known = "00000000-0000-0000-0000-000000000001";
        let other = "00000000-0000-0000-0000-0000000000FF";
        let check = |others, id: &str| {
            let subscriptions = Subscriptions { configured: vec![known.to_owned()], others };
            subscriptions.check(id).map_err(|error| error.code)
        };
        for (others, id, expected) in [
            (Others::Accepted, known, Ok(())),
            (Others::Accepted, other, Ok(())),
            (Others::Accepted, "my-sub", Ok(())),
            (Others::Accepted, "sub scription", Err("InvalidSubscriptionId")),
            (Others::Accepted, &"s".repeat(65), Err("InvalidSubscriptionId")),
            (Others::Refused, known, Ok(())),
            (Others::Refused, other, Err("SubscriptionNotFound")),
            (Others::Refused, "my-sub", Err("InvalidSubscriptionId")),
        ] {
            assert_eq!(check(others, id), expected.map_err(str::to_owned), "{others:?} {id}");
        }
    }
}
