//! The seam to the rollout: the part of it that a folder needs.

use std::fmt::Display;
use std::sync::Arc;

use crate::rollout::{Origin, Outcome, Package, PluginView, Rollout, RolloutError, Then};

/// What takes packages: the rollout, and fakes of it in tests.
pub trait Installer: Send + Sync {
    /// `Display` says what was attempted and found, and what to do.
    type Error: Display + Send;

    fn install(&self, package: Package, then: Then) -> impl Future<Output = Result<Outcome, Self::Error>> + Send;

    /// What an install would come to; changes nothing.
    fn check(&self, package: Package) -> impl Future<Output = Result<Outcome, Self::Error>> + Send;

    fn list(&self) -> Vec<PluginView>;

    /// Hears of a component that is refused before it could be installed.
    fn refused(&self, _origin: &Origin, _code: &str, _reason: &str) {}

    /// Hears of a folder that cannot be read.
    fn failed(&self, _source: String, _reason: String) {}
}

impl Installer for Arc<Rollout> {
    type Error = RolloutError;

    async fn install(&self, package: Package, then: Then) -> Result<Outcome, RolloutError> {
        Rollout::install(self, package, then).await
    }

    async fn check(&self, package: Package) -> Result<Outcome, RolloutError> {
        Rollout::check(self, package).await
    }

    fn list(&self) -> Vec<PluginView> {
        Rollout::list(self)
    }

    fn refused(&self, origin: &Origin, code: &str, reason: &str) {
        self.tell_refused(origin, code, reason);
    }

    fn failed(&self, source: String, reason: String) {
        self.tell_failed(source, reason);
    }
}
