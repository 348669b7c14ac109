//! What survives a restart: tables of bytes, changed in atomic batches.
//!
//! The store knows nothing of what it keeps. Everything is read once, at the start; after that the typed indexes above
//! it answer from memory, and the store is told what changed. [`Store::commit`] returns once the batch is as durable
//! as the backend makes it, which for [`redb`] means synced to disk. Batches that arrive together share one
//! transaction, so that many writers do not each pay for a sync. A batch that was handed over is carried out even if
//! the caller stops waiting.

mod memory;
mod redb;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

/// A table's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table(pub &'static str);

/// Everything of one table.
pub type Rows = BTreeMap<String, Vec<u8>>;

/// Changes that take effect together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
struct Change {
    table: Table,
    key: String,
    /// None removes the row.
    value: Option<Vec<u8>>,
}

impl Batch {
    pub fn put(mut self, table: Table, key: impl Into<String>, value: Vec<u8>) -> Batch {
        self.changes.push(Change { table, key: key.into(), value: Some(value) });
        self
    }

    pub fn remove(mut self, table: Table, key: impl Into<String>) -> Batch {
        self.changes.push(Change { table, key: key.into(), value: None });
        self
    }
}

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the state file {path} is in use by another floci-az: stop that one, or give this one a folder of its own (FLOCI_AZ_STORAGE_PERSISTENT_PATH)"
    )]
    InUse { path: String },
    #[error("the state file {path} cannot be opened: {reason}")]
    Open { path: String, reason: String },
    #[error("the state cannot be {attempt}: {reason}")]
    Io { attempt: &'static str, reason: String },
    #[error("the state cannot be written any more: its writer has ended")]
    Closed,
}

/// One way to keep tables.
trait Backend: Send {
    fn load(&mut self, table: Table) -> Result<Rows, StoreError>;
    /// All of the changes, in order, in one transaction.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;
}

struct Commit {
    batch: Batch,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// The way to the thread that writes. Dropping the last handle ends the thread, after what it was given.
#[derive(Debug, Clone)]
pub struct Store {
    commits: mpsc::Sender<Commit>,
}

/// What an opened store held, to be taken table by table.
#[derive(Debug)]
pub struct Contents {
    tables: BTreeMap<Table, Rows>,
}

impl Contents {
    pub fn take(&mut self, table: Table) -> Rows {
        self.tables.remove(&table).unwrap_or_default()
    }
}

impl Store {
    /// Nothing is kept beyond the life of the process.
    pub fn in_memory(tables: &[Table]) -> Result<(Store, Contents), StoreError> {
        Store::start(memory::Memory, tables)
    }

    /// Kept in `file`, which is made if it is not there. One process at a time may hold it.
    pub fn in_file(file: &Path, tables: &[Table]) -> Result<(Store, Contents), StoreError> {
        Store::start(redb::File::open(file)?, tables)
    }

    fn start(mut backend: impl Backend + 'static, tables: &[Table]) -> Result<(Store, Contents), StoreError> {
        let mut contents = Contents { tables: BTreeMap::new() };
        for table in tables {
            contents.tables.insert(*table, backend.load(*table)?);
        }
        let (commits, queue) = mpsc::channel();
        thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || write(backend, &queue))
            .map_err(|error: io::Error| StoreError::Io { attempt: "opened", reason: error.to_string() })?;
        Ok((Store { commits }, contents))
    }

    /// Returns when the batch is durable; an error means that none of it was stored.
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let (done, outcome) = oneshot::channel();
        self.commits.send(Commit { batch, done }).map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }
}

/// Writes what arrives, as much as has arrived in one transaction. Should a shared transaction fail, each batch is
/// tried by itself, so that one that cannot be stored takes no other with it.
fn write(mut backend: impl Backend, queue: &mpsc::Receiver<Commit>) {
    while let Ok(first) = queue.recv() {
        let mut commits = vec![first];
        commits.extend(queue.try_iter());
        let together: Vec<Change> = commits.iter().flat_map(|commit| commit.batch.changes.clone()).collect();
        let shared = backend.commit(&together);
        for commit in commits {
            let outcome = match &shared {
                Ok(()) => Ok(()),
                Err(_) => backend.commit(&commit.batch.changes),
            };
            let _ = commit.done.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURS: Table = Table("colours");

    fn rows(contents: &mut Contents) -> Vec<(String, String)> {
        contents.take(COLOURS).into_iter().map(|(key, value)| (key, String::from_utf8(value).unwrap())).collect()
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.redb");
        let (store, mut contents) = Store::in_file(&file, &[COLOURS]).unwrap();
        assert!(rows(&mut contents).is_empty());
        store
            .commit(Batch::default().put(COLOURS, "a", b"red".to_vec()).put(COLOURS, "b", b"blue".to_vec()))
            .await
            .unwrap();
        store.commit(Batch::default().remove(COLOURS, "a").put(COLOURS, "b", b"green".to_vec())).await.unwrap();

        assert!(matches!(Store::in_file(&file, &[COLOURS]), Err(StoreError::InUse { .. })));
        drop(store);
        let reopened = loop {
            // The writer lets go of the file when it has seen that its last handle is gone.
            match Store::in_file(&file, &[COLOURS]) {
                Err(StoreError::InUse { .. }) => thread::yield_now(),
                other => break other,
            }
        };
        assert_eq!(rows(&mut reopened.unwrap().1), [("b".to_owned(), "green".to_owned())]);
    }

    #[tokio::test]
    async fn many_writers_share_transactions_and_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.redb");
        let (store, _) = Store::in_file(&file, &[COLOURS]).unwrap();
        let writers: Vec<_> = (0..64)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(
                    async move { store.commit(Batch::default().put(COLOURS, format!("{n:02}"), vec![b'x'])).await },
                )
            })
            .collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        drop(store);
        let mut reopened = loop {
            match Store::in_file(&file, &[COLOURS]) {
                Err(StoreError::InUse { .. }) => thread::yield_now(),
                other => break other.unwrap(),
            }
        };
        assert_eq!(rows(&mut reopened.1).len(), 64);
    }

    #[test]
    fn a_file_that_is_no_state_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.redb");
        std::fs::write(&file, b"not a database, and long enough to be looked at").unwrap();
        let error = Store::in_file(&file, &[COLOURS]).unwrap_err().to_string();
        assert!(error.contains("state.redb"), "{error}");
    }
}
