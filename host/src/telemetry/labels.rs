//! What the series of a metric and the events are told apart by: words that there are few of, and no name of a resource.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use serde::{Serialize, Serializer};

/// One revision of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, EncodeLabelSet)]
pub struct Labels {
    /// Its namespace.
    #[serde(serialize_with = "text")]
    pub plugin: Arc<str>,
    /// The beginning of its digest.
    #[serde(serialize_with = "text")]
    pub revision: Arc<str>,
}

/// serde knows `Arc<str>` only with a feature that all of the workspace would be built with.
fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl Labels {
    pub fn new(plugin: &str, revision: &str) -> Labels {
        Labels { plugin: plugin.into(), revision: revision.into() }
    }

    /// Of what has not said yet whose it is: all of them are one, however many are refused.
    pub fn unknown() -> Labels {
        Labels::new("unknown", "unknown")
    }
}

/// How a call of a plugin ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    Answered,
    /// It said no.
    Rejected,
    Trapped,
    /// Its time was over.
    TimedOut,
    /// It was stopped at another of its limits.
    Limited,
    /// It was not made: there was no place for it in time.
    Saturated,
    /// Whoever had asked went away.
    Dropped,
}

impl CallEnd {
    pub(super) const ALL: [CallEnd; 7] = [
        CallEnd::Answered,
        CallEnd::Rejected,
        CallEnd::Trapped,
        CallEnd::TimedOut,
        CallEnd::Limited,
        CallEnd::Saturated,
        CallEnd::Dropped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            CallEnd::Answered => "ok",
            CallEnd::Rejected => "rejected",
            CallEnd::Trapped => "trapped",
            CallEnd::TimedOut => "timed-out",
            CallEnd::Limited => "limit",
            CallEnd::Saturated => "saturated",
            CallEnd::Dropped => "dropped",
        }
    }
}

/// The contract's functions, so that a function that there is not cannot become a series. `other` is any later one.
pub(super) const FUNCTIONS: [&str; 9] =
    ["describe", "validate", "reconcile", "finalize", "invoke", "present", "upgrade", "downgrade", "other"];

pub(super) fn function(name: &str) -> &'static str {
    FUNCTIONS.into_iter().find(|known| *known == name).unwrap_or("other")
}

/// What a request's path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Resource,
    List,
    /// Of a resource or of a provider.
    Action,
    /// What is ARM's own: subscriptions, groups, tags, operations.
    Own,
    Login,
    /// What the gateway says of itself.
    Gateway,
    /// Nothing that is served, or refused before it was looked at.
    Unknown,
}

impl Route {
    pub fn as_str(self) -> &'static str {
        match self {
            Route::Resource => "resource",
            Route::List => "list",
            Route::Action => "action",
            Route::Own => "own",
            Route::Login => "login",
            Route::Gateway => "gateway",
            Route::Unknown => "unknown",
        }
    }
}

/// How a step of the reconcile loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnd {
    Settled,
    /// There is more to do.
    Again,
    Failed,
    /// The plugin gave no answer that could be used.
    Broken,
}

impl StepEnd {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            StepEnd::Settled => "settled",
            StepEnd::Again => "again",
            StepEnd::Failed => "failed",
            StepEnd::Broken => "broken",
        }
    }
}
