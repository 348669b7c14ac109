//! A component on its way in: its bytes, where they came from, and what they are to be checked against.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::plugin::Digest;

/// What is to be loaded.
#[derive(Debug, Clone)]
pub struct Package {
    pub bytes: Bytes,
    pub origin: Origin,
    /// The digest that the bytes have to have.
    pub pin: Option<Digest>,
    /// A signature over the digest, if one came with the bytes.
    pub signature: Option<Vec<u8>>,
}

/// Where a component came from. In JSON `{"kind":"upload"}` or `{"kind":"image","place":"..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "place", rename_all = "camelCase")]
pub enum Origin {
    /// It is part of the gateway's binary.
    Bundled,
    /// It was sent to the gateway.
    Upload,
    /// A file of the plugins folder.
    File(PathBuf),
    /// An image of a registry: `registry/repository:tag@sha256:...`.
    Image(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Bundled => f.write_str("part of the gateway"),
            Origin::Upload => f.write_str("sent to the gateway"),
            Origin::File(path) => write!(f, "the file {}", path.display()),
            Origin::Image(reference) => write!(f, "the image {reference}"),
        }
    }
}

/// What is to follow when a revision has been loaded and its namespace is already served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It stays Ready.
    Keep,
    /// It becomes the active one.
    Swap,
}
