//! Revisions that are swapped while they are used: no request notices, nothing is left behind, and one that fails its
//! probation is rolled back by itself.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arm::{VERSION, quickstart};
use crate::contained::widget;
use crate::fixture;
use crate::gateway::{Gateway, Runtime, wait_for};

const NAMESPACE: &str = "Microsoft.Cache";
const CONNECTIONS: usize = 64;

fn mocked() -> Gateway {
    Gateway::with(Runtime::None, &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true")])
}

/// The bundled plugin with one more custom section: the same, of another digest.
fn another() -> Vec<u8> {
    let mut bytes = floci_az::plugin::bundled()[0].to_vec();
    bytes.extend([0, 5, 4]);
    bytes.extend(b"more");
    bytes
}

/// The short digests of the active revision and of the one before it.
fn two_revisions(gateway: &Gateway) -> [String; 2] {
    let short = |digest: &Value| digest.as_str().unwrap()[..12].to_owned();
    let bundled = short(&gateway.arm().plugin(NAMESPACE)["active"]);
    let installed = gateway.arm().install("", &another()).expect(200).body;
    [bundled, short(&installed["revision"]["digest"])]
}

/// Which revision is active, as far as somebody outside can know.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// It has been since the change of this number was answered.
    Active(usize, String),
    Changing,
}

#[test]
fn swap_drops_nothing() {
    let gateway = mocked();
    let [first, second] = two_revisions(&gateway);
    for name in 0..CONNECTIONS {
        gateway.arm().cache(&format!("cache-{name}")).put(&quickstart()).expect(201);
    }
    let known = RwLock::new(Known::Active(0, first.clone()));
    let (end, asked, wrong) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for name in 0..CONNECTIONS {
            let (known, end, asked, wrong, port) = (&known, &end, &asked, &wrong, gateway.port);
            scope.spawn(move || {
                let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
                let path = format!(
                    "http://localhost:{port}/subscriptions/my-sub/resourceGroups/my-rg/providers/Microsoft.Cache/redis/cache-{name}"
                );
                while !end.load(Ordering::Relaxed) {
                    for (method, path, body) in [
                        ("GET", format!("{path}?api-version={VERSION}"), String::new()),
                        ("PUT", format!("{path}?api-version={VERSION}"), quickstart().to_string()),
                        ("POST", format!("{path}/listKeys?api-version={VERSION}"), String::new()),
                    ] {
                        let request = ureq::http::Request::builder().method(method).uri(&path);
                        let request = request.header("content-type", "application/json").body(body).unwrap();
                        let before = known.read().unwrap().clone();
                        let answer = agent.run(request);
                        let after = known.read().unwrap().clone();
                        asked.fetch_add(1, Ordering::Relaxed);
                        let told = match &answer {
                            Err(error) => Some(format!("{method} failed: {error}")),
                            Ok(answer) if answer.status() != 200 => Some(format!("{method}: {}", answer.status())),
                            // Nothing was changed meanwhile: there is one revision that it may be.
                            Ok(answer) => match (&before, answer.headers().get("x-floci-revision")) {
                                (Known::Active(_, active), Some(by)) if before == after => {
                                    let by = by.to_str().unwrap();
                                    (!by.ends_with(active)).then(|| format!("{method} by {by}, active was {active}"))
                                }
                                (_, Some(_)) => None,
                                (_, None) => Some(format!("{method} by nobody")),
                            },
                        };
                        if let Ok(mut answer) = answer {
                            answer.body_mut().read_to_string().unwrap();
                        }
                        wrong.lock().unwrap().extend(told);
                    }
                }
            });
        }
        let began = Instant::now();
        let mut changes = 0;
        while began.elapsed() < Duration::from_secs(20) {
            // At this pace.
            thread::sleep(Duration::from_millis(200));
            changes += 1;
            let next = if changes % 2 == 1 { &second } else { &first };
            *known.write().unwrap() = Known::Changing;
            let changed = match changes % 4 {
                // Back to the one before is what a rollback without a name is.
                0 => gateway.arm().rollout(NAMESPACE, "rollback", &json!({})),
                _ => gateway.arm().rollout(NAMESPACE, "swap", &json!({ "to": next })),
            };
            assert_eq!(changed.status, 200, "{:#}", changed.body);
            *known.write().unwrap() = Known::Active(changes, next.clone());
        }
        end.store(true, Ordering::Relaxed);
        eprintln!("{changes} changes");
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}: {:?}", wrong.len(), asked.into_inner(), &wrong[..wrong.len().min(5)]);
    eprintln!("{} requests", asked.into_inner());
    // What was swapped out last is retired once its last call has returned.
    wait_for("the end of the draining", || {
        let plugin = gateway.arm().plugin(NAMESPACE);
        plugin["revisions"].as_array().unwrap().iter().all(|one| one["state"] != "Draining")
    });
}

/// What a process has: kilobytes resident, threads, open files.
fn usage(pid: u32) -> [usize; 3] {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    [number("VmRSS:"), number("Threads:"), fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()]
}

#[test]
fn two_hundred_swaps_leave_nothing_behind() {
    let gateway = mocked();
    let revisions = two_revisions(&gateway);
    let cache = gateway.arm().cache("my-cache");
    cache.put(&quickstart()).expect(201);
    let swap = |count: usize| {
        for turn in 0..count {
            gateway.arm().rollout(NAMESPACE, "swap", &json!({ "to": revisions[(turn + 1) % 2] })).expect(200);
            cache.put(&quickstart()).expect(200);
            cache.keys();
        }
    };
    // What is taken once is taken by then.
    swap(40);
    let [memory, threads, files] = usage(gateway.pid());
    swap(200);
    let [memory_after, threads_after, files_after] = usage(gateway.pid());
    eprintln!("{memory} kB, {threads} threads, {files} files; {memory_after} kB, {threads_after}, {files_after}");
    assert!(memory_after < memory + 16 * 1024, "{memory} kB have become {memory_after} kB");
    // Connections of the requests themselves, and threads that wait for work, come and go.
    assert!(threads_after <= threads + 4, "{threads} threads have become {threads_after}");
    assert!(files_after <= files + 4, "{files} files have become {files_after}");
    assert_eq!(gateway.arm().plugin(NAMESPACE)["revisions"].as_array().unwrap().len(), 2);
}

#[test]
fn an_operation_begins_under_one_revision_and_ends_under_another() {
    let gateway = fixture::gateway();
    let revision = |version: &str| fixture::revision(json!({ "version": version, "api_versions": [VERSION] }));
    gateway.arm().install("", &revision("1.0.0")).expect(200);
    let widget_at = |name: &str| {
        let path = format!("/subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/{name}");
        gateway.arm().cache_at(&path)
    };
    let slow = widget_at("slow");
    slow.put(&widget(json!({ "waits": 40, "pause": 50 }))).expect(201);
    assert_eq!(slow.get().state(), "Creating");
    gateway.arm().install("?swap=true", &revision("2.0.0")).expect(200);
    let properties = &slow.settled("Succeeded").body["properties"];
    assert_eq!((&properties["madeBy"], &properties["readyBy"]), (&json!("1.0.0"), &json!("2.0.0")));
}

#[test]
fn a_revision_that_keeps_failing_is_rolled_back_by_itself() {
    let gateway = fixture::gateway();
    let good = fixture::revision(json!({ "version": "1.0.0", "api_versions": [VERSION] }));
    let bad = fixture::revision(json!({ "version": "2.0.0", "api_versions": [VERSION] }));
    gateway.arm().install("", &good).expect(200);
    let before = gateway.arm().plugin("Contoso.Widgets")["active"].clone();
    gateway.arm().install("?swap=true", &bad).expect(200);
    assert_ne!(gateway.arm().plugin("Contoso.Widgets")["active"], before);
    let path = "/subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/trapped";
    for _ in 0..3 {
        gateway.arm().cache_at(path).put(&widget(json!({ "misbehave": "trap" }))).expect(500);
    }
    wait_for("the rollback", || gateway.arm().plugin("Contoso.Widgets")["active"] == before);
    let plugin = gateway.arm().plugin("Contoso.Widgets");
    let note = plugin["revisions"].as_array().unwrap().iter().find_map(|one| one["note"].as_str());
    assert_eq!(note, Some("rolled back by itself: its calls failed"), "{plugin:#}");
    assert!(gateway.arm().text("/_floci/events?follow=false").contains("PluginRolledBack"));
    // The one before has no probation: whoever asks for a trap gets one.
    for _ in 0..4 {
        gateway.arm().cache_at(path).put(&widget(json!({ "misbehave": "trap" }))).expect(500);
    }
    assert_eq!(gateway.arm().plugin("Contoso.Widgets")["active"], before);
    gateway.arm().cache_at(path).put(&widget(json!({ "size": 1 }))).expect(201);
    // And nobody who only goes back comes to the bad one.
    let refused = gateway.arm().rollout("Contoso.Widgets", "rollback", &json!({})).expect(409);
    assert_eq!(refused.code(), "NoEarlierRevision");
}

#[test]
fn a_probation_goes_on_after_a_crash() {
    let mut gateway = fixture::gateway();
    let [good, bad] =
        ["1.0.0", "2.0.0"].map(|version| fixture::revision(json!({ "version": version, "api_versions": [VERSION] })));
    gateway.arm().install("", &good).expect(200);
    let before = gateway.arm().plugin("Contoso.Widgets")["active"].clone();
    gateway.arm().install("?swap=true", &bad).expect(200);
    let active = gateway.arm().plugin("Contoso.Widgets")["active"].clone();
    gateway.kill();
    gateway.spawn();
    assert_eq!(gateway.arm().plugin("Contoso.Widgets")["active"], active);
    let path = "/subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/trapped";
    for _ in 0..3 {
        gateway.arm().cache_at(path).put(&widget(json!({ "misbehave": "trap" }))).expect(500);
    }
    wait_for("the rollback", || gateway.arm().plugin("Contoso.Widgets")["active"] == before);
}

#[test]
fn a_probation_rolls_back_once_what_hangs_has_ended() {
    let mut gateway = fixture::prepared();
    // Longer than a swap between schemas waits for it, and than it takes to get there.
    gateway.set("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_CALL_SECONDS", "30");
    gateway.spawn();
    let revision = |schema: u32| fixture::revision(json!({ "schema": schema, "api_versions": [VERSION] }));
    gateway.arm().install("", &revision(1)).expect(200);
    let before = gateway.arm().plugin("Contoso.Widgets")["active"].clone();
    gateway.arm().install("?swap=true", &revision(2)).expect(200);
    let path = |name: &str| format!("/subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/{name}");
    let put = |name: &str, word: &str| gateway.arm().cache_at(&path(name)).put(&widget(json!({ "misbehave": word })));
    thread::scope(|scope| {
        let hanging = scope.spawn(|| put("hanging", "block"));
        let is_running = |line: &str| {
            line.starts_with("floci_az_plugin_instances{") && line.contains("Contoso.Widgets") && line.ends_with(" 1")
        };
        wait_for("the call that hangs", || gateway.arm().text("/metrics").lines().any(is_running));
        for _ in 0..3 {
            put("trapped", "trap").expect(500);
        }
        wait_for("the rollback", || gateway.arm().plugin("Contoso.Widgets")["active"] == before);
        assert_eq!(hanging.join().unwrap().code(), "PluginTimedOut");
    });
    assert!(gateway.log_text().contains("trying again"), "{}", gateway.log_text());
}

#[test]
fn a_change_of_one_plugin_waits_for_no_other() {
    let mut gateway = fixture::prepared();
    gateway.set("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_CALL_SECONDS", "45");
    gateway.spawn();
    let revision = |script: Value| {
        let mut all = json!({ "api_versions": [VERSION] });
        all.as_object_mut().unwrap().extend(script.as_object().unwrap().clone());
        fixture::revision(all)
    };
    let tool =
        |version: &str| revision(json!({ "namespace": "Contoso.Tools", "service": "tools", "version": version }));
    gateway.arm().install("", &revision(json!({}))).expect(200);
    let at = |namespace: &str, name: &str| {
        gateway.arm().cache_at(&format!("/subscriptions/s/resourceGroups/g/providers/{namespace}/widgets/{name}"))
    };
    for name in ["a", "b", "c"] {
        at("Contoso.Widgets", name).put(&widget(json!({}))).expect(201);
    }
    // 45 s for each of them is more than a gate may take: it is at it for 120 s. (Its request is answered before, with 504.)
    let looping = revision(json!({ "schema": 2, "upgrade": "loop" }));
    thread::scope(|scope| {
        let gate = scope.spawn(|| gateway.arm().try_install("?swap=true", &looping, &[]));
        wait_for("the gate", || gateway.arm().plugin("Contoso.Widgets")["revisions"].as_array().unwrap().len() == 2);
        // Each of these ends, and the gate is still at it.
        gateway.arm().install("", &tool("1.0.0")).expect(200);
        let before = gateway.arm().plugin("Contoso.Tools")["active"].clone();
        gateway.arm().install("?swap=true", &tool("2.0.0")).expect(200);
        gateway.arm().rollout("Contoso.Tools", "rollback", &json!({})).expect(200);
        assert_eq!(gateway.arm().plugin("Contoso.Tools")["active"], before);
        wait_for("the end of the draining", || {
            let plugin = gateway.arm().plugin("Contoso.Tools");
            plugin["revisions"].as_array().unwrap().iter().all(|one| one["state"] != "Draining")
        });
        gateway.arm().install("?swap=true", &tool("3.0.0")).expect(200);
        for _ in 0..3 {
            at("Contoso.Tools", "trapped").put(&widget(json!({ "misbehave": "trap" }))).expect(500);
        }
        wait_for("the rollback", || gateway.arm().plugin("Contoso.Tools")["active"] == before);
        at("Contoso.Widgets", "a").put(&widget(json!({ "size": 2 }))).expect(200);
        let widgets = gateway.arm().plugin("Contoso.Widgets");
        assert_eq!(widgets["revisions"].as_array().unwrap().len(), 2, "the gate has not ended: {widgets:#}");
        // Not waited for.
        crate::gateway::send(gateway.pid(), "KILL");
        assert!(gate.join().unwrap().is_none_or(|answer| answer.status == 504));
    });
}
