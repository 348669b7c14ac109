//! Write an Azure resource provider for floci-az: implement [`Provider`], build for `wasm32-wasip2`.
//!
//! **What does not work in a plugin**: threads, async runtimes such as tokio, sockets, files, environment variables,
//! and keeping anything in a `static` from one call to the next, because an instance may be thrown away after any
//! call. Use instead: [`Host::workloads`] for programs that run, [`Host::resp`] to talk to them, [`Host::ports`] for
//! their ports, [`Host::settings`] for configuration, [`State::private`] for whatever has to be remembered, and
//! [`Step::wait`] in place of sleeping. Clocks and randomness work as everywhere.
//!
//! A complete plugin:
//!
//! ```
//! use floci_az_sdk::prelude::*;
//! struct Bakery;
//! impl Provider for Bakery {
//!     fn manifest() -> Manifest {
//!         let example = json!({"location": "westus", "properties": {"loaves": 12}});
//!         manifest("Contoso.Bakery", "bakery", [resource_type("ovens", ["2026-01-01"], example)])
//!     }
//!     fn validate(change: Change, _: &dyn Host) -> Result<Accepted, Rejection> {
//!         match change.desired.state.document["properties"]["loaves"].as_u64() {
//!             Some(1..=40) => Ok(Accepted::settled(change.desired.state)),
//!             _ => Err(Rejection::bad_request("InvalidLoaves", "an oven takes 1 to 40").at("properties.loaves")),
//!         }
//!     }
//! }
//! floci_az_sdk::provider!(Bakery);
//! ```
//!
//! Its `Cargo.toml` says `crate-type = ["cdylib", "rlib"]`; `cargo build --release --target wasm32-wasip2` makes the
//! component. The gateway does the rest of ARM: ids, api-versions, storage, lists, long-running operations, locks.
//!
//! **What a plugin may use** is the operator's decision. `resources`, `settings` and `log` are every plugin's. Each of the
//! others is a cargo feature of this crate: `workloads`, `ports`, `resp`, `ingress`, `transfers`. With the feature the
//! component imports the interface and asks for it; [`Manifest::wants`] says how much of it: which images, which ports.
//! Without the feature its functions fail with `NotGranted`.
//!
//! ```toml
//! floci-az-sdk = { path = "../floci-az/sdk", features = ["workloads", "ports"] }
//! ```
//!
//! A provider is plain Rust that runs natively too: [`testing::FakeHost`] drives it through a resource's life in
//! milliseconds. See there for the second example.

mod action;
mod change;
mod describe;
mod error;
mod host;
mod id;
mod provider;
mod resource;
mod step;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod view;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wasm;

pub use action::{ActionCall, Answer, Target};
pub use change::{Accepted, Change, Intent, Work};
pub use describe::{child_type, manifest, reads, resource_type, setting, writes};
pub use error::{Fault, Rejection};
pub use floci_az_contract::{
    Action, Addresses, Answers, Backend, BuiltIn, Effect, Entry, Kind, Life, Listener, Manifest, Method, PortSpec,
    Protocol, Purpose, ResourceType, Route, Setting, ShownName, TokenUser, Tracking, WantedWorkloads, Wants,
    WorkloadSpec,
};
pub use host::{
    Command, Credentials, Endpoint, Host, Ingress, Level, Log, Ports, Reply, Resources, Resp, Settings, Transfers,
    Workload, WorkloadState, Workloads,
};
pub use id::{InvalidId, ResourceId};
pub use provider::Provider;
pub use resource::{ProvisioningState, Resource, State};
pub use serde_json::{self, Value, json};
pub use step::{Next, Step};
pub use view::View;

/// Everything that a provider of average size names.
pub mod prelude {
    pub use crate::{
        Accepted, ActionCall, Answer, Change, Fault, Host, Intent, Level, Manifest, Next, Provider, Purpose, Rejection,
        Resource, ResourceId, State, Step, Target, Value, View, Work, json, manifest, resource_type, setting,
    };
}
