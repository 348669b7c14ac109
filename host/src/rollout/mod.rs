//! Revisions of plugins while the gateway runs: installed, checked against what is stored, swapped, rolled back,
//! forgotten.

mod package;
mod view;

pub use package::{Origin, Package, Then};
pub use view::{Outcome, PluginView, RevisionView};
