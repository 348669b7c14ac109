//! Other plugins are answered while many calls of one misbehave, beside that many clients which do nothing wrong
//! ("behave"). That is asserted, shortly, of each way of being bad; how much slower they are is a figure and no promise:
//! `make bench-contained` takes longer and prints a table, of each row the median of several pairs.

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::arm::{VERSION, quickstart};
use crate::contained::{Served, widget};
use crate::fixture;

/// Clients of the bundled plugin, each with a connection that it keeps.
const CLIENTS: usize = 4;
/// Calls that misbehave at the same time.
const MISBEHAVING: usize = 8;
/// What is measured, in pairs of a quiet and a bad time beside each other: the machine is not the same from one minute to
/// the next.
#[derive(Debug, Clone, Copy)]
struct Measure {
    pairs: usize,
    time: Duration,
    /// After which a call that hangs is stopped.
    call_seconds: &'static str,
}

const SHORTLY: Measure = Measure { pairs: 1, time: Duration::from_secs(1), call_seconds: "1" };
const FOR_FIGURES: Measure = Measure { pairs: 5, time: Duration::from_secs(3), call_seconds: "5" };

/// Milliseconds of each request of the clients, sorted. Every one of them has to be answered as it should be.
fn load(base: &str, time: Duration) -> Vec<f64> {
    let cache = format!("{base}/Microsoft.Cache/redis/neighbour");
    let client = || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let (began, body) = (Instant::now(), quickstart().to_string());
        let mut times = Vec::new();
        while began.elapsed() < time {
            for (method, path) in [("GET", ""), ("PUT", ""), ("POST", "/listKeys")] {
                let url = format!("{cache}{path}?api-version={VERSION}");
                let body = if method == "PUT" { body.clone() } else { String::new() };
                let request = ureq::http::Request::builder().method(method).uri(url);
                let request = request.header("content-type", "application/json").body(body).unwrap();
                let sent = Instant::now();
                let mut answer = agent.run(request).unwrap();
                assert_eq!(answer.status().as_u16(), 200);
                answer.body_mut().read_to_string().unwrap();
                times.push(sent.elapsed().as_secs_f64() * 1000.0);
            }
        }
        times
    };
    let mut times: Vec<f64> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    times.sort_by(f64::total_cmp);
    times
}

fn at(times: &[f64], part: f64) -> f64 {
    times[((times.len() - 1) as f64 * part) as usize]
}

#[test]
fn neighbours_are_answered_while_many_calls_misbehave() {
    let measure = if env::var_os("FLOCI_AZ_TEST_FIGURES").is_some() { FOR_FIGURES } else { SHORTLY };
    let Measure { pairs, time, call_seconds } = measure;
    let component = fixture::revision(json!({ "api_versions": [VERSION] }));
    let settings = [
        ("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_CALL_SECONDS", call_seconds),
        ("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_EFFECT_SECONDS", call_seconds),
    ];
    let served = Served::with(&[component], &settings);
    served.resource("Microsoft.Cache/redis", "neighbour").create();
    let base = format!("{}/subscriptions/my-sub/resourceGroups/my-rg/providers", served.base());
    load(&base, time);

    println!("{MISBEHAVING} calls misbehave at the same time, again and again; {CLIENTS} clients of another plugin");
    println!(
        "medians of {pairs}{:>9} {:>8} {:>8} {:>12} {:>24}",
        "requests", "p50 ms", "p99 ms", "quiet p99 ms", "p99/quiet p99 (min-max)"
    );
    for word in [
        "nothing",
        "behave",
        "loop",
        "memory",
        "recurse",
        "panic",
        "flood-log",
        "flood-stderr",
        "flood-resp",
        "block",
        "handles",
    ] {
        let pairs: Vec<[f64; 5]> = (0..pairs)
            .map(|_| {
                let (quiet, times) = (load(&base, time), while_misbehaving(&served, word, || load(&base, time)));
                let (quiet, p99) = (at(&quiet, 0.99), at(&times, 0.99));
                [times.len() as f64, at(&times, 0.5), p99, quiet, p99 / quiet]
            })
            .collect();
        let sorted = |column: usize| {
            let mut values: Vec<f64> = pairs.iter().map(|pair| pair[column]).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let [requests, p50, p99, quiet, ratio] = [0, 1, 2, 3, 4].map(|column| at(&sorted(column), 0.5));
        let (least, most) = (at(&sorted(4), 0.0), at(&sorted(4), 1.0));
        println!(
            "{word:<12} {requests:>8} {p50:>8.2} {p99:>8.2} {quiet:>12.2} {:>24}",
            format!("{ratio:.2} ({least:.2}-{most:.2})")
        );
    }
}

fn while_misbehaving<T>(served: &Served, word: &str, measure: impl FnOnce() -> T) -> T {
    let end = AtomicBool::new(false);
    let body = match word {
        // As many requests as they can send, and nothing wrong with them.
        "behave" => widget(json!({ "size": 1 })),
        _ => widget(json!({ "misbehave": word })),
    };
    thread::scope(|scope| {
        for index in 0..MISBEHAVING {
            let (end, body) = (&end, &body);
            scope.spawn(move || {
                let bad = served.resource("Contoso.Widgets/widgets", &format!("{word}-{index}"));
                while word != "nothing" && !end.load(Ordering::Relaxed) {
                    let answer = bad.put(body);
                    assert!(answer.status < 400 || answer.code().starts_with("Plugin"), "{word}: {answer:?}");
                }
            });
        }
        let measured = measure();
        end.store(true, Ordering::Relaxed);
        measured
    })
}
