//! What a plugin can ask of the gateway, one file for each interface of the contract.
//!
//! An [`Imports`] lives for one call. It knows which plugin calls, on behalf of which resource, and whether the call may
//! have side effects. What is not allowed is answered with a fault, never with a trap.

mod ingress;
mod log;
mod ports;
mod reader;
mod resources;
mod resp;
mod settings;
mod tally;
#[cfg(test)]
mod tests;
mod transfers;
mod workloads;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::arm::{Inventory, Key, ResourceId};
use crate::ingress::Ingress;
use crate::plugin::contract::Fault;
use crate::plugin::{Ask, Capability, Grants, Limits, LogLimits, LogWindow, NotGranted, Plugin, Revision, imported};
use crate::ports::Ports;
use crate::runtime::{Runtime, WorkloadKey};

pub use log::printable;
pub use tally::Tally;

/// What the gateway lends to the plugins.
#[derive(Debug)]
pub struct Lender {
    pub inventory: Arc<Inventory>,
    pub ports: Ports,
    pub runtime: Arc<Runtime>,
    pub ingress: Arc<Ingress>,
    /// The folder whose files may be sent and fetched.
    pub transfers: transfers::Folder,
    pub tally: Tally,
    /// To the reconcile loop.
    pub wake: mpsc::UnboundedSender<Key>,
}

impl Lender {
    /// Has a resource or a group looked at.
    pub fn wake(&self, key: Key) {
        // The receiver is gone only when the gateway is ending; the next start wakes what is not settled.
        let _ = self.wake.send(key);
    }
}

#[cfg(test)]
impl Lender {
    /// Of a gateway without state, runtime and settings; and what it wakes.
    pub async fn of_nothing() -> (Lender, mpsc::UnboundedReceiver<Key>) {
        use crate::config::{AuthMode, RuntimeChoice};
        use crate::identity::Identity;
        use crate::state::Store;

        let tables: Vec<_> = Inventory::TABLES.into_iter().chain([Ports::TABLE]).collect();
        let (store, mut contents) = Store::in_memory(&tables).unwrap();
        let (wake, woken) = mpsc::unbounded_channel();
        let nowhere = std::path::Path::new("/nonexistent");
        let runtime = Arc::new(Runtime::pick(RuntimeChoice::None, "test", nowhere, &[]).await.unwrap().runtime);
        let identity = Arc::new(Identity::new(AuthMode::Dev, None, 0));
        let here = std::net::Ipv4Addr::LOCALHOST.into();
        let lender = Lender {
            inventory: Arc::new(Inventory::open(store.clone(), &mut contents).unwrap()),
            ports: Ports::open(store, &mut contents),
            ingress: Arc::new(Ingress::new(here, Vec::new(), None, identity, runtime.clone()).unwrap()),
            runtime,
            transfers: None,
            tally: Tally::default(),
            wake,
        };
        (lender, woken)
    }
}

/// Whether a call may have side effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Rules: nothing outside of the call may change.
    Pure,
    Effects,
}

/// The imports of one call.
#[derive(Debug)]
pub struct Imports {
    /// None while a plugin describes itself: nothing is lent then.
    lent: Option<Lent>,
    /// The plugin's label, for the log.
    label: String,
    /// What the call is about, for the log.
    subject: String,
    /// The last line that the plugin logged as an error: the text of a panic, if there was one.
    last_error: Option<String>,
    log: log::Log,
}

#[derive(Debug)]
struct Lent {
    lender: Arc<Lender>,
    plugin: Arc<Plugin>,
    grants: Arc<Grants>,
    /// That the call runs on, and that reads what others have stored. None in tests, where nobody has.
    revision: Option<Arc<Revision>>,
    phase: Phase,
    /// The resource that the call is about.
    owner: String,
}

impl Imports {
    /// Nothing but the log.
    pub fn none(label: &str) -> Imports {
        Imports::new(None, label, String::new())
    }

    pub fn lend(
        lender: &Arc<Lender>,
        plugin: &Arc<Plugin>,
        revision: &Arc<Revision>,
        phase: Phase,
        subject: impl ToString,
    ) -> Imports {
        let lent = Lent {
            lender: lender.clone(),
            plugin: plugin.clone(),
            grants: plugin.grants(),
            revision: Some(revision.clone()),
            phase,
            owner: subject.to_string().to_lowercase(),
        };
        Imports::new(Some(lent), revision.label(), subject.to_string())
    }

    fn new(lent: Option<Lent>, label: &str, subject: String) -> Imports {
        let limits = Limits::default().log;
        let log = log::Log::bound(limits, Arc::new(LogWindow::of(limits, Instant::now())));
        Imports { lent, label: label.to_owned(), subject, last_error: None, log }
    }

    /// How much the call may write to the log, and all of its plugin.
    pub fn bound_log(&mut self, limits: LogLimits, of_all: Arc<LogWindow>) {
        self.log = log::Log::bound(limits, of_all);
    }

    /// Lines that were left out of the log.
    pub fn dropped_lines(&self) -> usize {
        self.log.dropped()
    }

    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    fn lent(&self, interface: &str) -> Result<&Lent, Fault> {
        self.lent
            .as_ref()
            .ok_or_else(|| not_granted(format!("'{interface}' cannot be used while a plugin describes itself")))
    }

    /// The lender, for a call with side effects.
    fn effects(&self, interface: &str) -> Result<&Lent, Fault> {
        let lent = self.lent(interface)?;
        match lent.phase {
            Phase::Effects => Ok(lent),
            Phase::Pure => Err(not_granted(format!(
                "'{interface}' cannot be used in validate, in present and in an action that only reads; use it in reconcile, finalize or an action that writes"
            ))),
        }
    }

    /// The lender, for what needs a grant.
    fn granted(&self, capability: Capability) -> Result<&Lent, Fault> {
        let lent = self.effects(capability.as_str())?;
        lent.grants.allows(Ask::Use(capability))?;
        Ok(lent)
    }
}

impl Lent {
    /// An id of this plugin's own namespace.
    fn own(&self, id: &str) -> Result<ResourceId, Fault> {
        let id = ResourceId::parse(id).map_err(|error| fault("InvalidResourceId", error.to_string()))?;
        let namespace = self.plugin.namespace();
        if !id.namespace.eq_ignore_ascii_case(namespace) {
            return Err(not_granted(format!("'{id}' belongs to another provider than {namespace}")));
        }
        Ok(id)
    }

    /// The resource that the call is about. Others are not granted: their own calls may be having effects on them right
    /// now.
    fn owner(&self, owner: &str) -> Result<ResourceId, Fault> {
        let owner = self.own(owner)?;
        match owner.key().as_str() == self.owner {
            true => Ok(owner),
            false => Err(not_granted(format!("'{owner}' is not the resource that this call is about"))),
        }
    }

    /// A workload or port of the resource that the call is about.
    fn workload(&self, owner: &str, name: &str) -> Result<WorkloadKey, Fault> {
        Self::named(&self.owner(owner)?, name)
    }

    /// A workload of any resource of this provider.
    fn any_workload(&self, owner: &str, name: &str) -> Result<WorkloadKey, Fault> {
        Self::named(&self.own(owner)?, name)
    }

    fn named(owner: &ResourceId, name: &str) -> Result<WorkloadKey, Fault> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(word) {
            return Err(fault(
                "InvalidWorkloadSpec",
                format!("the name '{name}' has to be 1 to 32 letters, digits and hyphens"),
            ));
        }
        Ok(WorkloadKey { owner: owner.key().to_string(), name: name.to_owned() })
    }
}

fn fault(code: &str, message: impl Into<String>) -> Fault {
    Fault { code: code.to_owned(), message: message.into() }
}

fn not_granted(message: String) -> Fault {
    fault("NotGranted", message)
}

impl From<NotGranted> for Fault {
    fn from(error: NotGranted) -> Fault {
        not_granted(error.to_string())
    }
}

impl imported::types::Host for Imports {}
