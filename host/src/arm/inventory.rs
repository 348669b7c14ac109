//! What there is: resources, operations, resource groups and subscriptions, in memory for reading and in the store for
//! keeping.
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
use super::subscription::Subscription;
use crate::state::{Batch, Contents, Rows, Store, StoreError, Table};
use crate::telemetry::Telemetry;

const RESOURCES: Table = Table("resources");
const OPERATIONS: Table = Table("operations");
const GROUPS: Table = Table("groups");
const SUBSCRIPTIONS: Table = Table("subscriptions");

/// How long an ended operation can still be asked for.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What is stored together is true together.
#[derive(Debug)]
pub enum Transition {
    /// The resource is now this one.
    Store(Record),
    /// The resource is gone.
    Remove(Record),
    /// The operation has started or ended.
    Operation(Operation),
    Group(Group),
    RemoveGroup(Group),
    Subscription(Subscription),
}

#[derive(Debug)]
pub struct Inventory {
    store: Store,
    resources: RwLock<BTreeMap<Key, Arc<Record>>>,
    operations: RwLock<HashMap<Uuid, Arc<Operation>>>,
    groups: RwLock<BTreeMap<Key, Arc<Group>>>,
    /// Those of which there is something to keep.
    subscriptions: RwLock<BTreeMap<Key, Arc<Subscription>>>,
    /// Woken whenever an operation ends.
    ended: Notify,
    telemetry: Arc<Telemetry>,
}

impl Inventory {
    /// The tables that it keeps in the store.
    pub const TABLES: [Table; 4] = [RESOURCES, OPERATIONS, GROUPS, SUBSCRIPTIONS];

    pub fn open(store: Store, contents: &mut Contents) -> Result<Inventory, StoreError> {
        let resources: BTreeMap<String, Record> = decode(contents.take(RESOURCES))?;
        let operations: BTreeMap<String, Operation> = decode(contents.take(OPERATIONS))?;
        let groups: BTreeMap<String, Group> = decode(contents.take(GROUPS))?;
        let subscriptions: BTreeMap<String, Subscription> = decode(contents.take(SUBSCRIPTIONS))?;
        let groups = groups.into_values().map(|group| (group.key(), Arc::new(group)));
        let subscriptions = subscriptions.into_values().map(|one| (one.key(), Arc::new(one)));
        Ok(Inventory {
            store,
            resources: RwLock::new(resources.into_values().map(|record| (record.id.key(), Arc::new(record))).collect()),
            operations: RwLock::new(
                operations.into_values().map(|operation| (operation.id, Arc::new(operation))).collect(),
            ),
            groups: RwLock::new(groups.collect()),
            subscriptions: RwLock::new(subscriptions.collect()),
            ended: Notify::new(),
            telemetry: Arc::default(),
        })
    }

    /// The same inventory, whose operations are reported.
    pub fn reporting(self, telemetry: Arc<Telemetry>) -> Inventory {
        Inventory { telemetry, ..self }
    }

    pub fn get(&self, key: &Key) -> Option<Arc<Record>> {
        read(&self.resources).get(key).cloned()
    }

    pub fn all(&self) -> Vec<Arc<Record>> {
        read(&self.resources).values().cloned().collect()
    }

    /// Everything inside a subscription or group.
    pub fn inside(&self, scope: &Scope) -> Vec<Arc<Record>> {
        self.below(&scope.key())
    }

    /// Everything below a resource or a group.
    pub fn below(&self, key: &Key) -> Vec<Arc<Record>> {
        let prefix = format!("{key}/");
        let resources = read(&self.resources);
        let from = resources.range(Key::folded(&prefix)..);
        from.take_while(|(key, _)| key.as_str().starts_with(&prefix)).map(|(_, record)| record.clone()).collect()
    }

    /// Everything of a provider.
    pub fn of_namespace(&self, namespace: &str) -> Vec<Arc<Record>> {
        let resources = read(&self.resources);
        let own = resources.values().filter(|record| record.id.namespace.eq_ignore_ascii_case(namespace));
        own.cloned().collect()
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

    /// Stores all or nothing, in the order in which it is to be seen. Not cancel safe: what is stored is shown only if the
    /// caller stays, so whoever may be dropped calls this in a task of its own (see [`super::FrontDoor::answer`]). Ended operations that are too old are forgotten on the way.
    pub async fn commit(&self, transitions: Vec<Transition>) -> Result<(), StoreError> {
        self.commit_with(transitions, Batch::default()).await
    }

    /// The same, together with changes of tables that are not its own.
    pub async fn commit_with(&self, transitions: Vec<Transition>, mut batch: Batch) -> Result<(), StoreError> {
        let has_operation = transitions.iter().any(|one| matches!(one, Transition::Operation(_)));
        let forgotten = if has_operation { self.outdated() } else { Vec::new() };
        for id in &forgotten {
            batch = batch.remove(OPERATIONS, id.to_string());
        }
        for transition in &transitions {
            batch = match transition {
                Transition::Store(record) => batch.put(RESOURCES, record.id.key().as_str(), encode(record)?),
                Transition::Remove(record) => batch.remove(RESOURCES, record.id.key().as_str()),
                Transition::Operation(operation) => batch.put(OPERATIONS, operation.id.to_string(), encode(operation)?),
                Transition::Group(group) => batch.put(GROUPS, group.key().as_str(), encode(group)?),
                Transition::RemoveGroup(group) => batch.remove(GROUPS, group.key().as_str()),
                Transition::Subscription(one) => batch.put(SUBSCRIPTIONS, one.key().as_str(), encode(one)?),
            };
        }
        self.store.commit(batch).await?;

        for transition in transitions {
            self.show(transition);
        }
        if has_operation {
            write(&self.operations).retain(|id, _| !forgotten.contains(id));
            self.ended.notify_waiters();
        }
        Ok(())
    }

    fn show(&self, transition: Transition) {
        match transition {
            Transition::Store(record) => drop(write(&self.resources).insert(record.id.key(), Arc::new(record))),
            Transition::Remove(record) => drop(write(&self.resources).remove(&record.id.key())),
            Transition::Operation(one) => {
                let event = one.event();
                write(&self.operations).insert(one.id, Arc::new(one));
                self.telemetry.publish(event);
            }
            Transition::Group(group) => drop(write(&self.groups).insert(group.key(), Arc::new(group))),
            Transition::RemoveGroup(group) => drop(write(&self.groups).remove(&group.key())),
            Transition::Subscription(one) => drop(write(&self.subscriptions).insert(one.key(), Arc::new(one))),
        }
    }

    pub fn running(&self) -> usize {
        read(&self.operations).values().filter(|operation| operation.status == Status::InProgress).count()
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

    /// All of them, or those of a subscription, by id.
    pub fn groups(&self, subscription: Option<&str>) -> Vec<Arc<Group>> {
        let groups = read(&self.groups);
        let wanted = |group: &Group| subscription.is_none_or(|one| group.subscription.eq_ignore_ascii_case(one));
        groups.values().filter(|group| wanted(group)).cloned().collect()
    }

    /// What is kept of a subscription, if anything is.
    pub fn subscription(&self, id: &str) -> Option<Arc<Subscription>> {
        read(&self.subscriptions).get(&Subscription::key_of(id)).cloned()
    }

    /// The ids of the subscriptions of which something is kept.
    pub fn subscriptions(&self) -> Vec<String> {
        read(&self.subscriptions).values().map(|one| one.id.clone()).collect()
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
