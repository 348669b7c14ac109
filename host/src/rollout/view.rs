//! What is shown of plugins and their revisions: the JSON of `/_floci/plugins`, which the command line reads back.

use floci_az_contract::Setting;
use serde::{Deserialize, Serialize};

use super::package::Origin;
use crate::plugin::Digest;

/// One plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginView {
    pub namespace: String,
    pub service: String,
    /// None if no revision of it could be loaded.
    pub active: Option<Digest>,
    /// The newest first.
    pub revisions: Vec<RevisionView>,
    /// Stored resources of its namespace.
    pub resources: usize,
    /// Of its service, as the active revision declares them.
    pub settings: Vec<Setting>,
}

/// One revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionView {
    pub digest: Digest,
    /// `Loading`, `Ready`, `Active`, `Draining` or `Retired`.
    pub state: String,
    /// Of its manifest.
    pub version: String,
    /// That it was built with, for example `0.1.0`.
    pub contract: String,
    pub origin: Origin,
    /// RFC 3339: when it was loaded for the first time.
    pub installed: String,
    /// RFC 3339: when it was the active one for the first time.
    pub served: Option<String>,
    /// Why it is not what it was: refused, rolled back, not loadable any more.
    pub note: Option<String>,
    /// Schema version by type.
    pub schemas: Vec<(String, u32)>,
    /// Capabilities that it asks for, and those of them that are allowed.
    pub asks: Vec<String>,
    pub allowed: Vec<String>,
}

/// What an install, a swap or a rollback came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub namespace: String,
    pub service: String,
    pub revision: RevisionView,
    /// The one that was active before, if another is now.
    pub replaced: Option<Digest>,
    /// Documents in a newer schema that were put back into the older one.
    pub converted: usize,
    /// What an operator should know: what is not allowed, what comes next.
    pub notes: Vec<String>,
}
