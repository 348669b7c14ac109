//! What is deleted with something else: the resources of a group, the children of a resource.
//!
//! Level-based as everything here: whoever is on its way out marks what is below it as on its way out, too, wakes it,
//! and waits. Each resource that is gone wakes its parent and its group; the last one lets them go.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::step::{Step, Stepper};
use crate::arm::{self, Group, Inventory, Key, Life, Operation, Provisioning, Record, Status, Transition};
use crate::plugin::contract::Fault;
use crate::state::StoreError;

/// Between two looks at what is still there, should the news of its end have been lost.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// Whether anything is left below.
#[derive(Debug)]
pub(super) enum Inside {
    Nothing,
    Something,
    /// Something whose own deletion has failed. It is still tried, but nobody should wait for it.
    Stuck(Fault),
}

/// Marks and wakes everything below a resource or group that is being deleted.
pub(super) async fn below(stepper: &Stepper, key: &Key) -> Inside {
    let inventory = &stepper.lender.inventory;
    let mut inside = Inside::Nothing;
    for record in inventory.below(key) {
        inside = match (failure(inventory, &record), inside) {
            (Some(fault), _) | (None, Inside::Stuck(fault)) => Inside::Stuck(fault),
            (None, _) => Inside::Something,
        };
        if record.provisioning == Provisioning::Deleting {
            continue;
        }
        let key = record.id.key();
        match arm::begin_deletion(inventory, &stepper.locks, &key).await {
            Ok(_) => stepper.lender.wake(stepper.whose(&record)),
            // The next look tries again.
            Err(error) => tracing::error!(resource = %record.id, %error, "its deletion could not be stored"),
        }
    }
    inside
}

/// Why a resource's deletion has failed, if it has.
fn failure(inventory: &Inventory, record: &Record) -> Option<Fault> {
    let operation = inventory.operation(&record.operation?)?;
    match &operation.status {
        Status::Failed { code, message } if record.provisioning == Provisioning::Deleting => {
            let message = format!("'{}' could not be deleted: {code}: {message}", record.id);
            Some(Fault { code: "DeletionBlocked".to_owned(), message })
        }
        _ => None,
    }
}

/// A step of a group: none, unless it is being deleted.
pub(super) async fn of_group(stepper: &Stepper, group: &Group) -> Step {
    let Life::Deleting { operation } = group.life else { return Step::Settled };
    let (ended, step) = match below(stepper, &group.key()).await {
        Inside::Nothing => (remove(stepper, group, &operation).await, Step::Settled),
        Inside::Something => (Ok(()), Step::Again(LOOK)),
        Inside::Stuck(fault) => (give_up(stepper, group, &operation, fault).await, Step::Again(LOOK)),
    };
    match ended {
        Ok(()) => step,
        Err(error) => {
            tracing::error!(group = %group.scope(), %error, "what became of its deletion could not be stored");
            Step::Failed
        }
    }
}

/// Nothing can have been put into it since it was marked: that is refused.
async fn remove(stepper: &Stepper, group: &Group, operation: &Uuid) -> Result<(), StoreError> {
    let _held = stepper.locks.write(&group.key()).await;
    let ended = running(&stepper.lender.inventory, operation).map(|operation| operation.end(Status::Succeeded));
    let transitions = [Transition::RemoveGroup(group.clone())].into_iter().chain(ended.map(Transition::Operation));
    stepper.lender.inventory.commit(transitions.collect()).await?;
    tracing::info!(group = %group.scope(), "Deleted");
    Ok(())
}

/// Tells who waits that it may take for ever. The deletion goes on nevertheless: a group that is half gone is nobody's wish.
async fn give_up(stepper: &Stepper, group: &Group, operation: &Uuid, fault: Fault) -> Result<(), StoreError> {
    let _held = stepper.locks.write(&group.key()).await;
    let Some(operation) = running(&stepper.lender.inventory, operation) else { return Ok(()) };
    tracing::warn!(group = %group.scope(), code = fault.code, "{}", fault.message);
    let failed = Status::Failed { code: "ResourceGroupDeletionBlocked".to_owned(), message: fault.message };
    stepper.lender.inventory.commit(vec![Transition::Operation(operation.end(failed))]).await
}

fn running(inventory: &Inventory, operation: &Uuid) -> Option<Arc<Operation>> {
    inventory.operation(operation).filter(|operation| operation.status == Status::InProgress)
}

#[cfg(test)]
mod tests {
    use super::*;

    use jiff::Timestamp;
    use serde_json::Map;
    use tokio::sync::mpsc;

    use crate::arm::{Locks, Past, ResourceId, Scope, State};
    use crate::imports::Lender;
    use crate::plugin::Plugins;

    /// A gateway without a single plugin.
    async fn stepper() -> (Stepper, mpsc::UnboundedReceiver<Key>) {
        let (lender, woken) = Lender::of_nothing().await;
        let plugins = Plugins::none().0;
        let began = Timestamp::now();
        (Stepper { plugins: Arc::new(plugins), lender: Arc::new(lender), locks: Arc::<Locks>::default(), began }, woken)
    }

    fn record(path: &str) -> Record {
        Record {
            id: ResourceId::parse(&format!("/subscriptions/s/resourceGroups/g/providers/Contoso.Gone/{path}")).unwrap(),
            location: "East US".to_owned(),
            tags: Map::new(),
            state: State { document: Map::new(), private: Vec::new() },
            provisioning: Provisioning::Succeeded,
            past: Past::BeenReady,
            schema_version: 1,
            twin: None,
            generation: 1,
            operation: None,
            created: Timestamp::now(),
            modified: Timestamp::now(),
        }
    }

    #[tokio::test]
    async fn a_group_waits_for_everything_in_it_and_says_what_cannot_go() {
        let (stepper, mut woken) = stepper().await;
        let scope = Scope { subscription: "s".to_owned(), group: Some("g".to_owned()) };
        let operation = Operation::of_group(scope.clone());
        let id = operation.id;
        let group = Group { life: Life::Deleting { operation: id }, ..Group::implied(&scope, "East US") };
        let (parent, child) = (record("things/a"), record("things/a/parts/b"));
        let inventory = stepper.lender.inventory.clone();
        let stored = [Transition::Group(group), Transition::Operation(operation)];
        let stored = stored.into_iter().chain([parent.clone(), child.clone()].map(Transition::Store));
        inventory.commit(stored.collect()).await.unwrap();
        let status = || inventory.operation(&id).unwrap().status.clone();

        // Everything in it is marked and woken.
        assert_eq!(stepper.step(&scope.key(), 0).await, Step::Again(LOOK));
        for record in [&parent, &child] {
            assert_eq!(woken.recv().await, Some(record.id.key()));
            assert_eq!(inventory.get(&record.id.key()).unwrap().provisioning, Provisioning::Deleting);
        }
        assert_eq!((stepper.step(&parent.id.key(), 0).await, status()), (Step::Again(LOOK), Status::InProgress));

        // No plugin can remove the child, so neither its parent nor the group goes; each says why, once.
        assert_eq!(stepper.step(&child.id.key(), 0).await, Step::Failed);
        assert_eq!(stepper.step(&parent.id.key(), 0).await, Step::Failed);
        assert_eq!(stepper.step(&scope.key(), 0).await, Step::Again(LOOK));
        let Status::Failed { code, message } = status() else { panic!("{:?}", status()) };
        assert_eq!(code, "ResourceGroupDeletionBlocked");
        assert!(message.contains("Contoso.Gone"), "{message}");
        assert!(inventory.group(&scope.key()).is_some());

        // Once the rest is gone, so is the group.
        inventory.commit([child, parent].map(Transition::Remove).into()).await.unwrap();
        assert_eq!(stepper.step(&scope.key(), 0).await, Step::Settled);
        assert!(inventory.group(&scope.key()).is_none());
    }
}
