//! A resource that is about to be shown.

use crate::{Purpose, Resource};

/// See [`crate::Provider::present`].
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub purpose: Purpose,
    /// The version that the client speaks.
    pub api_version: String,
    pub resource: Resource,
}
