//! Containers or processes that back a resource. Every function is idempotent by (owner, name).

use crate::{Fault, ResourceId, WorkloadSpec};

/// `owner` is a resource of this provider. When it is gone, the gateway removes what it still owns.
pub trait Workloads {
    /// Makes the workload be there, as the spec says, and running: starts it if it has exited, replaces it if the spec
    /// has changed (its data stays), rewrites files whose content alone has changed in place, without a restart.
    ///
    /// Returns soon; what takes long goes on in the background.
    /// Fails with `InvalidWorkloadSpec`, `RuntimeUnavailable`, `ImageNotAvailable`, `ProgramNotFound`, `PortInUse` or
    /// `WorkloadFailed`.
    fn ensure(&self, owner: &ResourceId, spec: &WorkloadSpec) -> Result<Workload, Fault>;

    /// None if it does not exist. Open to every resource of this provider.
    fn inspect(&self, owner: &ResourceId, name: &str) -> Result<Option<Workload>, Fault>;

    /// Stops and starts it; data and ports stay. Fails with `WorkloadNotFound`.
    fn restart(&self, owner: &ResourceId, name: &str) -> Result<Workload, Fault>;

    /// Stops it and removes it with its data. Succeeds if it does not exist.
    fn remove(&self, owner: &ResourceId, name: &str) -> Result<(), Fault>;

    /// The last lines of its output. Fails with `WorkloadNotFound`.
    fn logs(&self, owner: &ResourceId, name: &str, lines: u32) -> Result<String, Fault>;
}

/// A workload as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub state: WorkloadState,
    /// Where clients on the gateway's network reach it.
    pub host: String,
    /// Reachable port by the name it has in the spec.
    pub ports: Vec<(String, u16)>,
    /// How often it has exited by itself since it was created or its spec was last changed.
    pub exits: u32,
    /// Where other workloads of this provider reach it: an IP address, which may change when it is restarted. Empty while
    /// it does not run.
    pub peer_host: String,
    /// Port for them by the name it has in the spec.
    pub peer_ports: Vec<(String, u16)>,
}

impl Workload {
    /// The reachable port of this name.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.ports.iter().find(|(known, _)| known == name).map(|(_, port)| *port)
    }

    /// Where other workloads of this provider reach the port of this name. None while it does not run.
    pub fn peer(&self, name: &str) -> Option<(&str, u16)> {
        let port = self.peer_ports.iter().find(|(known, _)| known == name).map(|(_, port)| *port)?;
        (!self.peer_host.is_empty()).then_some((&self.peer_host, port))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadState {
    /// Not there yet, for a reason that passes: an image is being pulled.
    Preparing { progress: String },
    /// Since so many milliseconds.
    Running { uptime: u64 },
    /// It ended. `detail` holds the exit code and the last output, as far as they are known.
    Exited { detail: String },
}
