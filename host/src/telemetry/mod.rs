//! What the gateway tells of its work: metrics, events, and spans.
//!
//! Whoever does something reports it here, in one call that never waits and never fails; nothing here knows who that is,
//! and so this folder names no other module of the gateway. Metrics are read by [`Telemetry::metrics`], events by
//! [`Telemetry::events`] and [`Telemetry::follow`]; spans are those of `tracing`, which [`otlp`] sends to a collector, if
//! one is configured. None of them ever holds a secret: labels are words of closed sets and digests, events have ids and
//! codes.

mod event;
mod exposition;
mod feed;
mod labels;
mod metrics;
pub mod otlp;
mod process;
pub mod span;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;
use tokio::sync::watch;

pub use event::Event;
pub use exposition::Exposition;
pub use feed::Crowded;
use feed::Feed;
pub use labels::{CallEnd, Labels, Route, StepEnd};
pub use metrics::Levels;
use metrics::Metrics;

/// Where everything is reported to; shared by all of the gateway.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    feed: Arc<Feed>,
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry { metrics: Metrics::new(Instant::now()), feed: Arc::new(Feed::new(Timestamp::now())) }
    }
}

impl Telemetry {
    /// A request is worked on until what is returned is ended or dropped.
    pub fn request(self: &Arc<Self>, method: &str) -> Asked {
        self.metrics.in_flight.inc();
        Asked { telemetry: self.clone(), method: method.to_owned(), began: Instant::now(), end: None }
    }

    /// An instance runs until what is returned is ended or dropped.
    pub fn calling(self: &Arc<Self>, labels: &Labels, function: &'static str) -> Calling {
        self.metrics.instance_begins(labels);
        let end = (CallEnd::Dropped, 0);
        Calling { telemetry: self.clone(), labels: labels.clone(), function, began: Instant::now(), end }
    }

    /// A call ended; `memory` is what its instance had, in bytes. [`Telemetry::calling`] reports by itself.
    pub fn call(&self, labels: &Labels, function: &'static str, end: CallEnd, elapsed: Duration, memory: usize) {
        self.metrics.call(labels, function, end, elapsed, memory);
    }

    pub fn step(&self, end: StepEnd, elapsed: Duration) {
        self.metrics.step(end, elapsed);
    }

    /// The revision's series go after a while. Reported by [`Event::PluginRetired`], too.
    pub fn retired(&self, labels: &Labels) {
        self.metrics.retired(labels, Instant::now());
    }

    /// To those who listen. What it says of a revision or an operation is counted, too.
    pub fn publish(&self, event: Event) {
        match &event {
            Event::PluginActivated { labels, .. } => self.metrics.in_use(labels),
            Event::PluginRetired { labels } => self.retired(labels),
            Event::PluginForgotten { labels } => self.metrics.forgotten(labels),
            Event::OperationStarted { .. } => self.metrics.operation_started(),
            Event::OperationSucceeded { .. } => self.metrics.operation_ended("succeeded"),
            Event::OperationFailed { .. } => self.metrics.operation_ended("failed"),
            _ => {}
        }
        self.feed.publish(&event, Timestamp::now());
    }

    /// All metrics, in a format that the reader accepts.
    pub fn metrics(&self, levels: Levels, accept: Option<&str>) -> Exposition {
        let levels = Levels { listeners: self.feed.listeners(), ..levels };
        exposition::exposition(self.metrics.text(&levels, Instant::now()), accept)
    }

    /// The events that are kept, or those of them after one, as server-sent events.
    pub fn events(&self, after: Option<u64>) -> String {
        self.feed.kept(after)
    }

    /// The same, and then those that happen, until `closing` is true.
    pub fn follow(
        &self,
        after: Option<u64>,
        closing: watch::Receiver<bool>,
    ) -> Result<impl Stream<Item = Bytes> + Send + use<>, Crowded> {
        self.feed.listen(after, closing)
    }
}

/// A request under way. Dropped, it was given up.
#[derive(Debug)]
pub struct Asked {
    telemetry: Arc<Telemetry>,
    method: String,
    began: Instant,
    end: Option<(Route, u16)>,
}

impl Asked {
    pub fn end(mut self, route: Route, status: u16) {
        self.end = Some((route, status));
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let metrics = &self.telemetry.metrics;
        metrics.in_flight.dec();
        let (route, status) = self.end.map_or((Route::Unknown, None), |(route, status)| (route, Some(status)));
        metrics.request(&self.method, route, status, self.began.elapsed());
    }
}

/// An instance that runs. Dropped, its call was given up.
#[derive(Debug)]
pub struct Calling {
    telemetry: Arc<Telemetry>,
    labels: Labels,
    function: &'static str,
    began: Instant,
    end: (CallEnd, usize),
}

impl Calling {
    /// `memory` is what the instance had, in bytes.
    pub fn end(mut self, end: CallEnd, memory: usize) {
        self.end = (end, memory);
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        let (metrics, (end, memory)) = (&self.telemetry.metrics, self.end);
        metrics.instance_ends(&self.labels);
        metrics.call(&self.labels, self.function, end, self.began.elapsed(), memory);
    }
}
