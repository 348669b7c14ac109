//! Whom the gateway itself has the administration ask: the rollout, and the one way in for components.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::task::spawn_blocking;

use super::seam::{Components, Doing, Revisions};
use crate::arm::ArmError;
use crate::plugin::Digest;
use crate::rollout::{Origin, Outcome, Package, PluginView, Rollout, RolloutError, RolloutErrorKind, Then};
use crate::sources::{Intake, SourceError, SourceErrorKind};

impl Revisions for Rollout {
    fn list(&self) -> Vec<PluginView> {
        self.list()
    }

    fn check(self: Arc<Self>, package: Package) -> Doing<Outcome> {
        async move { Rollout::check(&self, package).await.map_err(refused) }.boxed()
    }

    fn install(self: Arc<Self>, package: Package, then: Then) -> Doing<Outcome> {
        async move { Rollout::install(&self, package, then).await.map_err(refused) }.boxed()
    }

    fn swap(self: Arc<Self>, namespace: String, to: String) -> Doing<Outcome> {
        async move { Rollout::swap(&self, &namespace, &to).await.map_err(refused) }.boxed()
    }

    fn rollback(self: Arc<Self>, namespace: String, to: Option<String>) -> Doing<Outcome> {
        async move { Rollout::rollback(&self, &namespace, to.as_deref()).await.map_err(refused) }.boxed()
    }

    fn forget(self: Arc<Self>, namespace: String, digest: String) -> Doing<Outcome> {
        async move { Rollout::forget(&self, &namespace, &digest).await.map_err(refused) }.boxed()
    }

    fn remove(self: Arc<Self>, namespace: String) -> Doing<()> {
        async move { Rollout::remove(&self, &namespace).await.map_err(refused) }.boxed()
    }

    fn refused(&self, origin: &Origin, error: &ArmError) {
        self.tell_refused(origin, &error.code, &error.message);
    }
}

impl Components for Intake {
    fn sent(self: Arc<Self>, bytes: Bytes, signature: Option<Vec<u8>>, pin: Option<Digest>) -> Doing<Package> {
        let taking = spawn_blocking(move || self.upload(bytes, signature, pin));
        async move { taking.await.map_err(ArmError::internal)?.map_err(not_had) }.boxed()
    }

    fn pull(self: Arc<Self>, reference: String, pin: Option<Digest>) -> Doing<Package> {
        async move { self.image(&reference, pin).await.map_err(not_had) }.boxed()
    }
}

fn refused(error: RolloutError) -> ArmError {
    let (code, message) = (error.code(), error.to_string());
    match error.kind() {
        RolloutErrorKind::Invalid => ArmError::plugin_invalid(code, message),
        RolloutErrorKind::NotFound => ArmError::plugin_not_found(code, message),
        RolloutErrorKind::Conflict => ArmError::plugin_conflict(code, message),
        RolloutErrorKind::Internal => ArmError::plugin_failure(code, message),
    }
}

fn not_had(error: SourceError) -> ArmError {
    let (code, message) = (error.code(), error.to_string());
    match error.kind() {
        SourceErrorKind::Invalid | SourceErrorKind::TooLarge | SourceErrorKind::Unauthorised => {
            ArmError::plugin_invalid(code, message)
        }
        SourceErrorKind::NotFound => ArmError::plugin_not_found(code, message),
        SourceErrorKind::Unreachable => ArmError::plugin_unreachable(code, message),
        SourceErrorKind::Internal => ArmError::plugin_failure(code, message),
    }
}
