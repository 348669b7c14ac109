//! Threads that connections live on: each connection on one, from its accept to its end.
//!
//! They are not those that answer requests. A connection costs two system calls for each message and way, so what a
//! scheduler does to move work between threads would show; here nothing is ever moved.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::connection::begin;
use super::{Core, Door};

/// For connections that are told to end.
const GRACE: Duration = Duration::from_secs(2);
/// More do not help: a server of a cache works on one thread, too.
const MOST: usize = 8;

/// A connection that was accepted.
pub(super) struct Arrival {
    pub stream: std::net::TcpStream,
    pub address: IpAddr,
    pub door: Door,
}

#[derive(Debug)]
pub(super) struct Workers {
    inboxes: Vec<mpsc::UnboundedSender<Arrival>>,
    next: AtomicUsize,
    ended: Vec<oneshot::Receiver<()>>,
}

impl Workers {
    pub(super) fn start(core: &Arc<Core>) -> io::Result<Workers> {
        let count = thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2)).min(MOST);
        let mut workers = Workers { inboxes: Vec::new(), next: AtomicUsize::new(0), ended: Vec::new() };
        for index in 0..count {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (inbox, arrivals) = mpsc::unbounded_channel();
            let (end, ended) = oneshot::channel();
            let core = core.clone();
            thread::Builder::new().name(format!("ingress-{index}")).spawn(move || {
                runtime.block_on(work(core, arrivals));
                drop(runtime);
                let _ = end.send(());
            })?;
            workers.inboxes.push(inbox);
            workers.ended.push(ended);
        }
        Ok(workers)
    }

    pub(super) fn take(&self, arrival: Arrival) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.inboxes.len().max(1);
        if let Some(inbox) = self.inboxes.get(next) {
            // The receiver is gone only when the gateway is ending.
            let _ = inbox.send(arrival);
        }
    }

    /// Waits for the connections, whose routes are gone, for a moment.
    pub(super) async fn end(self) {
        drop(self.inboxes);
        for ended in self.ended {
            let _ = ended.await;
        }
    }
}

async fn work(core: Arc<Core>, mut arrivals: mpsc::UnboundedReceiver<Arrival>) {
    while let Some(Arrival { stream, address, door }) = arrivals.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => drop(tokio::spawn(begin(core.clone(), door, stream, address))),
            Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
        }
    }
    let handle = tokio::runtime::Handle::current();
    let deadline = tokio::time::Instant::now() + GRACE;
    while handle.metrics().num_alive_tasks() > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
