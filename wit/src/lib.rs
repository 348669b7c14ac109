//! The contract's JSON documents, typed once for both sides.
//!
//! `wit/<version>/provider.wit` is the contract; it carries four documents as JSON text so that they can grow:
//! the [manifest](Manifest) that a plugin describes itself with, the [settings](Setting) declared in it, and the
//! [workload specs](WorkloadSpec) and [routes](Route) it hands to the gateway. Unknown members are refused on both sides: a plugin that
//! asks for what this gateway does not know must hear so, and not be half obeyed.

mod manifest;
mod route;
mod setting;
mod wants;
mod workload;

pub use manifest::{
    Action, Answers, BuiltIn, Effect, Life, Listener, Manifest, Method, Purpose, ResourceType, ShownName, Tracking,
};
pub use route::{Addresses, Backend, Entry, Protocol, Route, TokenUser};
pub use setting::{InvalidValue, Kind, Setting};
pub use wants::{PortRange, WantedWorkloads, Wants, fill};
pub use workload::{PortSpec, WorkloadSpec};
