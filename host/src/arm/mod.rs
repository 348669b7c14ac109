//! The front door: everything that Azure Resource Manager does around a resource provider, once, for every plugin.
//!
//! A request's path is resolved to a [`route::Target`], its `api-version`, subscription and group are checked, and what
//! is left is one of the few things that can be done to a resource. Nothing here knows a service: types, versions,
//! actions and locations come from the manifests, rules and side effects from the plugins.

mod act;
mod content;
mod delete;
mod error;
mod group;
mod id;
mod inventory;
mod location;
mod locks;
mod operation;
mod patch;
mod poll;
mod record;
mod request;
mod route;
mod show;
mod tags;
mod version;
mod write;

use std::sync::Arc;

use hyper::Method;
use tokio::sync::{RwLock, mpsc, watch};

pub use error::ArmError;
pub use id::{Key, ResourceId, Scope};
pub use inventory::{Inventory, Transition};
pub use location::regions;
pub use locks::{Held, Locks};
pub use operation::{Operation, Status};
pub use record::{Past, Provisioning, Record, State};
pub use request::{Body, Reply, Request};
pub use route::{RouteConflict, Router};
pub use version::Strictness;

use crate::imports::Lender;
use route::{Served, Target};

/// Whether a resource group has to be created before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Groups {
    /// A request below a group that was never created is answered 404.
    MustExist,
    /// Any group is there.
    Implied,
}

/// What the front door works with.
#[derive(Debug)]
pub struct FrontDoor {
    pub router: Router,
    pub lender: Arc<Lender>,
    pub locks: Arc<Locks>,
    /// Where resources go that have work to be done.
    pub wake: mpsc::UnboundedSender<Key>,
    /// True once the gateway is shutting down.
    pub closing: watch::Receiver<bool>,
    pub strictness: Strictness,
    pub groups: Groups,
    /// Shared by every request that changes something, for as long as it runs.
    pub writes: Arc<RwLock<()>>,
}

impl FrontDoor {
    /// Every request has an answer; every refusal is in ARM's envelope.
    pub async fn answer(&self, request: Request) -> Reply {
        self.dispatch(&request).await.unwrap_or_else(|error| {
            if error.status.is_server_error() {
                tracing::error!(method = %request.method, path = request.path, code = error.code, "{}", error.message);
            }
            error.into()
        })
    }

    async fn dispatch(&self, request: &Request) -> Result<Reply, ArmError> {
        let asked = request.api_version();
        let not_allowed = |allow| Err(ArmError::method_not_allowed(request.method.as_str(), allow));
        match self.router.find(&request.path, asked)? {
            Target::Resource { served, id } => {
                let version = self.check(&served, asked, &id.scope())?;
                match request.method {
                    Method::GET => show::get(self, &served, &id, version).await,
                    Method::PUT => write::put(self, &served, id, version, request).await,
                    Method::PATCH => write::patch(self, &served, id, version, request).await,
                    Method::DELETE => delete::delete(self, &id, version, request).await,
                    _ => not_allowed("GET, PUT, PATCH, DELETE"),
                }
            }
            Target::List { served, scope } => {
                let version = self.check(&served, asked, &scope)?;
                match request.method {
                    Method::GET => show::list(self, &served, &scope, version).await,
                    _ => not_allowed("GET"),
                }
            }
            Target::Action { served, id, action } => {
                let version = self.check(&served, asked, &id.scope())?;
                match request.method {
                    Method::POST => act::act(self, &served, &id, &action, version, request).await,
                    _ => not_allowed("POST"),
                }
            }
            Target::Operation { polled, id } => match request.method {
                Method::GET => poll::poll(self, polled, &id, request).await,
                _ => not_allowed("GET"),
            },
            Target::Group { scope } => {
                self.check_arm(asked, &scope)?;
                match request.method {
                    Method::GET => group::get(self, &scope),
                    Method::HEAD => group::exists(self, &scope),
                    Method::PUT => group::put(self, &scope, request).await,
                    Method::DELETE => group::delete(self, &scope).await,
                    _ => not_allowed("GET, HEAD, PUT, DELETE"),
                }
            }
            Target::Groups { subscription } => {
                self.check_arm(asked, &Scope { subscription: subscription.clone(), group: None })?;
                match request.method {
                    Method::GET => Ok(group::list(self, &subscription)),
                    _ => not_allowed("GET"),
                }
            }
        }
    }

    /// The api-version to answer in, if the service is on, the version is one of the type's and the scope is there.
    fn check<'a>(&self, served: &'a Served, asked: Option<&'a str>, scope: &Scope) -> Result<&'a str, ArmError> {
        let (plugin, settings) = (&served.plugin, &self.lender.settings);
        if settings.get(plugin.service()).and_then(|values| values.get("enabled")).is_some_and(|value| value == "false")
        {
            return Err(ArmError::disabled_namespace(plugin.namespace(), plugin.service()));
        }
        let version = version::of_type(asked, plugin.namespace(), &served.kind, self.strictness)?;
        error::check_scope(scope)?;
        self.check_group(scope)?;
        Ok(version)
    }

    fn check_arm(&self, asked: Option<&str>, scope: &Scope) -> Result<(), ArmError> {
        version::of_arm(asked, self.strictness)?;
        error::check_scope(scope)
    }

    /// Held while something is created in a group, so that the group is not removed meanwhile.
    async fn hold_group(&self, scope: &Scope) -> Result<Option<Held>, ArmError> {
        if self.groups == Groups::Implied {
            return Ok(None);
        }
        let held = self.locks.write(&group::key(scope)).await;
        self.check_group(scope)?;
        Ok(Some(held))
    }

    fn check_group(&self, scope: &Scope) -> Result<(), ArmError> {
        match (&scope.group, self.groups) {
            (Some(name), Groups::MustExist) if self.lender.inventory.group(&group::key(scope)).is_none() => {
                Err(ArmError::group_not_found(name))
            }
            _ => Ok(()),
        }
    }

    fn inventory(&self) -> &Inventory {
        &self.lender.inventory
    }

    fn wake(&self, key: Key) {
        // The receiver is gone only when the gateway is ending; the next start wakes what is not settled.
        let _ = self.wake.send(key);
    }
}
