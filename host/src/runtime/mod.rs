//! Where workloads run: as containers, as local processes, or not at all.
//!
//! One spec means the same on each (see `floci_az_contract::WorkloadSpec`). Every function is idempotent by
//! [`WorkloadKey`] and safe to repeat after a crash at any point: a workload is found again by what it carries (a
//! container's labels, a process's lock file), never by what the gateway remembers. Calls for one key are serialised
//! by the caller; calls for different keys run side by side.

pub mod docker;
mod names;
pub mod none;
mod output;
mod pick;
mod placeholders;
mod plan;
pub mod process;
mod remembered;

pub use pick::Picked;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::time::Duration;

use floci_az_contract::WorkloadSpec;
use tokio::sync::mpsc;

/// What a workload is called, everywhere: the resource that owns it, and its name within that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkloadKey {
    /// Full resource id, lower case.
    pub owner: String,
    pub name: String,
}

impl fmt::Display for WorkloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.owner, self.name)
    }
}

/// A workload as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub state: WorkloadState,
    /// Where clients reach it.
    pub host: String,
    /// Reachable port by name.
    pub ports: BTreeMap<String, u16>,
    /// How often it has exited by itself since it was created or its spec was last changed, as far as is known.
    pub exits: u32,
    /// Where other workloads reach it, as an IP address. Empty while it does not run.
    pub peer_host: String,
    /// Port for them by name.
    pub peer_ports: BTreeMap<String, u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadState {
    /// Not there yet, for a reason that passes: an image is being pulled.
    Preparing {
        progress: String,
    },
    Running {
        uptime: Duration,
    },
    /// It ended. `detail` holds the exit code, as far as it is known, and the last output.
    Exited {
        detail: String,
    },
}

/// Why a workload could not be had. `Display` says what was attempted, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("{0}")]
    InvalidSpec(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    ImageNotAvailable(String),
    #[error("{0}")]
    ProgramNotFound(String),
    #[error("{0}")]
    PortInUse(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    NoFile(String),
    #[error("{0}")]
    Failed(String),
}

impl RuntimeError {
    fn no_workload(key: &WorkloadKey) -> RuntimeError {
        RuntimeError::NotFound(format!("there is no workload {key}; ensure it first"))
    }

    fn no_file(key: &WorkloadKey, file: &str) -> RuntimeError {
        RuntimeError::NoFile(format!("the workload {key} has no file '{file}' in its data folder"))
    }

    /// The code that the contract gives this failure.
    pub fn code(&self) -> &'static str {
        match self {
            RuntimeError::InvalidSpec(_) => "InvalidWorkloadSpec",
            RuntimeError::Unavailable(_) => "RuntimeUnavailable",
            RuntimeError::ImageNotAvailable(_) => "ImageNotAvailable",
            RuntimeError::ProgramNotFound(_) => "ProgramNotFound",
            RuntimeError::PortInUse(_) => "PortInUse",
            RuntimeError::NotFound(_) => "WorkloadNotFound",
            RuntimeError::NoFile(_) => "FileNotFound",
            RuntimeError::Failed(_) => "WorkloadFailed",
        }
    }
}

/// The runtime that was picked at the start.
#[derive(Debug)]
pub enum Runtime {
    Docker(docker::DockerRuntime),
    Process(process::ProcessRuntime),
    None(none::NoRuntime),
}

macro_rules! each {
    ($self:ident, $runtime:ident => $call:expr) => {
        match $self {
            Runtime::Docker($runtime) => $call,
            Runtime::Process($runtime) => $call,
            Runtime::None($runtime) => $call,
        }
    };
}

impl Runtime {
    /// `docker`, `process` or `none`.
    pub fn name(&self) -> &'static str {
        match self {
            Runtime::Docker(_) => "docker",
            Runtime::Process(_) => "process",
            Runtime::None(_) => "none",
        }
    }

    /// See `workloads.ensure` in the contract.
    pub async fn ensure(&self, key: &WorkloadKey, spec: &WorkloadSpec) -> Result<Workload, RuntimeError> {
        each!(self, runtime => runtime.ensure(key, spec).await)
    }

    pub async fn inspect(&self, key: &WorkloadKey) -> Result<Option<Workload>, RuntimeError> {
        each!(self, runtime => runtime.inspect(key).await)
    }

    pub async fn restart(&self, key: &WorkloadKey) -> Result<Workload, RuntimeError> {
        each!(self, runtime => runtime.restart(key).await)
    }

    /// Stops it and removes it with its data; nothing to do if it is not there.
    pub async fn remove(&self, key: &WorkloadKey) -> Result<(), RuntimeError> {
        each!(self, runtime => runtime.remove(key).await)
    }

    /// The last `lines` lines of its output.
    pub async fn logs(&self, key: &WorkloadKey, lines: u32) -> Result<String, RuntimeError> {
        each!(self, runtime => runtime.logs(key, lines).await)
    }

    /// A file of its data folder, from its beginning.
    pub async fn read(&self, key: &WorkloadKey, file: &str) -> Result<File, RuntimeError> {
        each!(self, runtime => runtime.read(key, file).await)
    }

    /// Puts a file into its data folder, whole or not at all, in the place of one of this name.
    pub async fn write(&self, key: &WorkloadKey, file: &str, content: File) -> Result<(), RuntimeError> {
        each!(self, runtime => runtime.write(key, file, content).await)
    }

    /// Every workload of this gateway, running or not: what no resource claims is an orphan.
    pub async fn list(&self) -> Result<Vec<WorkloadKey>, RuntimeError> {
        each!(self, runtime => runtime.list().await)
    }

    /// Stops every workload of this gateway side by side and keeps the data, so that a later `ensure` starts it again.
    pub async fn stop_all(&self) -> Result<(), RuntimeError> {
        each!(self, runtime => runtime.stop_all().await)
    }

    /// Reports workloads that ended by themselves, until the receiver is gone. May miss some; a periodic look finds them.
    pub async fn watch(&self, ended: mpsc::Sender<WorkloadKey>) {
        each!(self, runtime => runtime.watch(ended).await)
    }
}
