//! Ports of this machine that resources hold: durable, and given back with their owner.
//!
//! One allocation at a time, so that no two get the same port. A port is free if nobody holds it and if nothing
//! listens on it now; what starts to listen on it between that look and the workload's start is the workload's error.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use tokio::sync::Mutex;

use crate::runtime::WorkloadKey;
use crate::state::{Batch, Contents, Store, StoreError, Table};

const PORTS: Table = Table("ports");

/// Why there is no port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error(
        "no free port in {first}-{last}: {held} are held by resources and {taken} are in use by other programs. Delete a resource, stop such a program, or widen the range"
    )]
    RangeExhausted { first: u16, last: u16, held: usize, taken: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug)]
pub struct Ports {
    store: Store,
    held: Mutex<BTreeMap<u16, WorkloadKey>>,
}

impl Ports {
    pub const TABLE: Table = PORTS;

    pub fn open(store: Store, contents: &mut Contents) -> Ports {
        let rows = contents.take(PORTS).into_iter();
        let held = rows.filter_map(|(port, holder)| {
            let holder = String::from_utf8(holder).ok()?;
            let (owner, name) = holder.rsplit_once('#')?;
            Some((port.parse().ok()?, WorkloadKey { owner: owner.to_owned(), name: name.to_owned() }))
        });
        Ports { store, held: Mutex::new(held.collect()) }
    }

    /// The port that `holder` has, else the lowest free one of `range` that is not in `except`.
    pub async fn allocate(
        &self,
        holder: &WorkloadKey,
        range: RangeInclusive<u16>,
        except: &[u16],
    ) -> Result<u16, PortError> {
        let mut held = self.held.lock().await;
        if let Some((port, _)) = held.iter().find(|(_, other)| *other == holder) {
            return Ok(*port);
        }
        let mut candidates = range.clone().filter(|port| !except.contains(port) && !held.contains_key(port));
        let Some(port) = candidates.find(|port| is_free(*port)) else {
            let held = held.keys().filter(|port| range.contains(port)).count();
            let taken = range.clone().filter(|port| !except.contains(port)).count().saturating_sub(held);
            return Err(PortError::RangeExhausted { first: *range.start(), last: *range.end(), held, taken });
        };
        // A batch that is handed over is carried out even if the caller stops waiting: so first here, then there.
        held.insert(port, holder.clone());
        let batch = Batch::default().put(PORTS, port.to_string(), holder.to_string().into_bytes());
        let stored = self.store.commit(batch).await;
        if stored.is_err() {
            held.remove(&port);
        }
        stored?;
        Ok(port)
    }

    /// Whether no resource holds any port.
    pub async fn is_empty(&self) -> bool {
        self.held.lock().await.is_empty()
    }

    /// Whether a resource holds a port.
    pub async fn is_held(&self, owner: &str, port: u16) -> bool {
        self.held.lock().await.get(&port).is_some_and(|holder| holder.owner == owner)
    }

    pub async fn release(&self, holder: &WorkloadKey) -> Result<(), StoreError> {
        self.release_where(|other| other == holder).await
    }

    /// Everything that a resource holds.
    pub async fn release_all(&self, owner: &str) -> Result<(), StoreError> {
        self.release_where(|other| other.owner == owner).await
    }

    /// Everything that a resource which is not there holds.
    pub async fn release_orphans(&self, exists: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        self.release_where(|other| !exists(&other.owner)).await
    }

    async fn release_where(&self, released: impl Fn(&WorkloadKey) -> bool) -> Result<(), StoreError> {
        let mut held = self.held.lock().await;
        let ports: Vec<u16> = held.iter().filter(|(_, holder)| released(holder)).map(|(port, _)| *port).collect();
        if ports.is_empty() {
            return Ok(());
        }
        let batch = ports.iter().fold(Batch::default(), |batch, port| batch.remove(PORTS, port.to_string()));
        let before = held.clone();
        held.retain(|port, _| !ports.contains(port));
        let stored = self.store.commit(batch).await;
        if stored.is_err() {
            *held = before;
        }
        stored
    }
}

/// Whether something could listen on it now. Looks at the wildcard address too: what listens there has the port on
/// every address.
fn is_free(port: u16) -> bool {
    let is_taken = |address| {
        // Any other error (no file descriptors left, say) is no news of the port; whoever listens on it will tell.
        TcpListener::bind((address, port)).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    };
    ![Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].into_iter().any(is_taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(n: u16) -> WorkloadKey {
        WorkloadKey { owner: format!("/subscriptions/s/a#b/{n}"), name: "port".to_owned() }
    }

    /// A range in which `count` ports in a row were free a moment ago.
    fn free_range(count: u16) -> RangeInclusive<u16> {
        let first =
            (20_000..60_000).step_by(usize::from(count)).find(|first| (*first..*first + count).all(is_free)).unwrap();
        first..=first + count - 1
    }

    #[tokio::test]
    async fn allocation_is_idempotent_skips_what_is_taken_and_survives_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let (store, mut contents) = Store::in_file(&folder.path().join("s"), &[PORTS]).unwrap();
        let ports = Ports::open(store.clone(), &mut contents);
        let range = free_range(5);
        let first = *range.start();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first + 1)).unwrap();

        assert_eq!(ports.allocate(&holder(1), range.clone(), &[first + 2]).await.unwrap(), first);
        assert_eq!(
            ports.allocate(&holder(1), range.clone(), &[]).await.unwrap(),
            first,
            "the same holder, the same port"
        );
        assert_eq!(ports.allocate(&holder(2), range.clone(), &[first + 2]).await.unwrap(), first + 3);
        drop(ports);
        drop(store);

        let (store, mut contents) = loop {
            match Store::in_file(&folder.path().join("s"), &[PORTS]) {
                Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
                other => break other.unwrap(),
            }
        };
        let ports = Ports::open(store, &mut contents);
        assert_eq!(ports.allocate(&holder(2), range.clone(), &[]).await.unwrap(), first + 3);
        ports.release_all(&holder(1).owner).await.unwrap();
        assert_eq!(ports.allocate(&holder(3), range.clone(), &[]).await.unwrap(), first);
        ports.release_orphans(|owner| owner == holder(2).owner).await.unwrap();
        assert_eq!(ports.allocate(&holder(4), range.clone(), &[]).await.unwrap(), first);
    }

    #[tokio::test]
    async fn an_exhausted_range_says_who_has_the_ports() {
        let (store, mut contents) = Store::in_memory(&[PORTS]).unwrap();
        let ports = Ports::open(store, &mut contents);
        let range = free_range(2);
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, *range.start())).unwrap();
        ports.allocate(&holder(1), range.clone(), &[]).await.unwrap();
        let error = ports.allocate(&holder(2), range, &[]).await.unwrap_err().to_string();
        assert!(error.contains("1 are held by resources and 1 are in use"), "{error}");
    }
}
