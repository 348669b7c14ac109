//! What there is: resources, operations and resource groups, in memory for reading and in the store for keeping.
//!
//! Reads never wait. A change is stored first and shown after, so nobody is told of what a crash could undo. Whoever
//! changes a resource holds its write lock (see [`super::locks`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use uuid::Uuid;

use super::group::Group;
use super::id::{Key, Scope};
use super::operation::{Operation, Status};
use super::record::Record;
use crate::state::{Batch, Contents, Rows, Store, StoreError, Table};

const RESOURCES: Table = Table("resources");
const OPERATIONS: Table = Table("operations");
const GROUPS: Table = Table("groups");

/// How long an ended operation can still be asked for.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A change of one resource, with the operation that it starts or ends.
#[derive(Debug)]
pub enum Transition {
    /// The record is now this one.
    Store(Record),
    /// The record is gone.
    Remove(Record),
}

#[derive(Debug)]
pub struct Inventory {
    store: Store,
    resources: RwLock<BTreeMap<Key, Arc<Record>>>,
    operations: RwLock<HashMap<Uuid, Arc<Operation>>>,
    groups: RwLock<BTreeMap<Key, Arc<Group>>>,
    /// Woken whenever an operation ends.
    ended: Notify,
}

impl Inventory {
    /// The tables that it keeps in the store.
    pub const TABLES: [Table; 3] = [RESOURCES, OPERATIONS, GROUPS];

    pub fn open(store: Store, contents: &mut Contents) -> Result<Inventory, StoreError> {
        let resources: BTreeMap<String, Record> = decode(contents.take(RESOURCES))?;
        let operations: BTreeMap<String, Operation> = decode(contents.take(OPERATIONS))?;
        let groups: BTreeMap<String, Group> = decode(contents.take(GROUPS))?;
        Ok(Inventory {
            store,
            resources: RwLock::new(resources.into_values().map(|record| (record.id.key(), Arc::new(record))).collect()),
            operations: RwLock::new(
                operations.into_values().map(|operation| (operation.id, Arc::new(operation))).collect(),
            ),
            groups: RwLock::new(groups.into_values().map(|group| (group.key(), Arc::new(group))).collect()),
            ended: Notify::new(),
        })
    }

    pub fn get(&self, key: &Key) -> Option<Arc<Record>> {
        read(&self.resources).get(key).cloned()
    }

    pub fn all(&self) -> Vec<Arc<Record>> {
        read(&self.resources).values().cloned().collect()
    }

    /// Everything inside a subscription or group.
    pub fn inside(&self, scope: &Scope) -> Vec<Arc<Record>> {
        let prefix = scope.prefix();
        let resources = read(&self.resources);
        let from = resources.range(Key::folded(&prefix)..);
        from.take_while(|(key, _)| key.as_str().starts_with(&prefix)).map(|(_, record)| record.clone()).collect()
    }

    /// Direct children of one type.
    pub fn children(&self, parent: &Key, child_type: &str) -> Vec<Arc<Record>> {
        let prefix = format!("{parent}/{}/", child_type.to_lowercase());
        let resources = read(&self.resources);
        let from = resources.range(Key::folded(&prefix)..);
        from.take_while(|(key, _)| key.as_str().starts_with(&prefix))
            .filter(|(_, record)| record.id.parent().as_ref() == Some(parent))
            .map(|(_, record)| record.clone())
            .collect()
    }

    pub fn operation(&self, id: &Uuid) -> Option<Arc<Operation>> {
        read(&self.operations).get(id).cloned()
    }

    /// The operation once it has ended, or as it stands after `limit`. None if there is none.
    pub async fn ended(&self, id: &Uuid, limit: Duration) -> Option<Arc<Operation>> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let notified = self.ended.notified();
            let operation = self.operation(id)?;
            if operation.status != Status::InProgress || tokio::time::timeout_at(deadline, notified).await.is_err() {
                return Some(operation);
            }
        }
    }

    /// Stores a transition, and the operations that it starts or ends, in one step. Ended operations that are too old
    /// are forgotten on the way.
    pub async fn commit(
        &self,
        transition: Transition,
        operations: impl IntoIterator<Item = Operation>,
    ) -> Result<(), StoreError> {
        let changed: Vec<Operation> = operations.into_iter().collect();
        let mut batch = match &transition {
            Transition::Store(record) => Batch::default().put(RESOURCES, record.id.key().as_str(), encode(record)?),
            Transition::Remove(record) => Batch::default().remove(RESOURCES, record.id.key().as_str()),
        };
        let forgotten = if changed.is_empty() { Vec::new() } else { self.outdated() };
        for id in &forgotten {
            batch = batch.remove(OPERATIONS, id.to_string());
        }
        for operation in &changed {
            batch = batch.put(OPERATIONS, operation.id.to_string(), encode(operation)?);
        }
        self.store.commit(batch).await?;

        match transition {
            Transition::Store(record) => write(&self.resources).insert(record.id.key(), Arc::new(record)),
            Transition::Remove(record) => write(&self.resources).remove(&record.id.key()),
        };
        if changed.is_empty() {
            return Ok(());
        }
        let mut operations = write(&self.operations);
        operations.retain(|id, _| !forgotten.contains(id));
        operations.extend(changed.into_iter().map(|operation| (operation.id, Arc::new(operation))));
        drop(operations);
        self.ended.notify_waiters();
        Ok(())
    }

    fn outdated(&self) -> Vec<Uuid> {
        let limit = SignedDuration::try_from(KEPT).unwrap_or(SignedDuration::MAX);
        let now = Timestamp::now();
        let is_old = |ended: Timestamp| now.duration_since(ended) > limit;
        let operations = read(&self.operations);
        operations
            .values()
            .filter(|operation| operation.ended.is_some_and(is_old))
            .map(|operation| operation.id)
            .collect()
    }

    pub fn group(&self, key: &Key) -> Option<Arc<Group>> {
        read(&self.groups).get(key).cloned()
    }

    pub fn groups(&self, subscription: &str) -> Vec<Arc<Group>> {
        let groups = read(&self.groups);
        groups.values().filter(|group| group.subscription.eq_ignore_ascii_case(subscription)).cloned().collect()
    }

    pub async fn put_group(&self, group: Group) -> Result<(), StoreError> {
        self.store.commit(Batch::default().put(GROUPS, group.key().as_str(), encode(&group)?)).await?;
        write(&self.groups).insert(group.key(), Arc::new(group));
        Ok(())
    }

    pub async fn remove_group(&self, group: &Group) -> Result<(), StoreError> {
        self.store.commit(Batch::default().remove(GROUPS, group.key().as_str())).await?;
        write(&self.groups).remove(&group.key());
        Ok(())
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Io { attempt: "written", reason: error.to_string() })
}

fn decode<T: DeserializeOwned>(rows: Rows) -> Result<BTreeMap<String, T>, StoreError> {
    let decoded = rows.into_iter().map(|(key, bytes)| match serde_json::from_slice(&bytes) {
        Ok(value) => Ok((key, value)),
        Err(error) => Err(StoreError::Io { attempt: "read", reason: format!("row '{key}': {error}") }),
    });
    decoded.collect()
}
