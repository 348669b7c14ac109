//! A port that is listened on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Door;
use super::workers::{Arrival, Workers};

/// After a failed accept (out of file descriptors, say), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Listener(JoinHandle<()>);

impl Listener {
    pub(super) async fn bind(address: IpAddr, door: Door, workers: Arc<Workers>) -> io::Result<Listener> {
        let listener = TcpListener::bind(SocketAddr::new(address, door.port)).await?;
        Ok(Listener(tokio::spawn(accept(listener, door, workers))))
    }

    /// The port is free when this returns.
    pub(super) async fn end(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, door: Door, workers: Arc<Workers>) {
    loop {
        let accepted = listener.accept().await;
        match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer.ip().to_canonical()))) {
            Ok((stream, address)) => workers.take(Arrival { stream, address, door }),
            Err(error) => {
                tracing::warn!(%error, port = door.port, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
