//! Workloads, by owner and name.

use floci_az_contract::WorkloadSpec;

use super::{Imports, Lent, fault};
use crate::plugin::contract::Fault;
use crate::plugin::imported::workloads::{Host, Workload};
use crate::plugin::{Ask, Capability};
use crate::runtime::{self, RuntimeError, WorkloadKey, WorkloadState};

/// The most lines of output that are handed to a plugin.
const MOST_LINES: u32 = 1_000;

impl Host for Imports {
    async fn ensure(&mut self, owner: String, spec: String) -> Result<Workload, Fault> {
        let lent = self.granted(Capability::Workloads)?;
        let spec: WorkloadSpec = serde_json::from_str(&spec).map_err(|error| {
            fault("InvalidWorkloadSpec", format!("the workload spec is not one of contract 0.1: {error}"))
        })?;
        let key = lent.workload(&owner, &spec.name)?;
        lent.grants.allows(Ask::Workload(&spec))?;
        for (name, port) in &spec.ports {
            if !lent.lender.ports.is_held(&key.owner, port.outside).await {
                let what = format!("the port '{name}' is {} outside, which is not allocated to {owner}", port.outside);
                return Err(fault("InvalidWorkloadSpec", what));
            }
        }
        admit(lent, &key).await?;
        let ensured = lent.lender.runtime.ensure(&key, &spec).await;
        if ensured.is_err() {
            lent.lender.tally.forget(&key);
        }
        ensured.map(shown).map_err(failed)
    }

    async fn inspect(&mut self, owner: String, name: String) -> Result<Option<Workload>, Fault> {
        let lent = self.granted(Capability::Workloads)?;
        let key = lent.any_workload(&owner, &name)?;
        Ok(lent.lender.runtime.inspect(&key).await.map_err(failed)?.map(shown))
    }

    async fn restart(&mut self, owner: String, name: String) -> Result<Workload, Fault> {
        let lent = self.granted(Capability::Workloads)?;
        let key = lent.workload(&owner, &name)?;
        lent.lender.runtime.restart(&key).await.map(shown).map_err(failed)
    }

    async fn remove(&mut self, owner: String, name: String) -> Result<(), Fault> {
        let lent = self.effects("workloads")?;
        let key = lent.workload(&owner, &name)?;
        lent.lender.runtime.remove(&key).await.map_err(failed)?;
        lent.lender.tally.forget(&key);
        Ok(())
    }

    async fn logs(&mut self, owner: String, name: String, lines: u32) -> Result<String, Fault> {
        let lent = self.granted(Capability::Workloads)?;
        let key = lent.workload(&owner, &name)?;
        lent.lender.runtime.logs(&key, lines.min(MOST_LINES)).await.map_err(failed)
    }
}

/// Whether a workload may be one more of its plugin's.
async fn admit(lent: &Lent, key: &WorkloadKey) -> Result<(), Fault> {
    if !lent.grants.counts_workloads() {
        return Ok(());
    }
    let listed = lent.lender.runtime.list().await.map_err(failed)?;
    if listed.contains(key) {
        return Ok(());
    }
    let listed = listed.into_iter().filter(|other| lent.own(&other.owner).is_ok()).collect();
    let lives = |other: &WorkloadKey| {
        lent.own(&other.owner).is_ok_and(|owner| lent.lender.inventory.get(&owner.key()).is_some())
    };
    let allows = |others| lent.grants.allows(Ask::OneMoreThan(others));
    Ok(lent.lender.tally.admit(key, listed, lives, allows)?)
}

fn shown(workload: runtime::Workload) -> Workload {
    let (state, detail, uptime) = match workload.state {
        WorkloadState::Preparing { progress } => ("preparing", progress, 0),
        WorkloadState::Running { uptime } => {
            ("running", String::new(), u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX))
        }
        WorkloadState::Exited { detail } => ("exited", detail, 0),
    };
    Workload {
        state: state.to_owned(),
        detail,
        host: workload.host,
        ports: workload.ports.into_iter().collect(),
        uptime,
        exits: workload.exits,
        peer_host: workload.peer_host,
        peer_ports: workload.peer_ports.into_iter().collect(),
    }
}

fn failed(error: RuntimeError) -> Fault {
    fault(error.code(), error.to_string())
}
