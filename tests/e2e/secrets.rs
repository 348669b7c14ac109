//! Access keys are told to those who ask for them, and to nobody else.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::arm::VERSION;
use crate::gateway::{Gateway, Runtime, run};

on_each_runtime! {
    secrets_stay_secret,
}

fn secrets_stay_secret(runtime: Runtime) {
    let mut gateway = Gateway::prepare(runtime, &[]);
    gateway.set("RUST_LOG", "trace");
    gateway.spawn();
    let (arm, cache) = (gateway.arm(), gateway.arm().cache("my-cache"));
    cache.create();
    let old = cache.keys();
    cache.regenerate("Primary").expect(200);
    cache.regenerate("Secondary").expect(200);
    let keys: Vec<String> = old.into_iter().chain(cache.keys()).collect();
    let clean = |where_: &str, text: &str| {
        for key in &keys {
            assert!(!text.contains(key.as_str()), "a key is in {where_}");
        }
    };

    clean("GET", &cache.get().body.to_string());
    clean("PATCH", &cache.patch(&json!({ "tags": { "a": "b" } })).expect(200).body.to_string());
    let listed = arm.get(&format!("/subscriptions/my-sub/providers/Microsoft.Cache/redis?api-version={VERSION}"));
    clean("the list", &listed.body.to_string());
    clean("health", &arm.get("/health").body.to_string());
    clean("metrics", &arm.text("/metrics"));
    clean("events", &arm.text("/_floci/events?follow=false"));
    clean("the log", &gateway.log_text());

    let server = format!("/proc/{}", gateway.server_pid());
    for file in ["cmdline", "environ"] {
        clean(file, &String::from_utf8_lossy(&fs::read(Path::new(&server).join(file)).unwrap()));
    }
    match runtime {
        Runtime::Docker => {
            let container = gateway.workloads().swap_remove(0);
            clean("docker inspect", &run("docker", &["inspect", &container]));
            clean("docker logs", &run("docker", &["logs", &container]));
        }
        _ => clean("the workload's folder", &texts_below(&gateway.data().join("workloads"))),
    }
    let state = fs::metadata(gateway.data()).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&state.permissions()) & 0o077, 0, "others can read the state");
}

fn texts_below(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: std::path::PathBuf| match path.is_dir() {
        true => texts_below(&path),
        false => String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned(),
    };
    entries.map(text).collect()
}
