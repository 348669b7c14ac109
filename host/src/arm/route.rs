//! From a path to what it means.
//!
//! Words, namespaces and types compare without regard to case; names keep the casing of the request. The router is
//! built from the manifests, and holds one route for each type, list and action, so that what a plugin does not
//! declare cannot be reached.

use std::sync::Arc;

use arc_swap::ArcSwap;
use floci_az_contract::{Action, Manifest, ResourceType};
use percent_encoding::percent_decode_str;

use super::error::ArmError;
use super::id::{ResourceId, Scope};
use super::own::{Own, Polled};
use super::provider::{self, Registration};
use super::tagged::Tagged;
use crate::plugin::{Entry, Plugin, Serving, Table};
use crate::telemetry;

/// A type, with the revision that serves it now. A request keeps it to its end.
#[derive(Debug, Clone)]
pub struct Served {
    pub plugin: Arc<Plugin>,
    pub revision: Arc<Serving>,
    pub kind: Arc<ResourceType>,
}

/// What a path means.
#[derive(Debug, Clone)]
pub enum Target {
    Resource {
        served: Served,
        id: ResourceId,
    },
    List {
        served: Served,
        scope: Scope,
        /// What the listed are children of; none for a top-level type.
        parent: Option<ResourceId>,
    },
    Action {
        served: Served,
        id: ResourceId,
        action: Action,
    },
    /// Of the provider itself.
    ProviderAction {
        provider: Entry,
        subscription: String,
        action: Action,
    },
    /// What is the front door's own.
    Own(Own),
}

impl Target {
    /// The revision that it runs on.
    pub fn label(&self) -> Option<String> {
        match self {
            Target::Resource { served, .. } | Target::List { served, .. } | Target::Action { served, .. } => {
                Some(served.revision.label().to_owned())
            }
            Target::ProviderAction { provider, .. } => Some(provider.revision.label().to_owned()),
            Target::Own(_) => None,
        }
    }

    /// Adds to the span of the request what its path says; what it means to metrics.
    pub fn note(&self, version: Option<&str>) -> telemetry::Route {
        let span = tracing::Span::current();
        let (revision, kind) = match self {
            Target::Resource { served, id } => {
                span.record("resource", tracing::field::display(id));
                (Some(&served.revision), telemetry::Route::Resource)
            }
            Target::List { served, .. } => (Some(&served.revision), telemetry::Route::List),
            Target::Action { served, id, .. } => {
                span.record("resource", tracing::field::display(id));
                (Some(&served.revision), telemetry::Route::Action)
            }
            Target::ProviderAction { provider, .. } => (Some(&provider.revision), telemetry::Route::Action),
            Target::Own(_) => (None, telemetry::Route::Own),
        };
        if let Some(revision) = revision {
            span.record("plugin", revision.manifest().namespace.as_str()).record("revision", revision.digest().short());
        }
        if let Some(version) = version {
            span.record("api_version", version);
        }
        kind
    }
}

/// A type of a provider.
#[derive(Debug, Clone)]
struct Type {
    namespace: Arc<str>,
    name: String,
}

/// A route's meaning before the request's own words are filled in.
#[derive(Debug, Clone)]
enum Route {
    Tenants,
    Subscriptions,
    Subscription,
    Locations,
    TagNames,
    Resources,
    Groups,
    Group,
    GroupAction,
    Providers,
    Provider,
    Registration(Registration),
    ProviderOperations,
    ProviderAction(Arc<str>, String),
    Tags,
    Operation(Polled),
    Resource(Type),
    ResourceTags(Type),
    List(Type),
    Action(Type, String),
    /// Below a provider, and none of its routes.
    Unserved,
    /// Below `/subscriptions` or `/providers`, and nothing that is served.
    Unknown,
}

/// Why the routes of the manifests do not fit together.
#[derive(Debug, thiserror::Error)]
#[error("two plugins or types claim the path {path}: {reason}")]
pub struct RouteConflict {
    path: String,
    reason: String,
}

pub struct Router {
    routes: matchit::Router<Route>,
    /// Of the table that it was made of.
    version: u64,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The router of the table that is served, made anew by the first request after a change.
#[derive(Debug)]
pub struct Routes(ArcSwap<Router>);

impl Routes {
    pub fn new(table: &Table) -> Result<Routes, RouteConflict> {
        Ok(Routes(ArcSwap::from_pointee(Router::new(table)?)))
    }

    pub fn of(&self, table: &Table) -> Arc<Router> {
        let made = self.0.load_full();
        if made.version == table.version() {
            return made;
        }
        match Router::new(table) {
            Ok(router) => {
                let router = Arc::new(router);
                self.0.store(router.clone());
                router
            }
            // A table is checked before it is served.
            Err(conflict) => {
                tracing::error!(%conflict, "the routes of the plugins do not fit together; the earlier ones are used");
                made
            }
        }
    }
}

const SUBSCRIPTION: &str = "/subscriptions/{s}";
const GROUP: &str = "/subscriptions/{s}/resourcegroups/{g}";
const TAGS: &str = "providers/microsoft.resources/tags/default";

impl Router {
    pub fn new(table: &Table) -> Result<Router, RouteConflict> {
        Router::of(table.version(), table.iter().map(|entry| entry.revision.manifest()))
    }

    /// That the routes of these manifests fit together.
    pub fn check<'a>(manifests: impl Iterator<Item = &'a Manifest>) -> Result<(), RouteConflict> {
        Router::of(0, manifests).map(drop)
    }

    fn of<'a>(version: u64, manifests: impl Iterator<Item = &'a Manifest>) -> Result<Router, RouteConflict> {
        let mut router = Router { routes: matchit::Router::new(), version };
        for (path, route) in [
            ("/tenants", Route::Tenants),
            ("/subscriptions", Route::Subscriptions),
            ("/providers", Route::Providers),
            ("/providers/{ns}", Route::Provider),
            ("/providers/{ns}/operations", Route::ProviderOperations),
            ("/providers/{ns}/{*rest}", Route::Unknown),
        ] {
            router.add(path, route)?;
        }
        for (path, route) in [
            ("", Route::Subscription),
            ("/locations", Route::Locations),
            ("/tagnames", Route::TagNames),
            ("/resources", Route::Resources),
            ("/resourcegroups", Route::Groups),
            ("/operationresults/{o}", Route::Operation(Polled::Result)),
            ("/providers", Route::Providers),
            ("/providers/{ns}", Route::Provider),
            ("/providers/{ns}/register", Route::Registration(Registration::Register)),
            ("/providers/{ns}/unregister", Route::Registration(Registration::Unregister)),
            ("/providers/{ns}/{*rest}", Route::Unserved),
            ("/{*rest}", Route::Unknown),
        ] {
            router.add(&format!("{SUBSCRIPTION}{path}"), route)?;
        }
        for (path, route) in [
            ("", Route::Group),
            ("/resources", Route::Resources),
            ("/exporttemplate", Route::GroupAction),
            ("/moveresources", Route::GroupAction),
            ("/validatemoveresources", Route::GroupAction),
            ("/providers/{ns}", Route::Unserved),
            ("/providers/{ns}/{*rest}", Route::Unserved),
        ] {
            router.add(&format!("{GROUP}{path}"), route)?;
        }
        router.add(&format!("{SUBSCRIPTION}/{TAGS}"), Route::Tags)?;
        router.add(&format!("{GROUP}/{TAGS}"), Route::Tags)?;
        for manifest in manifests {
            router.add_provider(manifest)?;
        }
        Ok(router)
    }

    fn add_provider(&mut self, manifest: &Manifest) -> Result<(), RouteConflict> {
        let namespace: Arc<str> = manifest.namespace.as_str().into();
        let provider = format!("providers/{}", namespace.to_lowercase());
        let operations = format!("{SUBSCRIPTION}/{provider}/locations/{{l}}");
        self.add(&format!("{operations}/asyncoperations/{{o}}"), Route::Operation(Polled::Status))?;
        self.add(&format!("{operations}/operationresults/{{o}}"), Route::Operation(Polled::Result))?;
        for action in &manifest.actions {
            let path = format!("{SUBSCRIPTION}/{provider}/{}", action.name.to_lowercase());
            self.add(&path, Route::ProviderAction(namespace.clone(), action.name.clone()))?;
        }
        for kind in &manifest.types {
            let types: Vec<String> = kind.name.split('/').map(str::to_lowercase).collect();
            let Some((last, outer)) = types.split_last() else { continue };
            let parents: String =
                outer.iter().enumerate().map(|(depth, word)| format!("{word}/{{n{depth}}}/")).collect();
            let list = format!("{GROUP}/{provider}/{parents}{last}");
            let resource = format!("{list}/{{n{}}}", outer.len());
            let own = Type { namespace: namespace.clone(), name: kind.name.clone() };
            if outer.is_empty() {
                self.add(&format!("{SUBSCRIPTION}/{provider}/{last}"), Route::List(own.clone()))?;
            }
            self.add(&list, Route::List(own.clone()))?;
            self.add(&resource, Route::Resource(own.clone()))?;
            self.add(&format!("{resource}/{TAGS}"), Route::ResourceTags(own.clone()))?;
            for action in &kind.actions {
                let path = format!("{resource}/{}", action.name.to_lowercase());
                self.add(&path, Route::Action(own.clone(), action.name.clone()))?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &str, route: Route) -> Result<(), RouteConflict> {
        let conflict = |error: matchit::InsertError| RouteConflict { path: path.to_owned(), reason: error.to_string() };
        self.routes.insert(path, route).map_err(conflict)
    }

    /// What a path means, whatever the method.
    pub fn find(&self, table: &Table, path: &str, version: Option<&str>) -> Result<Target, ArmError> {
        // Clients put a base URL that ends in a slash before a path that begins with one.
        let path = format!("/{}", without_empty_parent(path.trim_matches('/')));
        let lower = path.to_ascii_lowercase();
        let segments = segments(&path)?;
        let segment = |index: usize| segments.get(index).cloned().unwrap_or_default();
        let is = |index: usize, word: &str| segments.get(index).is_some_and(|found| found.eq_ignore_ascii_case(word));
        let unknown = || match is(0, "providers") || is(0, "resourcegroups") {
            true => ArmError::missing_subscription(),
            false => ArmError::unknown_path(&path),
        };
        let matched = self.routes.at(&lower).map_err(|_| unknown())?;
        let scope = || Scope { subscription: segment(1), group: is(2, "resourcegroups").then(|| segment(3)) };
        let subscription = || segment(1);
        // What has a subscription in its path begins with it.
        let (in_subscription, namespace) = match is(0, "subscriptions") {
            true => (Some(subscription()), segment(3)),
            false => (None, segment(1)),
        };
        let own = match matched.value {
            Route::Tenants => Own::Tenants,
            Route::Subscriptions => Own::Subscriptions,
            Route::Subscription => Own::Subscription { id: subscription() },
            Route::Locations => Own::Locations { subscription: subscription() },
            Route::TagNames => Own::TagNames { subscription: subscription() },
            Route::Resources => Own::Resources { scope: scope() },
            Route::Groups => Own::Groups { subscription: subscription() },
            Route::Group => Own::Group { scope: scope() },
            Route::GroupAction => Own::GroupAction { scope: scope(), name: segment(4) },
            Route::Providers => Own::Providers { subscription: in_subscription },
            Route::Provider => Own::Provider { subscription: in_subscription, namespace },
            Route::Registration(registration) => {
                Own::Registration { subscription: subscription(), namespace, registration: *registration }
            }
            Route::ProviderOperations => Own::ProviderOperations { namespace },
            Route::ProviderAction(namespace, name) => {
                let provider = table.of(namespace).ok_or_else(unknown)?.clone();
                let action = named(&provider.revision.manifest().actions, name).ok_or_else(unknown)?;
                return Ok(Target::ProviderAction { provider, subscription: subscription(), action });
            }
            Route::Tags => Own::Tags {
                tagged: match scope() {
                    Scope { subscription, group: None } => Tagged::Subscription(subscription),
                    group => Tagged::Group(group),
                },
            },
            Route::Operation(polled) => Own::Operation {
                polled: *polled,
                subscription: subscription(),
                namespace: is(2, "providers").then_some(namespace),
                id: segments.last().cloned().unwrap_or_default(),
            },
            Route::List(kind) => {
                let (served, parent) = (kind.serve(table, version)?, kind.parent(&segments));
                return Ok(Target::List { served, scope: scope(), parent });
            }
            Route::Resource(kind) => {
                let (served, id) = (kind.serve(table, version)?, kind.id(&segments).ok_or_else(unknown)?);
                return Ok(Target::Resource { served, id });
            }
            Route::ResourceTags(kind) => {
                let (served, id) = (kind.serve(table, version)?, kind.id(&segments).ok_or_else(unknown)?);
                Own::Tags { tagged: Tagged::Resource { served, id } }
            }
            Route::Action(kind, name) => {
                let (served, id) = (kind.serve(table, version)?, kind.id(&segments).ok_or_else(unknown)?);
                let action = named(&served.kind.actions, name).ok_or_else(unknown)?;
                return Ok(Target::Action { served, id, action });
            }
            Route::Unserved => return Err(unserved(table, &segments, version)),
            Route::Unknown => return Err(unknown()),
        };
        Ok(Target::Own(own))
    }
}

fn named(actions: &[Action], name: &str) -> Option<Action> {
    actions.iter().find(|action| action.name.eq_ignore_ascii_case(name)).cloned()
}

/// Why nothing is served below a provider.
fn unserved(table: &Table, segments: &[String], version: Option<&str>) -> ArmError {
    let providers = segments.iter().position(|segment| segment.eq_ignore_ascii_case("providers"));
    let asked = providers.and_then(|at| segments.get(at + 1)).map(String::as_str).unwrap_or_default();
    match table.of(asked) {
        Some(entry) => ArmError::unknown_type(entry.plugin.namespace(), version),
        None if asked.eq_ignore_ascii_case(provider::OWN) => ArmError::unknown_type(provider::OWN, version),
        None => unknown_namespace(table, asked),
    }
}

pub(super) fn unknown_namespace(table: &Table, asked: &str) -> ArmError {
    let served: Vec<&str> = table.iter().map(|entry| entry.plugin.namespace()).chain([provider::OWN]).collect();
    ArmError::unknown_namespace(asked, &served)
}

impl Type {
    fn serve(&self, table: &Table, version: Option<&str>) -> Result<Served, ArmError> {
        let Some(Entry { plugin, revision }) = table.of(&self.namespace).cloned() else {
            return Err(unknown_namespace(table, &self.namespace));
        };
        let kind = revision.kind(&self.name).cloned();
        let kind = kind.ok_or_else(|| ArmError::unknown_type(plugin.namespace(), version))?;
        Ok(Served { plugin, revision, kind })
    }

    fn id(&self, segments: &[String]) -> Option<ResourceId> {
        self.id_of(&self.name, segments)
    }

    /// What a list of this type is below; none of a top-level type.
    fn parent(&self, segments: &[String]) -> Option<ResourceId> {
        let (outer, _) = self.name.rsplit_once('/')?;
        self.id_of(outer, segments)
    }

    /// `/subscriptions/{s}/resourcegroups/{g}/providers/{ns}/{type}/{name}...`, with the types in canonical casing.
    fn id_of(&self, types: &str, segments: &[String]) -> Option<ResourceId> {
        let names = segments.iter().skip(7).step_by(2);
        let path = types.split('/').map(str::to_owned).zip(names.cloned()).collect();
        ResourceId::new(segments.get(1)?, segments.get(3)?, &self.namespace, path)
    }
}

/// azure-mgmt-resource, and so `az resource show`, writes `providers/Microsoft.Cache//redis/name`: between the two slashes
/// would be the path of a parent. ARM takes that; an empty segment anywhere else is malformed.
fn without_empty_parent(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        let follows_namespace = kept.iter().rev().nth(1).is_some_and(|word| word.eq_ignore_ascii_case("providers"));
        if !(segment.is_empty() && follows_namespace) {
            kept.push(segment);
        }
    }
    kept.join("/")
}

/// The decoded words between the slashes.
fn segments(path: &str) -> Result<Vec<String>, ArmError> {
    let decode = |segment: &str| {
        let text = percent_decode_str(segment).decode_utf8().ok()?;
        (!text.is_empty() && !text.contains(|c: char| c == '/' || c.is_control())).then(|| text.into_owned())
    };
    if path == "/" {
        return Ok(Vec::new());
    }
    path.split('/').skip(1).map(|segment| decode(segment).ok_or_else(|| ArmError::malformed_path(path))).collect()
}
