//! The front door: everything that Azure Resource Manager does around a resource provider, once, for every plugin.
//!
//! A request's path is resolved to a [`route::Target`], its `api-version`, subscription and group are checked, and what
//! is left is one of the few things that can be done to a resource. Nothing here knows a service: types, versions,
//! actions and locations come from the manifests, rules and side effects from the plugins.

mod act;
mod answer;
mod child;
mod content;
mod delete;
mod error;
mod filter;
mod group;
mod id;
mod inventory;
mod location;
mod locks;
mod operation;
mod own;
mod page;
mod patch;
mod poll;
mod provider;
mod record;
mod request;
mod resources;
mod route;
mod schema;
mod show;
mod subscription;
mod tagged;
mod tags;
mod version;
mod write;

use std::sync::Arc;

use floci_az_contract::{self as contract, ResourceType};
use hyper::Method;
use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};
use tracing::Instrument;

pub use delete::begin as begin_deletion;
pub(crate) use error::short;
pub use error::{ArmError, Cause};
pub use group::{Group, Life};
pub use id::{Key, ResourceId, Scope};
pub use inventory::{Inventory, Transition};
pub use location::regions;
use locks::Presence;
pub use locks::{Held, Locks};
pub use operation::{Operation, Status};
pub use record::{Past, Provisioning, Record, State};
pub use request::{Body, Reply, Request};
pub use route::{RouteConflict, Router, Routes};
pub use schema::{Misfit, Twin, fit, to_older};
pub use show::PRESENTED_AT_ONCE;
pub use subscription::{Others, Subscriptions, TENANT};
pub use version::Strictness;

use crate::imports::Lender;
use crate::plugin::{Plugin, Plugins};
use crate::telemetry;
use route::{Served, Target};

/// Whether a resource group has to be created before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Groups {
    /// A request below a group that was never created is answered 404.
    MustExist,
    /// A group is created with the first resource in it.
    Implied,
}

/// How far the front door insists on what Azure insists on.
#[derive(Debug)]
pub struct Policy {
    pub api_version: Strictness,
    pub groups: Groups,
    pub subscriptions: Subscriptions,
}

/// What is being changed right now.
pub type Writes = Arc<RwLock<()>>;

/// A place in a group and a subscription, which stay for as long as this is held.
#[derive(Debug)]
struct Place {
    /// The group, if it is not there: it is stored with what is put into it.
    implied: Option<Group>,
    _group: Presence,
    _subscription: Presence,
    /// If the group is implied. Of several that imply it at the same time, one stores it.
    _birth: Option<Held>,
}

/// What is told of an answer besides.
#[derive(Debug, Default)]
struct Meant {
    route: telemetry::Route,
    /// The one that the request ran on.
    revision: Option<String>,
}

/// What the front door works with.
#[derive(Debug)]
pub struct FrontDoor {
    pub plugins: Arc<Plugins>,
    pub routes: Routes,
    pub lender: Arc<Lender>,
    pub locks: Arc<Locks>,
    /// True once the gateway is shutting down.
    pub closing: watch::Receiver<bool>,
    pub policy: Policy,
    /// Shared by every request that changes something, for as long as it runs.
    pub writes: Writes,
}

impl FrontDoor {
    /// Every request has an answer; every refusal is in ARM's envelope. May be dropped at any time: what only reads ends
    /// with it, anything else runs to its end, because what it stores and what it shows must not part.
    pub async fn answer(self: &Arc<Self>, request: Request) -> Reply {
        if matches!(request.method, Method::GET | Method::HEAD) {
            return self.carry_out(request).await;
        }
        if *self.closing.borrow() {
            return ArmError::shutting_down().into();
        }
        let (door, writing) = (self.clone(), self.writes.clone().read_owned().await);
        let work = async move {
            let reply = door.carry_out(request).await;
            drop(writing);
            reply
        };
        let task = tokio::spawn(work.instrument(tracing::Span::current()));
        task.await.unwrap_or_else(|error| ArmError::internal(error).into())
    }

    /// Waits for the changes under way; more can begin until `closing` is true.
    pub async fn finish(&self) {
        let _none = self.writes.write().await;
    }

    async fn carry_out(&self, request: Request) -> Reply {
        let mut meant = Meant::default();
        let reply = self.dispatch(&request, &mut meant).await.unwrap_or_else(|error| {
            if error.status.is_server_error() {
                tracing::error!(method = %request.method, path = request.path, code = error.code, "{}", error.message);
            }
            error.into()
        });
        reply.on(meant.route).by(meant.revision)
    }

    async fn dispatch(&self, request: &Request, meant: &mut Meant) -> Result<Reply, ArmError> {
        loop {
            let table = self.plugins.now();
            let target = self.routes.of(&table).find(&table, &request.path, request.api_version())?;
            *meant = Meant { route: target.note(request.api_version()), revision: target.label() };
            match self.serve(target, request).await {
                // It read what the next revision has written.
                Err(error) if error.is_superseded() && self.plugins.now().version() != table.version() => {}
                answered => return answered,
            }
        }
    }

    /// To be held from before something that a plugin has a say in is read until it is stored: swaps between schemas wait
    /// for it, or it for them. After such a swap the request begins anew.
    async fn hold(&self, served: &Served) -> Result<OwnedRwLockReadGuard<()>, ArmError> {
        let changing = served.plugin.changing().await;
        let now = self.plugins.of(served.plugin.namespace());
        let kind = now.as_ref().and_then(|entry| entry.revision.kind(&served.kind.name));
        match kind.is_some_and(|kind| kind.schema_version == served.kind.schema_version) {
            true => Ok(changing),
            false => {
                Err(ArmError::superseded(format!("{} has been swapped for another schema", served.revision.label())))
            }
        }
    }

    async fn serve(&self, target: Target, request: &Request) -> Result<Reply, ArmError> {
        match target {
            Target::Resource { served, id } => {
                let version = self.check(&served, &id.scope(), request)?;
                self.resource(&served, &id, version, request).await
            }
            Target::List { served, scope, parent } => {
                let version = self.check(&served, &scope, request)?;
                show::list(self, &served, &scope, parent.as_ref(), version, request).await
            }
            Target::Action { served, id, action } => {
                let version = self.check(&served, &id.scope(), request)?;
                act::act(self, &served, &id, &action, version, request).await
            }
            Target::ProviderAction { provider, subscription, action } => {
                self.check_provider(&provider.plugin, &subscription)?;
                act::of_provider(self, &provider, &subscription, &action, request).await
            }
            Target::Own(own) => own::answer(self, own, request).await,
        }
    }

    async fn resource(
        &self,
        served: &Served,
        id: &ResourceId,
        version: &str,
        request: &Request,
    ) -> Result<Reply, ArmError> {
        request.only("GET, HEAD, PUT, PATCH, DELETE")?;
        match request.method {
            Method::GET => show::get(self, served, id, version).await,
            Method::HEAD => show::exists(self, served, id),
            Method::PUT => write::put(self, served, id.clone(), version, request).await,
            Method::PATCH => write::patch(self, served, id.clone(), version, request).await,
            _ => delete::delete(self, served, id, version, request).await,
        }
    }

    /// The api-version to answer in, if the service is on, the version is one of the type's and the scope is there.
    fn check<'a>(&self, served: &'a Served, scope: &Scope, request: &'a Request) -> Result<&'a str, ArmError> {
        self.check_provider(&served.plugin, &scope.subscription)?;
        let version = version::of_type(request, served.plugin.namespace(), &served.kind, self.policy.api_version)?;
        self.check_scope(scope)?;
        match (&scope.group, self.policy.groups) {
            (Some(name), Groups::MustExist) if self.inventory().group(&scope.key()).is_none() => {
                Err(ArmError::group_not_found(name))
            }
            _ => Ok(version),
        }
    }

    /// That the provider's service is on, and that it is registered in the subscription.
    fn check_provider(&self, plugin: &Plugin, subscription: &str) -> Result<(), ArmError> {
        if !plugin.is_enabled() {
            return Err(ArmError::disabled_namespace(plugin.namespace(), plugin.service()));
        }
        self.policy.subscriptions.check(subscription)?;
        provider::check_registered(self, subscription, plugin.namespace())
    }

    fn check_scope(&self, scope: &Scope) -> Result<(), ArmError> {
        self.policy.subscriptions.check(&scope.subscription)?;
        scope.group.as_deref().map_or(Ok(()), group::check_name)
    }

    /// A place for what is created in a group; the group itself, too, if it is not there and need not be. Whoever holds
    /// it calls no plugin: what hangs there would hold up all that is done to the group.
    async fn place(&self, plugin: &Plugin, scope: &Scope, location: &str) -> Result<Place, ArmError> {
        let key = scope.key();
        let _group = self.locks.presence(&key).await;
        let _subscription = self.locks.presence(&subscription::Subscription::key_of(&scope.subscription)).await;
        provider::check_registered(self, &scope.subscription, plugin.namespace())?;
        if self.has_group(scope)? {
            return Ok(Place { implied: None, _group, _subscription, _birth: None });
        }
        let _birth = Some(self.locks.birth(&key).await);
        let implied = (!self.has_group(scope)?).then(|| Group::implied(scope, location));
        Ok(Place { implied, _group, _subscription, _birth })
    }

    /// Whether something can be put into a group as it is; else it has to be made, if it may be.
    fn has_group(&self, scope: &Scope) -> Result<bool, ArmError> {
        match (self.inventory().group(&scope.key()), self.policy.groups) {
            (Some(group), _) => group.check_is_there().map(|()| true),
            (None, Groups::MustExist) => Err(ArmError::group_not_found(scope.group.as_deref().unwrap_or_default())),
            (None, _) => Ok(false),
        }
    }

    fn inventory(&self) -> &Inventory {
        &self.lender.inventory
    }

    /// The type of a stored resource; none if no plugin serves it any more.
    fn kind(&self, record: &Record) -> Option<Arc<ResourceType>> {
        self.plugins.of(&record.id.namespace)?.revision.kind(&record.id.kind()).cloned()
    }

    /// Has whoever brings a resource to where it should be look at it.
    fn wake(&self, served: &Served, id: &ResourceId) {
        let parent = id.parent().filter(|_| served.kind.life == contract::Life::Parents);
        self.lender.wake(parent.unwrap_or_else(|| id.key()));
    }
}
