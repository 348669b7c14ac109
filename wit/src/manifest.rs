//! The manifest: what a plugin says of itself when it is loaded. Everything the front door needs to route, check and
//! list a resource type without asking the plugin.

use serde::{Deserialize, Serialize};

use crate::Setting;

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
}

/// A POST below a resource or a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// Canonical casing: `listKeys`.
    pub name: String,
    pub effect: Effect,
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
