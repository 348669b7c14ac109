//! Why a component is not a plugin of this gateway, by the step of its loading that it failed.

use semver::Version;

use super::contained::CallError;
use super::interfaces::Unreadable;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the WebAssembly engine cannot be started: {0}")]
    Engine(String),
    #[error("the plugin {digest} cannot be loaded: {source}")]
    Unreadable { digest: String, source: Unreadable },
    #[error(
        "the plugin {digest} cannot be compiled: {reason}. A plugin is a WebAssembly component without features that are still proposals, as `cargo build --release --target wasm32-wasip2` makes it"
    )]
    Compile { digest: String, reason: String },
    #[error(
        "the plugin {digest} does not keep to the contract that it was built with, floci:provider@{found}: {reason}. Build it with an unchanged floci-az-sdk"
    )]
    Contract { digest: String, found: Version, reason: String },
    #[error("the plugin {digest} is too big: {reason}. Build it with less")]
    TooBig { digest: String, reason: String },
    /// Whose settings could allow more is not known yet.
    #[error(
        "the plugin {digest} did not describe itself: {}. It is asked for its manifest under the default limits: look at its manifest function",
        source.found()
    )]
    Describe { digest: String, source: CallError },
    #[error("the manifest of the plugin {digest} is not valid: {reason}")]
    Manifest { digest: String, reason: String },
    #[error("two plugins claim the provider namespace {namespace}: {first} and {second}. Leave one of them out")]
    NamespaceTwice { namespace: String, first: String, second: String },
    #[error(
        "two plugins claim the service name {service} in the settings: {first} and {second}. Leave one of them out"
    )]
    ServiceTwice { service: String, first: String, second: String },
}

impl LoadError {
    /// A word that programs may compare: one for each step.
    pub fn code(&self) -> &'static str {
        match self {
            LoadError::Engine(_) => "EngineFailed",
            LoadError::Unreadable { source, .. } => source.code(),
            LoadError::Compile { .. } => "CompilationFailed",
            LoadError::Contract { .. } => "ContractNotKept",
            LoadError::TooBig { .. } => "PluginTooBig",
            LoadError::Describe { .. } => "DescribeFailed",
            LoadError::Manifest { .. } => "InvalidManifest",
            LoadError::NamespaceTwice { .. } => "NamespaceTaken",
            LoadError::ServiceTwice { .. } => "ServiceTaken",
        }
    }
}
