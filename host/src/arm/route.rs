//! From a path to what it means.
//!
//! Words, namespaces and types compare without regard to case; names keep the casing of the request. The router is
//! built from the manifests, and holds one route for each type, list and action, so that what a plugin does not
//! declare cannot be reached.

use std::sync::Arc;

use floci_az_contract::{Action, ResourceType};
use percent_encoding::percent_decode_str;

use super::error::ArmError;
use super::id::{ResourceId, Scope};
use crate::plugin::{Plugin, Plugins, Revision};

/// A type, with the revision that serves it now. A request keeps it to its end.
#[derive(Debug, Clone)]
pub struct Served {
    pub plugin: Arc<Plugin>,
    pub revision: Arc<Revision>,
    pub kind: Arc<ResourceType>,
}

/// What of an operation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// The status document, always 200.
    Status,
    /// 202 until it has ended.
    Result,
}

/// What a path means.
#[derive(Debug, Clone)]
pub enum Target {
    Resource { served: Served, id: ResourceId },
    List { served: Served, scope: Scope },
    Action { served: Served, id: ResourceId, action: Action },
    Operation { polled: Polled, id: String },
    Group { scope: Scope },
    Groups { subscription: String },
}

/// A route's meaning before the request's own words are filled in.
#[derive(Debug, Clone)]
enum Route {
    Resource {
        plugin: Arc<Plugin>,
        kind: String,
    },
    List {
        plugin: Arc<Plugin>,
        kind: String,
    },
    Action {
        plugin: Arc<Plugin>,
        kind: String,
        action: Action,
    },
    Operation {
        polled: Polled,
    },
    Group,
    Groups,
    /// Below a provider, and none of its routes.
    Provider,
    /// Below `/subscriptions`, and nothing that is served.
    Subscription,
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
    namespaces: Vec<String>,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("namespaces", &self.namespaces).finish_non_exhaustive()
    }
}

const GROUP: &str = "/subscriptions/{s}/resourcegroups/{g}";

impl Router {
    pub fn new(plugins: &Plugins) -> Result<Router, RouteConflict> {
        let namespaces = plugins.iter().map(|plugin| plugin.namespace().to_owned()).collect();
        let mut router = Router { routes: matchit::Router::new(), namespaces };
        router.add("/subscriptions/{s}/resourcegroups", Route::Groups)?;
        router.add(GROUP, Route::Group)?;
        for path in ["/subscriptions/{s}/providers/{ns}", &format!("{GROUP}/providers/{{ns}}")] {
            router.add(path, Route::Provider)?;
            router.add(&format!("{path}/{{*rest}}"), Route::Provider)?;
        }
        router.add("/subscriptions/{s}/{*rest}", Route::Subscription)?;
        for plugin in plugins.iter() {
            router.add_plugin(plugin)?;
        }
        Ok(router)
    }

    fn add_plugin(&mut self, plugin: &Arc<Plugin>) -> Result<(), RouteConflict> {
        let provider = format!("providers/{}", plugin.namespace().to_lowercase());
        let operations = format!("/subscriptions/{{s}}/{provider}/locations/{{l}}");
        self.add(&format!("{operations}/asyncoperations/{{o}}"), Route::Operation { polled: Polled::Status })?;
        self.add(&format!("{operations}/operationresults/{{o}}"), Route::Operation { polled: Polled::Result })?;
        for kind in &plugin.revision().manifest().types {
            let types: Vec<String> = kind.name.split('/').map(str::to_lowercase).collect();
            let Some((last, outer)) = types.split_last() else { continue };
            let parents: String =
                outer.iter().enumerate().map(|(depth, word)| format!("{word}/{{n{depth}}}/")).collect();
            let list = format!("{GROUP}/{provider}/{parents}{last}");
            let resource = format!("{list}/{{n{}}}", outer.len());
            let (plugin, name) = (plugin.clone(), kind.name.clone());
            if outer.is_empty() {
                let everywhere = format!("/subscriptions/{{s}}/{provider}/{last}");
                self.add(&everywhere, Route::List { plugin: plugin.clone(), kind: name.clone() })?;
            }
            self.add(&list, Route::List { plugin: plugin.clone(), kind: name.clone() })?;
            self.add(&resource, Route::Resource { plugin: plugin.clone(), kind: name.clone() })?;
            for action in &kind.actions {
                let path = format!("{resource}/{}", action.name.to_lowercase());
                self.add(&path, Route::Action { plugin: plugin.clone(), kind: name.clone(), action: action.clone() })?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &str, route: Route) -> Result<(), RouteConflict> {
        let conflict = |error: matchit::InsertError| RouteConflict { path: path.to_owned(), reason: error.to_string() };
        self.routes.insert(path, route).map_err(conflict)
    }

    /// What a path means, whatever the method.
    pub fn find(&self, path: &str, version: Option<&str>) -> Result<Target, ArmError> {
        // Clients put a base URL that ends in a slash before a path that begins with one.
        let path = format!("/{}", path.trim_matches('/'));
        let lower = path.to_ascii_lowercase();
        let segments = segments(&path)?;
        let segment = |index: usize| segments.get(index).cloned().unwrap_or_default();
        let unknown = || match segments.first() {
            Some(first) if first.eq_ignore_ascii_case("subscriptions") || first.eq_ignore_ascii_case("providers") => {
                ArmError::missing_subscription()
            }
            _ => ArmError::unknown_path(&path),
        };
        let matched = self.routes.at(&lower).map_err(|_| unknown())?;
        let scope = |group: bool| Scope { subscription: segment(1), group: group.then(|| segment(3)) };
        Ok(match matched.value {
            Route::Groups => Target::Groups { subscription: segment(1) },
            Route::Group => Target::Group { scope: scope(true) },
            Route::Operation { polled } => Target::Operation { polled: *polled, id: segment(7) },
            Route::List { plugin, kind } => {
                Target::List { served: serve(plugin, kind, version)?, scope: scope(lower.contains("/resourcegroups/")) }
            }
            Route::Resource { plugin, kind } => Target::Resource {
                served: serve(plugin, kind, version)?,
                id: id(plugin, kind, &segments).ok_or_else(unknown)?,
            },
            Route::Action { plugin, kind, action } => Target::Action {
                served: serve(plugin, kind, version)?,
                id: id(plugin, kind, &segments).ok_or_else(unknown)?,
                action: action.clone(),
            },
            Route::Provider => return Err(self.unserved(&segments, version)),
            Route::Subscription => return Err(ArmError::unknown_path(&path)),
        })
    }

    /// Why nothing is served below a provider.
    fn unserved(&self, segments: &[String], version: Option<&str>) -> ArmError {
        let providers = segments.iter().position(|segment| segment.eq_ignore_ascii_case("providers"));
        let asked = providers.and_then(|at| segments.get(at + 1)).map(String::as_str).unwrap_or_default();
        match self.namespaces.iter().find(|served| served.eq_ignore_ascii_case(asked)) {
            Some(served) => ArmError::unknown_type(served, version),
            None => ArmError::unknown_namespace(asked, &self.namespaces.iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }
}

/// The type as the active revision declares it; a revision may have been swapped since the routes were made.
fn serve(plugin: &Arc<Plugin>, kind: &str, version: Option<&str>) -> Result<Served, ArmError> {
    let revision = plugin.revision();
    let kind = revision.kind(kind).cloned().ok_or_else(|| ArmError::unknown_type(plugin.namespace(), version))?;
    Ok(Served { plugin: plugin.clone(), revision, kind })
}

/// `/subscriptions/{s}/resourcegroups/{g}/providers/{ns}/{type}/{name}...`, with the types in canonical casing.
fn id(plugin: &Plugin, kind: &str, segments: &[String]) -> Option<ResourceId> {
    let names = segments.iter().skip(7).step_by(2);
    let path = kind.split('/').map(str::to_owned).zip(names.cloned()).collect();
    ResourceId::new(segments.get(1)?, segments.get(3)?, plugin.namespace(), path)
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
