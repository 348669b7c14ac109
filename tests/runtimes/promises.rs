//! What holds on every runtime.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use floci_az::runtime::{Workload, WorkloadState};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::gateway::*;

pub async fn a_workload_lives_and_dies_and_is_started_again_with_its_data(gateway: Gateway) {
    let runtime = std::sync::Arc::new(gateway.runtime().await);
    let (ended, mut ends) = mpsc::channel(8);
    let watching = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.watch(ended).await }
    });
    let (port, a) = (free_port(), key("a"));
    assert_eq!(runtime.inspect(&a).await.unwrap(), None);
    let workload = running(&runtime, &spec("a", port)).await;
    assert_eq!(
        (workload.host.as_str(), workload.ports, workload.exits),
        ("localhost", BTreeMap::from([("redis".to_owned(), port)]), 0)
    );
    command(port, "SET k v");
    assert_eq!(command(port, "SAVE"), "");
    gateway.kill("a");
    let (detail, exits) = exited(&runtime, "a").await;
    assert_eq!(exits, 1, "{detail}");
    eprintln!("{}", detail.lines().next().unwrap());
    assert!(runtime.logs(&a, 3).await.unwrap().lines().count() == 3);
    assert_eq!(tokio::time::timeout(PATIENCE, ends.recv()).await.unwrap(), Some(a.clone()));
    assert_eq!(running(&runtime, &spec("a", port)).await.exits, 1);
    assert_eq!(command(port, "GET k"), "$1 v");
    // What is wanted is no death to report.
    runtime.restart(&a).await.unwrap();
    let restarted = running(&runtime, &spec("a", port)).await;
    assert_eq!((restarted.exits, command(port, "GET k").as_str()), (1, "$1 v"));
    runtime.remove(&a).await.unwrap();
    runtime.remove(&a).await.unwrap();
    assert_eq!((runtime.inspect(&a).await.unwrap(), gateway.leftovers().len()), (None, 0));
    assert!(ends.try_recv().is_err());
    for error in [runtime.restart(&a).await.unwrap_err(), runtime.logs(&a, 1).await.unwrap_err()] {
        assert_eq!(error.code(), "WorkloadNotFound");
    }
    drop(ends);
    tokio::time::timeout(PATIENCE, watching).await.unwrap().unwrap();
}

pub async fn files_alone_are_rewritten_without_a_restart(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let port = free_port();
    running(&runtime, &spec("a", port)).await;
    let start = gateway.start("a");
    let mut other = spec("a", port);
    other
        .files
        .insert("users.acl".to_owned(), "user default on nopass ~* &* +@all\nuser eve on nopass ~* +@all\n".to_owned());
    running(&runtime, &other).await;
    assert_eq!(command(port, "ACL LOAD"), "");
    assert!(command(port, "ACL USERS").contains("eve"));
    // A gateway that has forgotten what it wrote makes it right, too.
    let second = gateway.runtime().await;
    running(&second, &spec("a", port)).await;
    assert_eq!(command(port, "ACL LOAD"), "");
    assert!(!command(port, "ACL USERS").contains("eve"));
    assert_eq!(gateway.start("a"), start);
}

pub async fn the_next_gateway_adopts_what_runs_and_hears_of_its_end(gateway: Gateway) {
    let port = free_port();
    running(&gateway.runtime().await, &spec("a", port)).await;
    let start = gateway.start("a");
    let second = std::sync::Arc::new(gateway.runtime().await);
    assert_eq!(second.list().await.unwrap(), [key("a")]);
    let found = second.inspect(&key("a")).await.unwrap().unwrap();
    assert!(is_running(&found) && found.ports["redis"] == port, "{found:?}");
    let Workload { state: WorkloadState::Running { uptime }, .. } = running(&second, &spec("a", port)).await else {
        panic!()
    };
    assert!(uptime > Duration::ZERO && uptime < PATIENCE, "{uptime:?}");
    assert_eq!(gateway.start("a"), start);
    let (ended, mut ends) = mpsc::channel(8);
    tokio::spawn({
        let second = second.clone();
        async move { second.watch(ended).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.kill("a");
    assert_eq!(tokio::time::timeout(PATIENCE, ends.recv()).await.unwrap(), Some(key("a")));
    assert_eq!(exited(&second, "a").await.1, 1);
}

pub async fn another_spec_replaces_the_program_and_keeps_the_data(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let (port, other) = (free_port(), free_port());
    running(&runtime, &spec("a", port)).await;
    command(port, "SET k v");
    let workload =
        running(&runtime, &changed("a", other, json!({"args": ["${files}/redis.conf", "--maxmemory", "50mb"]}))).await;
    assert_eq!((workload.ports["redis"], workload.exits), (other, 0));
    assert_eq!(command(other, "GET k"), "$1 v");
    assert!(command(other, "CONFIG GET maxmemory").contains("52428800"));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    // So does one that came while the old one was dead.
    gateway.kill("a");
    running(&runtime, &spec("a", port)).await;
}

pub async fn stopping_all_keeps_the_data_and_counts_no_exit(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let ports = [free_port(), free_port()];
    for (name, port) in ["a", "b"].into_iter().zip(ports) {
        running(&runtime, &spec(name, port)).await;
        command(port, &format!("SET k {name}"));
    }
    runtime.stop_all().await.unwrap();
    runtime.stop_all().await.unwrap();
    for port in ports {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
    assert_eq!(exited(&runtime, "a").await.1, 0);
    assert_eq!(runtime.list().await.unwrap().len(), 2);
    for runtime in [runtime, gateway.runtime().await] {
        for (name, port) in ["a", "b"].into_iter().zip(ports) {
            assert_eq!(running(&runtime, &spec(name, port)).await.exits, 0);
            assert_eq!(command(port, "GET k"), format!("$1 {name}"));
        }
    }
}

pub async fn a_port_that_is_taken_is_an_error_until_it_is_free(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let port = free_port();
    let other = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for _ in 0..2 {
        let error = runtime.ensure(&key("a"), &spec("a", port)).await.unwrap_err();
        assert_eq!(error.code(), "PortInUse", "{error}");
        eprintln!("{error}");
    }
    if gateway.kind == Kind::Docker {
        assert_eq!(gateway.place("a"), "");
    }
    drop(other);
    assert_eq!(running(&runtime, &spec("a", port)).await.exits, 0);
    let error = runtime.ensure(&key("b"), &spec("b", port)).await.unwrap_err();
    assert_eq!(error.code(), "PortInUse", "{error}");
}

pub async fn a_program_that_ends_at_once_says_why(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let bad = changed("a", free_port(), json!({"args": ["--no-such-option", "1"]}));
    runtime.ensure(&key("a"), &bad).await.unwrap();
    let (detail, exits) = exited(&runtime, "a").await;
    eprintln!("{detail}");
    assert!(detail.contains("exit code 1") && detail.contains("Bad directive"), "{detail}");
    assert_eq!(exits, 1);
    runtime.ensure(&key("a"), &bad).await.unwrap();
    assert_eq!(exited(&runtime, "a").await.1, 2);
    running(&runtime, &spec("a", free_port())).await;
}

pub async fn ten_at_once(gateway: Gateway) {
    let runtime = std::sync::Arc::new(gateway.runtime().await);
    let started = Instant::now();
    let mut ensures = JoinSet::new();
    for n in 0..10 {
        let (runtime, spec) = (runtime.clone(), spec(&format!("w{n}"), free_port()));
        ensures.spawn(async move { runtime.ensure(&key(&spec.name), &spec).await.unwrap() });
    }
    assert!(ensures.join_all().await.iter().all(is_running));
    eprintln!("ten in {:?}", started.elapsed());
    assert_eq!(runtime.list().await.unwrap().len(), 10);
    let started = Instant::now();
    let mut removals = JoinSet::new();
    for n in 0..10 {
        let runtime = runtime.clone();
        removals.spawn(async move { runtime.remove(&key(&format!("w{n}"))).await.unwrap() });
    }
    removals.join_all().await;
    eprintln!("removed in {:?}", started.elapsed());
}

pub async fn a_dropped_ensure_is_made_good_by_the_next(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let port = free_port();
    for milliseconds in [0, 1, 2, 4, 8, 16, 32, 64, 128, 256] {
        _ = tokio::time::timeout(Duration::from_millis(milliseconds), runtime.ensure(&key("a"), &spec("a", port)))
            .await;
        if milliseconds % 3 == 1 {
            runtime.remove(&key("a")).await.unwrap();
            // Nobody else is there, on a container's port neither.
            until("its port is free", async || TcpListener::bind(("127.0.0.1", port)).ok()).await;
        }
    }
    running(&runtime, &spec("a", port)).await;
    assert_eq!(runtime.list().await.unwrap(), [key("a")]);
}

pub async fn a_program_that_nobody_has_is_said_to_be_missing(gateway: Gateway) {
    let error = gateway
        .runtime()
        .await
        .ensure(&key("a"), &changed("a", free_port(), json!({"programs": ["no-such-server"]})))
        .await
        .unwrap_err();
    eprintln!("{error}");
    assert_eq!(error.code(), "ProgramNotFound", "{error}");
}
