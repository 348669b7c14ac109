//! Children whose life is their parent's: the parent's step brings them to where they should be.
//!
//! Such a child is *pending* while an operation of it runs, or while it is being deleted. The step of its parent takes
//! note of the pending ones before it calls the plugin, and concludes them by what the plugin said of the parent, but
//! those that have changed meanwhile: each change wakes the parent once more. What is stored of parent and children is
//! not one commit. A crash in between leaves a child pending whose parent is done, and the next start has the parent
//! look again.

use std::sync::Arc;

use floci_az_contract::{Life, ResourceType};
use jiff::Timestamp;

use super::step::{self, Step, Stepper};
use crate::arm::{Held, Inventory, Key, Locks, Past, Provisioning, Record, Status, Transition};
use crate::plugin::contract::Fault;
use crate::state::StoreError;

/// What a parent's step says of its pending children.
#[derive(Debug)]
pub(super) enum Verdict {
    /// They are where they should be, or gone.
    Done,
    /// Not yet; it is what the parent waits for.
    Waiting(String),
    Failed(Fault),
}

/// A child on its way when its parent's step began.
#[derive(Debug)]
pub(super) struct Pending {
    record: Arc<Record>,
    kind: Arc<ResourceType>,
}

impl Stepper {
    /// The type of a resource, as the active revision declares it.
    pub(super) fn kind(&self, record: &Record) -> Option<Arc<ResourceType>> {
        self.plugins.of(&record.id.namespace)?.revision.kind(&record.id.kind()).cloned()
    }

    /// Whose step a resource waits for: its own or, if its life is its parent's, that one's.
    pub(super) fn whose(&self, record: &Record) -> Key {
        let parent = record.id.parent().filter(|_| self.kind(record).is_some_and(|kind| is_part(&kind)));
        parent.unwrap_or_else(|| record.id.key())
    }

    pub(super) fn pending(&self, parent: &Key) -> Vec<Pending> {
        let mut pending = self.part_of(parent);
        pending.retain(|child| is_pending(&child.record));
        pending
    }

    fn part_of(&self, parent: &Key) -> Vec<Pending> {
        let below = self.lender.inventory.below(parent).into_iter();
        let with_kind = below.filter_map(|record| Some(Pending { kind: self.kind(&record)?, record }));
        with_kind.filter(|child| is_part(&child.kind) && child.record.id.parent().as_ref() == Some(parent)).collect()
    }

    pub(super) async fn conclude_children(&self, pending: Vec<Pending>, verdict: &Verdict) -> Result<(), StoreError> {
        conclude(&self.lender.inventory, &self.locks, pending, verdict, self.began).await
    }

    /// The children of what is being deleted go with it, without a call of the plugin.
    pub(super) async fn remove_children(&self, parent: &Key) -> Result<(), StoreError> {
        let doomed = self.part_of(parent);
        let _held = hold(&self.locks, &doomed).await;
        // Nothing new can have been put in since the parent was marked, but what is there may have changed.
        let inventory = &self.lender.inventory;
        let now = doomed.iter().filter_map(|child| inventory.get(&child.record.id.key()));
        let gone = now.flat_map(|record| {
            let ended = step::running(inventory, record.operation).map(|operation| match record.provisioning {
                Provisioning::Deleting => operation.end(Status::Succeeded),
                _ => operation.preempted(),
            });
            tracing::info!(resource = %record.id, "Deleted");
            [Transition::Remove((*record).clone())].into_iter().chain(ended.map(Transition::Operation))
        });
        commit(inventory, gone.collect()).await
    }

    /// Nobody steps a parent that was never ready and has failed. What is pending below it would wait for ever.
    pub(super) async fn abandon_children(&self, parent: &Record) -> Step {
        let (gone, left): (Vec<_>, Vec<_>) = self
            .pending(&parent.id.key())
            .into_iter()
            .partition(|child| child.record.provisioning == Provisioning::Deleting);
        let message = format!("'{}' could not be created", parent.id);
        let failed = Verdict::Failed(Fault { code: "ParentFailed".to_owned(), message });
        for (children, verdict) in [(gone, &Verdict::Done), (left, &failed)] {
            if let Err(error) = self.conclude_children(children, verdict).await {
                tracing::error!(resource = %parent.id, %error, "what became of its children could not be stored");
                return Step::Failed;
            }
        }
        Step::Settled
    }
}

fn is_part(kind: &ResourceType) -> bool {
    kind.life == Life::Parents
}

pub(super) fn is_pending(record: &Record) -> bool {
    !record.provisioning.is_terminal()
}

/// The write locks of some children of one parent. Only their parent's step takes more than one, and it holds its
/// parent's write lock meanwhile no more (see [`crate::arm::Locks`]).
async fn hold(locks: &Locks, children: &[Pending]) -> Vec<Held> {
    let mut held = Vec::new();
    for child in children {
        held.push(locks.write(&child.record.id.key()).await);
    }
    held
}

/// Stores what became of those that have not changed since.
async fn conclude(
    inventory: &Inventory,
    locks: &Locks,
    pending: Vec<Pending>,
    verdict: &Verdict,
    began: Timestamp,
) -> Result<(), StoreError> {
    let _held = hold(locks, &pending).await;
    let is_unchanged = |child: &&Pending| {
        inventory.get(&child.record.id.key()).is_some_and(|now| now.generation == child.record.generation)
    };
    let unchanged = pending.iter().filter(is_unchanged);
    commit(inventory, unchanged.flat_map(|child| conclusion(inventory, child, verdict, began)).collect()).await
}

fn conclusion(inventory: &Inventory, child: &Pending, verdict: &Verdict, began: Timestamp) -> Vec<Transition> {
    let record = &*child.record;
    let operation = step::running(inventory, record.operation);
    let fault = match verdict {
        Verdict::Done => {
            let ended = operation.map(|operation| Transition::Operation(operation.end(Status::Succeeded)));
            let (word, stored) = match record.provisioning {
                Provisioning::Deleting => ("Deleted", Transition::Remove(record.clone())),
                _ => {
                    let (provisioning, past) = (Provisioning::Succeeded, Past::BeenReady);
                    (provisioning.as_str(), Transition::Store(Record { provisioning, past, ..record.clone() }))
                }
            };
            tracing::info!(resource = %record.id, "{word}");
            return [stored].into_iter().chain(ended).collect();
        }
        Verdict::Waiting(reason) => {
            match operation.as_ref().and_then(|operation| step::overdue(&child.kind, operation, began, reason)) {
                Some(fault) => fault,
                None => return Vec::new(),
            }
        }
        Verdict::Failed(fault) => fault.clone(),
    };
    // Whose operation has failed before is a deletion that goes on; there is nobody left to tell.
    let Some(operation) = operation else { return Vec::new() };
    let Fault { code, message } = fault;
    tracing::warn!(resource = %record.id, code, "{message}");
    let failed = Transition::Operation(operation.end(Status::Failed { code, message }));
    match record.provisioning {
        Provisioning::Deleting => vec![failed],
        _ => vec![Transition::Store(Record { provisioning: Provisioning::Failed, ..record.clone() }), failed],
    }
}

async fn commit(inventory: &Inventory, transitions: Vec<Transition>) -> Result<(), StoreError> {
    match transitions.is_empty() {
        true => Ok(()),
        false => inventory.commit(transitions).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    use crate::arm::{Operation, ResourceId, State};
    use crate::state::Store;

    fn kind(deadline_seconds: u32) -> Arc<ResourceType> {
        let kind = json!({
            "name": "ovens/loaves", "apiVersions": ["2026-01-01"], "schemaVersion": 1, "life": "parents",
            "deadlineSeconds": deadline_seconds, "example": {},
        });
        Arc::new(serde_json::from_value(kind).unwrap())
    }

    /// A child on its way, with its operation.
    fn child(provisioning: Provisioning, past: Past) -> (Record, Operation) {
        let path = "/subscriptions/s/resourceGroups/g/providers/Contoso.Bakery/ovens/o/loaves/l";
        let id = ResourceId::parse(path).unwrap();
        let operation = Operation::of_resource(&id, "East US");
        let record = Record {
            id,
            location: "East US".to_owned(),
            tags: Map::new(),
            state: State { document: Map::new(), private: Vec::new() },
            provisioning,
            past,
            schema_version: 1,
            twin: None,
            generation: 3,
            operation: Some(operation.id),
            created: Timestamp::now(),
            modified: Timestamp::now(),
        };
        (record, operation)
    }

    fn inventory() -> Inventory {
        let (store, mut contents) = Store::in_memory(&Inventory::TABLES).unwrap();
        Inventory::open(store, &mut contents).unwrap()
    }

    /// What becomes of a child, and of its operation.
    async fn check(provisioning: Provisioning, past: Past, verdict: Verdict, deadline: u32) -> String {
        let (inventory, locks, (record, operation)) = (inventory(), Locks::default(), child(provisioning, past));
        let id = operation.id;
        inventory.commit(vec![Transition::Store(record.clone()), Transition::Operation(operation)]).await.unwrap();
        let pending = vec![Pending { record: Arc::new(record.clone()), kind: kind(deadline) }];
        // Long ago.
        let began = Timestamp::UNIX_EPOCH;
        conclude(&inventory, &locks, pending, &verdict, began).await.unwrap();
        let now = inventory.get(&record.id.key()).map_or("gone", |record| record.provisioning.as_str());
        match &inventory.operation(&id).unwrap().status {
            Status::Failed { code, .. } => format!("{now}, Failed: {code}"),
            status => format!("{now}, {status:?}"),
        }
    }

    #[tokio::test]
    async fn children_end_as_their_parents_step_ends() {
        use Provisioning::{Creating, Deleting, Updating};
        let fault = || Fault { code: "OvenCold".to_owned(), message: "it is cold".to_owned() };
        for (state, done, waiting, failed) in [
            (Creating, "Succeeded, Succeeded", "Creating, InProgress", "Failed, Failed: OvenCold"),
            (Updating, "Succeeded, Succeeded", "Updating, InProgress", "Failed, Failed: OvenCold"),
            (Deleting, "gone, Succeeded", "Deleting, InProgress", "Deleting, Failed: OvenCold"),
        ] {
            let past = if state == Creating { Past::NeverReady } else { Past::BeenReady };
            assert_eq!(check(state, past, Verdict::Done, 300).await, done);
            assert_eq!(check(state, past, Verdict::Waiting("heat".to_owned()), 300).await, waiting);
            assert_eq!(check(state, past, Verdict::Failed(fault()), 300).await, failed);
        }
    }

    #[tokio::test]
    async fn a_child_that_has_changed_since_the_step_began_stays_pending() {
        let (inventory, locks) = (inventory(), Locks::default());
        let (seen, operation) = child(Provisioning::Creating, Past::NeverReady);
        let now = Record { provisioning: Provisioning::Deleting, ..seen.changed() };
        inventory.commit(vec![Transition::Store(now.clone()), Transition::Operation(operation)]).await.unwrap();
        let pending = vec![Pending { record: Arc::new(seen.clone()), kind: kind(300) }];
        conclude(&inventory, &locks, pending, &Verdict::Done, Timestamp::now()).await.unwrap();
        assert_eq!(*inventory.get(&seen.id.key()).unwrap(), now);
    }

    #[tokio::test]
    async fn a_deletion_whose_operation_has_failed_goes_on() {
        let (inventory, locks) = (inventory(), Locks::default());
        let (record, operation) = child(Provisioning::Deleting, Past::BeenReady);
        let failed = operation.preempted();
        inventory.commit(vec![Transition::Store(record.clone()), Transition::Operation(failed)]).await.unwrap();
        let pending = || vec![Pending { record: Arc::new(record.clone()), kind: kind(300) }];
        let fault = Fault { code: "OvenCold".to_owned(), message: String::new() };
        for (verdict, there) in [(Verdict::Failed(fault), true), (Verdict::Done, false)] {
            conclude(&inventory, &locks, pending(), &verdict, Timestamp::now()).await.unwrap();
            assert_eq!(inventory.get(&record.id.key()).is_some(), there, "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_childs_operation_has_the_time_of_its_own_type() {
        let (record, operation) = child(Provisioning::Creating, Past::NeverReady);
        let long_ago = Timestamp::now() - jiff::SignedDuration::from_secs(60);
        for (deadline, left) in
            [(30, Status::Failed { code: String::new(), message: String::new() }), (300, Status::InProgress)]
        {
            let (inventory, locks) = (inventory(), Locks::default());
            let started = Operation { started: long_ago, ..operation.clone() };
            inventory.commit(vec![Transition::Store(record.clone()), Transition::Operation(started)]).await.unwrap();
            let pending = vec![Pending { record: Arc::new(record.clone()), kind: kind(deadline) }];
            let verdict = Verdict::Waiting("heat".to_owned());
            conclude(&inventory, &locks, pending, &verdict, Timestamp::UNIX_EPOCH).await.unwrap();
            let status = inventory.operation(&operation.id).unwrap().status.clone();
            match status {
                Status::Failed { code, message } => {
                    assert_ne!(left, Status::InProgress);
                    assert_eq!(code, "OperationTimedOut");
                    assert!(message.ends_with("waited for: heat"), "{message}");
                }
                status => assert_eq!(status, left),
            }
        }
    }
}
