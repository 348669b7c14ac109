//! The manifest: what a plugin says of itself when it is loaded. Everything the front door needs to route, check and
//! list a resource type without asking the plugin.

use serde::{Deserialize, Serialize};

use crate::{Protocol, Setting, Wants};

/// What `describe` returns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Provider namespace in its canonical casing: `Microsoft.Cache`.
    pub namespace: String,
    /// Name of the service in the settings: `redis` for `services.redis.*`.
    pub service: String,
    /// Version of the plugin, for people.
    pub version: String,
    pub types: Vec<ResourceType>,
    /// POSTs to the provider itself, in a subscription; their effect is `reads`, there is no resource to change.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Programs that the workloads can run as when there is no container engine, in order of preference.
    #[serde(default)]
    pub programs: Vec<String>,
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// Ports that the gateway listens on for this provider, shared by the routes of its resources.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// What the operator is asked to allow.
    #[serde(default)]
    pub wants: Wants,
}

/// A port for many routes: which one a client wants is in the name it asks for (TLS SNI) or in its first words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// The setting, of kind port, that holds the port.
    pub setting: String,
    pub protocol: Protocol,
}

/// One resource type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceType {
    /// Canonical casing, as ids and `type` show it: `Redis`.
    pub name: String,
    /// Newest first. All are answered.
    pub api_versions: Vec<String>,
    /// Display names of the regions; empty for all.
    #[serde(default)]
    pub locations: Vec<String>,
    /// Version of the stored state's schema.
    pub schema_version: u32,
    #[serde(default)]
    pub actions: Vec<Action>,
    /// The answers for which `present` is called; for all others the stored document is shown.
    #[serde(default)]
    pub present_on: Vec<Purpose>,
    /// For api-versions that are older than this one `present` is called whatever the answer: they have another shape. By
    /// date; a preview is older than the version of its date.
    #[serde(default)]
    pub present_before: Option<String>,
    #[serde(default)]
    pub tracking: Tracking,
    #[serde(default)]
    pub shown_name: ShownName,
    #[serde(default)]
    pub life: Life,
    #[serde(default)]
    pub answers: Answers,
    /// Instances that are there with every parent, and that no client can change.
    #[serde(default)]
    pub built_in: Vec<BuiltIn>,
    /// Seconds after which an operation that is still waiting ends as Failed.
    pub deadline_seconds: u32,
    /// The body of a PUT that works, shown to new users; its `name` is the one to put it under.
    pub example: serde_json::Value,
}

impl ResourceType {
    /// The newest api-version that is not a preview; if all are, the newest.
    pub fn newest_version(&self) -> Option<&str> {
        let stable = self.api_versions.iter().find(|version| !version.ends_with("-preview"));
        stable.or(self.api_versions.first()).map(String::as_str)
    }

    /// Whether `present` makes what is shown in this answer, or the stored document is shown as it is.
    pub fn is_presented(&self, purpose: Purpose, api_version: &str) -> bool {
        let is_before = |first: &String| order(api_version) < order(first);
        self.present_on.contains(&purpose) || self.present_before.as_ref().is_some_and(is_before)
    }

    /// The child that every parent has under this name.
    pub fn built_in(&self, name: &str) -> Option<&BuiltIn> {
        self.built_in.iter().find(|child| child.name.eq_ignore_ascii_case(name))
    }

    /// The name of the type that this is a child type of: `Redis` of `Redis/firewallRules`. None for a top-level type.
    pub fn parent(&self) -> Option<&str> {
        self.name.rsplit_once('/').map(|(parent, _)| parent)
    }
}

/// By date; what has a suffix (`-preview`) is before the version of its date that has none.
fn order(api_version: &str) -> (&str, bool) {
    match api_version.match_indices('-').nth(2) {
        Some((end, _)) => (api_version.get(..end).unwrap_or_default(), false),
        None => (api_version, true),
    }
}

/// Whether a resource has a location and tags of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tracking {
    /// It has; a PUT without a location is refused.
    #[default]
    Tracked,
    /// It has neither, as most children: what a client sends of them is ignored.
    Proxy,
    /// The same, but it shows the location of its parent.
    ProxyWithLocation,
}

/// How `name` is shown of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShownName {
    /// `rule`
    #[default]
    Last,
    /// `cache/rule`
    Path,
}

/// Who brings a resource to where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Life {
    /// Its own `reconcile` and `finalize`.
    #[default]
    Own,
    /// Its parent's `reconcile`, which finds it among its children, those that are `Deleting` included. When the parent
    /// is `done`, so is the child: ready, or gone. What the parent `failed` at, the changes of its children failed at.
    /// Workloads, ports and routes are the parent's. `finalize` is never called for such a child: with its parent it goes
    /// without a call. It can be changed while its parent is settled, and deleted at any time; nothing can be below it.
    Parents,
}

/// When a PUT, a PATCH or a DELETE is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answers {
    /// At once, with an operation to ask for.
    #[default]
    AtOnce,
    /// When it is done, as of a resource that has no long-running operations. What has failed is answered with 409 and the
    /// fault, what takes longer than 30 s with 504; it goes on.
    WhenDone,
}

/// A child that is there with every parent. Clients see it as it stands here; `resources` does not show it, and
/// `present` is not called for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuiltIn {
    pub name: String,
    /// An object: the body without `id`, `name` and `type`. A `provisioningState` is shown if it has one.
    pub document: serde_json::Value,
}

/// A request below a resource or a provider that is none of ARM's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// Canonical casing: `listKeys`.
    pub name: String,
    pub effect: Effect,
    #[serde(default)]
    pub method: Method,
}

/// How an action is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Post,
    /// For an action that only reads. The body of the call is an object with the parameters of the URL, `api-version`
    /// left out and names in lower case (`{"history": "5"}`); `null` if there are none.
    Get,
}

/// What an action does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Nothing: it runs beside everything else.
    Reads,
    /// It changes state or has side effects: it runs alone on its resource.
    Writes,
}

/// Why a resource is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    Put,
    Patch,
    Get,
    List,
}

impl Purpose {
    /// The word that the contract uses for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Put => "put",
            Purpose::Patch => "patch",
            Purpose::Get => "get",
            Purpose::List => "list",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_older_by_date_and_as_previews() {
        for (older, newer) in [
            ("2023-08-01", "2024-11-01"),
            ("2024-11-01-preview", "2024-11-01"),
            ("2023-05-01-preview", "2024-11-01"),
            ("2024-11-01", "2025-08-01-preview"),
        ] {
            assert!(order(older) < order(newer), "{older} {newer}");
            assert!(order(newer) >= order(older), "{newer} {older}");
        }
        assert!(order("2024-11-01") >= order("2024-11-01"));
    }
}
