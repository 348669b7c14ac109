//! A gateway of each test's own, and what the tests share.

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

pub const IMAGE: &str = "valkey/valkey:8-alpine";
pub const PROGRAMS: [&str; 2] = ["valkey-server", "redis-server"];
/// For whatever takes milliseconds, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Docker,
    Process,
}

/// One gateway: an instance label on the engine, or a root folder.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub kind: Kind,
    pub instance: String,
    pub root: PathBuf,
}

impl Gateway {
    /// As after a start: nothing is remembered.
    pub async fn runtime(&self) -> Runtime {
        match self.kind {
            Kind::Docker => Runtime::Docker(DockerRuntime::connect(&self.instance).await.unwrap()),
            Kind::Process => {
                Runtime::Process(ProcessRuntime::new(self.root.clone(), env!("CARGO_BIN_EXE_floci-az").into()))
            }
        }
    }

    /// Where a workload's folder or the name of its container is.
    pub fn place(&self, name: &str) -> String {
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
    pub fn start(&self, name: &str) -> String {
        match self.kind {
            Kind::Docker => docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &self.place(name)]),
            Kind::Process => std::fs::read_to_string(format!("{}/pid", self.place(name))).unwrap(),
        }
    }

    pub fn kill(&self, name: &str) {
        match self.kind {
            Kind::Docker => _ = docker(&["kill", &self.place(name)]),
            Kind::Process => assert!(Command::new("kill").args(["-9", &self.start(name)]).status().unwrap().success()),
        }
    }

    pub fn leftovers(&self) -> Vec<String> {
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

pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Runs a test, and removes what it leaves even if it fails.
pub fn on<F: Future<Output = ()>>(kind: Kind, test: impl Fn(Gateway) -> F) {
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

pub fn key(name: &str) -> WorkloadKey {
    WorkloadKey {
        owner: "/subscriptions/s/resourcegroups/g/providers/contoso.cache/caches/mycache".to_owned(),
        name: name.to_owned(),
    }
}

pub fn free_port() -> u16 {
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

pub fn spec(name: &str, port: u16) -> WorkloadSpec {
    changed(name, port, json!({}))
}

pub fn changed(name: &str, port: u16, change: Value) -> WorkloadSpec {
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

pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn running(runtime: &Runtime, spec: &WorkloadSpec) -> Workload {
    let workload = runtime.ensure(&key(&spec.name), spec).await.unwrap();
    assert!(is_running(&workload), "{workload:?}");
    let port = workload.ports["redis"];
    until("PING", async || (command(port, "PING") == "+PONG").then_some(())).await;
    workload
}

pub fn is_running(workload: &Workload) -> bool {
    matches!(workload.state, WorkloadState::Running { .. })
}

pub async fn exited(runtime: &Runtime, name: &str) -> (String, u32) {
    until("exited", async || match runtime.inspect(&key(name)).await.unwrap()? {
        Workload { state: WorkloadState::Exited { detail }, exits, .. } => Some((detail, exits)),
        _ => None,
    })
    .await
}

/// The first line of the reply, or the connection's error.
pub fn command(port: u16, command: &str) -> String {
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
