//! `Microsoft.Cache/redis` as a floci-az plugin.
//!
//! One server per cache. A client's body becomes a `Cache` (the rules), which is shown as a document and run
//! as a server:
//!
//! ```text
//! body ─ validate ─▶ Cache ─┬─ document ─▶ what a GET shows
//!                           └─ server ───▶ workload spec, server.conf, users.acl ─ reconcile ─▶ a running server
//! ```
//!
//! What is below a cache (rules, links, policies: `children`) is read by its `reconcile`. Zones, networks, patch schedules,
//! persistence to storage accounts and Redis versions are checked and shown as Azure does, and have no effect.

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
