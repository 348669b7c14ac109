//! What is deleted with something else: the resources of a group, the children of a resource.
//!
//! Level-based as everything here: whoever is on its way out marks what is below it as on its way out, too, wakes it,
//! and waits. Each resource that is gone wakes its parent and its group; the last one lets them go.

use std::time::Duration;

use super::step::{Step, Stepper};
use crate::arm::{self, Group, Key, Life, Provisioning, Status, Transition};
use crate::state::StoreError;

/// Between two looks at what is still there, should the news of its end have been lost.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// Whether anything is left below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Nothing,
    Something,
}

/// Marks and wakes everything below a resource or group that is being deleted.
pub(super) async fn below(stepper: &Stepper, key: &Key) -> Inside {
    let below = stepper.lender.inventory.below(key);
    for record in &below {
        let key = record.id.key();
        if record.provisioning == Provisioning::Deleting {
            continue;
        }
        match arm::begin_deletion(&stepper.lender.inventory, &stepper.locks, &key).await {
            Ok(_) => drop(stepper.wake.send(key)),
            // The next look tries again.
            Err(error) => tracing::error!(resource = %record.id, %error, "its deletion could not be stored"),
        }
    }
    if below.is_empty() { Inside::Nothing } else { Inside::Something }
}

/// A step of a group: none, unless it is being deleted.
pub(super) async fn of_group(stepper: &Stepper, group: &Group) -> Step {
    if group.life == Life::There {
        return Step::Settled;
    }
    if below(stepper, &group.key()).await == Inside::Something {
        return Step::Again(LOOK);
    }
    match remove(stepper, group).await {
        Ok(()) => Step::Settled,
        Err(error) => {
            tracing::error!(group = %group.scope(), %error, "its removal could not be stored");
            Step::Failed
        }
    }
}

/// Nothing can have been put into it since it was marked: that is refused.
async fn remove(stepper: &Stepper, group: &Group) -> Result<(), StoreError> {
    let _held = stepper.locks.write(&group.key()).await;
    let operation = match group.life {
        Life::There => None,
        Life::Deleting { operation } => stepper.lender.inventory.operation(&operation),
    };
    let ended = operation.map(|operation| Transition::Operation(operation.end(Status::Succeeded)));
    let removed = Transition::RemoveGroup(group.clone());
    stepper.lender.inventory.commit([removed].into_iter().chain(ended).collect()).await?;
    tracing::info!(group = %group.scope(), "Deleted");
    Ok(())
}
