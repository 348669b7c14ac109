//! Where the workloads of a route are, and connections to them.
//!
//! An address is looked for when it is first needed and kept for as long as it works, since asking an engine takes longer
//! than all the rest of a connection's beginning. Of the two addresses of a workload the one among its peers is tried
//! first: what is behind a port that an engine publishes costs a copy more of each byte.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use floci_az_contract::Backend;
use futures_util::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::runtime::{Runtime, WorkloadKey, WorkloadState};

/// For a server on this machine. An address that leads nowhere is silent for as long.
const CONNECTING: Duration = Duration::from_secs(2);

/// Finds workloads.
pub trait Locate: Send + Sync + std::fmt::Debug + 'static {
    /// Where a port of a workload may be reached, the best address first; empty while it does not run.
    fn locate<'a>(&'a self, workload: &'a WorkloadKey, port: &'a str)
    -> BoxFuture<'a, Result<Vec<SocketAddr>, String>>;
}

impl Locate for Runtime {
    fn locate<'a>(
        &'a self,
        workload: &'a WorkloadKey,
        port: &'a str,
    ) -> BoxFuture<'a, Result<Vec<SocketAddr>, String>> {
        Box::pin(async move {
            let found = self.inspect(workload).await.map_err(|error| error.to_string())?;
            let Some(found) = found.filter(|found| matches!(found.state, WorkloadState::Running { .. })) else {
                return Ok(Vec::new());
            };
            let peer = found.peer_ports.get(port).map(|number| (found.peer_host.as_str(), *number));
            let outside = found.ports.get(port).map(|number| (found.host.as_str(), *number));
            let mut addresses = Vec::new();
            for address in [peer, outside].into_iter().flatten().filter(|(host, _)| !host.is_empty()) {
                // A name, too, where the engine is on another machine.
                addresses.extend(tokio::net::lookup_host(address).await.into_iter().flatten());
            }
            Ok(addresses)
        })
    }
}

/// Why a workload cannot be connected to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    #[error("it does not run")]
    NotRunning,
    #[error("it cannot be looked for: {0}")]
    NotFound(String),
    #[error("{address}: {reason}")]
    Refused { address: SocketAddr, reason: io::Error },
}

/// The addresses of one route's workloads.
#[derive(Debug)]
pub(super) struct Backends {
    owner: String,
    known: Mutex<BTreeMap<(String, String), SocketAddr>>,
}

impl Backends {
    pub(super) fn new(owner: &str) -> Backends {
        Backends { owner: owner.to_owned(), known: Mutex::default() }
    }

    /// Has them looked for again: a workload may have been started anew.
    pub(super) async fn forget(&self) {
        self.known.lock().await.clear();
    }

    /// A connection. `main` is where engines are asked: their connections belong to it.
    pub(super) async fn connect(
        &self,
        to: &Backend,
        locate: &Arc<dyn Locate>,
        main: &Handle,
    ) -> Result<TcpStream, Unreachable> {
        let place = (to.workload.clone(), to.port.clone());
        let known = self.known.lock().await.get(&place).copied();
        if let Some(address) = known
            && let Ok(stream) = dial(address).await
        {
            return Ok(stream);
        }
        // One looks for it, the others wait.
        let mut table = self.known.lock().await;
        if let Some(address) = table.get(&place).copied().filter(|address| Some(*address) != known)
            && let Ok(stream) = dial(address).await
        {
            return Ok(stream);
        }
        table.remove(&place);
        let (locate, port) = (locate.clone(), to.port.clone());
        let workload = WorkloadKey { owner: self.owner.clone(), name: to.workload.clone() };
        let looking = main.spawn(async move { locate.locate(&workload, &port).await });
        let found = looking.await.unwrap_or_else(|broken| Err(broken.to_string())).map_err(Unreachable::NotFound)?;
        let mut last = Unreachable::NotRunning;
        for address in found {
            match dial(address).await {
                Ok(stream) => {
                    table.insert(place, address);
                    return Ok(stream);
                }
                Err(reason) => last = Unreachable::Refused { address, reason },
            }
        }
        Err(last)
    }
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECTING, TcpStream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
