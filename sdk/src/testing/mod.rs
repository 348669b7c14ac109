//! A gateway in memory, so that a provider is tested natively and in milliseconds.
//!
//! [`FakeHost`] keeps resources, ports and workloads as the gateway would, answers settings with the defaults of the
//! manifest, and drives a provider through a resource's life ([`FakeHost::put`], [`FakeHost::settle`], ...). What the
//! outside world does is scripted: workloads by [`FakeHost::script`], a server by [`FakeHost::answer`]. What the
//! provider did is in [`FakeHost::journal`] and [`FakeHost::lines`].
//!
//! ```
//! use floci_az_sdk::{prelude::*, testing::FakeHost};
//!
//! struct Bakery;
//! impl Provider for Bakery {
//!     fn manifest() -> Manifest {
//!         manifest("Contoso.Bakery", "bakery", [resource_type("ovens", ["2026-01-01"], json!({}))])
//!     }
//! }
//!
//! let host = FakeHost::of::<Bakery>();
//! let id = "/subscriptions/s/resourceGroups/g/providers/Contoso.Bakery/ovens/first";
//! let oven = host.put::<Bakery>(id, json!({"location": "westus", "properties": {"loaves": 12}})).unwrap();
//! assert_eq!(oven.state.document, json!({"properties": {"loaves": 12}}));
//! ```
#![expect(clippy::panic, reason = "a test that is set up wrongly has to fail, loudly")]

mod interfaces;
mod life;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::{
    Command, Credentials, Endpoint, Fault, Level, Manifest, Provider, Reply, Resource, ResourceId, Route, WorkloadSpec,
    WorkloadState,
};

/// The gateway of a test. For one provider.
pub struct FakeHost {
    manifest: Manifest,
    phase: Cell<Phase>,
    settings: RefCell<BTreeMap<String, String>>,
    resources: RefCell<Vec<Resource>>,
    ports: RefCell<BTreeMap<Key, u16>>,
    workloads: RefCell<BTreeMap<Key, Placed>>,
    /// By owner.
    routes: RefCell<BTreeMap<String, Route>>,
    script: RefCell<VecDeque<Result<Moment, Fault>>>,
    server: RefCell<Box<Server>>,
    journal: RefCell<Vec<String>>,
    lines: RefCell<Vec<(Level, String)>>,
}

type Server = dyn FnMut(&Endpoint<'_>, Option<&Credentials<'_>>, &Command) -> Result<Reply, Fault>;
/// Owner in lower case, and name.
type Key = (String, String);

/// Whether side effects are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Pure,
    Effects,
}

/// A workload that was asked for.
struct Placed {
    spec: WorkloadSpec,
    moment: Moment,
}

/// What `ensure` finds, once: an entry of [`FakeHost::script`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    state: WorkloadState,
    exits: u32,
}

impl Moment {
    pub fn preparing(progress: &str) -> Moment {
        Moment { state: WorkloadState::Preparing { progress: progress.to_owned() }, exits: 0 }
    }

    /// Since so many milliseconds.
    pub fn running(uptime: u64) -> Moment {
        Moment { state: WorkloadState::Running { uptime }, exits: 0 }
    }

    /// Running again, after so many exits.
    pub fn restarted(uptime: u64, exits: u32) -> Moment {
        Moment { exits, ..Moment::running(uptime) }
    }

    /// For the `exits`-th time.
    pub fn exited(detail: &str, exits: u32) -> Moment {
        Moment { state: WorkloadState::Exited { detail: detail.to_owned() }, exits }
    }
}

impl FakeHost {
    /// Settings have their defaults, workloads run as soon as they are asked for, and a server says `OK` to everything
    /// and `PONG` to `PING`.
    pub fn of<P: Provider>() -> FakeHost {
        let manifest = P::manifest();
        let settings = manifest.settings.iter().map(|setting| (setting.key.clone(), setting.default.clone())).collect();
        FakeHost {
            manifest,
            phase: Cell::new(Phase::Effects),
            settings: RefCell::new(settings),
            resources: RefCell::default(),
            ports: RefCell::default(),
            workloads: RefCell::default(),
            routes: RefCell::default(),
            script: RefCell::default(),
            server: RefCell::new(Box::new(|_, _, command| match command.arguments() {
                [ping] if ping.eq_ignore_ascii_case(b"PING") => Ok(Reply::text("PONG")),
                _ => Ok(Reply::text("OK")),
            })),
            journal: RefCell::default(),
            lines: RefCell::default(),
        }
    }

    /// Sets a declared setting.
    ///
    /// # Panics
    /// If the manifest does not declare it, or the value is not valid for its kind.
    pub fn set(&self, key: &str, value: &str) {
        let Some(setting) = self.manifest.settings.iter().find(|setting| setting.key == key) else {
            panic!("the manifest declares no setting '{key}'");
        };
        match setting.kind.parse(value) {
            Ok(value) => self.settings.borrow_mut().insert(key.to_owned(), value),
            Err(invalid) => panic!("the setting '{key}' takes {invalid}, not '{value}'"),
        };
    }

    /// What the next calls of `ensure` find, one entry each. After the last one, workloads run since a second.
    pub fn script(&self, moments: impl IntoIterator<Item = Result<Moment, Fault>>) {
        self.script.borrow_mut().extend(moments);
    }

    /// How the server behind the workloads answers a command that comes with these credentials.
    pub fn answer(&self, mut server: impl FnMut(Option<&Credentials<'_>>, &Command) -> Result<Reply, Fault> + 'static) {
        self.answer_each(move |_, credentials, command| server(credentials, command));
    }

    /// As [`FakeHost::answer`], where it matters which server is asked.
    pub fn answer_each(
        &self,
        server: impl FnMut(&Endpoint<'_>, Option<&Credentials<'_>>, &Command) -> Result<Reply, Fault> + 'static,
    ) {
        *self.server.borrow_mut() = Box::new(server);
    }

    /// Holds a port, as if another resource had it.
    pub fn occupy(&self, port: u16) {
        self.ports.borrow_mut().insert(("another".to_owned(), port.to_string()), port);
    }

    /// Side effects so far, in order, and forgets them. Without the arguments of `ACL` and `AUTH`, which are secrets.
    pub fn journal(&self) -> Vec<String> {
        self.journal.take()
    }

    /// Lines of the log so far, and forgets them.
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.lines.take()
    }

    /// The spec that was last asked for.
    pub fn spec(&self, owner: &str, name: &str) -> Option<WorkloadSpec> {
        let key = (owner.to_lowercase(), name.to_owned());
        self.workloads.borrow().get(&key).map(|placed| placed.spec.clone())
    }

    /// The route that a resource has published.
    pub fn route(&self, owner: &str) -> Option<Route> {
        self.routes.borrow().get(&owner.to_lowercase()).cloned()
    }

    /// The ports that a resource holds, by name.
    pub fn held_ports(&self, owner: &str) -> Vec<(String, u16)> {
        let owner = owner.to_lowercase();
        let ports = self.ports.borrow();
        ports.iter().filter(|((of, _), _)| *of == owner).map(|((_, name), port)| (name.clone(), *port)).collect()
    }

    fn did(&self, line: String) {
        self.journal.borrow_mut().push(line);
    }

    fn effects(&self, interface: &str) -> Result<(), Fault> {
        match self.phase.get() {
            Phase::Effects => Ok(()),
            Phase::Pure => {
                let message =
                    format!("'{interface}' cannot be used in validate and present, which have no side effects");
                Err(Fault::new("NotGranted", message))
            }
        }
    }
}

impl fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHost").field("journal", &self.journal).finish_non_exhaustive()
    }
}

fn key(owner: &ResourceId, name: &str) -> Key {
    (owner.to_string().to_lowercase(), name.to_owned())
}
