//! What the fake gateway lends.

use std::ops::RangeInclusive;

use super::{FakeHost, Key, Moment, Placed, key};
use crate::{
    Command, Credentials, Endpoint, Fault, Host, Ingress, Level, Log, Ports, Reply, Resource, ResourceId, Resources,
    Resp, Route, Settings, Transfers, Workload, WorkloadSpec, WorkloadState, Workloads,
};

impl Host for FakeHost {
    fn resources(&self) -> &dyn Resources {
        self
    }

    fn workloads(&self) -> &dyn Workloads {
        self
    }

    fn ports(&self) -> &dyn Ports {
        self
    }

    fn resp(&self) -> &dyn Resp {
        self
    }

    fn ingress(&self) -> &dyn Ingress {
        self
    }

    fn transfers(&self) -> &dyn Transfers {
        self
    }

    fn settings(&self) -> &dyn Settings {
        self
    }

    fn log(&self) -> &dyn Log {
        self
    }
}

impl Resources for FakeHost {
    fn get(&self, id: &ResourceId) -> Result<Option<Resource>, Fault> {
        Ok(self.resources.borrow().iter().find(|resource| resource.id == *id).cloned())
    }

    fn children(&self, id: &ResourceId, child_type: &str) -> Result<Vec<Resource>, Fault> {
        let of = |resource: &Resource| {
            let last = resource.id.path().last().map(|(kind, _)| kind.to_owned()).unwrap_or_default();
            resource.id.parent().as_ref() == Some(id) && last.eq_ignore_ascii_case(child_type)
        };
        Ok(self.resources.borrow().iter().filter(|resource| of(resource)).cloned().collect())
    }

    fn named(&self, resource_type: &str, name: &str) -> Result<Vec<Resource>, Fault> {
        let of = |resource: &Resource| {
            resource.resource_type.eq_ignore_ascii_case(resource_type) && resource.name().eq_ignore_ascii_case(name)
        };
        Ok(self.resources.borrow().iter().filter(|resource| of(resource)).cloned().collect())
    }

    fn wake(&self, id: &ResourceId) -> Result<(), Fault> {
        self.effects("resources.wake")?;
        self.did(format!("wake {id}"));
        Ok(())
    }
}

impl Ingress for FakeHost {
    fn publish(&self, owner: &ResourceId, route: &Route) -> Result<(), Fault> {
        self.effects("ingress")?;
        let before = self.routes.borrow_mut().insert(owner.to_string().to_lowercase(), route.clone());
        if before.as_ref() != Some(route) {
            self.did(format!("publish {:?}", route.entries.keys().collect::<Vec<_>>()));
        }
        Ok(())
    }

    fn withdraw(&self, owner: &ResourceId) -> Result<(), Fault> {
        self.effects("ingress")?;
        if self.routes.borrow_mut().remove(&owner.to_string().to_lowercase()).is_some() {
            self.did("withdraw".to_owned());
        }
        Ok(())
    }
}

impl Transfers for FakeHost {
    fn send(&self, owner: &ResourceId, workload: &str, file: &str, url: &str) -> Result<u64, Fault> {
        self.effects("transfers")?;
        self.existing(&key(owner, workload))?;
        self.did(format!("send {workload}/{file} to {url}"));
        Ok(0)
    }

    fn fetch(&self, owner: &ResourceId, workload: &str, file: &str, url: &str) -> Result<u64, Fault> {
        self.effects("transfers")?;
        self.existing(&key(owner, workload))?;
        self.did(format!("fetch {workload}/{file} from {url}"));
        Ok(0)
    }
}

impl FakeHost {
    fn placed(&self, key: &Key) -> Option<Workload> {
        let workloads = self.workloads.borrow();
        let placed = workloads.get(key)?;
        Some(Workload {
            state: placed.moment.state.clone(),
            host: "localhost".to_owned(),
            ports: placed.spec.ports.iter().map(|(name, port)| (name.clone(), port.outside)).collect(),
            exits: placed.moment.exits,
            peer_host: match placed.moment.state {
                WorkloadState::Running { .. } => "127.0.0.1".to_owned(),
                WorkloadState::Preparing { .. } | WorkloadState::Exited { .. } => String::new(),
            },
            peer_ports: placed.spec.ports.iter().map(|(name, port)| (name.clone(), port.outside)).collect(),
        })
    }

    fn existing(&self, key: &Key) -> Result<Workload, Fault> {
        self.placed(key).ok_or_else(|| Fault::new("WorkloadNotFound", format!("there is no workload '{}'", key.1)))
    }
}

impl Workloads for FakeHost {
    fn ensure(&self, owner: &ResourceId, spec: &WorkloadSpec) -> Result<Workload, Fault> {
        self.effects("workloads")?;
        let scripted = self.script.borrow_mut().pop_front();
        let moment = match scripted.unwrap_or_else(|| Ok(Moment::running(1_000))) {
            Ok(moment) => moment,
            Err(fault) => {
                self.did(format!("ensure {}: {}", spec.name, fault.code));
                return Err(fault);
            }
        };
        self.did(format!("ensure {}: {}", spec.name, word(&moment.state)));
        let key = key(owner, &spec.name);
        self.workloads.borrow_mut().insert(key.clone(), Placed { spec: spec.clone(), moment });
        self.existing(&key)
    }

    fn inspect(&self, owner: &ResourceId, name: &str) -> Result<Option<Workload>, Fault> {
        self.effects("workloads")?;
        Ok(self.placed(&key(owner, name)))
    }

    fn restart(&self, owner: &ResourceId, name: &str) -> Result<Workload, Fault> {
        self.effects("workloads")?;
        self.did(format!("restart {name}"));
        let key = key(owner, name);
        if let Some(placed) = self.workloads.borrow_mut().get_mut(&key) {
            placed.moment = Moment::running(0);
        }
        self.existing(&key)
    }

    fn remove(&self, owner: &ResourceId, name: &str) -> Result<(), Fault> {
        self.effects("workloads")?;
        self.did(format!("remove {name}"));
        self.workloads.borrow_mut().remove(&key(owner, name));
        Ok(())
    }

    fn logs(&self, owner: &ResourceId, name: &str, lines: u32) -> Result<String, Fault> {
        self.effects("workloads")?;
        self.existing(&key(owner, name))?;
        Ok(format!("(the last {lines} lines of {name})"))
    }
}

fn word(state: &WorkloadState) -> &'static str {
    match state {
        WorkloadState::Preparing { .. } => "preparing",
        WorkloadState::Running { .. } => "running",
        WorkloadState::Exited { .. } => "exited",
    }
}

impl Ports for FakeHost {
    fn allocate(
        &self,
        owner: &ResourceId,
        name: &str,
        range: RangeInclusive<u16>,
        except: &[u16],
    ) -> Result<u16, Fault> {
        self.effects("ports")?;
        let key = key(owner, name);
        let mut ports = self.ports.borrow_mut();
        if let Some(held) = ports.get(&key) {
            return Ok(*held);
        }
        let free = |port: &u16| !except.contains(port) && !ports.values().any(|held| held == port);
        let Some(port) = range.clone().find(free) else {
            let message = format!("no port is free between {} and {}", range.start(), range.end());
            return Err(Fault::new("PortRangeExhausted", message));
        };
        self.did(format!("allocate {name}: {port}"));
        ports.insert(key, port);
        Ok(port)
    }

    fn release(&self, owner: &ResourceId, name: &str) -> Result<(), Fault> {
        self.effects("ports")?;
        self.did(format!("release {name}"));
        self.ports.borrow_mut().remove(&key(owner, name));
        Ok(())
    }
}

impl Resp for FakeHost {
    fn execute(
        &self,
        endpoint: &Endpoint<'_>,
        credentials: Option<&Credentials<'_>>,
        commands: &[Command],
    ) -> Result<Vec<Reply>, Fault> {
        self.effects("resp")?;
        let workload = self.existing(&key(endpoint.owner, endpoint.workload))?;
        if workload.port(endpoint.port).is_none() {
            let message = format!("the workload '{}' has no port '{}'", endpoint.workload, endpoint.port);
            return Err(Fault::new("WorkloadNotFound", message));
        }
        let user = credentials.map_or("nobody", |credentials| credentials.user);
        let shown: Vec<String> = commands.iter().map(without_secrets).collect();
        self.did(format!("resp as {user}: {}", shown.join(", ")));
        if !matches!(workload.state, WorkloadState::Running { .. }) {
            return Err(Fault::new("ConnectionFailed", format!("the workload '{}' is not running", endpoint.workload)));
        }
        let mut server = self.server.borrow_mut();
        commands.iter().map(|command| server(endpoint, credentials, command)).collect()
    }
}

fn without_secrets(command: &Command) -> String {
    let words: Vec<String> = command.to_string().split(' ').map(str::to_owned).collect();
    match words.as_slice() {
        [acl, verb, user, ..] if acl == "ACL" => format!("{acl} {verb} {user} ..."),
        [auth, ..] if auth == "AUTH" => "AUTH ...".to_owned(),
        _ => words.join(" "),
    }
}

impl Settings for FakeHost {
    fn get(&self, key: &str) -> Option<String> {
        self.settings.borrow().get(key).cloned()
    }
}

impl Log for FakeHost {
    fn write(&self, level: Level, message: &str) {
        self.lines.borrow_mut().push((level, message.to_owned()));
    }
}
