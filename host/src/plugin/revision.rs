//! One loaded version of a plugin, identified by the digest of its bytes.
//!
//! Loading either gives a revision whose imports and exports are those of the contract and which has described
//! itself, or says at which step it was refused.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use floci_az_contract::{Manifest, ResourceType};
use tokio::sync::watch;
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::reversible::ReversiblePre;
use super::bindings::{Plugin as Instance, PluginPre};
use super::call::{self, CallState, Time};
use super::compiled::Compiled;
use super::contained::CallError;
use super::contract::{Accepted, ActionCall, Answer, Change, Rejection, Resource, State, Step, View};
use super::digest::Digest;
use super::engine::Engine;
use super::error::LoadError;
use super::interfaces::Interfaces;
use super::limits::{Bounds, Limits};
use super::manifest;
use crate::imports::Imports;
use crate::telemetry::Labels;

const PURE: Time = Time::Pure;
const EFFECTS: Time = Time::Effects;
const CONVERSION: Time = Time::Conversion;

pub struct Revision {
    engine: Engine,
    ready: PluginPre<CallState>,
    /// None if it does not export how to go back to an older schema.
    reversible: Option<ReversiblePre<CallState>>,
    digest: Digest,
    manifest: Manifest,
    /// The manifest's types, to be kept by requests for as long as they run.
    kinds: Vec<Arc<ResourceType>>,
    /// `Microsoft.Cache@1d3f0a...`
    label: String,
    /// The version of the contract that it was built with.
    contract: String,
    /// How many of its calls did not return.
    trouble: watch::Sender<u32>,
    /// The same for metrics and events.
    labels: Labels,
    /// The defaults until the settings of its service are known.
    bounds: ArcSwap<Bounds>,
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revision").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Revision {
    /// The steps of loading, each with an error of its own.
    pub async fn load(engine: &Engine, compiled: &Compiled, bytes: Bytes) -> Result<Revision, LoadError> {
        let digest = Digest::of(&bytes);
        let short = || digest.short().to_owned();
        let interfaces =
            Interfaces::read(&bytes).map_err(|source| LoadError::Unreadable { digest: short(), source })?;
        let compiling = {
            let (engine, compiled, digest) = (engine.clone(), compiled.clone(), digest.clone());
            // Seconds of work for every core; calls under way go on beside it.
            tokio::task::spawn_blocking(move || compiled.component(engine.wasmtime(), &digest, &bytes))
        };
        let component = match compiling.await {
            Ok(component) => component.map_err(|error| format!("{error:#}")),
            Err(broken) => Err(broken.to_string()),
        };
        let component = component.map_err(|reason| LoadError::Compile { digest: short(), reason })?;
        engine.fits(&component).map_err(|reason| LoadError::TooBig { digest: short(), reason })?;
        let unfit = |error: wasmtime::Error| LoadError::Contract {
            digest: short(),
            found: interfaces.contract.clone(),
            reason: format!("{error:#}"),
        };
        let mut linker: Linker<CallState> = Linker::new(engine.wasmtime());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(unfit)?;
        Instance::add_to_linker::<_, HasSelf<Imports>>(&mut linker, CallState::imports).map_err(unfit)?;
        let linked = linker.instantiate_pre(&component).map_err(unfit)?;
        let reversible = ReversiblePre::new(linked.clone()).ok();
        let ready = PluginPre::new(linked).map_err(unfit)?;

        // Until it has said whose it is.
        let label = digest.short().to_owned();
        let mut revision = Revision {
            engine: engine.clone(),
            ready,
            reversible,
            digest,
            contract: interfaces.contract.to_string(),
            manifest: Manifest::default(),
            kinds: Vec::new(),
            label,
            trouble: watch::Sender::new(0),
            labels: Labels::unknown(),
            bounds: ArcSwap::default(),
        };
        revision.manifest = revision.describe().await?;
        revision.kinds = revision.manifest.types.iter().cloned().map(Arc::new).collect();
        revision.label = format!("{}@{}", revision.manifest.namespace, revision.digest.short());
        revision.labels = Labels::new(&revision.manifest.namespace, revision.digest.short());
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

    /// The names of what its component imports: `floci:provider/workloads@0.1.0`.
    pub fn imports(&self) -> Vec<String> {
        let component = self.ready.instance_pre().component();
        component.component_type().imports(component.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Namespace and short digest, for logs and errors.
    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn contract(&self) -> &str {
        &self.contract
    }

    /// How many of its calls were stopped or trapped since it was loaded.
    pub fn trouble(&self) -> watch::Receiver<u32> {
        self.trouble.subscribe()
    }

    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// For the calls that start from now on. What has been used of the same limits stays used.
    pub fn bind(&self, bounds: Bounds) {
        self.bounds.rcu(|before| bounds.clone().after(before));
    }

    pub fn limits(&self) -> Limits {
        self.bounds.load().limits
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
        let call = call::call(self, "validate", PURE, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_validate(store, change).await
        });
        self.watched(call).await
    }

    pub async fn reconcile(&self, imports: Imports, resource: &Resource) -> Result<Step, CallError> {
        let call = call::call(self, "reconcile", EFFECTS, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_reconcile(store, resource).await
        });
        self.watched(call).await
    }

    pub async fn finalize(&self, imports: Imports, resource: &Resource) -> Result<Step, CallError> {
        let call = call::call(self, "finalize", EFFECTS, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_finalize(store, resource).await
        });
        self.watched(call).await
    }

    pub async fn invoke(&self, imports: Imports, action: &ActionCall) -> Result<Result<Answer, Rejection>, CallError> {
        let call = call::call(self, "invoke", EFFECTS, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_invoke(store, action).await
        });
        self.watched(call).await
    }

    /// State in this revision's schema. Nothing but the log is lent.
    pub async fn upgrade(&self, resource: &Resource, from_schema: u32) -> Result<Result<State, String>, CallError> {
        let call = call::call(self, "upgrade", CONVERSION, Imports::none(&self.label), async |store, plugin| {
            plugin.floci_provider_provider().call_upgrade(store, resource, from_schema).await
        });
        self.watched(call).await
    }

    /// State in an older schema than this revision's. Nothing but the log is lent. Only asked for when another revision is
    /// looked at, so what goes wrong is not trouble of this one's serving.
    pub async fn downgrade(&self, resource: &Resource, to_schema: u32) -> Result<Result<State, String>, CallError> {
        let Some(reversible) = &self.reversible else {
            let version = &self.contract;
            return Ok(Err(format!(
                "it was built with version {version} of the contract, without 'schemas.downgrade'"
            )));
        };
        call::call(self, "downgrade", CONVERSION, Imports::none(&self.label), async |store, _| {
            let plugin = reversible.instantiate_async(&mut *store).await?;
            plugin.floci_provider_schemas().call_downgrade(store, resource, to_schema).await
        })
        .await
    }

    /// One document for each view.
    pub async fn present(&self, imports: Imports, views: &[View]) -> Result<Vec<String>, CallError> {
        let call = call::call(self, "present", PURE, imports, async |store, plugin| {
            plugin.floci_provider_provider().call_present(store, views).await
        });
        self.watched(call).await
    }

    /// Counts what did not return, which a revision that has just been swapped in must not do often.
    async fn watched<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let result = call.await;
        if result.as_ref().is_err_and(CallError::is_of_the_plugin) {
            self.trouble.send_modify(|count| *count += 1);
        }
        result
    }
}
