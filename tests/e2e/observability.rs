//! What the gateway tells of its work: metrics that can be read, events while things happen, spans for a collector.

mod collector;
mod exposition;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::arm::{Arm, VERSION, quickstart};
use crate::gateway::{Gateway, Runtime, free_ports, wait_for};
use collector::Collector;
use exposition::Exposition;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

/// The media type and the text.
fn metrics(gateway: &Gateway, accept: &str) -> (String, Exposition) {
    let url = format!("http://localhost:{}/metrics", gateway.port);
    let mut response = agent().get(url).header("accept", accept).call().unwrap();
    assert_eq!(response.status(), 200);
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    (media_type, Exposition::parse(&response.body_mut().read_to_string().unwrap()))
}

#[test]
fn what_was_done_is_counted() {
    let gateway = Gateway::start(Runtime::Process);
    let cache = gateway.arm().cache("a-name-of-its-own");
    cache.create();
    cache.get().expect(200);
    assert_eq!(gateway.arm().get("/subscriptions/my-sub/nothing").status, 404);

    for (accept, expected) in [("application/openmetrics-text", OPEN_METRICS), ("*/*", PROMETHEUS)] {
        let (media_type, metrics) = metrics(&gateway, accept);
        assert_eq!(media_type, expected);
        let value = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
        for (name, labels) in [
            ("floci_az_requests_total", &[("method", "PUT"), ("route", "resource"), ("status", "2xx")][..]),
            ("floci_az_plugin_calls_total", &[("function", "validate"), ("outcome", "ok")]),
            ("floci_az_operations_started_total", &[]),
            ("floci_az_operations_ended_total", &[("outcome", "succeeded")]),
            ("floci_az_resources", &[("namespace", "Microsoft.Cache"), ("state", "Succeeded")]),
            ("floci_az_build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
        ] {
            assert_eq!(value(name, labels), Some(1.0), "{name} {labels:?}");
        }
        for name in [
            "floci_az_plugin_call_duration_seconds_count",
            "floci_az_plugin_call_memory_peak_bytes",
            "floci_az_plugin_pool_slots",
            "floci_az_reconcile_steps_total",
            "floci_az_uptime_seconds",
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_threads",
        ] {
            assert!(value(name, &[]).is_some_and(|value| value > 0.0), "{name}");
        }
        // This one.
        assert_eq!(value("floci_az_requests_in_flight", &[]), Some(1.0));
        assert_eq!(value("floci_az_operations_running", &[]), Some(0.0));
        assert!(value("floci_az_requests_total", &[("route", "unknown"), ("status", "4xx")]).unwrap() >= 1.0);
        let revision = gateway.arm().get("/health").body["plugins"][0]["revision"].as_str().unwrap()[..12].to_owned();
        assert!(value("floci_az_plugin_calls_total", &[("revision", &revision)]).is_some());
        assert!(!metrics.text.contains("a-name-of-its-own"), "a resource's name is a label");
    }
}

/// Asks by a method that nobody knows.
fn brew(gateway: &Gateway, suffix: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    let request = format!("BREW{suffix} /nowhere/{suffix} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[test]
fn a_client_makes_no_series_of_its_own() {
    let gateway = Gateway::start(Runtime::None);
    let series = || metrics(&gateway, "*/*").1.count("floci_az_requests_total");
    // What the others are counted with; and the reading itself, which is counted once it is over.
    series();
    brew(&gateway, "");
    let before = series();
    for number in 0..50 {
        brew(&gateway, &number.to_string());
    }
    assert_eq!(series(), before);
}

#[test]
fn what_is_read_is_read_only_and_no_web_pages() {
    let gateway = Gateway::start(Runtime::None);
    let (arm, agent) = (gateway.arm(), agent());
    for path in ["/metrics", "/_floci/events"] {
        let refused = arm.send("POST", path, Some(b"{}")).expect(405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD"), "{path}");
        arm.send("HEAD", path, None).expect_status(200);
        for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let url = format!("http://localhost:{}{path}", gateway.port);
            let mut response = agent.get(url).header(name, value).call().unwrap();
            assert_eq!(response.status(), 403, "{path} {name}");
            let body: Value = response.body_mut().read_json().unwrap();
            assert_eq!(body["error"]["code"], "CrossOriginRequestRefused");
        }
    }
    assert_eq!(arm.get("/_floci/events?after=yesterday").expect(400).code(), "InvalidEventId");
}

/// The events that come, one after the other; it ends with the answer.
fn follow(gateway: &Gateway, query: &str) -> Receiver<Value> {
    let url = format!("http://localhost:{}/_floci/events{query}", gateway.port);
    let response = agent().get(url).call().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let (send, received) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(response.into_body().into_reader()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(data) = line.strip_prefix("data: ") {
                let _ = send.send(serde_json::from_str(data).unwrap());
            }
        }
    });
    received
}

fn next(events: &Receiver<Value>, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let event = events.recv_timeout(Duration::from_secs(60)).expect("it was not told");
        if wanted(&event) {
            return event;
        }
    }
}

/// Of a text of server-sent events.
fn data(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn events_show_an_operations_life() {
    let mut gateway = Gateway::start(Runtime::Process);
    let (arm, events) = (gateway.arm(), follow(&gateway, ""));
    let first = next(&events, |event| event["type"] == "PluginActivated");
    assert_eq!(first["plugin"], "Microsoft.Cache");

    let cache = arm.cache("my-cache");
    cache.create();
    let id = cache.get().expect(200).body["id"].clone();
    let of_cache = |kind: &'static str| {
        let id = id.clone();
        move |event: &Value| event["type"] == kind && event["subject"] == id
    };
    let started = next(&events, of_cache("OperationStarted"));
    let succeeded = next(&events, of_cache("OperationSucceeded"));
    assert_eq!(started["operation"], succeeded["operation"]);
    assert!(started["id"].as_u64() < succeeded["id"].as_u64());
    assert!(succeeded["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert!(succeeded["milliseconds"].is_u64());

    let kept = data(&arm.text("/_floci/events?follow=false"));
    assert_eq!(
        types(&kept),
        ["GatewayStarted", "PluginLoaded", "PluginActivated", "OperationStarted", "OperationSucceeded"]
    );
    let after = data(&arm.text(&format!("/_floci/events?follow=false&after={}", started["id"])));
    assert_eq!(types(&after), ["OperationSucceeded"]);
    let missed = data(&arm.text("/_floci/events?follow=false&after=1"));
    assert_eq!(types(&missed)[0], "Missed");

    gateway.terminate();
    wait_for("the stream to end", || events.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected));

    // Of another run: what was seen then is not told again, and nothing is mistaken for it.
    gateway.spawn();
    let after = data(&gateway.arm().text(&format!("/_floci/events?follow=false&after={}", succeeded["id"])));
    assert_eq!(types(&after)[..2], ["Missed", "GatewayStarted"]);
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn put_in_trace(arm: &Arm, gateway: &Gateway, path: &str) {
    let url = format!("http://localhost:{}{path}?api-version={VERSION}", gateway.port);
    let request = agent().put(url).header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    assert_eq!(request.send_json(quickstart()).unwrap().status(), 201);
    assert_eq!(arm.get(&format!("{path}?api-version={VERSION}")).status, 200);
}

#[test]
fn spans_reach_a_collector() {
    let collector = Collector::start();
    let gateway = Gateway::with(
        Runtime::Process,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=between-us"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=a-test"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ],
    );
    let cache = gateway.arm().cache("my-cache");
    put_in_trace(&gateway.arm(), &gateway, &cache.path);
    let trace: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&TRACE[2 * at..2 * at + 2], 16).unwrap()).collect();
    let found = cache.get().expect(200).body;
    let id = found["id"].as_str().unwrap().as_bytes();
    // The request, its resource and revision, what it called, and the steps that followed.
    for word in [&trace[..], id, b"PUT resource", b"validate", b"reconcile", b"step", b"floci-az", b"a-test"] {
        wait_for(&format!("a span with {}", String::from_utf8_lossy(word)), || collector.has(word));
    }
    assert!(collector.heads().iter().all(|head| head.starts_with("POST /v1/traces ")), "{:?}", collector.heads());
    assert!(collector.heads().iter().all(|head| head.to_lowercase().contains("x-collector-key: between-us")));
    assert!(!gateway.log_text().contains("between-us"), "a header is in the log");
    for key in cache.keys() {
        assert!(!collector.has(key.as_bytes()), "a key is in a span");
    }
}

#[test]
fn a_collector_that_is_away_harms_nobody() {
    let nobody = format!("http://127.0.0.1:{}", free_ports(1));
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", nobody.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "10")];
    let mut gateway = Gateway::with(Runtime::None, &variables);
    let said = |gateway: &Gateway| gateway.log_text().matches("spans could not be sent").count();
    wait_for("the log to say so", || {
        gateway.arm().get("/health").expect(200);
        said(&gateway) > 0
    });
    for _ in 0..200 {
        gateway.arm().get("/health").expect(200);
    }
    gateway.terminate();
    assert_eq!(said(&gateway), 1, "{}", gateway.log_text());
}

#[test]
fn a_protocol_that_is_not_spoken_is_said_at_the_start() {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let gateway = Gateway::with(Runtime::None, &variables);
    assert!(gateway.log_text().contains("asks for the protocol 'grpc'"), "{}", gateway.log_text());
}
