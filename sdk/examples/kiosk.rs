//! A plugin that uses every interface that has to be granted, and shows what became of each.
//!
//! Only those whose features are on are part of the component:
//! `cargo build --release --target wasm32-wasip2 --package floci-az-sdk --example kiosk --features ports,resp`

use std::fmt::Debug;

use floci_az_sdk::prelude::*;
use floci_az_sdk::{Endpoint, Route, WantedWorkloads, Wants, WorkloadSpec};

struct Kiosk;

impl Provider for Kiosk {
    fn manifest() -> Manifest {
        let example = json!({"location": "westus", "properties": {}});
        Manifest {
            programs: vec!["kiosk-server".to_owned()],
            // Of what a feature is off of, nothing is asked for.
            wants: Wants {
                workloads: cfg!(feature = "workloads").then(|| WantedWorkloads {
                    images: vec!["contoso/kiosk:*".to_owned()],
                    count: Some(2),
                    memory: Some("64mb".to_owned()),
                }),
                ports: cfg!(feature = "ports").then(|| vec!["18400-18409".to_owned()]),
                ..Wants::default()
            },
            ..manifest("Contoso.Kiosk", "kiosk", [resource_type("kiosks", ["2026-01-01"], example)])
        }
    }

    fn validate(change: Change, _: &dyn Host) -> Result<Accepted, Rejection> {
        Ok(Accepted::reconcile(change.desired.state))
    }

    fn reconcile(resource: Resource, host: &dyn Host) -> Step {
        let Resource { id, mut state, .. } = resource;
        let spec = WorkloadSpec {
            name: "server".to_owned(),
            image: "contoso/kiosk:1".to_owned(),
            programs: vec!["kiosk-server".to_owned()],
            args: Vec::new(),
            env: [].into(),
            ports: [].into(),
            files: [].into(),
            memory: Some(64 << 20),
        };
        let endpoint = Endpoint { owner: &id, workload: "server", port: "till" };
        let outcomes = json!({
            "workloads": told(host.workloads().ensure(&id, &spec)),
            "ports": told(host.ports().allocate(&id, "till", 18_400..=18_409, &[])),
            "resp": told(host.resp().execute(&endpoint, None, &[])),
            "ingress": told(host.ingress().publish(&id, &Route::default())),
            "transfers": told(host.transfers().fetch(&id, "server", "prices", "https://contoso.test/prices")),
        });
        state.document = json!({ "properties": { "outcomes": outcomes } });
        Step::done(state)
    }
}

fn told<T: Debug>(outcome: Result<T, Fault>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(fault) => fault.to_string(),
    }
}

floci_az_sdk::provider!(Kiosk);
