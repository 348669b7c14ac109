//! What the contract promises of workloads, on each runtime, with a real server.
//!
//! The module `docker` needs Docker's engine and the image, the module `process` a server on PATH. Every test is a gateway
//! of its own; what it leaves is removed even if it fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use floci_az::runtime::docker::DockerRuntime;
use floci_az::runtime::process::ProcessRuntime;
use floci_az::runtime::{Runtime, Workload, WorkloadKey, WorkloadState};
use floci_az_contract::WorkloadSpec;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const IMAGE: &str = "valkey/valkey:8-alpine";
const PROGRAMS: [&str; 2] = ["valkey-server", "redis-server"];
/// For whatever takes milliseconds, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Docker,
    Process,
}

/// One gateway: an instance label on the engine, or a root folder.
#[derive(Debug, Clone)]
struct Gateway {
    kind: Kind,
    instance: String,
    root: PathBuf,
}

impl Gateway {
    /// As after a start: nothing is remembered.
    async fn runtime(&self) -> Runtime {
        match self.kind {
            Kind::Docker => Runtime::Docker(DockerRuntime::connect(&self.instance).await.unwrap()),
            Kind::Process => {
                Runtime::Process(ProcessRuntime::new(self.root.clone(), env!("CARGO_BIN_EXE_floci-az").into()))
            }
        }
    }

    /// Where a workload's folder or the name of its container is.
    fn place(&self, name: &str) -> String {
        match self.kind {
            Kind::Docker => docker(&[
                "ps",
                "-a",
                "--filter",
                &format!("label=floci-az.instance={}", self.instance),
                "--filter",
                &format!("label=floci-az.workload={name}"),
                "--format",
                "{{.Names}}",
            ]),
            Kind::Process => {
                let folders =
                    std::fs::read_dir(&self.root).unwrap().map(|entry| entry.unwrap().path().display().to_string());
                folders.into_iter().find(|path| path.ends_with(&format!("-{name}"))).unwrap_or_default()
            }
        }
    }

    /// Something that is another one after each start.
    fn start(&self, name: &str) -> String {
        match self.kind {
            Kind::Docker => docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &self.place(name)]),
            Kind::Process => std::fs::read_to_string(format!("{}/pid", self.place(name))).unwrap(),
        }
    }

    fn kill(&self, name: &str) {
        match self.kind {
            Kind::Docker => _ = docker(&["kill", &self.place(name)]),
            Kind::Process => assert!(Command::new("kill").args(["-9", &self.start(name)]).status().unwrap().success()),
        }
    }

    fn leftovers(&self) -> Vec<String> {
        let label = format!("label=floci-az.instance={}", self.instance);
        let lines = match self.kind {
            Kind::Docker => {
                docker(&["ps", "-aq", "--filter", &label]) + &docker(&["volume", "ls", "-q", "--filter", &label])
            }
            Kind::Process => std::fs::read_dir(&self.root)
                .unwrap()
                .map(|entry| format!("{:?}\n", entry.unwrap().file_name()))
                .collect(),
        };
        lines.lines().map(str::to_owned).collect()
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Each test as one of a module that is named for its runtime.
macro_rules! tests {
    (on each: $($each:ident)*; docker: $($docker:ident)*; process: $($process:ident)*) => {
        mod docker {
            $( #[test] fn $each() { super::on(super::Kind::Docker, super::$each); } )*
            $( #[test] fn $docker() { super::on(super::Kind::Docker, super::$docker); } )*
        }
        mod process {
            $( #[test] fn $each() { super::on(super::Kind::Process, super::$each); } )*
            $( #[test] fn $process() { super::on(super::Kind::Process, super::$process); } )*
        }
    };
}

tests! {
    on each:
        a_workload_lives_and_dies_and_is_started_again_with_its_data
        files_alone_are_rewritten_without_a_restart
        the_next_gateway_adopts_what_runs_and_hears_of_its_end
        another_spec_replaces_the_program_and_keeps_the_data
        stopping_all_keeps_the_data_and_counts_no_exit
        a_port_that_is_taken_is_an_error_until_it_is_free
        a_program_that_ends_at_once_says_why
        ten_at_once
        a_dropped_ensure_is_made_good_by_the_next
        a_program_that_nobody_has_is_said_to_be_missing;
    docker:
        what_the_engine_does_not_accept_is_the_specs_fault
        an_image_that_cannot_be_had_is_an_error_and_then_tried_again
        a_volume_whose_container_is_gone_is_found
        a_container_has_no_capabilities_and_listens_on_this_machine_alone;
    process:
        a_program_survives_its_gateway_and_runs_once
        a_program_gets_nothing_of_the_gateways_environment
}

/// Runs a test, and removes what it leaves even if it fails.
fn on<F: Future<Output = ()>>(kind: Kind, test: impl Fn(Gateway) -> F) {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let root = tempfile::tempdir().unwrap();
    let gateway =
        Gateway { kind, instance: format!("test-{}-{count}", std::process::id()), root: root.path().to_owned() };
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| tokio.block_on(test(gateway.clone()))));
    tokio.block_on(async {
        let runtime = gateway.runtime().await;
        for key in runtime.list().await.unwrap() {
            runtime.remove(&key).await.unwrap();
        }
    });
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    assert_eq!(gateway.leftovers(), Vec::<String>::new());
}

fn key(name: &str) -> WorkloadKey {
    WorkloadKey {
        owner: "/subscriptions/s/resourcegroups/g/providers/contoso.cache/caches/mycache".to_owned(),
        name: name.to_owned(),
    }
}

fn free_port() -> u16 {
    // Not from the range that the system gives to outgoing connections: those would come and go.
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 1000).unwrap() * 10;
    loop {
        let port = first + NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn spec(name: &str, port: u16) -> WorkloadSpec {
    changed(name, port, json!({}))
}

fn changed(name: &str, port: u16, change: Value) -> WorkloadSpec {
    let configuration = "port ${port.redis}\nbind ${address}\nprotected-mode no\ndir ${data}\nsave 3600 1\naclfile ${files}/users.acl\n";
    let mut spec = json!({
        "name": name, "image": IMAGE, "programs": PROGRAMS, "args": ["${files}/redis.conf"],
        "ports": {"redis": {"inside": 6379, "outside": port}},
        "files": {"redis.conf": configuration, "users.acl": "user default on nopass ~* &* +@all\n"},
        "memory": 268_435_456,
    });
    for (name, value) in change.as_object().unwrap() {
        spec[name] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn running(runtime: &Runtime, spec: &WorkloadSpec) -> Workload {
    let workload = runtime.ensure(&key(&spec.name), spec).await.unwrap();
    assert!(is_running(&workload), "{workload:?}");
    let port = workload.ports["redis"];
    until("PING", async || (command(port, "PING") == "+PONG").then_some(())).await;
    workload
}

fn is_running(workload: &Workload) -> bool {
    matches!(workload.state, WorkloadState::Running { .. })
}

async fn exited(runtime: &Runtime, name: &str) -> (String, u32) {
    until("exited", async || match runtime.inspect(&key(name)).await.unwrap()? {
        Workload { state: WorkloadState::Exited { detail }, exits, .. } => Some((detail, exits)),
        _ => None,
    })
    .await
}

/// The first line of the reply, or the connection's error.
fn command(port: u16, command: &str) -> String {
    let reply = || -> std::io::Result<String> {
        let mut connection = TcpStream::connect(("localhost", port))?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        connection.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
        let mut reply = String::new();
        connection.read_to_string(&mut reply)?;
        Ok(reply)
    };
    match reply() {
        Ok(reply) => reply.trim_end_matches("+OK\r\n").trim_end().replace("\r\n", " "),
        Err(error) => error.to_string(),
    }
}

async fn a_workload_lives_and_dies_and_is_started_again_with_its_data(gateway: Gateway) {
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

async fn files_alone_are_rewritten_without_a_restart(gateway: Gateway) {
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

async fn the_next_gateway_adopts_what_runs_and_hears_of_its_end(gateway: Gateway) {
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

async fn another_spec_replaces_the_program_and_keeps_the_data(gateway: Gateway) {
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

async fn stopping_all_keeps_the_data_and_counts_no_exit(gateway: Gateway) {
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

async fn a_port_that_is_taken_is_an_error_until_it_is_free(gateway: Gateway) {
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

async fn a_program_that_ends_at_once_says_why(gateway: Gateway) {
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

async fn ten_at_once(gateway: Gateway) {
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

async fn a_dropped_ensure_is_made_good_by_the_next(gateway: Gateway) {
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

async fn a_program_that_nobody_has_is_said_to_be_missing(gateway: Gateway) {
    let error = gateway
        .runtime()
        .await
        .ensure(&key("a"), &changed("a", free_port(), json!({"programs": ["no-such-server"]})))
        .await
        .unwrap_err();
    eprintln!("{error}");
    assert_eq!(error.code(), "ProgramNotFound", "{error}");
}

async fn what_the_engine_does_not_accept_is_the_specs_fault(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let error = runtime.ensure(&key("a"), &changed("a", free_port(), json!({"memory": 1000}))).await.unwrap_err();
    eprintln!("{error}");
    assert_eq!(error.code(), "InvalidWorkloadSpec");
}

async fn an_image_that_cannot_be_had_is_an_error_and_then_tried_again(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let spec = changed("a", free_port(), json!({"image": "localhost:1/no/such:1"}));
    for _ in 0..2 {
        let preparing = runtime.ensure(&key("a"), &spec).await.unwrap();
        assert!(matches!(preparing.state, WorkloadState::Preparing { .. }), "{preparing:?}");
        let error = until("the pull fails", async || runtime.ensure(&key("a"), &spec).await.err()).await;
        assert_eq!(error.code(), "ImageNotAvailable");
        eprintln!("{error}");
    }
}

async fn a_volume_whose_container_is_gone_is_found(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    running(&runtime, &spec("a", free_port())).await;
    docker(&["rm", "-fv", &gateway.place("a")]);
    assert_eq!(runtime.list().await.unwrap(), [key("a")]);
    assert_eq!(runtime.inspect(&key("a")).await.unwrap(), None);
    runtime.remove(&key("a")).await.unwrap();
    assert_eq!(runtime.list().await.unwrap(), []);
}

async fn a_container_has_no_capabilities_and_listens_on_this_machine_alone(gateway: Gateway) {
    let runtime = gateway.runtime().await;
    let port = free_port();
    running(&runtime, &spec("a", port)).await;
    let place = gateway.place("a");
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &place]);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{status}");
    }
    assert_eq!(docker(&["port", &place]), format!("6379/tcp -> 127.0.0.1:{port}"));
    // A paused one is woken.
    docker(&["pause", &place]);
    running(&runtime, &spec("a", port)).await;
    // The image declares a volume, which gets no name and no label.
    let volumes = docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", &place]);
    runtime.remove(&key("a")).await.unwrap();
    for volume in volumes.split_whitespace() {
        assert!(
            !Command::new("docker").args(["volume", "inspect", volume]).output().unwrap().status.success(),
            "{volume}"
        );
    }
}

async fn a_program_survives_its_gateway_and_runs_once(gateway: Gateway) {
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

async fn a_program_gets_nothing_of_the_gateways_environment(gateway: Gateway) {
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
