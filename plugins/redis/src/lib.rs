//! `Microsoft.Cache/redis` as a floci-az plugin.
//!
//! A client's body becomes a `Cache` (the rules), which is shown as a document and run as one server or several:
//!
//! ```text
//! body ─ validate ─▶ Cache ─┬─ document ─▶ what a GET shows
//!                           └─ nodes ─ server ─▶ workload specs, server.conf, users.acl ─ reconcile ─▶ running servers
//! children ─────────────────┴─ access, route ─▶ users of the servers, and how clients reach them
//! ```
//!
//! What is stored and shown only is in `docs/redis.md`.

mod access;
mod actions;
mod administration;
mod cache;
mod children;
mod cluster;
mod configuration;
mod document;
mod finalize;
mod identity;
mod jobs;
mod keys;
mod manifest;
mod member;
mod name;
mod nodes;
mod private;
mod reconcile;
mod replication;
mod requests;
mod route;
mod scaling;
mod server;
mod settings;
mod sku;
mod slots;
mod validate;
mod versions;
mod zones;

use floci_az_sdk::prelude::*;

/// The provider.
#[derive(Debug)]
pub struct Redis;

impl Provider for Redis {
    fn manifest() -> Manifest {
        manifest::manifest()
    }

    fn validate(change: Change, host: &dyn Host) -> Result<Accepted, Rejection> {
        match change.desired.id.parent() {
            None => validate::validate(change, host),
            Some(_) => children::validate(change, host),
        }
    }

    fn reconcile(resource: Resource, host: &dyn Host) -> Step {
        reconcile::reconcile(resource, host)
    }

    fn finalize(resource: Resource, host: &dyn Host) -> Step {
        finalize::finalize(resource, host)
    }

    fn invoke(call: ActionCall, host: &dyn Host) -> Result<Answer, Rejection> {
        actions::invoke(&call, host)
    }

    fn present(view: View, _: &dyn Host) -> Value {
        match view.resource.id.parent() {
            None => document::presented(view),
            Some(_) => children::presented(view),
        }
    }
}

floci_az_sdk::provider!(Redis);
