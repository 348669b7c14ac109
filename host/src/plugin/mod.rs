//! Plugins: components that serve a provider namespace each.
//!
//! Only this folder names wasmtime. The rest of the gateway sees a [`Revision`] with one async function for each
//! function of the contract, and the contract's types in [`contract`].

mod bindings;
mod bundled;
mod call;
mod captured;
mod compiled;
mod contained;
mod digest;
mod engine;
mod error;
mod grants;
mod interfaces;
mod limits;
mod manifest;
mod pace;
mod report;
mod revision;
mod served;
mod taken;

/// The contract's types, version 0.1.
pub mod contract {
    pub use super::bindings::exports::floci::provider::provider::{
        Accepted, ActionCall, Answer, Change, Next, Step, View, Wait,
    };
    pub use super::bindings::floci::provider::types::{Fault, Rejection, Resource, State, Work};
}

/// The imported interfaces, to be implemented in [`crate::imports`].
pub mod imported {
    pub use super::bindings::floci::provider::{
        ingress, log, ports, resources, resp, settings, transfers, types, workloads,
    };
}

pub use bundled::{bundled, suffixes};
pub use compiled::Compiled;
pub use contained::{CallError, Contained, Places};
pub use digest::{Digest, InvalidDigest};
pub use engine::Engine;
pub use error::LoadError;
pub use grants::{Ask, Capability, Grants, NotGranted, Ungranted};
pub use interfaces::{Interfaces, SERVED};
pub use limits::{Bounds, Limits, LogLimits, LogWindow, Written};
pub use manifest::{LONGEST_NAMESPACE, OWN, is_reserved as is_reserved_setting};
pub use revision::Revision;
pub use served::{Ended, Entry, Plugin, Plugins, Serving, Table, Values, declared};
