//! Whom the administration asks: whoever takes components in, and whoever holds the revisions. Both are traits because
//! the tests have their own.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::arm::ArmError;
use crate::plugin::Digest;
use crate::rollout::{Origin, Outcome, Package, PluginView, Then};

/// A change, that is whole or none once it is begun.
pub type Doing<T> = BoxFuture<'static, Result<T, ArmError>>;

/// The revisions of the plugins.
pub trait Revisions: fmt::Debug + Send + Sync + 'static {
    fn list(&self) -> Vec<PluginView>;
    fn check(self: Arc<Self>, package: Package) -> Doing<Outcome>;
    fn install(self: Arc<Self>, package: Package, then: Then) -> Doing<Outcome>;
    fn swap(self: Arc<Self>, namespace: String, to: String) -> Doing<Outcome>;
    fn rollback(self: Arc<Self>, namespace: String, to: Option<String>) -> Doing<Outcome>;
    fn forget(self: Arc<Self>, namespace: String, digest: String) -> Doing<Outcome>;
    fn remove(self: Arc<Self>, namespace: String) -> Doing<()>;
    /// Hears of a component that could not be had, or was not taken in.
    fn refused(&self, origin: &Origin, error: &ArmError);
}

/// The way in for components: what it gives out is as large, as signed and as intact as the operator wants it.
pub trait Components: fmt::Debug + Send + Sync + 'static {
    /// What was sent here, with what was sent as its signature.
    fn sent(self: Arc<Self>, bytes: Bytes, signature: Option<Vec<u8>>, pin: Option<Digest>) -> Doing<Package>;
    /// `reference` is `registry/repository:tag` or `...@sha256:digest`; the digest of the component has to be `pin`.
    fn pull(self: Arc<Self>, reference: String, pin: Option<Digest>) -> Doing<Package>;
}
