//! Where the workloads of a route are, and connections to them.
//!
//! An address is looked for when it is first needed and kept for as long as it works, since asking an engine takes longer
//! than all the rest of a connection's beginning. Of the two addresses of a workload the one among its peers is tried
//! first: what is behind a port that an engine publishes costs a copy more of each byte.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use floci_az_contract::Backend;
use futures_util::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
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
    known: Mutex<Known>,
    /// Held by the one that asks where a workload is.
    asking: tokio::sync::Mutex<()>,
}

/// By workload and port.
type Known = BTreeMap<(String, String), SocketAddr>;

impl Backends {
    pub(super) fn new(owner: &str) -> Backends {
        Backends { owner: owner.to_owned(), known: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// Has them looked for again: a workload may have been started anew.
    pub(super) fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection. `main` is where engines are asked: their connections belong to it.
    pub(super) async fn connect(
        &self,
        to: &Backend,
        locate: &Arc<dyn Locate>,
        main: &Handle,
    ) -> Result<TcpStream, Unreachable> {
        let place = (to.workload.clone(), to.port.clone());
        let known = self.known().get(&place).copied();
        if let Some(address) = known
            && let Ok(stream) = dial(address).await
        {
            return Ok(stream);
        }
        let found = {
            // One asks, the others wait, and may find what it has found.
            let _turn = self.asking.lock().await;
            let since = self.known().get(&place).copied().filter(|address| Some(*address) != known);
            match since {
                Some(address) => vec![address],
                None => self.look(to, locate, main).await?,
            }
        };
        let mut last = Unreachable::NotRunning;
        for address in found {
            match dial(address).await {
                Ok(stream) => {
                    self.known().insert(place, address);
                    return Ok(stream);
                }
                Err(reason) => last = Unreachable::Refused { address, reason },
            }
        }
        Err(last)
    }

    async fn look(
        &self,
        to: &Backend,
        locate: &Arc<dyn Locate>,
        main: &Handle,
    ) -> Result<Vec<SocketAddr>, Unreachable> {
        let (locate, port) = (locate.clone(), to.port.clone());
        let workload = WorkloadKey { owner: self.owner.clone(), name: to.workload.clone() };
        let looking = main.spawn(async move { locate.locate(&workload, &port).await });
        looking.await.unwrap_or_else(|broken| Err(broken.to_string())).map_err(Unreachable::NotFound)
    }
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECTING, TcpStream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
