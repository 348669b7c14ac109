//! The component side: generated bindings, the host behind them, and the export of a [`crate::Provider`].
//!
//! Compiled only for wasm32, and public only because [`crate::provider!`] expands to names in here.

mod absent;
pub mod bindings;
mod convert;
mod export;
mod gateway;
mod panic;

pub use export::Exported;
