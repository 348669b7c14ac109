//! Workloads as local processes.
//!
//! A workload is a [`folder`], and it runs as long as the lock in it is held (see [`exec`](mod@exec)). The program
//! is nobody's ward: it lives on when the gateway is killed, and the next gateway finds it by its lock. `ensure` is made
//! of steps that each leave a folder which the next `ensure` can go on with, so it may be dropped anywhere.
//!
//! Not as in a container: the spec's memory bound is not enforced, and the program can read what the gateway's user can.
//! A program has to stay in the foreground, and writes at most what the disk holds into its log between two starts.

mod exec;
mod folder;
mod program;
mod spawn;
mod stop;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use floci_az_contract::WorkloadSpec;
use futures_util::future;
use rustix::process::Pid;
use tokio::process::Child;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub use self::exec::exec;
use self::folder::{Folder, Life, Record};
use self::stop::Settled;
use super::output::{self, LINES_OF_AN_EXIT};
use super::placeholders::Places;
use super::plan::Plan;
use super::remembered::{Ending, Remembered, Run, Sighting};
use super::{RuntimeError, Workload, WorkloadKey, WorkloadState};

/// Where clients reach a process; it listens on no other address.
const HOST: &str = "localhost";
const ADDRESS: &str = "127.0.0.1";
/// Ends that a slow watcher may fall behind by; a periodic look finds what it misses.
const BACKLOG: usize = 256;
/// To get the lock of a workload that somebody looks at, which takes microseconds.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(5);
/// From a child's last breath, when it gives its lock back, until its exit code is there.
const REAPING: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct ProcessRuntime {
    root: PathBuf,
    /// Our own binary, for its subcommand `__exec`.
    exec: PathBuf,
    remembered: Arc<Remembered>,
    ended: broadcast::Sender<WorkloadKey>,
}

/// A program that runs.
#[derive(Debug)]
enum Program {
    Child(Child),
    /// Started by an earlier gateway.
    Adopted(Pid),
}

impl ProcessRuntime {
    /// `root` is made if need be, and belongs to one gateway at a time.
    pub fn new(root: PathBuf, exec: PathBuf) -> ProcessRuntime {
        if let Err(error) = folder::sweep(&root) {
            // Whatever is wrong with it makes the first `ensure` fail, which has somebody to tell.
            tracing::warn!(folder = %root.display(), %error, "the folder of workloads cannot be prepared");
        }
        ProcessRuntime { root, exec, remembered: Arc::default(), ended: broadcast::Sender::new(BACKLOG) }
    }

    /// The first of these programs that is on PATH.
    pub fn program(candidates: &[String]) -> Option<PathBuf> {
        program::on_path(candidates)
    }

    pub async fn ensure(&self, key: &WorkloadKey, spec: &WorkloadSpec) -> Result<Workload, RuntimeError> {
        let failed = |error: io::Error| failed("ensured", key, error);
        let folder = self.folder(key);
        let plan = Plan::new(spec, &places(&folder, spec))?;
        let digest = plan.digest("");
        let run = self.remembered.run(key);
        let recorded = folder.record();
        let as_planned = recorded.as_ref().is_some_and(|recorded| recorded.plan == digest);
        let settled = stop::settle(&folder).await.map_err(failed)?;

        if let (Settled::Running(pid), true) = (settled, as_planned) {
            folder.set_files(&plan.files).map_err(failed)?;
            return Ok(self.adopt(key, &folder, pid, outside(&plan)));
        }
        // Looked for before anything is stopped: what runs is better than nothing.
        let program = program::on_path(&plan.programs).ok_or_else(|| not_found(key, &plan))?;
        match settled {
            Settled::Ended => _ = self.remembered.ended(key, run, None),
            Settled::Running(_) => {
                self.remembered.stopping(key);
                stop::stop(&folder).await.map_err(failed)?;
            }
        }
        if !as_planned {
            self.remembered.created(key);
        }
        let record = Record {
            owner: key.owner.clone(),
            name: key.name.clone(),
            plan: digest,
            program,
            ports: outside(&plan),
            args: plan.args,
            env: plan.env,
        };
        if recorded.as_ref() != Some(&record) {
            folder.set_record(&record).map_err(failed)?;
        }
        folder.set_files(&plan.files).map_err(failed)?;
        self.start(key, &folder, record).await
    }

    pub async fn inspect(&self, key: &WorkloadKey) -> Result<Option<Workload>, RuntimeError> {
        let folder = self.folder(key);
        let run = self.remembered.run(key);
        let Some(record) = folder.record() else { return Ok(None) };
        let workload = match folder.life().map_err(|error| failed("inspected", key, error))? {
            Life::Starting => self.show(
                key,
                WorkloadState::Preparing { progress: "its program is being started".to_owned() },
                record.ports,
            ),
            Life::Running(_) => self.running(key, &folder, record.ports),
            Life::Orphans { .. } | Life::Ended => {
                self.remembered.ended(key, run, None);
                self.exited(key, &folder, record.ports)
            }
        };
        Ok(Some(workload))
    }

    pub async fn restart(&self, key: &WorkloadKey) -> Result<Workload, RuntimeError> {
        let folder = self.folder(key);
        let record = folder.record().ok_or_else(|| RuntimeError::no_workload(key))?;
        self.remembered.stopping(key);
        stop::stop(&folder).await.map_err(|error| failed("restarted", key, error))?;
        self.start(key, &folder, record).await
    }

    pub async fn remove(&self, key: &WorkloadKey) -> Result<(), RuntimeError> {
        let folder = self.folder(key);
        self.remembered.stopping(key);
        stop::stop(&folder).await.map_err(|error| failed("stopped", key, error))?;
        let removal = tokio::task::spawn_blocking(move || folder.remove());
        let removed = removal.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        removed.map_err(|error| failed("removed", key, error))?;
        self.remembered.forget(key);
        Ok(())
    }

    pub async fn logs(&self, key: &WorkloadKey, lines: u32) -> Result<String, RuntimeError> {
        let folder = self.folder(key);
        folder.record().ok_or_else(|| RuntimeError::no_workload(key))?;
        folder.tail(lines).map_err(|error| failed("read", key, error))
    }

    pub async fn read(&self, key: &WorkloadKey, file: &str) -> Result<File, RuntimeError> {
        let folder = self.folder(key);
        folder.record().ok_or_else(|| RuntimeError::no_workload(key))?;
        folder.open_data(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => RuntimeError::no_file(key, file),
            _ => failed("read", key, error),
        })
    }

    pub async fn write(&self, key: &WorkloadKey, file: &str, content: File) -> Result<(), RuntimeError> {
        let folder = self.folder(key);
        folder.record().ok_or_else(|| RuntimeError::no_workload(key))?;
        let name = file.to_owned();
        let copying = tokio::task::spawn_blocking(move || folder.set_data(&name, content));
        let copied = copying.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        copied.map_err(|error| failed("written to", key, error))
    }

    pub async fn list(&self) -> Result<Vec<WorkloadKey>, RuntimeError> {
        Ok(self.all()?.into_iter().map(|(_, record)| record.key()).collect())
    }

    pub async fn stop_all(&self) -> Result<(), RuntimeError> {
        let all = self.all()?;
        let stops = all.iter().map(|(folder, record)| async move {
            let key = record.key();
            self.remembered.stopping(&key);
            stop::stop(folder).await.map_err(|error| failed("stopped", &key, error))
        });
        future::join_all(stops).await.into_iter().collect()
    }

    pub async fn watch(&self, ended: mpsc::Sender<WorkloadKey>) {
        let mut ends = self.ended.subscribe();
        loop {
            tokio::select! {
                () = ended.closed() => return,
                end = ends.recv() => match end {
                    Ok(key) => _ = ended.send(key).await,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                },
            }
        }
    }

    async fn start(&self, key: &WorkloadKey, folder: &Folder, record: Record) -> Result<Workload, RuntimeError> {
        let failed = |error: io::Error| failed("started", key, error);
        if let Some((name, port)) = spawn::taken(&record.ports).await {
            return Err(RuntimeError::PortInUse(format!(
                "the workload {key} cannot be started: another program listens on its port {name:?}, {ADDRESS}:{port}. End that \
                 program (`ss -ltnp sport = :{port}` names it), or give the workload another port"
            )));
        }
        for _ in 0..ATTEMPTS {
            // No await from here to the follower: a child without one would end unnoticed.
            if let Some(child) = spawn::spawn(&self.exec, folder, &record).map_err(failed)? {
                let run = self.remembered.started(key);
                let follower = self.follow(key, folder, run, Program::Child(child));
                return match stop::settle(folder).await.map_err(failed)? {
                    Settled::Running(_) => Ok(self.running(key, folder, record.ports)),
                    Settled::Ended => {
                        // For the exit code; without it if something is odd.
                        _ = timeout(REAPING, follower).await;
                        Ok(self.exited(key, folder, record.ports))
                    }
                };
            }
            if let Settled::Running(pid) = stop::settle(folder).await.map_err(failed)? {
                return Ok(self.adopt(key, folder, pid, record.ports));
            }
            sleep(PAUSE).await;
        }
        Err(failed(io::Error::new(
            io::ErrorKind::WouldBlock,
            "something else keeps the file `lock` in its folder locked",
        )))
    }

    /// Each program that is known to run has one follower: it waits for the end, counts it and tells the watchers.
    fn follow(&self, key: &WorkloadKey, folder: &Folder, run: Run, program: Program) -> JoinHandle<()> {
        let (key, folder) = (key.clone(), folder.clone());
        let (remembered, ended) = (self.remembered.clone(), self.ended.clone());
        tokio::spawn(async move {
            let how = until_end(&folder, program).await;
            if remembered.ended(&key, run, how) == Ending::ByItself {
                // Nobody watches: then nobody wants to know.
                _ = ended.send(key);
            }
        })
    }

    fn adopt(&self, key: &WorkloadKey, folder: &Folder, pid: Pid, ports: BTreeMap<String, u16>) -> Workload {
        if let Sighting::New(run) = self.remembered.found_running(key) {
            self.follow(key, folder, run, Program::Adopted(pid));
        }
        self.running(key, folder, ports)
    }

    fn running(&self, key: &WorkloadKey, folder: &Folder, ports: BTreeMap<String, u16>) -> Workload {
        self.show(key, WorkloadState::Running { uptime: folder.uptime() }, ports)
    }

    fn exited(&self, key: &WorkloadKey, folder: &Folder, ports: BTreeMap<String, u16>) -> Workload {
        let how =
            self.remembered.how_it_ended(key).unwrap_or_else(|| "it ended; its exit code is not known".to_owned());
        let detail = output::detail(&how, &folder.tail(LINES_OF_AN_EXIT).unwrap_or_else(|error| error.to_string()));
        self.show(key, WorkloadState::Exited { detail }, ports)
    }

    fn show(&self, key: &WorkloadKey, state: WorkloadState, ports: BTreeMap<String, u16>) -> Workload {
        let peer_host = match state {
            WorkloadState::Running { .. } => "127.0.0.1".to_owned(),
            WorkloadState::Preparing { .. } | WorkloadState::Exited { .. } => String::new(),
        };
        let exits = self.remembered.exits(key);
        Workload { state, host: HOST.to_owned(), peer_ports: ports.clone(), ports, exits, peer_host }
    }

    fn folder(&self, key: &WorkloadKey) -> Folder {
        Folder::of(&self.root, key)
    }

    fn all(&self) -> Result<Vec<(Folder, Record)>, RuntimeError> {
        let all = folder::all(&self.root);
        all.map_err(|error| {
            RuntimeError::Failed(format!("the workloads in {} cannot be listed: {error}", self.root.display()))
        })
    }
}

/// How it ended, if that can be known. Nothing of the program is left then.
async fn until_end(folder: &Folder, program: Program) -> Option<String> {
    let how = match program {
        Program::Child(child) => Some(spawn::wait(child).await),
        Program::Adopted(pid) => {
            stop::ended(folder, pid).await;
            None
        }
    };
    if let Err(error) = stop::settle(folder).await {
        tracing::warn!(folder = %folder.path().display(), %error, "what a program has left cannot be ended");
    }
    how
}

fn places(folder: &Folder, spec: &WorkloadSpec) -> Places {
    Places {
        files: folder.files().display().to_string(),
        data: folder.data().display().to_string(),
        address: ADDRESS,
        ports: spec.ports.iter().map(|(name, port)| (name.clone(), port.outside)).collect(),
    }
}

fn outside(plan: &Plan) -> BTreeMap<String, u16> {
    plan.ports.iter().map(|(name, port)| (name.clone(), port.outside)).collect()
}

fn failed(attempted: &str, key: &WorkloadKey, error: io::Error) -> RuntimeError {
    RuntimeError::Failed(format!("the workload {key} cannot be {attempted} as a process: {error}"))
}

fn not_found(key: &WorkloadKey, plan: &Plan) -> RuntimeError {
    RuntimeError::ProgramNotFound(format!(
        "the workload {key} cannot be started as a process: PATH has none of the programs {}. Install one of them, or start Docker \
         and restart the gateway, which then runs the image {}",
        plan.programs.join(", "),
        plan.image
    ))
}
