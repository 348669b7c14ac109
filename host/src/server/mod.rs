//! HTTP: connections in, requests to a [`Handler`], answers out; and a graceful end.
//!
//! One port speaks HTTP and HTTPS, HTTP/1.1 and HTTP/2: `connection` finds out which. [`Limits`] bounds what a client
//! can take of it. Whatever a client sends that is answered at all is answered in ARM's envelope, with ARM's headers,
//! but for one thing: a header list of HTTP/2 that is too large gets a bare 431 from the protocol's own code.

mod arrival;
mod connection;
mod envelope;
mod headers;
mod limits;
mod payload;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::arm::{ArmError, Reply, Request};
use connection::Speaker;
pub use limits::Limits;

/// What is spoken over TLS (ALPN), the best first.
pub const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// After a failed accept (out of file descriptors, say), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What answers requests once they have arrived whole.
pub trait Handler: Send + Sync + 'static {
    /// Of a request whose head alone has arrived: how many bytes its body may have, which are `usual` unless there is a
    /// reason for more, or why the body is not worth sending.
    fn admit(&self, _head: &Request, usual: usize) -> Result<usize, ArmError> {
        Ok(usual)
    }

    /// Dropped when the client goes away or the answer takes too long: what must not stop halfway is a task.
    fn answer(&self, request: Request) -> impl Future<Output = Reply> + Send;

    /// A request was refused on its way in.
    fn refused(&self, _method: &Method, _status: StatusCode) {}
}

/// A port that is bound, and not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
}

impl Server {
    pub async fn bind(address: SocketAddr, limits: Limits) -> io::Result<Server> {
        Ok(Server { listener: TcpListener::bind(address).await?, limits })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Until `closing` is true; then accepts nothing more, and waits for what is under way. Without `tls`, plain HTTP
    /// only.
    pub async fn serve(
        self,
        tls: Option<Arc<ServerConfig>>,
        handler: Arc<impl Handler>,
        mut closing: watch::Receiver<bool>,
    ) {
        let grace = self.limits.grace;
        let speaker = Arc::new(Speaker::new(self.limits, tls, handler, closing.clone()));
        let connections = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = closing.wait_for(|closing| *closing) => break,
            };
            match accepted {
                Ok((stream, _)) => drop(tokio::spawn(speaker.clone().speak(stream, connections.watcher()))),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
            tracing::warn!("some requests did not end within {} s and were cut off", grace.as_secs());
        }
    }
}
