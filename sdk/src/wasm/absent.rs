//! In the place of the interfaces whose features of the SDK are off: nothing is imported, and every call says so.

use std::ops::RangeInclusive;

use crate::{
    Command, Credentials, Endpoint, Fault, Ingress, Ports, Reply, ResourceId, Resp, Route, Transfers, Workload,
    WorkloadSpec, Workloads,
};

pub(super) struct Absent;

fn absent<T>(feature: &str) -> Result<T, Fault> {
    let message = format!(
        "the plugin is built without the feature '{feature}' of floci-az-sdk. Turn it on in the plugin's Cargo.toml, and build it again"
    );
    Err(Fault::new("NotGranted", message))
}

impl Workloads for Absent {
    fn ensure(&self, _: &ResourceId, _: &WorkloadSpec) -> Result<Workload, Fault> {
        absent("workloads")
    }

    fn inspect(&self, _: &ResourceId, _: &str) -> Result<Option<Workload>, Fault> {
        absent("workloads")
    }

    fn restart(&self, _: &ResourceId, _: &str) -> Result<Workload, Fault> {
        absent("workloads")
    }

    fn remove(&self, _: &ResourceId, _: &str) -> Result<(), Fault> {
        absent("workloads")
    }

    fn logs(&self, _: &ResourceId, _: &str, _: u32) -> Result<String, Fault> {
        absent("workloads")
    }
}

impl Ports for Absent {
    fn allocate(&self, _: &ResourceId, _: &str, _: RangeInclusive<u16>, _: &[u16]) -> Result<u16, Fault> {
        absent("ports")
    }

    fn release(&self, _: &ResourceId, _: &str) -> Result<(), Fault> {
        absent("ports")
    }
}

impl Resp for Absent {
    fn execute(&self, _: &Endpoint<'_>, _: Option<&Credentials<'_>>, _: &[Command]) -> Result<Vec<Reply>, Fault> {
        absent("resp")
    }
}

impl Ingress for Absent {
    fn publish(&self, _: &ResourceId, _: &Route) -> Result<(), Fault> {
        absent("ingress")
    }

    fn withdraw(&self, _: &ResourceId) -> Result<(), Fault> {
        absent("ingress")
    }
}

impl Transfers for Absent {
    fn send(&self, _: &ResourceId, _: &str, _: &str, _: &str) -> Result<u64, Fault> {
        absent("transfers")
    }

    fn fetch(&self, _: &ResourceId, _: &str, _: &str, _: &str) -> Result<u64, Fault> {
        absent("transfers")
    }
}
