//! The data plane: clients' connections to workloads, over TLS and without, several resources on one port.
//!
//! A [`Route`] says who may reach which workload by which port. On a port of its own there is
//! nothing to choose; on a shared one the name that a client asks for in TLS decides, and if it says nothing, and there
//! is more than one route, the password of the client's first login. Once a client is let in, its bytes pass as they
//! are ([`pump`]), but for the logins of token users ([`session`]).
//!
//! Routes are in memory: the plugins publish them again after a start. A route that is replaced leaves the connections
//! that it let in; one that is withdrawn ends them.

mod backend;
mod connection;
mod listener;
mod login;
mod pump;
mod resp;
mod session;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod workers;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use floci_az_contract::{Protocol, Route};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};

pub use backend::Locate;
use listener::Listener;
use table::{Published, Table};
use tls::Tls;
use workers::Workers;

use crate::identity::Identity;
use crate::identity::ca::{CertificateError, Certificates};

/// Why a route is not published, or the data plane did not start. `Display` says what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum IngressError {
    #[error("{0}")]
    Invalid(String),
    #[error("port {port}{} of {address} cannot be listened on: {reason}. Stop what listens there, or {}", named(.setting), remedy(.setting))]
    PortInUse { port: u16, address: IpAddr, setting: Option<String>, reason: io::Error },
    #[error("tokens cannot be checked: {0}")]
    Tokens(String),
    #[error("the data plane cannot be set up: {0}")]
    Threads(io::Error),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

fn named(setting: &Option<String>) -> String {
    setting.as_ref().map(|setting| format!(" ({setting})")).unwrap_or_default()
}

fn remedy(setting: &Option<String>) -> String {
    setting.as_ref().map_or_else(|| "delete the resource".to_owned(), |setting| format!("set another {setting}"))
}

/// A port for many routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    pub port: u16,
    pub protocol: Protocol,
    /// What its port is set by: `services.web.tls-port`.
    pub setting: String,
}

/// Where a connection came in.
#[derive(Debug, Clone, Copy)]
struct Door {
    port: u16,
    /// None for a port that one route has for itself.
    shared: Option<Protocol>,
}

/// What every connection needs.
#[derive(Debug)]
struct Core {
    table: Arc<ArcSwap<Table>>,
    /// None if TLS is off.
    tls: Option<Tls>,
    locate: Arc<dyn Locate>,
    main: Handle,
    /// For a handshake and a login.
    beginning: Duration,
}

#[derive(Debug)]
pub struct Ingress {
    core: Arc<Core>,
    address: IpAddr,
    shared: ArcSwap<Vec<Shared>>,
    certificates: Option<Arc<Certificates>>,
    identity: Arc<Identity>,
    workers: std::sync::Mutex<Option<Arc<Workers>>>,
    /// By port. One change of routes at a time.
    listeners: Mutex<BTreeMap<u16, Listener>>,
}

impl Ingress {
    /// Has to be called within a tokio runtime, on which workloads will be looked for.
    pub fn new(
        address: IpAddr,
        shared: Vec<Shared>,
        certificates: Option<Arc<Certificates>>,
        identity: Arc<Identity>,
        locate: Arc<dyn Locate>,
    ) -> Result<Ingress, IngressError> {
        Ingress::with(address, shared, certificates, identity, locate, connection::BEGINNING)
    }

    fn with(
        address: IpAddr,
        shared: Vec<Shared>,
        certificates: Option<Arc<Certificates>>,
        identity: Arc<Identity>,
        locate: Arc<dyn Locate>,
        beginning: Duration,
    ) -> Result<Ingress, IngressError> {
        let table = Arc::new(ArcSwap::from_pointee(Table::default()));
        let tls = certificates.as_ref().map(|certificates| Tls::new(certificates, &table)).transpose()?;
        let core = Arc::new(Core { table, tls, locate, main: Handle::current(), beginning });
        let workers = Workers::start(&core).map_err(IngressError::Threads)?;
        Ok(Ingress {
            core,
            address,
            shared: ArcSwap::from_pointee(shared),
            certificates,
            identity,
            workers: std::sync::Mutex::new(Some(Arc::new(workers))),
            listeners: Mutex::default(),
        })
    }

    /// Listens on the shared ports. One that cannot be had is tried again when a route for it is published.
    pub async fn listen(&self) {
        self.share(|| self.shared.load().as_ref().clone()).await;
    }

    /// The shared ports from now on. They are looked up in the caller's turn, so that of several who share at the same
    /// time the last one knows best. One that was shared is listened on until the gateway ends.
    pub async fn share(&self, now: impl FnOnce() -> Vec<Shared>) {
        let mut listeners = self.listeners.lock().await;
        self.shared.store(Arc::new(now()));
        for shared in self.shared.load().iter() {
            if let Err(error) = self.bind(&mut listeners, shared.port).await {
                tracing::warn!("{error}");
            }
        }
    }

    /// The shared ports that are listened on.
    pub async fn listening(&self) -> Vec<Shared> {
        let listeners = self.listeners.lock().await;
        self.shared.load().iter().filter(|shared| listeners.contains_key(&shared.port)).cloned().collect()
    }

    fn shared(&self, port: u16) -> Option<Shared> {
        self.shared.load().iter().find(|shared| shared.port == port).cloned()
    }

    fn is_shared(&self, port: u16) -> bool {
        self.shared(port).is_some()
    }

    /// Whether a port is shared among the resources of a service.
    pub fn is_shared_by(&self, service: &str, port: u16) -> bool {
        let group = format!("services.{service}.");
        self.shared.load().iter().any(|shared| shared.port == port && shared.setting.starts_with(&group))
    }

    /// Makes this the route of `owner`. What is refused changes nothing.
    pub async fn publish(&self, owner: &str, route: Route) -> Result<(), IngressError> {
        let mut listeners = self.listeners.lock().await;
        let before = self.core.table.load().owner(owner).cloned();
        let known = before.as_ref().filter(|before| before.route == route).cloned();
        let published = match &known {
            Some(known) => known.clone(),
            None => Arc::new(self.ready(owner, route, before.as_deref()).await?),
        };
        self.core.table.load().check_hosts(&published)?;
        let wanted: Vec<u16> = published.route.entries.keys().copied().collect();
        let mut new = Vec::new();
        for port in &wanted {
            match self.bind(&mut listeners, *port).await {
                Ok(true) => new.push(*port),
                Ok(false) => {}
                Err(error) => {
                    // Shared ones may stay: others will want them.
                    for port in new.iter().filter(|port| !self.is_shared(**port)) {
                        self.close(&mut listeners, *port).await;
                    }
                    return Err(error);
                }
            }
        }
        if known.is_some() {
            drop(listeners);
            published.backends.forget();
            return Ok(());
        }
        self.core.table.store(Arc::new(self.core.table.load().with(published)));
        let old = before.iter().flat_map(|before| before.route.entries.keys());
        for port in old.filter(|port| !wanted.contains(port) && !self.is_shared(**port)) {
            self.close(&mut listeners, *port).await;
        }
        self.keep_names();
        Ok(())
    }

    /// Ends the route of `owner`, its connections, and its own ports.
    pub async fn withdraw(&self, owner: &str) {
        let mut listeners = self.listeners.lock().await;
        let Some(published) = self.core.table.load().owner(owner).cloned() else { return };
        self.core.table.store(Arc::new(self.core.table.load().without(owner)));
        for port in published.route.entries.keys().filter(|port| !self.is_shared(**port)) {
            self.close(&mut listeners, *port).await;
        }
        published.gone.send_replace(true);
        self.keep_names();
    }

    /// Ends everything, and waits for it.
    pub async fn end(&self) {
        for (_, listener) in std::mem::take(&mut *self.listeners.lock().await) {
            listener.end().await;
        }
        let table = self.core.table.swap(Arc::default());
        for published in table.all() {
            published.gone.send_replace(true);
        }
        let workers = self.workers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(workers) = workers.and_then(Arc::into_inner) {
            workers.end().await;
        }
    }

    async fn ready(&self, owner: &str, route: Route, before: Option<&Published>) -> Result<Published, IngressError> {
        for (port, entry) in &route.entries {
            table::check(*port, entry, self.shared(*port).as_ref())?;
        }
        let logins = match route.tokens.is_empty() {
            true => None,
            false => Some(self.identity.logins().await.map_err(|error| IngressError::Tokens(error.to_string()))?),
        };
        let gone = before.map_or_else(|| watch::Sender::new(false), |before| before.gone.clone());
        Published::new(owner, route, logins, gone)
    }

    /// True if it was not listened on before.
    async fn bind(&self, listeners: &mut BTreeMap<u16, Listener>, port: u16) -> Result<bool, IngressError> {
        let shared = self.shared(port);
        // Without a certificate there is nothing to serve on a shared port.
        if listeners.contains_key(&port) || (shared.is_some() && self.core.tls.is_none()) {
            return Ok(false);
        }
        let workers = self.workers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let Some(workers) = workers else { return Ok(false) };
        let door = Door { port, shared: shared.as_ref().map(|shared| shared.protocol) };
        let listener = Listener::bind(self.address, door, workers).await.map_err(|reason| {
            let setting = shared.map(|shared| shared.setting.clone());
            IngressError::PortInUse { port, address: self.address, setting, reason }
        })?;
        listeners.insert(port, listener);
        Ok(true)
    }

    async fn close(&self, listeners: &mut BTreeMap<u16, Listener>, port: u16) {
        if let Some(listener) = listeners.remove(&port) {
            listener.end().await;
        }
    }

    /// Certificates of names that are not published any more are not kept.
    fn keep_names(&self) {
        if let Some(certificates) = &self.certificates {
            let table = self.core.table.load();
            certificates.keep_names(|name| table.has_host(name));
        }
    }
}
