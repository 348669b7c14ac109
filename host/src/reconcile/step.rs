//! One step of one resource: ask the plugin, store what it says.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use floci_az_contract::ResourceType;
use jiff::Timestamp;
use tokio::sync::{OwnedRwLockReadGuard, OwnedSemaphorePermit};
use uuid::Uuid;

use super::MOST_BROKEN;
use super::family::Verdict;
use super::removal::{self, Inside};
use crate::arm::{
    self, ArmError, Inventory, Key, Locks, Operation, Past, Provisioning, Record, State, Status, Transition,
};
use crate::imports::{Imports, Lender, Phase};
use crate::plugin::contract::{self, Fault, Next};
use crate::plugin::{CallError, Entry, Plugins, Revision};
use crate::state::StoreError;
use crate::telemetry::StepEnd;

/// The shortest pause between two steps of one resource, whatever its plugin asks for.
const SHORTEST: Duration = Duration::from_millis(5);

/// What is to be done after a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Settled,
    /// After this pause, or when woken.
    Again(Duration),
    /// The repair did not work; after a pause that grows.
    Failed,
    /// The plugin gave no answer that could be used; after a pause that grows.
    Broken,
}

impl Step {
    pub(super) fn end(&self) -> StepEnd {
        match self {
            Step::Settled => StepEnd::Settled,
            Step::Again(_) => StepEnd::Again,
            Step::Failed => StepEnd::Failed,
            Step::Broken => StepEnd::Broken,
        }
    }
}

/// Why a resource that is being deleted cannot go yet.
enum Blocked {
    /// For what is below it.
    Waiting,
    By(Fault),
}

/// How a call of the plugin ended.
enum Outcome {
    Done(State),
    Wait {
        state: State,
        pause: Duration,
        reason: String,
    },
    /// The plugin says that it cannot be done.
    Impossible(State, Fault),
    /// The plugin says that what was asked for cannot be done, and that nothing else is wrong.
    Refused(State, Fault),
    /// The plugin did not say anything that could be used; the fault has the code of what ended its call.
    Broken(Fault),
}

impl Outcome {
    /// What it means for the children whose life is this resource's; none if nothing can be said yet.
    fn verdict(&self, broken: u32) -> Option<Verdict> {
        match self {
            Outcome::Done(_) | Outcome::Refused(..) => Some(Verdict::Done),
            Outcome::Wait { reason, .. } => Some(Verdict::Waiting(reason.clone())),
            Outcome::Impossible(_, fault) => Some(Verdict::Failed(fault.clone())),
            Outcome::Broken(fault) if is_last(broken) => Some(Verdict::Failed(fault.clone())),
            Outcome::Broken(_) => None,
        }
    }
}

/// Whether a step that got no usable answer, after so many others in a row, is the last to be forgiven.
fn is_last(broken: u32) -> bool {
    broken + 1 >= MOST_BROKEN
}

#[derive(Debug)]
pub(super) struct Stepper {
    pub(super) plugins: Arc<Plugins>,
    pub(super) lender: Arc<Lender>,
    pub(super) locks: Arc<Locks>,
    /// When this gateway started: no operation waits while there is none.
    pub(super) began: Timestamp,
}

/// Whether anything is done for a resource without its user's asking.
pub(super) fn is_looked_after(record: &Record) -> bool {
    record.provisioning != Provisioning::Failed || record.past == Past::BeenReady
}

/// What a step of a plugin's resource holds, from before it reads the resource.
#[derive(Debug)]
pub(super) struct Turn {
    _changing: OwnedRwLockReadGuard<()>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Stepper {
    /// Waits until it is a resource's turn. A swap between schemas waits for the step, or the step for it; whoever waits
    /// has none of the places, of which each plugin has its own. None for what is no plugin's.
    pub(super) async fn turn(&self, key: &Key) -> Option<Turn> {
        let record = self.inventory().get(key)?;
        let plugin = self.plugins.of(&record.id.namespace)?.plugin;
        let _changing = plugin.changing().await;
        Some(Turn { _changing, _place: plugin.step_place().await })
    }

    /// Under the resource's effects lock and in its [`Turn`], which the caller holds. `broken` is how many steps in a row before this one were.
    pub(super) async fn step(&self, key: &Key, broken: u32) -> Step {
        let Some(record) = self.inventory().get(key) else {
            return match self.inventory().group(key) {
                Some(group) => removal::of_group(self, &group).await,
                None => Step::Settled,
            };
        };
        let whose = self.whose(&record);
        if whose != *key {
            self.lender.wake(whose);
            return Step::Settled;
        }
        if !is_looked_after(&record) {
            return self.abandon_children(&record).await;
        }
        let step = match self.blocked(&record).await {
            Some(Blocked::Waiting) => return Step::Again(removal::LOOK),
            Some(Blocked::By(fault)) => self.stop(&record, fault).await,
            None => self.advance(&record, broken).await,
        };
        step.unwrap_or_else(|error| {
            tracing::error!(resource = %record.id, %error, "the outcome of a step could not be stored");
            Step::Failed
        })
    }

    /// Why a resource that is being deleted cannot go yet.
    async fn blocked(&self, record: &Record) -> Option<Blocked> {
        if record.provisioning != Provisioning::Deleting {
            return None;
        }
        let key = record.id.key();
        if let Err(error) = self.remove_children(&key).await {
            tracing::error!(resource = %record.id, %error, "the end of its children could not be stored");
            return Some(Blocked::Waiting);
        }
        match removal::below(self, &key).await {
            Inside::Something => Some(Blocked::Waiting),
            Inside::Stuck(fault) => Some(Blocked::By(fault)),
            Inside::Nothing if self.plugins.of(&record.id.namespace).is_none() => {
                let message = format!("no plugin serves '{}', and so nobody can remove it", record.id.namespace);
                Some(Blocked::By(Fault { code: "PluginMissing".to_owned(), message }))
            }
            Inside::Nothing => None,
        }
    }

    async fn stop(&self, record: &Record, fault: Fault) -> Result<Step, StoreError> {
        let _write = self.locks.write(&record.id.key()).await;
        let operation = running(self.inventory(), record.operation);
        self.fail(record, record.state.clone(), operation, fault).await
    }

    async fn advance(&self, record: &Record, broken: u32) -> Result<Step, StoreError> {
        let Some(entry) = self.plugins.of(&record.id.namespace) else {
            tracing::warn!(resource = %record.id, "no plugin serves this resource; it is kept as it is");
            return Ok(Step::Settled);
        };
        let children = self.pending(&record.id.key());
        let (record, outcome) = match arm::fit(&entry.revision, record).await {
            Ok(fitting) => {
                let outcome = self.call(&entry, &fitting).await;
                (fitting, outcome)
            }
            Err(misfit) => (Cow::Borrowed(record), Outcome::Broken(misfit.into())),
        };
        let verdict = outcome.verdict(broken);
        let Some(step) = self.conclude(&entry.revision, &record, outcome, broken).await? else {
            return Ok(Step::Again(Duration::ZERO));
        };
        if let Some(verdict) = verdict.filter(|_| !children.is_empty()) {
            self.conclude_children(children, &verdict).await?;
        }
        Ok(step)
    }

    fn inventory(&self) -> &Inventory {
        &self.lender.inventory
    }

    async fn call(&self, entry: &Entry, record: &Record) -> Outcome {
        let Entry { plugin, revision } = entry;
        let imports = Imports::lend(&self.lender, plugin, revision.shared(), Phase::Effects, &record.id);
        let resource = record.to_contract();
        let result = match record.provisioning {
            Provisioning::Deleting => revision.finalize(imports, &resource).await,
            _ => revision.reconcile(imports, &resource).await,
        };
        understand(revision, result)
    }

    /// Stores the outcome. None if the record is not the one any more that the step was made for: what was found is then
    /// thrown away.
    async fn conclude(
        &self,
        revision: &Revision,
        before: &Record,
        outcome: Outcome,
        broken: u32,
    ) -> Result<Option<Step>, StoreError> {
        let key = before.id.key();
        let _write = self.locks.write(&key).await;
        let unchanged = self.inventory().get(&key).is_some_and(|now| now.generation == before.generation);
        if !unchanged {
            return Ok(None);
        }
        let operation = running(self.inventory(), before.operation);
        let step = match outcome {
            Outcome::Done(_) if before.provisioning == Provisioning::Deleting => self.remove(before, operation).await?,
            Outcome::Done(state) => {
                let after =
                    Record { provisioning: reached(before), past: Past::BeenReady, ..before.clone().with_state(state) };
                self.store(before, after, operation.map(|operation| operation.end(Status::Succeeded))).await?;
                Step::Settled
            }
            Outcome::Wait { state, pause, reason } => {
                match overdue_of(revision, before, operation.as_ref(), self.began, &reason) {
                    Some(fault) => self.fail(before, state, operation, fault).await?,
                    None => {
                        self.store(before, before.clone().with_state(state), None).await?;
                        Step::Again(pause.max(SHORTEST))
                    }
                }
            }
            Outcome::Impossible(state, fault) => self.fail(before, state, operation, fault).await?,
            Outcome::Refused(state, fault) if before.provisioning == Provisioning::Deleting => {
                self.fail(before, state, operation, fault).await?
            }
            Outcome::Refused(state, Fault { code, message }) => {
                tracing::warn!(resource = %before.id, code, "{message}");
                let after =
                    Record { provisioning: reached(before), past: Past::BeenReady, ..before.clone().with_state(state) };
                let failed = Status::Failed { code, message };
                self.store(before, after, operation.map(|operation| operation.end(failed))).await?;
                Step::Settled
            }
            Outcome::Broken(fault) if is_last(broken) => {
                self.fail(before, before.state.clone(), operation, fault).await?
            }
            Outcome::Broken(Fault { code, message }) => {
                tracing::warn!(resource = %before.id, code, "{message}; trying again");
                Step::Broken
            }
        };
        Ok(Some(step))
    }

    async fn store(&self, before: &Record, after: Record, ended: Option<Operation>) -> Result<(), StoreError> {
        // An upgrade of its schema is a change, too.
        let stored = self.inventory().get(&after.id.key());
        if stored.is_some_and(|stored| *stored == after) && ended.is_none() {
            return Ok(());
        }
        if after.provisioning != before.provisioning {
            tracing::info!(resource = %after.id, "{}", after.provisioning.as_str());
        }
        let ended = ended.map(Transition::Operation);
        self.inventory().commit([Transition::Store(after)].into_iter().chain(ended).collect()).await
    }

    async fn remove(&self, record: &Record, operation: Option<Operation>) -> Result<Step, StoreError> {
        self.remove_forgotten(record).await?;
        let ended = operation.map(|operation| Transition::Operation(operation.end(Status::Succeeded)));
        self.inventory().commit([Transition::Remove(record.clone())].into_iter().chain(ended).collect()).await?;
        tracing::info!(resource = %record.id, "Deleted");
        // Whoever waits for it to be gone.
        let waiting = [Some(record.id.scope().key()), record.id.parent()];
        for key in waiting.into_iter().flatten() {
            self.lender.wake(key);
        }
        Ok(Step::Settled)
    }

    /// What the plugin left behind. Workloads that cannot be removed now are found as orphans by the next start.
    async fn remove_forgotten(&self, record: &Record) -> Result<(), StoreError> {
        let (key, runtime) = (record.id.key(), &self.lender.runtime);
        let left = runtime.list().await.unwrap_or_else(|error| {
            tracing::warn!(resource = %record.id, %error, "whether it has workloads left is not known");
            Vec::new()
        });
        for workload in left.iter().filter(|workload| workload.owner == key.as_str()) {
            match runtime.remove(workload).await {
                Ok(()) => tracing::warn!(%workload, "a workload that the plugin forgot was removed"),
                Err(error) => tracing::warn!(%workload, %error, "a workload that the plugin forgot is still there"),
            }
        }
        // Before the ports, which others may have then.
        self.lender.ingress.withdraw(key.as_str()).await;
        self.lender.ports.release_all(key.as_str()).await
    }

    /// Ends the operation as Failed. A deletion goes on nevertheless: a resource that is half gone is nobody's wish.
    /// Without an operation there is nobody to tell: the resource was settled, its repair goes on.
    async fn fail(
        &self,
        before: &Record,
        state: State,
        operation: Option<Operation>,
        fault: Fault,
    ) -> Result<Step, StoreError> {
        let Fault { code, message } = fault;
        tracing::warn!(resource = %before.id, code, "{message}");
        let Some(operation) = operation else {
            self.store(before, before.clone().with_state(state), None).await?;
            return Ok(Step::Failed);
        };
        let (provisioning, step) = match before.provisioning {
            Provisioning::Deleting => (Provisioning::Deleting, Step::Failed),
            _ => (Provisioning::Failed, Step::Settled),
        };
        let failed = Record { provisioning, ..before.clone().with_state(state) };
        self.store(before, failed, Some(operation.end(Status::Failed { code, message }))).await?;
        Ok(step)
    }
}

fn overdue_of(
    revision: &Revision,
    record: &Record,
    operation: Option<&Operation>,
    began: Timestamp,
    reason: &str,
) -> Option<Fault> {
    overdue(revision.kind(&record.id.kind())?, operation?, began, reason)
}

/// The fault of an operation that has waited for longer than its type's manifest allows.
pub(super) fn overdue(kind: &ResourceType, operation: &Operation, began: Timestamp, reason: &str) -> Option<Fault> {
    let limit = Duration::from_secs(kind.deadline_seconds.into());
    let since = operation.started.max(began);
    // A clock that was set back is no time that has passed.
    let elapsed = Duration::try_from(Timestamp::now().duration_since(since)).unwrap_or_default();
    let message = format!("The operation did not end within {limit:?}. The last that was waited for: {reason}");
    (elapsed > limit).then(|| Fault { code: "OperationTimedOut".to_owned(), message })
}

/// A repair does what it can; that a change has failed is its user's to settle.
fn reached(before: &Record) -> Provisioning {
    match before.provisioning {
        Provisioning::Failed => Provisioning::Failed,
        _ => Provisioning::Succeeded,
    }
}

fn understand(revision: &Revision, result: Result<contract::Step, CallError>) -> Outcome {
    let step = match result {
        Ok(step) => step,
        Err(error) => return Outcome::Broken(ArmError::from(error).into()),
    };
    let state = match serde_json::from_str(&step.state.document) {
        Ok(serde_json::Value::Object(document)) => State { document, private: step.state.private },
        _ => {
            let found = format!("the plugin {} returned a document that is no JSON object", revision.label());
            return Outcome::Broken(ArmError::plugin_answer_invalid(&found).into());
        }
    };
    match step.next {
        Next::Done => Outcome::Done(state),
        Next::Wait(wait) => {
            Outcome::Wait { state, pause: Duration::from_millis(wait.milliseconds.into()), reason: wait.reason }
        }
        Next::Failed(fault) => Outcome::Impossible(state, fault),
        Next::Refused(fault) => Outcome::Refused(state, fault),
    }
}

pub(super) fn running(inventory: &Inventory, operation: Option<Uuid>) -> Option<Operation> {
    let operation = inventory.operation(&operation?)?;
    (operation.status == Status::InProgress).then(|| (*operation).clone())
}
