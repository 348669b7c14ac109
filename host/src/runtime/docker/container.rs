//! What a workload's container is made of, and what one that was found says about itself.
//!
//! Everything a later gateway has to know is in labels: whose it is ([`OWNER`], [`WORKLOAD`]), which gateway's
//! ([`INSTANCE`]), what it runs ([`PLAN`]) and its ports ([`PORTS`]). The container is root in a world of its own: no
//! capabilities, no way to get any, no address of the machine but 127.0.0.1.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum as Status, HostConfig, HostConfigLogConfig,
    ImageConfig, Mount, MountType, PortBinding,
};
use floci_az_contract::PortSpec;

use super::super::plan::Plan;
use super::super::{RuntimeError, WorkloadKey};
use super::engine::Labels;
use super::reach::Reach;

pub const INSTANCE: &str = "floci-az.instance";
const OWNER: &str = "floci-az.owner";
const WORKLOAD: &str = "floci-az.workload";
const PLAN: &str = "floci-az.spec";
const PORTS: &str = "floci-az.ports";

/// Where the volume is mounted: `files/` and `data/` are in it.
pub const HOME: &str = "/floci";
pub const FILES: &str = "/floci/files";
pub const DATA: &str = "/floci/data";

/// Of a volume; a container has some more.
pub fn labels(instance: &str, key: &WorkloadKey) -> Labels {
    let labels = [(INSTANCE, instance), (OWNER, &key.owner), (WORKLOAD, &key.name)];
    labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Whose a container or volume is.
pub fn key(labels: &Labels) -> Option<WorkloadKey> {
    Some(WorkloadKey { owner: labels.get(OWNER)?.clone(), name: labels.get(WORKLOAD)?.clone() })
}

/// The container and its volume have one `name`.
pub fn body(
    name: &str,
    plan: &Plan,
    digest: &str,
    image: &ImageConfig,
    reach: &Reach,
    mut labels: Labels,
) -> ContainerCreateBody {
    labels.insert(PLAN.to_owned(), digest.to_owned());
    labels.insert(PORTS.to_owned(), serde_json::to_string(&plan.ports).unwrap_or_default());
    let published = |port: &PortSpec| PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(port.outside.to_string()),
    };
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in plan.ports.values() {
        bindings.entry(inside(port)).or_default().get_or_insert_default().push(published(port));
    }
    ContainerCreateBody {
        image: Some(plan.image.clone()),
        // In place of the image's own entrypoint, which may do what needs capabilities: change owners, change users.
        entrypoint: Some(vec![program(plan, image)]),
        cmd: Some(plan.args.clone()),
        env: Some(plan.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        // Root owns the volume, and so needs no capability to write in it; without any it owns nothing else.
        user: Some("0:0".to_owned()),
        working_dir: Some(DATA.to_owned()),
        exposed_ports: Some(bindings.keys().cloned().collect()),
        labels: Some(labels),
        host_config: Some(HostConfig {
            mounts: Some(vec![Mount {
                target: Some(HOME.to_owned()),
                source: Some(name.to_owned()),
                typ: Some(MountType::VOLUME),
                ..Default::default()
            }]),
            port_bindings: Some(bindings),
            network_mode: reach.network(),
            memory: plan.memory,
            // The same: no swap on top.
            memory_swap: plan.memory,
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(
                    [("max-size", "10m"), ("max-file", "3")]
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .into(),
                ),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The program as the image names it, if it is one of the spec's: an image built on another program keeps its own.
fn program(plan: &Plan, image: &ImageConfig) -> String {
    let words = image.cmd.iter().chain(&image.entrypoint).flatten();
    let own = words.into_iter().find(|word| {
        let name = Path::new(word).file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| plan.programs.iter().any(|program| program == name))
    });
    own.or(plan.programs.first()).cloned().unwrap_or_default()
}

fn inside(port: &PortSpec) -> String {
    format!("{}/tcp", port.inside)
}

/// A container as the engine describes it.
#[derive(Debug)]
pub struct Found {
    pub plan: String,
    pub state: State,
    pub ports: BTreeMap<String, PortSpec>,
    /// Its address on the network that it is attached to. None while it does not run.
    pub address: Option<String>,
}

#[derive(Debug)]
pub enum State {
    /// Never started.
    Created,
    Running {
        since: Option<jiff::Timestamp>,
    },
    Paused,
    Exited {
        how: String,
    },
    Removing,
    /// A removal that failed half-way.
    Dead,
}

impl Found {
    pub fn read(response: ContainerInspectResponse) -> Result<Found, RuntimeError> {
        let labels = response.config.and_then(|config| config.labels).unwrap_or_default();
        let network = response.network_settings.and_then(|settings| settings.networks?.into_values().next());
        let state = response.state.unwrap_or_default();
        let code = state.exit_code.unwrap_or_default();
        let state = match state.status {
            Some(Status::CREATED) => State::Created,
            Some(Status::RUNNING | Status::RESTARTING | Status::STOPPING) => {
                State::Running { since: state.started_at.and_then(|time| time.parse().ok()) }
            }
            Some(Status::PAUSED) => State::Paused,
            Some(Status::EXITED) if state.oom_killed == Some(true) => State::Exited {
                how: format!("it needed more memory than it may have, and ended with exit code {code}"),
            },
            Some(Status::EXITED) => State::Exited { how: format!("it ended with exit code {code}") },
            Some(Status::REMOVING) => State::Removing,
            Some(Status::DEAD) => State::Dead,
            other @ (None | Some(Status::EMPTY)) => {
                return Err(RuntimeError::Failed(format!(
                    "the Docker engine describes a container with the state {other:?}, which is not known here"
                )));
            }
        };
        Ok(Found {
            plan: labels.get(PLAN).cloned().unwrap_or_default(),
            state,
            ports: labels.get(PORTS).and_then(|ports| serde_json::from_str(ports).ok()).unwrap_or_default(),
            address: network.and_then(|network| network.ip_address).filter(|address| !address.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_program_is_the_images_own_if_it_is_one_of_the_specs() {
        let plan = |programs: &[&str]| Plan {
            image: "i".to_owned(),
            programs: programs.iter().map(|&name| name.to_owned()).collect(),
            args: Vec::new(),
            env: BTreeMap::new(),
            ports: BTreeMap::new(),
            memory: None,
            files: BTreeMap::new(),
        };
        let check = |config: Value, programs: &[&str], expected: &str| {
            assert_eq!(
                program(&plan(programs), &serde_json::from_value(config.clone()).unwrap()),
                expected,
                "{config}"
            );
        };
        let both = ["valkey-server", "redis-server"];
        check(json!({"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["redis-server"]}), &both, "redis-server");
        check(json!({"Entrypoint": ["/opt/redis-server"], "Cmd": ["--port", "1"]}), &both, "/opt/redis-server");
        check(json!({"Cmd": ["sh"]}), &both, "valkey-server");
        check(json!({}), &both, "valkey-server");
    }
}
