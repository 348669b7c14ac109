//! Resource providers: what there is to register, and what each one can do. Everything that is shown comes from the
//! manifests; every provider is registered in every subscription until it is unregistered there.

use floci_az_contract::{Manifest, ResourceType};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::error::ArmError;
use super::id::Scope;
use super::inventory::Transition;
use super::page::{self, Page};
use super::request::{Reply, Request};
use super::subscription::Subscription;
use super::{FrontDoor, location, route};
use crate::plugin::Entry;
pub(super) use crate::plugin::OWN;

/// Its types, and the newest api-versions that clients use for them; any well-formed one is answered.
const OWN_TYPES: [&str; 6] = ["resourceGroups", "subscriptions", "tenants", "providers", "resources", "tags"];
const OWN_VERSIONS: [&str; 6] = ["2025-04-01", "2024-11-01", "2023-07-01", "2022-12-01", "2022-09-01", "2021-04-01"];

/// What is done about a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    Register,
    Unregister,
}

/// What is shown of a provider.
enum Provider {
    Own,
    Plugin(Entry),
}

impl Provider {
    fn namespace(&self) -> &str {
        match self {
            Provider::Own => OWN,
            Provider::Plugin(entry) => entry.plugin.namespace(),
        }
    }

    /// `subscription` is none at the tenant's scope, where nothing is registered.
    fn body(&self, subscription: Option<&Subscription>) -> Value {
        let namespace = self.namespace();
        let id = match subscription {
            Some(subscription) => format!("/subscriptions/{}/providers/{namespace}", subscription.id),
            None => format!("/providers/{namespace}"),
        };
        let types = match self {
            Provider::Own => OWN_TYPES.iter().map(|name| plain(name, &OWN_VERSIONS)).collect(),
            Provider::Plugin(entry) => types(entry.revision.manifest()),
        };
        let mut body = json!({ "id": id, "namespace": namespace, "resourceTypes": Value::Array(types) });
        if let (Some(subscription), Some(members)) = (subscription, body.as_object_mut()) {
            let state = if is_registered(subscription, namespace) { "Registered" } else { "Unregistered" };
            members.insert("registrationState".to_owned(), state.into());
            let policy = match self {
                Provider::Own => "RegistrationFree",
                Provider::Plugin(_) => "RegistrationRequired",
            };
            members.insert("registrationPolicy".to_owned(), policy.into());
        }
        body
    }
}

fn is_registered(subscription: &Subscription, namespace: &str) -> bool {
    !subscription.unregistered.contains(&namespace.to_lowercase())
}

/// Refuses requests to a provider that was unregistered in their subscription.
pub(super) fn check_registered(door: &FrontDoor, subscription: &str, namespace: &str) -> Result<(), ArmError> {
    let kept = door.inventory().subscription(subscription);
    match kept.filter(|kept| !is_registered(kept, namespace)) {
        None => Ok(()),
        Some(_) => Err(ArmError::missing_registration(namespace)),
    }
}

fn plain(name: &str, versions: &[impl AsRef<str>]) -> Value {
    let versions: Vec<&str> = versions.iter().map(AsRef::as_ref).collect();
    json!({ "resourceType": name, "locations": [], "apiVersions": versions, "capabilities": "None" })
}

/// The manifest's types, and those that every provider has.
fn types(manifest: &Manifest) -> Vec<Value> {
    let of_manifest = manifest.types.iter().map(|kind| {
        json!({
            "resourceType": kind.name,
            "locations": location::of_type(kind),
            "apiVersions": kind.api_versions,
            "defaultApiVersion": kind.newest_version(),
            "capabilities": "SupportsTags, SupportsLocation",
        })
    });
    let versions = manifest.types.first().map(|kind| kind.api_versions.as_slice()).unwrap_or_default();
    let of_all = ["operations", "locations", "locations/asyncOperations", "locations/operationresults"];
    let actions = manifest.actions.iter().map(|action| action.name.as_str());
    of_manifest.chain(of_all.into_iter().chain(actions).map(|name| plain(name, versions))).collect()
}

fn find(door: &FrontDoor, namespace: &str) -> Result<Provider, ArmError> {
    if namespace.eq_ignore_ascii_case(OWN) {
        return Ok(Provider::Own);
    }
    let table = door.plugins.now();
    let found = table.of(namespace).cloned().map(Provider::Plugin);
    found.ok_or_else(|| route::unknown_namespace(&table, namespace))
}

/// All providers, in a subscription or at the tenant's scope.
pub(super) fn list(door: &FrontDoor, subscription: Option<&str>, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let subscription = subscription.map(|id| Subscription::load(door, id));
    let table = door.plugins.now();
    let mut all: Vec<Provider> = table.iter().cloned().map(Provider::Plugin).chain([Provider::Own]).collect();
    all.sort_by_key(|provider| provider.namespace().to_lowercase());
    let items = all.iter().map(|one| (one.namespace().to_lowercase(), one.body(subscription.as_ref())));
    let (values, next) = Page::of(request)?.cut(items);
    Ok(page::reply(request, values, next))
}

pub(super) fn get(
    door: &FrontDoor,
    subscription: Option<&str>,
    namespace: &str,
    request: &Request,
) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let subscription = subscription.map(|id| Subscription::load(door, id));
    Ok(Reply::json(StatusCode::OK, find(door, namespace)?.body(subscription.as_ref())))
}

pub(super) async fn register(
    door: &FrontDoor,
    id: &str,
    namespace: &str,
    registration: Registration,
    request: &Request,
) -> Result<Reply, ArmError> {
    request.only("POST")?;
    let provider = find(door, namespace)?;
    let _held = door.locks.write(&Subscription::key_of(id)).await;
    let mut subscription = Subscription::load(door, id);
    let word = provider.namespace().to_lowercase();
    let changed = match registration {
        Registration::Register => subscription.unregistered.remove(&word),
        Registration::Unregister => {
            check_unused(door, id, &provider)?;
            subscription.unregistered.insert(word)
        }
    };
    if changed {
        door.inventory().commit(vec![Transition::Subscription(subscription.clone())]).await?;
    }
    Ok(Reply::json(StatusCode::OK, provider.body(Some(&subscription))))
}

fn check_unused(door: &FrontDoor, id: &str, provider: &Provider) -> Result<(), ArmError> {
    let namespace = provider.namespace();
    if let Provider::Own = provider {
        return Err(ArmError::registration_free(namespace));
    }
    let scope = Scope { subscription: id.to_owned(), group: None };
    let inside = door.inventory().inside(&scope);
    let used = inside.iter().filter(|record| record.id.namespace.eq_ignore_ascii_case(namespace)).count();
    if used == 0 { Ok(()) } else { Err(ArmError::provider_in_use(namespace, used)) }
}

/// What can be done to a provider's resources, as roles name it.
pub(super) fn operations(door: &FrontDoor, namespace: &str, request: &Request) -> Result<Reply, ArmError> {
    request.only("GET")?;
    let provider = find(door, namespace)?;
    let value: Vec<Value> = match &provider {
        Provider::Own => OWN_TYPES.iter().flat_map(|name| rights(OWN, name, &[])).collect(),
        Provider::Plugin(entry) => {
            let types = entry.revision.manifest().types.iter();
            types
                .flat_map(|kind: &ResourceType| {
                    let actions: Vec<&str> = kind.actions.iter().map(|action| action.name.as_str()).collect();
                    rights(entry.plugin.namespace(), &kind.name, &actions)
                })
                .collect()
        }
    };
    Ok(Reply::json(StatusCode::OK, json!({ "value": value })))
}

fn rights(namespace: &str, kind: &str, actions: &[&str]) -> Vec<Value> {
    let right = |right: &str, verb: &str| {
        json!({
            "name": format!("{namespace}/{kind}/{right}"),
            "isDataAction": false,
            "display": {
                "provider": namespace,
                "resource": kind,
                "operation": format!("{verb} {kind}"),
                "description": format!("{verb} a resource of type {namespace}/{kind}"),
            },
        })
    };
    let of_all = [("read", "Read"), ("write", "Create or update"), ("delete", "Delete")];
    let of_all = of_all.into_iter().map(|(name, verb)| right(name, verb));
    of_all.chain(actions.iter().map(|action| right(&format!("{action}/action"), action))).collect()
}
