//! The series that are counted while things happen, and those that are looked up when somebody asks.
//!
//! Bounds: labels are words of closed sets, namespaces of plugins that were loaded, and digests of their revisions. A
//! retired revision's series stay for [`KEPT`], so that its end is seen by whoever collects every minute, and no more
//! than [`MOST_RETIRED`] of them; a forgotten one's go at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{CallEnd, FUNCTIONS, Labels, Route, StepEnd, function};
use super::process;

/// How long the series of a retired revision are shown.
const KEPT: Duration = Duration::from_secs(300);
/// Retired revisions whose series are shown.
const MOST_RETIRED: usize = 16;
/// Seconds: from a call of a plugin that does nothing to the longest that is waited for an answer.
const SECONDS: [f64; 15] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    #[prometheus(flatten)]
    labels: Labels,
    function: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    #[prometheus(flatten)]
    labels: Labels,
    function: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stored {
    namespace: String,
    state: String,
}

/// How things stand, for whoever asks.
#[derive(Debug, Default)]
pub struct Levels {
    /// How many resources there are of a namespace in a state.
    pub resources: Vec<(String, String, usize)>,
    pub operations_running: usize,
    /// Resources that the reconcile loop is not done with.
    pub reconciling: usize,
    pub steps_running: usize,
    pub slots: usize,
    pub slots_used: usize,
    pub listeners: usize,
}

type Seconds = fn() -> Histogram;
type Number = Gauge<i64, AtomicI64>;

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    began: Instant,
    requests: Family<Request, Counter>,
    request_seconds: Family<Kind, Histogram, Seconds>,
    pub(super) in_flight: Number,
    calls: Family<Call, Counter>,
    call_seconds: Family<Called, Histogram, Seconds>,
    instances: Family<Labels, Number>,
    instances_peak: Family<Labels, Number>,
    memory: Family<Labels, Number>,
    memory_peak: Family<Labels, Number>,
    steps: Family<Outcome, Counter>,
    step_seconds: Histogram,
    operations_started: Counter,
    operations_ended: Family<Outcome, Counter>,
    /// The revisions whose series are to go, the oldest first.
    retired: Mutex<VecDeque<(Labels, Instant)>>,
    levels: Shown,
}

/// What is set whenever somebody asks.
#[derive(Debug, Default)]
struct Shown {
    /// Held from the first that is set until all are written.
    asked: Mutex<()>,
    uptime: Gauge<f64, std::sync::atomic::AtomicU64>,
    resources: Family<Stored, Number>,
    operations: Number,
    reconciling: Number,
    steps: Number,
    slots: Number,
    slots_used: Number,
    listeners: Number,
    rss: Number,
    fds: Number,
    threads: Number,
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn number(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

impl Metrics {
    pub(super) fn new(began: Instant) -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            began,
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            in_flight: Number::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(seconds),
            instances: Family::default(),
            instances_peak: Family::default(),
            memory: Family::default(),
            memory_peak: Family::default(),
            steps: Family::default(),
            step_seconds: seconds(),
            operations_started: Counter::default(),
            operations_ended: Family::default(),
            retired: Mutex::default(),
            levels: Shown::default(),
        };
        metrics.registry = metrics.register();
        metrics
    }

    /// The names, which are the ones that docs/observability.md lists.
    fn register(&self) -> Registry {
        let mut all = Registry::default();
        let shown = &self.levels;
        let ours = all.sub_registry_with_prefix("floci_az");
        ours.register("build", "What runs", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        ours.register_with_unit("uptime", "Since the start", Unit::Seconds, shown.uptime.clone());
        ours.register("requests", "Requests that were answered, refused or given up", self.requests.clone());
        ours.register_with_unit(
            "request_duration",
            "From the arrival of a request to its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        ours.register("requests_in_flight", "Requests that are worked on", self.in_flight.clone());
        ours.register("plugin_calls", "Calls of plugins", self.calls.clone());
        ours.register_with_unit("plugin_call_duration", "Of a call", Unit::Seconds, self.call_seconds.clone());
        ours.register("plugin_instances", "Instances that run", self.instances.clone());
        ours.register("plugin_instances_peak", "The most that ran at a time", self.instances_peak.clone());
        ours.register_with_unit("plugin_call_memory", "Of the last call", Unit::Bytes, self.memory.clone());
        ours.register_with_unit("plugin_call_memory_peak", "The most of a call", Unit::Bytes, self.memory_peak.clone());
        ours.register("plugin_pool_slots", "Instances that there can be", shown.slots.clone());
        ours.register("plugin_pool_slots_used", "Instances that there are", shown.slots_used.clone());
        ours.register("reconcile_steps", "Steps of the reconcile loop", self.steps.clone());
        ours.register_with_unit("reconcile_step_duration", "Of a step", Unit::Seconds, self.step_seconds.clone());
        ours.register("reconcile_queue", "Resources that the loop is not done with", shown.reconciling.clone());
        ours.register("reconcile_steps_running", "Steps under way", shown.steps.clone());
        ours.register("operations_started", "Long-running operations", self.operations_started.clone());
        ours.register("operations_ended", "Long-running operations", self.operations_ended.clone());
        ours.register("operations_running", "Long-running operations", shown.operations.clone());
        ours.register("resources", "Stored resources", shown.resources.clone());
        ours.register("event_listeners", "Readers of /_floci/events", shown.listeners.clone());
        // The names that every client library gives them.
        let process = all.sub_registry_with_prefix("process");
        process.register_with_unit("resident_memory", "Of the gateway", Unit::Bytes, shown.rss.clone());
        process.register("open_fds", "File descriptors of the gateway", shown.fds.clone());
        process.register("threads", "Of the gateway", shown.threads.clone());
        all
    }

    pub(super) fn request(&self, method: &str, route: Route, status: Option<u16>, elapsed: Duration) {
        let route = route.as_str();
        let request = Request { method: known_method(method), route, status: class(status) };
        self.requests.get_or_create(&request).inc();
        self.request_seconds.get_or_create(&Kind { route }).observe(elapsed.as_secs_f64());
    }

    pub(super) fn instance_begins(&self, labels: &Labels) {
        let now = self.instances.get_or_create(labels).inc() + 1;
        self.instances_peak.get_or_create(labels).inner().fetch_max(now, Ordering::Relaxed);
    }

    pub(super) fn instance_ends(&self, labels: &Labels) {
        // None if its revision was forgotten meanwhile.
        if let Some(instances) = self.instances.get(labels) {
            instances.dec();
        }
    }

    pub(super) fn call(&self, labels: &Labels, name: &str, end: CallEnd, elapsed: Duration, memory: usize) {
        let (labels, function) = (labels.clone(), function(name));
        let call = Call { labels: labels.clone(), function, outcome: end.as_str() };
        self.calls.get_or_create(&call).inc();
        self.memory.get_or_create(&labels).set(number(memory));
        self.memory_peak.get_or_create(&labels).inner().fetch_max(number(memory), Ordering::Relaxed);
        self.call_seconds.get_or_create(&Called { labels, function }).observe(elapsed.as_secs_f64());
    }

    pub(super) fn step(&self, end: StepEnd, elapsed: Duration) {
        self.steps.get_or_create(&Outcome { outcome: end.as_str() }).inc();
        self.step_seconds.observe(elapsed.as_secs_f64());
    }

    pub(super) fn operation_started(&self) {
        self.operations_started.inc();
    }

    pub(super) fn operation_ended(&self, outcome: &'static str) {
        self.operations_ended.get_or_create(&Outcome { outcome }).inc();
    }

    /// Its series stay for a while.
    pub(super) fn retired(&self, labels: &Labels, now: Instant) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|(other, _)| other != labels);
        retired.push_back((labels.clone(), now));
        self.remove_old(&mut retired, now);
    }

    /// It is in use, whatever it was before.
    pub(super) fn in_use(&self, labels: &Labels) {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| other != labels);
    }

    pub(super) fn forgotten(&self, labels: &Labels) {
        self.in_use(labels);
        self.remove(labels);
    }

    fn remove_old(&self, retired: &mut VecDeque<(Labels, Instant)>, now: Instant) {
        let is_old = |(_, since): &(Labels, Instant)| now.saturating_duration_since(*since) > KEPT;
        while retired.len() > MOST_RETIRED || retired.front().is_some_and(is_old) {
            let Some((labels, _)) = retired.pop_front() else { return };
            self.remove(&labels);
        }
    }

    fn remove(&self, labels: &Labels) {
        for function in FUNCTIONS {
            for end in CallEnd::ALL {
                self.calls.remove(&Call { labels: labels.clone(), function, outcome: end.as_str() });
            }
            self.call_seconds.remove(&Called { labels: labels.clone(), function });
        }
        for family in [&self.instances, &self.instances_peak, &self.memory, &self.memory_peak] {
            family.remove(labels);
        }
    }

    /// Everything, as OpenMetrics 1.0 writes it.
    pub(super) fn text(&self, levels: &Levels, now: Instant) -> String {
        self.remove_old(&mut self.retired.lock().unwrap_or_else(PoisonError::into_inner), now);
        let shown = &self.levels;
        let _asked = shown.asked.lock().unwrap_or_else(PoisonError::into_inner);
        shown.uptime.set(now.saturating_duration_since(self.began).as_secs_f64());
        shown.resources.clear();
        for (namespace, state, count) in &levels.resources {
            let stored = Stored { namespace: namespace.clone(), state: state.clone() };
            shown.resources.get_or_create(&stored).set(number(*count));
        }
        let usage = process::usage();
        for (gauge, value) in [
            (&shown.operations, levels.operations_running),
            (&shown.reconciling, levels.reconciling),
            (&shown.steps, levels.steps_running),
            (&shown.slots, levels.slots),
            (&shown.slots_used, levels.slots_used),
            (&shown.listeners, levels.listeners),
            (&shown.rss, usage.resident),
            (&shown.fds, usage.files),
            (&shown.threads, usage.threads),
        ] {
            gauge.set(number(value));
        }
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// Any other method is one word, or a client could make as many series as it likes.
fn known_method(method: &str) -> &'static str {
    const METHODS: [&str; 7] = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS"];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("other")
}

/// None is a request whose client went away.
fn class(status: Option<u16>) -> &'static str {
    match status {
        Some(..200) => "1xx",
        Some(200..300) => "2xx",
        Some(300..400) => "3xx",
        Some(400..500) => "4xx",
        Some(500..) => "5xx",
        None => "dropped",
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn of(text: &str, label: &str) -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#') && line.contains(label)).map(str::to_owned).collect()
    }

    #[test]
    fn what_happens_is_counted_and_bounded() {
        let now = Instant::now();
        let metrics = Metrics::new(now);
        metrics.request("PUT", Route::Resource, Some(201), Duration::from_millis(3));
        metrics.request("BREW", Route::Unknown, Some(405), Duration::from_millis(1));
        metrics.request("POST", Route::Action, None, Duration::from_secs(2));
        metrics.step(StepEnd::Again, Duration::from_millis(7));
        metrics.operation_started();
        metrics.operation_ended("succeeded");
        let one = Labels::new("A.B", "0123456789ab");
        metrics.instance_begins(&one);
        metrics.instance_begins(&one);
        metrics.instance_ends(&one);
        metrics.call(&one, "validate", CallEnd::Rejected, Duration::from_micros(80), 3 << 20);
        metrics.call(&one, "invent", CallEnd::Answered, Duration::from_micros(80), 1 << 20);
        let levels = Levels { resources: vec![("A.B".to_owned(), "Creating".to_owned(), 2)], ..Levels::default() };
        let text = metrics.text(&levels, now + Duration::from_secs(90));
        let told = |line: &&str| {
            line.starts_with("floci_az")
                && !line.contains("_bucket")
                && !line.contains("duration_seconds_sum")
                && !line.ends_with(" 0")
        };
        let told: Vec<&str> = text.lines().filter(told).collect();
        let mut told: Vec<String> = told.into_iter().map(str::to_owned).collect();
        told.sort();
        expect![[r#"
            floci_az_build_info{version="0.1.0"} 1
            floci_az_operations_ended_total{outcome="succeeded"} 1
            floci_az_operations_started_total 1
            floci_az_plugin_call_duration_seconds_count{plugin="A.B",revision="0123456789ab",function="other"} 1
            floci_az_plugin_call_duration_seconds_count{plugin="A.B",revision="0123456789ab",function="validate"} 1
            floci_az_plugin_call_memory_bytes{plugin="A.B",revision="0123456789ab"} 1048576
            floci_az_plugin_call_memory_peak_bytes{plugin="A.B",revision="0123456789ab"} 3145728
            floci_az_plugin_calls_total{plugin="A.B",revision="0123456789ab",function="other",outcome="ok"} 1
            floci_az_plugin_calls_total{plugin="A.B",revision="0123456789ab",function="validate",outcome="rejected"} 1
            floci_az_plugin_instances_peak{plugin="A.B",revision="0123456789ab"} 2
            floci_az_plugin_instances{plugin="A.B",revision="0123456789ab"} 1
            floci_az_reconcile_step_duration_seconds_count 1
            floci_az_reconcile_steps_total{outcome="again"} 1
            floci_az_request_duration_seconds_count{route="action"} 1
            floci_az_request_duration_seconds_count{route="resource"} 1
            floci_az_request_duration_seconds_count{route="unknown"} 1
            floci_az_requests_total{method="POST",route="action",status="dropped"} 1
            floci_az_requests_total{method="PUT",route="resource",status="2xx"} 1
            floci_az_requests_total{method="other",route="unknown",status="4xx"} 1
            floci_az_resources{namespace="A.B",state="Creating"} 2
            floci_az_uptime_seconds 90.0
        "#]]
        .assert_eq(&(told.join("\n") + "\n"));
    }

    #[test]
    fn every_metric_is_documented() {
        let now = Instant::now();
        let text = super::super::exposition::exposition(Metrics::new(now).text(&Levels::default(), now), None).text;
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let documented = include_str!("../../../docs/observability.md");
        let missing: Vec<&str> = names.filter(|name| !documented.contains(&format!("`{name}`"))).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }

    #[test]
    fn revisions_that_are_gone_have_no_series_for_ever() {
        let start = Instant::now();
        let metrics = Metrics::new(start);
        let shown = |now: Instant| {
            let text = metrics.text(&Levels::default(), now);
            let mut digests: Vec<String> = of(&text, "revision=\"")
                .iter()
                .filter_map(|line| line.split("revision=\"").nth(1)?.split('"').next().map(str::to_owned))
                .collect();
            digests.sort();
            digests.dedup();
            digests
        };
        let use_once = |labels: &Labels| {
            for (function, end) in [("validate", CallEnd::Answered), ("a later one", CallEnd::Dropped)] {
                metrics.instance_begins(labels);
                metrics.call(labels, function, end, Duration::ZERO, 1);
                metrics.instance_ends(labels);
            }
        };
        for number in 0..200 {
            let labels = Labels::new("A.B", &format!("r{number:03}"));
            use_once(&labels);
            metrics.retired(&labels, start);
        }
        let expected: Vec<String> = (184..200).map(|number| format!("r{number}")).collect();
        assert_eq!(shown(start), expected);

        metrics.in_use(&Labels::new("A.B", "r190"));
        metrics.forgotten(&Labels::new("A.B", "r191"));
        assert_eq!(shown(start).len(), 15);
        assert_eq!(shown(start + KEPT + Duration::from_secs(1)), ["r190"]);
        // What still ran when its revision was forgotten does not bring it back.
        metrics.instance_ends(&Labels::new("A.B", "r191"));
        assert_eq!(shown(start + KEPT + Duration::from_secs(1)), ["r190"]);
    }
}
