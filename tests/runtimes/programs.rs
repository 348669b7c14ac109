//! What holds of processes.

use std::process::Command;

use serde_json::json;

use crate::gateway::*;

pub async fn a_program_survives_its_gateway_and_runs_once(gateway: Gateway) {
    let port = free_port();
    let (one, other, spec) = (gateway.runtime().await, gateway.runtime().await, spec("a", port));
    let (one, other) = tokio::join!(running(&one, &spec), running(&other, &spec));
    assert!(is_running(&one) && is_running(&other));
    let start = gateway.start("a");
    let servers = || {
        let found = Command::new("pgrep").args(["-f", &format!("^[^ ]*-server 127.0.0.1:{port}")]).output().unwrap();
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    };
    until("one server", async || (servers() == start).then_some(())).await;
    let status = std::fs::read_to_string(format!("/proc/{start}/stat")).unwrap();
    let session = status.rsplit(") ").next().unwrap().split(' ').nth(3).unwrap().to_owned();
    assert_eq!(session, start);
    // A child of the program's does not hold the lock for it.
    command(port, "CONFIG SET rdb-key-save-delay 10000000");
    command(port, "SET k v");
    command(port, "BGSAVE");
    let runtime = gateway.runtime().await;
    running(&runtime, &spec).await;
    let family = || String::from_utf8(Command::new("pgrep").args(["-g", &start]).output().unwrap().stdout).unwrap();
    until("the server and its child", async || (family().lines().count() == 2).then_some(())).await;
    gateway.kill("a");
    exited(&runtime, "a").await;
    running(&runtime, &spec).await;
    until("the child is gone", async || family().is_empty().then_some(())).await;
}

pub async fn a_program_gets_nothing_of_the_gateways_environment(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let shows = changed("a", free_port(), json!({"programs": ["env"], "args": [], "env": {"WHERE": "${data}"}}));
    runtime.ensure(&key("a"), &shows).await.unwrap();
    exited(&runtime, "a").await;
    let output = runtime.logs(&key("a"), 100).await.unwrap();
    let mut names: Vec<_> = output.lines().filter_map(|pair| pair.split_once('=')).map(|pair| pair.0).collect();
    names.sort();
    names.retain(|name| *name != "LANG");
    assert_eq!(names, ["HOME", "PATH", "WHERE"]);
}
