//! floci-az: a gateway that speaks Azure Resource Manager and lets WebAssembly components be the resource providers.
//!
//! `ARCHITECTURE.md` is the map. Requests come in by [`server`], go through [`arm`], which asks a plugin by [`plugin`];
//! [`reconcile`] brings what was accepted to life, by the means that [`imports`] lends to the plugins. [`gateway`]
//! puts the parts together.

pub mod admin;
pub mod arm;
pub mod banner;
pub mod browser;
pub mod cli;
pub mod config;
pub mod doors;
pub mod folders;
pub mod gateway;
pub mod identity;
pub mod imports;
pub mod ingress;
pub mod plugin;
pub mod ports;
pub mod reconcile;
pub mod rollout;
pub mod runtime;
pub mod server;
pub mod sources;
pub mod state;
pub mod telemetry;
pub mod words;
