//! Where components come from: what was sent, files, images of registries.
//!
//! [`Intake`] is the one way in. What it gives out as a [`Package`](crate::rollout::Package) has been read whole, is of a
//! size that the gateway takes, is what its source says it is (digests of images), and is signed if the operator's key
//! asks for it. Whether it is a plugin at all, and fits what is stored, is the rollout's to say. [`Folder`] keeps a
//! folder of files and the rollout in step, through the seam that is [`Installer`].

mod error;
mod folder;
mod installer;
mod intake;
mod oci;
mod signature;

/// Bytes of a component. A hundred times what a plugin in Rust has, and several times one with an interpreter in it.
pub const LARGEST: u64 = 64 << 20;

pub use error::{SourceError, SourceErrorKind};
pub use folder::{Folder, Pace};
pub use installer::Installer;
pub use intake::Intake;
