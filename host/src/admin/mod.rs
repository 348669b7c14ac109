//! What the gateway says of itself, beside ARM.

mod insight;
mod plugins;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::arm::{ArmError, Reply, Request};
use crate::identity::ca::Certificates;
use crate::imports::Lender;
use crate::plugin::{Engine, Plugins};
use crate::reconcile::Reconciler;
use crate::telemetry::Telemetry;
pub use plugins::{Components, Doing, PluginAdmin, Revisions};
pub use token::{AdminToken, TokenError};

const PEM: &str = "application/x-pem-file";

#[derive(Debug)]
pub struct Admin {
    pub plugins: Arc<Plugins>,
    pub reconciler: Arc<Reconciler>,
    /// `docker`, `process` or `none`.
    pub runtime: &'static str,
    /// `persistent` or `memory`.
    pub storage: &'static str,
    /// None if TLS is off.
    pub certificates: Option<Arc<Certificates>>,
    pub lender: Arc<Lender>,
    pub engine: Engine,
    pub telemetry: Arc<Telemetry>,
    /// True once the gateway is shutting down.
    pub closing: watch::Receiver<bool>,
}

impl Admin {
    /// None for a path that is not the gateway's own.
    pub fn answer(&self, request: &Request) -> Option<Reply> {
        let answer: fn(&Admin, &Request) -> Result<Reply, ArmError> = match request.path.as_str() {
            "/health" | "/_floci/health" => |admin, _| Ok(Reply::json(StatusCode::OK, admin.health())),
            "/ready" => |admin, _| Ok(admin.ready()),
            "/_floci/tls-cert" => |admin, _| Ok(admin.certificate()),
            "/metrics" => |admin, request| Ok(admin.metrics(request)),
            "/_floci/events" => Admin::events,
            _ => return None,
        };
        let reply = request.only("GET, HEAD").and_then(|()| answer(self, request));
        Some(reply.unwrap_or_else(Reply::from))
    }

    /// The process is up and answers.
    fn health(&self) -> Value {
        let table = self.plugins.now();
        let plugins = table.iter().map(|entry| {
            json!({
                "namespace": entry.plugin.namespace(),
                "service": entry.plugin.service(),
                "version": entry.revision.manifest().version,
                "revision": entry.revision.digest().to_string(),
            })
        });
        json!({
            "status": "UP",
            "version": env!("CARGO_PKG_VERSION"),
            "edition": "floci-az",
            "runtime": self.runtime,
            "storage": self.storage,
            "plugins": plugins.collect::<Vec<_>>(),
        })
    }

    /// What a client has to trust to use HTTPS here.
    fn certificate(&self) -> Reply {
        match &self.certificates {
            Some(certificates) => Reply::text(StatusCode::OK, PEM, certificates.trusted_pem()),
            None => ArmError::tls_is_off().into(),
        }
    }

    /// Every resource that was there at the start has been looked at: its workload was adopted or started again.
    fn ready(&self) -> Reply {
        match self.reconciler.unseen() {
            0 => Reply::json(StatusCode::OK, json!({ "status": "READY" })),
            unseen => Reply::json(
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "status": "STARTING", "resourcesToRestore": unseen }),
            ),
        }
    }
}
