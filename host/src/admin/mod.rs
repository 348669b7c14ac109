//! What the gateway says of itself, beside ARM.

mod plugins;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::arm::{ArmError, Reply};
use crate::identity::ca::Certificates;
use crate::plugin::Plugins;
use crate::reconcile::Reconciler;
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
}

impl Admin {
    /// None for a path that is not the gateway's own.
    pub fn answer(&self, method: &Method, path: &str) -> Option<Reply> {
        let reply = match path {
            "/health" | "/_floci/health" => Reply::json(StatusCode::OK, self.health()),
            "/ready" => self.ready(),
            "/_floci/tls-cert" => self.certificate(),
            _ => return None,
        };
        match *method {
            Method::GET | Method::HEAD => Some(reply),
            _ => Some(ArmError::method_not_allowed(method.as_str(), "GET, HEAD").into()),
        }
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
