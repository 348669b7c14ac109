//! One file, transactions, a sync with each commit.

use std::fmt::Display;
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
        Ok(File { path: path.to_owned(), database: Some(create(path)?) })
    }

    fn database(&mut self) -> Result<&Database, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => create(&self.path)?,
        };
        Ok(self.database.insert(database))
    }
}

fn create(path: &Path) -> Result<Database, StoreError> {
    Database::create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.display().to_string() },
        other => StoreError::Open { path: path.display().to_string(), reason: other.to_string() },
    })
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
