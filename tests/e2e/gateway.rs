//! A real gateway process for one test, on ports and in a folder of its own; and the end of both.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::arm::Arm;

/// What runs the workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    Docker,
    Process,
    None,
}

impl Runtime {
    pub fn as_str(self) -> &'static str {
        match self {
            Runtime::Docker => "docker",
            Runtime::Process => "process",
            Runtime::None => "none",
        }
    }
}

/// How many ports a gateway has for its workloads, unless a test says otherwise.
const PORTS: u16 = 12;

/// A gateway, running or stopped. Dropping it stops it and removes whatever it has made.
#[derive(Debug)]
pub struct Gateway {
    child: Option<Child>,
    pub port: u16,
    pub folder: TempDir,
    variables: BTreeMap<String, String>,
    runtime: Runtime,
}

impl Gateway {
    /// Persistent state.
    pub fn start(runtime: Runtime) -> Gateway {
        Gateway::with(runtime, &[])
    }

    /// With settings beside the usual ones.
    pub fn with(runtime: Runtime, variables: &[(&str, &str)]) -> Gateway {
        let mut gateway = Gateway::prepare(runtime, variables);
        gateway.spawn();
        gateway
    }

    /// Not started yet.
    pub fn prepare(runtime: Runtime, variables: &[(&str, &str)]) -> Gateway {
        let folder = tempfile::Builder::new().prefix("floci-az-test-").tempdir().unwrap();
        let [port, first, tls_port] = [free_ports(1), free_ports(PORTS), free_ports(1)];
        let mut all: BTreeMap<String, String> = [
            ("FLOCI_AZ_PORT", port.to_string()),
            ("FLOCI_AZ_RUNTIME", runtime.as_str().to_owned()),
            ("FLOCI_AZ_STORAGE_PERSISTENT_PATH", folder.path().join("data").display().to_string()),
            ("FLOCI_AZ_SERVICES_REDIS_BASE_PORT", first.to_string()),
            ("FLOCI_AZ_SERVICES_REDIS_MAX_PORT", (first + PORTS - 1).to_string()),
            ("FLOCI_AZ_SERVICES_REDIS_SSL_PORT", tls_port.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Gateway { child: None, port, folder, variables: all, runtime }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// The ports that its workloads may have.
    pub fn range(&self) -> std::ops::RangeInclusive<u16> {
        let port = |name: &str| self.variables[name].parse().unwrap();
        port("FLOCI_AZ_SERVICES_REDIS_BASE_PORT")..=port("FLOCI_AZ_SERVICES_REDIS_MAX_PORT")
    }

    /// The port on which it serves all of them over TLS.
    pub fn tls_port(&self) -> u16 {
        self.variables["FLOCI_AZ_SERVICES_REDIS_SSL_PORT"].parse().unwrap()
    }

    /// The command, as it would be started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_floci-az"));
        let inherited = std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("FLOCI_AZ_"));
        command.env_clear().envs(inherited).envs(&self.variables).current_dir(self.folder.path());
        command
    }

    /// Starts it and waits until it is ready.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let child = self.command().stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.child = Some(child);
        wait_for("the gateway to be ready", || {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("the gateway ended with {status}:\n{}", self.log_text());
            }
            self.arm().try_get("/ready").is_some_and(|answer| answer.status == 200)
        });
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("gateway.log")
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub fn arm(&self) -> Arm {
        Arm::new(self.port)
    }

    /// The process of the gateway itself.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; the exit has to be a success.
    pub fn terminate(&mut self) {
        let mut child = self.child.take().unwrap();
        send(child.id(), "TERM");
        let status = child.wait().unwrap();
        assert!(status.success(), "after SIGTERM: {status}\n{}", self.log_text());
    }

    /// What the runtime has of this gateway, running or not.
    pub fn workloads(&self) -> Vec<String> {
        match self.runtime {
            Runtime::Docker => self.docker(&["ps", "-a", "-q"]),
            Runtime::Process => folders(&self.data().join("workloads")),
            Runtime::None => Vec::new(),
        }
    }

    /// Everything on disk or in the engine that could be left over: containers and volumes, or folders.
    pub fn leftovers(&self) -> Vec<String> {
        match self.runtime {
            Runtime::Docker => [self.workloads(), self.docker(&["volume", "ls", "-q"])].concat(),
            _ => self.workloads(),
        }
    }

    /// Kills the one server that there is, as somebody would by hand.
    pub fn kill_server(&self) {
        match self.runtime {
            Runtime::Docker => {
                let containers = self.docker(&["ps", "-q"]);
                assert_eq!(containers.len(), 1, "{containers:?}");
                run("docker", &["kill", &containers[0]]);
            }
            Runtime::Process => send(self.server_pid(), "KILL"),
            Runtime::None => panic!("there is no server"),
        }
    }

    /// The process of the one server that there is.
    pub fn server_pid(&self) -> u32 {
        match self.runtime {
            Runtime::Docker => {
                let containers = self.docker(&["ps", "-q"]);
                run("docker", &["inspect", "-f", "{{.State.Pid}}", &containers[0]]).trim().parse().unwrap()
            }
            _ => {
                let workloads = self.data().join("workloads");
                let folder = fs::read_dir(&workloads).unwrap().next().unwrap().unwrap().path();
                fs::read_to_string(folder.join("pid")).unwrap().trim().parse().unwrap()
            }
        }
    }

    pub fn data(&self) -> PathBuf {
        PathBuf::from(&self.variables["FLOCI_AZ_STORAGE_PERSISTENT_PATH"])
    }

    /// What its containers are labelled with; nothing if it never started.
    fn instance(&self) -> String {
        match self.variables.get("FLOCI_AZ_STORAGE_MODE").map(String::as_str) {
            Some("memory") => format!("memory:{}:127.0.0.1:{}", run("hostname", &[]).trim(), self.port),
            _ => fs::read_to_string(self.data().join("instance")).unwrap_or_default().trim().to_owned(),
        }
    }

    fn docker(&self, arguments: &[&str]) -> Vec<String> {
        let filter = format!("label=floci-az.instance={}", self.instance());
        let output = run("docker", &[arguments, &["--filter", &filter]].concat());
        output.lines().map(str::to_owned).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            send(child.id(), "TERM");
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("--- the gateway's log ---\n{}", self.log_text());
        }
        match self.runtime {
            Runtime::Docker => {
                for container in self.docker(&["ps", "-a", "-q"]) {
                    run("docker", &["rm", "-f", "-v", &container]);
                }
                for volume in self.docker(&["volume", "ls", "-q"]) {
                    run("docker", &["volume", "rm", "-f", &volume]);
                }
            }
            Runtime::Process => {
                // Only what a killed gateway left running.
                for folder in folders(&self.data().join("workloads")) {
                    let pid = fs::read_to_string(Path::new(&folder).join("pid"))
                        .ok()
                        .and_then(|pid| pid.trim().parse::<u32>().ok());
                    if let Some(pid) = pid.filter(|pid| runs_in(*pid, Path::new(&folder))) {
                        send(pid, "KILL");
                    }
                }
            }
            Runtime::None => {}
        }
    }
}

/// Whether a process works in a folder, so that no other process is taken for ours.
fn runs_in(pid: u32, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
}

fn folders(path: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path().display().to_string()).collect()
}

pub fn send(pid: u32, signal: &str) {
    run("kill", &[&format!("-{signal}"), &pid.to_string()]);
}

/// A command that has to succeed; its output.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until a condition holds. The bound is only there so that a broken test ends.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The first of `count` ports in a row that are free and that no other test of this process has been given. Below the
/// range from which the system takes the ports of outgoing connections.
pub fn free_ports(count: u16) -> u16 {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    const FIRST: u16 = 10_000;
    const LAST: u16 = 32_000;
    let mut next = NEXT.lock().unwrap();
    let mut first = next.unwrap_or(FIRST + (std::process::id() % 200) as u16 * 100);
    loop {
        if first + count > LAST {
            first = FIRST;
        }
        match (first..first + count).rev().find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_err()) {
            None => break,
            Some(taken) => first = taken + 1,
        }
    }
    *next = Some(first + count);
    first
}
