//! The gateway as a [`Host`]: every function is one import of the contract.
//!
//! A component imports what it can reach. So that it reaches no more than its author asked for, an interface whose feature
//! is off is not this one's, but [`Absent`]'s.

use std::ops::RangeInclusive;

use super::absent::Absent;
use super::bindings::floci::provider::{ingress, log, ports, resources, resp, settings, transfers, types, workloads};
use super::convert;
use crate::{
    Command, Credentials, Endpoint, Fault, Host, Ingress, Level, Log, Ports, Reply, Resource, ResourceId, Resources,
    Resp, Route, Settings, Transfers, Workload, WorkloadSpec, WorkloadState, Workloads,
};

pub(super) struct Gateway;

impl Host for Gateway {
    fn resources(&self) -> &dyn Resources {
        self
    }

    fn workloads(&self) -> &dyn Workloads {
        if cfg!(feature = "workloads") { self } else { &Absent }
    }

    fn ports(&self) -> &dyn Ports {
        if cfg!(feature = "ports") { self } else { &Absent }
    }

    fn resp(&self) -> &dyn Resp {
        if cfg!(feature = "resp") { self } else { &Absent }
    }

    fn ingress(&self) -> &dyn Ingress {
        if cfg!(feature = "ingress") { self } else { &Absent }
    }

    fn transfers(&self) -> &dyn Transfers {
        if cfg!(feature = "transfers") { self } else { &Absent }
    }

    fn settings(&self) -> &dyn Settings {
        self
    }

    fn log(&self) -> &dyn Log {
        self
    }
}

fn fault(fault: types::Fault) -> Fault {
    Fault { code: fault.code, message: fault.message }
}

fn found(resource: types::Resource) -> Result<Resource, Fault> {
    convert::resource(resource).map_err(|broken| broken.fault)
}

impl Resources for Gateway {
    fn get(&self, id: &ResourceId) -> Result<Option<Resource>, Fault> {
        resources::get(&id.to_string()).map_err(fault)?.map(found).transpose()
    }

    fn children(&self, id: &ResourceId, child_type: &str) -> Result<Vec<Resource>, Fault> {
        resources::children(&id.to_string(), child_type).map_err(fault)?.into_iter().map(found).collect()
    }

    fn named(&self, resource_type: &str, name: &str) -> Result<Vec<Resource>, Fault> {
        resources::named(resource_type, name).map_err(fault)?.into_iter().map(found).collect()
    }

    fn wake(&self, id: &ResourceId) -> Result<(), Fault> {
        resources::wake(&id.to_string()).map_err(fault)
    }
}

fn workload(raw: workloads::Workload) -> Result<Workload, Fault> {
    let state = match raw.state.as_str() {
        "preparing" => WorkloadState::Preparing { progress: raw.detail },
        "running" => WorkloadState::Running { uptime: raw.uptime },
        "exited" => WorkloadState::Exited { detail: raw.detail },
        other => return Err(Fault::new("ContractViolated", format!("the gateway sent the workload state '{other}'"))),
    };
    let (host, ports, exits) = (raw.host, raw.ports, raw.exits);
    Ok(Workload { state, host, ports, exits, peer_host: raw.peer_host, peer_ports: raw.peer_ports })
}

impl Workloads for Gateway {
    fn ensure(&self, owner: &ResourceId, spec: &WorkloadSpec) -> Result<Workload, Fault> {
        let spec = serde_json::to_string(spec).map_err(|error| Fault::new("InvalidWorkloadSpec", error.to_string()))?;
        workload(workloads::ensure(&owner.to_string(), &spec).map_err(fault)?)
    }

    fn inspect(&self, owner: &ResourceId, name: &str) -> Result<Option<Workload>, Fault> {
        workloads::inspect(&owner.to_string(), name).map_err(fault)?.map(workload).transpose()
    }

    fn restart(&self, owner: &ResourceId, name: &str) -> Result<Workload, Fault> {
        workload(workloads::restart(&owner.to_string(), name).map_err(fault)?)
    }

    fn remove(&self, owner: &ResourceId, name: &str) -> Result<(), Fault> {
        workloads::remove(&owner.to_string(), name).map_err(fault)
    }

    fn logs(&self, owner: &ResourceId, name: &str, lines: u32) -> Result<String, Fault> {
        workloads::logs(&owner.to_string(), name, lines).map_err(fault)
    }
}

impl Ports for Gateway {
    fn allocate(
        &self,
        owner: &ResourceId,
        name: &str,
        range: RangeInclusive<u16>,
        except: &[u16],
    ) -> Result<u16, Fault> {
        ports::allocate(&owner.to_string(), name, *range.start(), *range.end(), except).map_err(fault)
    }

    fn release(&self, owner: &ResourceId, name: &str) -> Result<(), Fault> {
        ports::release(&owner.to_string(), name).map_err(fault)
    }
}

impl Resp for Gateway {
    fn execute(
        &self,
        endpoint: &Endpoint<'_>,
        credentials: Option<&Credentials<'_>>,
        commands: &[Command],
    ) -> Result<Vec<Reply>, Fault> {
        let endpoint = resp::Endpoint {
            owner: endpoint.owner.to_string(),
            workload: endpoint.workload.to_owned(),
            port: endpoint.port.to_owned(),
        };
        let credentials = credentials
            .map(|given| resp::Credentials { user: given.user.to_owned(), password: given.password.to_owned() });
        let commands: Vec<Vec<Vec<u8>>> = commands.iter().map(|command| command.arguments().to_vec()).collect();
        let replies = resp::execute(&endpoint, credentials.as_ref(), &commands).map_err(fault)?;
        replies.into_iter().map(reply).collect()
    }
}

fn reply(raw: resp::Reply) -> Result<Reply, Fault> {
    Ok(match raw {
        resp::Reply::Nil => Reply::Nil,
        resp::Reply::Integer(number) => Reply::Integer(number),
        resp::Reply::Bulk(bytes) => Reply::Bulk(bytes),
        resp::Reply::Error(text) => Reply::Error(text),
        resp::Reply::Aggregate(json) => {
            let parsed = serde_json::from_str(&json);
            Reply::Aggregate(
                parsed.map_err(|error| {
                    Fault::new("ContractViolated", format!("an aggregate reply is not JSON: {error}"))
                })?,
            )
        }
    })
}

impl Ingress for Gateway {
    fn publish(&self, owner: &ResourceId, route: &Route) -> Result<(), Fault> {
        let route = serde_json::to_string(route).map_err(|error| Fault::new("InvalidRoute", error.to_string()))?;
        ingress::publish(&owner.to_string(), &route).map_err(fault)
    }

    fn withdraw(&self, owner: &ResourceId) -> Result<(), Fault> {
        ingress::withdraw(&owner.to_string()).map_err(fault)
    }
}

impl Transfers for Gateway {
    fn send(&self, owner: &ResourceId, workload: &str, file: &str, url: &str) -> Result<u64, Fault> {
        transfers::send(&owner.to_string(), workload, file, url).map_err(fault)
    }

    fn fetch(&self, owner: &ResourceId, workload: &str, file: &str, url: &str) -> Result<u64, Fault> {
        transfers::fetch(&owner.to_string(), workload, file, url).map_err(fault)
    }
}

impl Settings for Gateway {
    fn get(&self, key: &str) -> Option<String> {
        settings::get(key)
    }
}

impl Log for Gateway {
    fn write(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        log::write(level, message);
    }
}
