//! Raw bytes and made-up requests against the real front door: it answers with ARM's envelope or, where there is nobody to
//! answer, hangs up; it never panics, and it serves the next one.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::arm::quickstart;
use crate::gateway::{Gateway, Runtime};

/// What no made-up request names: those may delete what they name.
const KEPT: &str = "/subscriptions/kept/resourceGroups/kept/providers/Microsoft.Cache/redis/kept";

fn mocked() -> Gateway {
    let gateway = Gateway::with(
        Runtime::None,
        &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"), ("FLOCI_AZ_STORAGE_MODE", "memory")],
    );
    gateway.arm().cache("my-cache").put(&quickstart()).expect(201);
    gateway.arm().cache_at(KEPT).put(&quickstart()).expect(201);
    gateway
}

/// What a client does when it has sent all that it has.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    HangsUp,
    /// For the answer to a whole request, after which the gateway closes.
    Waits,
}

/// What comes back for these bytes.
fn exchange(gateway: &Gateway, bytes: &[u8], then: Then) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // It may hang up before it has read everything.
    let _ = stream.write_all(bytes);
    if then == Then::HangsUp {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Every answer in `bytes` with a status of a failure carries the envelope, unless `method` is one
/// whose answers have no bodies.
fn check_answers(method: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let Some(head_end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        // TLS alerts and HTTP/2 frames are no text; nothing at all is nobody to answer to.
        prop_assert!(!bytes.starts_with(b"HTTP/1"), "half a head: {}", String::from_utf8_lossy(bytes));
        return Ok(());
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_lowercase();
    let Some(status) = head.strip_prefix("http/1.").and_then(|rest| rest.get(2..5)) else { return Ok(()) };
    let status: u16 = status.parse().unwrap();
    prop_assert!(head.contains("x-ms-request-id: "), "{head}");
    prop_assert!(status != 500, "{head}\n{}", String::from_utf8_lossy(&bytes[head_end..]));
    if status < 400 || method.eq_ignore_ascii_case("HEAD") {
        return Ok(());
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap();
    let body: Value = serde_json::from_slice(&bytes[head_end + 4..][..length]).unwrap();
    let text = |member: &str| body["error"][member].as_str().is_some_and(|text| !text.is_empty());
    // The endpoints that hand out tokens have the envelope of OAuth.
    let oauth = body["error"].is_string() && body["error_description"].is_string();
    prop_assert!(oauth || text("code") && text("message"), "{head}\n{body:#}");
    Ok(())
}

fn run<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
        .run(&strategy, test)
        .unwrap();
}

fn check_alive(gateway: &Gateway) {
    gateway.arm().cache_at(KEPT).get().expect(200);
    let log = gateway.log_text();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn any_bytes_are_answered_with_an_envelope_or_not_at_all() {
    let gateway = mocked();
    let valid = b"PUT /subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/redis/a?api-version=2024-11-01 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let noise = proptest::collection::vec(any::<u8>(), 0..400);
    let damage = proptest::collection::vec((0..valid.len(), any::<u8>()), 1..6);
    let damaged = (damage, 0..=valid.len()).prop_map(|(damage, end)| {
        let mut bytes = valid.to_vec();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        bytes.truncate(end.max(1));
        bytes
    });
    run(400, prop_oneof![1 => noise, 3 => damaged], |bytes| {
        check_answers("", &exchange(&gateway, &bytes, Then::HangsUp))
    });
    check_alive(&gateway);
}

#[test]
fn any_request_is_answered_with_an_envelope() {
    let gateway = mocked();
    let method = prop_oneof![
        Just("GET"),
        Just("PUT"),
        Just("PATCH"),
        Just("POST"),
        Just("DELETE"),
        Just("HEAD"),
        Just("OPTIONS"),
        Just("TRACE"),
        Just("get"),
        Just("BREW"),
    ];
    let segment = prop_oneof![
        4 => prop_oneof![
            Just("subscriptions"), Just("SUBSCRIPTIONS"), Just("resourceGroups"), Just("resourcegroups"),
            Just("providers"), Just("Microsoft.Cache"), Just("redis"), Just("my-cache"), Just("my-sub"), Just("my-rg"),
            Just("listKeys"), Just("regenerateKey"), Just("checkNameAvailability"), Just("resources"), Just("tagNames"),
            Just("Microsoft.Resources"), Just("tags"), Just("default"), Just("operationresults"), Just("tenants"),
            Just("locations"), Just("asyncOperations"), Just("register"), Just("operations"), Just("metadata"),
            Just("endpoints"), Just("oauth2"), Just("v2.0"), Just("token"), Just("_floci"), Just("health"),
        ].prop_map(str::to_owned),
        1 => prop_oneof![
            Just("%2F"), Just("%00"), Just("%ff"), Just("%"), Just("%C3%A4"), Just(".."), Just("."), Just(""), Just("%2e%2e"),
            Just("a;b"), Just("a%20b"), Just("{s}"), Just("*"), Just("$batch"),
        ].prop_map(str::to_owned),
        1 => "[!-~]{1,12}".prop_map(|text| text.replace(['?', '#', ' '], "")),
    ];
    let query = prop_oneof![
        3 => Just("?api-version=2024-11-01".to_owned()),
        1 => "[!-~]{0,30}".prop_map(|text| format!("?{}", text.replace([' ', '#'], ""))),
        1 => "[a-z '()]{0,30}".prop_map(|text| format!("?api-version=2024-11-01&$filter={}&$top=3", text.replace(' ', "%20"))),
    ];
    let body = prop_oneof![
        Just(String::new()),
        Just(quickstart().to_string()),
        Just(r#"{"location":"eastus","tags":{"a":"b"}}"#.to_owned()),
        Just(r#"{"keyType":"Primary"}"#.to_owned()),
        "[{}\\[\\]\",:a-z0-9]{0,60}",
    ];
    let full = proptest::collection::vec(segment.clone(), 0..10);
    let below = (proptest::collection::vec(segment, 0..4), any::<prop::sample::Index>()).prop_map(|(rest, at)| {
        let known = [
            vec!["subscriptions", "my-sub"],
            vec!["subscriptions", "my-sub", "resourceGroups", "my-rg"],
            vec!["subscriptions", "my-sub", "resourceGroups", "my-rg", "providers", "Microsoft.Cache"],
            vec![
                "subscriptions",
                "my-sub",
                "resourceGroups",
                "my-rg",
                "providers",
                "Microsoft.Cache",
                "redis",
                "other",
            ],
            vec!["subscriptions", "my-sub", "providers", "Microsoft.Cache"],
        ];
        let known = known[at.index(known.len())].iter().map(|word| (*word).to_owned());
        known.chain(rest).collect::<Vec<_>>()
    });
    run(600, (method, prop_oneof![full, below], query, body), |(method, path, query, body)| {
        let target = format!("/{}{query}", path.join("/"));
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(&gateway, request.as_bytes(), Then::Waits);
        prop_assert!(answer.starts_with(b"HTTP/1.1 "), "no answer to {request}");
        check_answers(method, &answer)
    });
    check_alive(&gateway);
}
