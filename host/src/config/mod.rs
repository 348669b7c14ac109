//! Settings: what is declared, what was given, and what came of it.
//!
//! Every setting is declared once, as a [`floci_az_contract::Setting`]: the gateway's in `gateway.rs`, a service's in
//! the manifest of its plugin. Values come from `floci-az.yml` and from `FLOCI_AZ_*` variables, which win. Whatever was
//! given and is not understood stops the start: a typing error in a key must not end in a silent default. All that is
//! wrong is told at once, each with its place, what is supported and the nearest known name. What is for a service that no
//! plugin serves yet is kept for when one does.
//!
//! Two places touch the file system: [`Sources::read`], which runs once, and [`Sources::resolve_service`], which reads the
//! file again when a plugin is installed. [`Sources::gateway`] answers before any plugin is loaded, [`Sources::resolve`]
//! when those of the start are.

mod declared;
mod describe;
mod environment;
mod error;
mod gateway;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod yaml;

pub use describe::describe;
pub use error::ConfigError;
pub use gateway::{Arm, AuthMode, Gateway, PluginFiles, Presence, RuntimeChoice, Storage, Tls};
pub use settings::{Origin, Resolved, Settings};
pub use sources::Sources;
