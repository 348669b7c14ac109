//! One loaded version of a plugin, identified by the digest of its bytes.
//!
//! Loading either gives a revision whose imports and exports are those of the contract and which has described
//! itself, or says at which step it was refused.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use floci_az_contract::{Manifest, ResourceType};
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::{Plugin as Instance, PluginPre};
use super::call::{self, CallState, Time};
use super::compiled::Compiled;
use super::contained::CallError;
use super::contract::{Accepted, ActionCall, Answer, Change, Rejection, Resource, Step, View};
use super::digest::Digest;
use super::engine::Engine;
use super::limits::Bounds;
use super::manifest;
use crate::imports::Imports;

const PURE: Time = Time::Pure;
const EFFECTS: Time = Time::Effects;

/// Why a component is not a plugin of this gateway.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the WebAssembly engine cannot be started: {0}")]
    Engine(String),
    #[error(
        "the plugin {digest} cannot be compiled: {reason}. A plugin is a WebAssembly component, as `cargo build --target wasm32-wasip2` makes it"
    )]
    Compile { digest: String, reason: String },
    #[error(
        "the plugin {digest} does not fit this gateway's contract, floci:provider@0.1: {reason}. Build it with the floci-az-sdk of this gateway's version"
    )]
    Contract { digest: String, reason: String },
    #[error("the plugin {digest} is too big: {reason}. Build it with less")]
    TooBig { digest: String, reason: String },
    #[error("the plugin {digest} did not describe itself: {source}")]
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

pub struct Revision {
    engine: Engine,
    ready: PluginPre<CallState>,
    digest: Digest,
    manifest: Manifest,
    /// The manifest's types, to be kept by requests for as long as they run.
    kinds: Vec<Arc<ResourceType>>,
    /// `Microsoft.Cache@1d3f0a...`
    label: String,
    /// The defaults until the settings of its service are known.
    bounds: ArcSwap<Bounds>,
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revision").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Revision {
    pub async fn load(engine: &Engine, compiled: &Compiled, bytes: &[u8]) -> Result<Revision, LoadError> {
        let digest = Digest::of(bytes);
        let short = || digest.short().to_owned();
        let component = compiled
            .component(engine.wasmtime(), &digest, bytes)
            .map_err(|error| LoadError::Compile { digest: short(), reason: format!("{error:#}") })?;
        engine.fits(&component).map_err(|reason| LoadError::TooBig { digest: short(), reason })?;
        let unfit = |error: wasmtime::Error| LoadError::Contract { digest: short(), reason: format!("{error:#}") };
        let mut linker: Linker<CallState> = Linker::new(engine.wasmtime());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(unfit)?;
        Instance::add_to_linker::<_, HasSelf<Imports>>(&mut linker, CallState::imports).map_err(unfit)?;
        let ready = linker.instantiate_pre(&component).and_then(PluginPre::new).map_err(unfit)?;

        let label = digest.short().to_owned();
        let mut revision = Revision {
            engine: engine.clone(),
            ready,
            digest,
            manifest: Manifest::default(),
            kinds: Vec::new(),
            label,
            bounds: ArcSwap::default(),
        };
        revision.manifest = revision.describe().await?;
        revision.kinds = revision.manifest.types.iter().cloned().map(Arc::new).collect();
        revision.label = format!("{}@{}", revision.manifest.namespace, revision.digest.short());
        Ok(revision)
    }

    async fn describe(&self) -> Result<Manifest, LoadError> {
        let digest = || self.digest.short().to_owned();
        let text = call::call(self, "describe", PURE, Imports::none(&self.label), async |store, plugin| {
            plugin.floci_provider_provider().call_describe(store).await
        })
        .await
        .map_err(|source| LoadError::Describe { digest: digest(), source })?;
        let invalid = |reason: String| LoadError::Manifest { digest: digest(), reason };
        let manifest: Manifest = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        manifest::check(&manifest).map_err(invalid)?;
        Ok(manifest)
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A type by its name in the manifest.
    pub fn kind(&self, name: &str) -> Option<&Arc<ResourceType>> {
        self.kinds.iter().find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Namespace and short digest, for logs and errors.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// From now on. All revisions of a plugin are given the same: its calls share their places.
    pub fn bind(&self, bounds: Bounds) {
        self.bounds.store(Arc::new(bounds));
    }

    pub(super) fn bounds(&self) -> Arc<Bounds> {
        self.bounds.load_full()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) async fn instantiate(&self, store: &mut Store<CallState>) -> wasmtime::Result<Instance> {
        self.ready.instantiate_async(store).await
    }

    pub async fn validate(&self, imports: Imports, change: &Change) -> Result<Result<Accepted, Rejection>, CallError> {
        call::call(self, "validate", PURE, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_validate(store, change).await
        })
        .await
    }

    pub async fn reconcile(&self, imports: Imports, resource: &Resource) -> Result<Step, CallError> {
        call::call(self, "reconcile", EFFECTS, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_reconcile(store, resource).await
        })
        .await
    }

    pub async fn finalize(&self, imports: Imports, resource: &Resource) -> Result<Step, CallError> {
        call::call(self, "finalize", EFFECTS, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_finalize(store, resource).await
        })
        .await
    }

    pub async fn invoke(&self, imports: Imports, action: &ActionCall) -> Result<Result<Answer, Rejection>, CallError> {
        call::call(self, "invoke", EFFECTS, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_invoke(store, action).await
        })
        .await
    }

    /// One document for each view.
    pub async fn present(&self, imports: Imports, views: &[View]) -> Result<Vec<String>, CallError> {
        call::call(self, "present", PURE, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_present(store, views).await
        })
        .await
    }
}

/// The revision that serves a namespace now.
pub(super) type Active = ArcSwap<Revision>;

/// A revision as the first of its plugin.
pub(super) fn active(revision: Revision) -> Active {
    Active::new(Arc::new(revision))
}
