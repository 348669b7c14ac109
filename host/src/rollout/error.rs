//! Why a revision is not installed, swapped in, rolled back to or forgotten. The active one then serves as before.

use std::time::Duration;

use super::archive::ArchiveError;
use super::gate::GateError;
use crate::arm::RouteConflict;
use crate::config::ConfigError;
use crate::plugin::{Digest, LoadError, Ungranted};
use crate::state::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    #[error(
        "the component has the digest sha256:{found}, and sha256:{pin} was asked for. It was changed on its way, or another was meant: compare with what its publisher says"
    )]
    Pin { pin: Digest, found: Digest },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the revision {revision} does not fit in beside the other plugins: {source}")]
    Routes { revision: String, source: RouteConflict },
    #[error(
        "the revision {revision} calls its service '{found}', and the settings of {namespace} are those of '{service}'. Keep the service's name, or remove the plugin first"
    )]
    OtherService { revision: String, namespace: String, service: String, found: String },
    #[error(
        "the revision {revision} is of the namespace that is known as {namespace}. Write it so in its manifest: resources are shown with it"
    )]
    OtherCasing { revision: String, namespace: String },
    #[error("the settings for the revision {revision} are not valid: {source}")]
    Settings { revision: String, source: ConfigError },
    #[error("the revision {revision} is not allowed what it needs: {source}")]
    Ungranted { revision: String, source: Ungranted },
    #[error(transparent)]
    Gate(Box<GateError>),
    #[error("no plugin serves or is known for the namespace '{namespace}'. Known: {known}")]
    NoSuchPlugin { namespace: String, known: String },
    #[error("{namespace} has no revision that begins with '{asked}'. Known: {known}")]
    NoSuchRevision { namespace: String, asked: String, known: String },
    #[error("'{asked}' is the beginning of several revisions of {namespace}: {found}. Give more digits")]
    Ambiguous { namespace: String, asked: String, found: String },
    #[error("{namespace} has no earlier revision to go back to. Name one of these: {known}")]
    NothingBefore { namespace: String, known: String },
    #[error("the revision {} of {namespace} is {state}, and cannot be forgotten. Swap to another one first", digest.short())]
    InUse { namespace: String, digest: Digest, state: &'static str },
    #[error(
        "{namespace} has {count} stored resources, which nobody could show or delete without their plugin. Delete them first: {first}"
    )]
    HasResources { namespace: String, count: usize, first: String },
    #[error(
        "{namespace} is part of the gateway, and cannot be removed. To have it refuse requests set services.{service}.enabled to false"
    )]
    Bundled { namespace: String, service: String },
    #[error(
        "the two revisions of {namespace} store in different schemas, so the swap has to wait for the changes under way, and they did not end within {} s. Nothing was changed: try again",
        limit.as_secs()
    )]
    Busy { namespace: String, limit: Duration },
    #[error("the change broke off: {0}. The log says where")]
    Broken(String),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutErrorKind {
    /// The component cannot be a plugin here.
    Invalid,
    NotFound,
    /// Not now, not with what is stored.
    Conflict,
    Internal,
}

fn load_kind(error: &LoadError) -> RolloutErrorKind {
    match error {
        LoadError::NamespaceTwice { .. } | LoadError::ServiceTwice { .. } => RolloutErrorKind::Conflict,
        LoadError::Engine(_) => RolloutErrorKind::Internal,
        _ => RolloutErrorKind::Invalid,
    }
}

impl From<GateError> for RolloutError {
    fn from(error: GateError) -> RolloutError {
        RolloutError::Gate(Box::new(error))
    }
}

impl RolloutError {
    /// Whether the same may work another time, with nothing else changed.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            RolloutError::Busy { .. } => true,
            RolloutError::Gate(error) => matches!(**error, GateError::TooSlow { .. }),
            _ => false,
        }
    }

    pub fn kind(&self) -> RolloutErrorKind {
        self.named().0
    }

    /// A word that programs may compare.
    pub fn code(&self) -> &'static str {
        self.named().1
    }

    fn named(&self) -> (RolloutErrorKind, &'static str) {
        use RolloutErrorKind::{Conflict, Internal, Invalid, NotFound};
        match self {
            RolloutError::Pin { .. } => (Invalid, "DigestMismatch"),
            RolloutError::Load(error) => (load_kind(error), error.code()),
            RolloutError::Routes { .. } => (Conflict, "RouteTaken"),
            RolloutError::OtherService { .. } => (Conflict, "OtherService"),
            RolloutError::OtherCasing { .. } => (Conflict, "OtherCasing"),
            RolloutError::Settings { .. } => (Invalid, "InvalidSettings"),
            RolloutError::Ungranted { .. } => (Invalid, "NotGranted"),
            RolloutError::Gate(_) => (Conflict, "StoredResourcesRefused"),
            RolloutError::NoSuchPlugin { .. } => (NotFound, "PluginNotFound"),
            RolloutError::NoSuchRevision { .. } => (NotFound, "RevisionNotFound"),
            RolloutError::Ambiguous { .. } => (Invalid, "AmbiguousRevision"),
            RolloutError::NothingBefore { .. } => (Conflict, "NoEarlierRevision"),
            RolloutError::InUse { .. } => (Conflict, "RevisionInUse"),
            RolloutError::HasResources { .. } => (Conflict, "PluginHasResources"),
            RolloutError::Bundled { .. } => (Conflict, "PluginIsBundled"),
            RolloutError::Busy { .. } => (Conflict, "ChangesUnderWay"),
            RolloutError::Broken(_) => (Internal, "RolloutBroke"),
            RolloutError::Archive(_) => (Internal, "ArchiveFailed"),
            RolloutError::Store(_) => (Internal, "StorageFailed"),
        }
    }
}
