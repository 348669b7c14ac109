//! One file, transactions, a sync with each commit.

use std::fmt::Display;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use super::{Backend, Change, Rows, StoreError, Table};

pub(super) struct File {
    path: PathBuf,
    /// None after an error: redb refuses everything from then on, so it is opened anew for the next commit.
    database: Option<Database>,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<File, StoreError> {
        Ok(File { path: path.to_owned(), database: Some(open(path)?) })
    }

    fn database(&mut self) -> Result<&Database, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.path)?,
        };
        Ok(self.database.insert(database))
    }
}

fn open(path: &Path) -> Result<Database, StoreError> {
    let failed = |reason: String| StoreError::Open { path: path.display().to_string(), reason };
    if !fs::exists(path).map_err(|error| failed(error.to_string()))? {
        create(path).map_err(failed)?;
    }
    Database::open(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.display().to_string() },
        other => failed(other.to_string()),
    })
}

/// An empty database, which is there whole or not at all: redb itself writes a new file in several steps, and a file
/// that it has begun cannot be opened. For this user only.
fn create(path: &Path) -> Result<(), String> {
    let new = path.with_extension("new");
    // What a crash has left behind.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.to_string()),
        _ => {}
    }
    drop(Database::create(&new).map_err(|error| error.to_string())?);
    let linked = fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).and_then(|()| {
        // Never over one that somebody else has made meanwhile.
        match fs::hard_link(&new, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    });
    let _ = fs::remove_file(&new);
    linked.map_err(|error| error.to_string())?;
    let folder = path.parent().unwrap_or(path);
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| error.to_string())
}

fn definition(table: Table) -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(table.0)
}

fn failed(attempt: &'static str) -> impl Fn(&dyn Display) -> StoreError {
    move |reason| StoreError::Io { attempt, reason: reason.to_string() }
}

impl Backend for File {
    fn load(&mut self, table: Table) -> Result<Rows, StoreError> {
        let failed = failed("read");
        let transaction = self.database()?.begin_read().map_err(|error| failed(&error))?;
        let table = match transaction.open_table(definition(table)) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Rows::new()),
            Err(error) => return Err(failed(&error)),
        };
        let mut rows = Rows::new();
        for row in table.iter().map_err(|error| failed(&error))? {
            let (key, value) = row.map_err(|error| failed(&error))?;
            rows.insert(key.value().to_owned(), value.value().to_owned());
        }
        Ok(rows)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let written = write(self.database()?, changes);
        if written.is_err() {
            self.database = None;
        }
        written
    }
}

fn write(database: &Database, changes: &[Change]) -> Result<(), StoreError> {
    let failed = failed("written");
    let transaction = database.begin_write().map_err(|error| failed(&error))?;
    for change in changes {
        let mut table = transaction.open_table(definition(change.table)).map_err(|error| failed(&error))?;
        match &change.value {
            Some(value) => table.insert(change.key.as_str(), value.as_slice()).map_err(|error| failed(&error))?,
            None => table.remove(change.key.as_str()).map_err(|error| failed(&error))?,
        };
    }
    transaction.commit().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_was_broken_off_leaves_nothing_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        // As a crash leaves it: of full length, and no database yet.
        fs::write(path.with_extension("new"), vec![0; 1 << 20]).unwrap();
        drop(File::open(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let first = File::open(&path).unwrap();
        assert!(matches!(File::open(&path).err(), Some(StoreError::InUse { .. })));
        drop(first);
        fs::write(&path, "no database").unwrap();
        assert!(matches!(File::open(&path).err(), Some(StoreError::Open { .. })));
    }
}
