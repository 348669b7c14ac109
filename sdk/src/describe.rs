//! The manifest in few words. Everything is a public field: what is not as usual is set by struct update,
//! `ResourceType { schema_version: 2, ..resource_type(..) }`.

use serde_json::Value;

use crate::{Action, Answers, Effect, Kind, Life, Manifest, Method, ResourceType, Setting, ShownName, Tracking};

/// Seconds that an operation may take before it ends as Failed, unless the manifest says otherwise: an image is pulled
/// in less.
const DEADLINE: u32 = 300;

/// A manifest of a namespace (`Microsoft.Cache`) whose settings are `services.<service>.*`. Its version is that of the
/// plugin's crate.
pub fn manifest(namespace: &str, service: &str, types: impl IntoIterator<Item = ResourceType>) -> Manifest {
    Manifest {
        namespace: namespace.to_owned(),
        service: service.to_owned(),
        types: types.into_iter().collect(),
        ..Manifest::default()
    }
}

/// A resource type in all locations, in schema version 1, without actions, shown as it is stored.
///
/// `api_versions` newest first. `example` is the body of a PUT that works.
pub fn resource_type<'a>(name: &str, api_versions: impl IntoIterator<Item = &'a str>, example: Value) -> ResourceType {
    ResourceType {
        name: name.to_owned(),
        api_versions: api_versions.into_iter().map(str::to_owned).collect(),
        locations: Vec::new(),
        schema_version: 1,
        actions: Vec::new(),
        present_on: Vec::new(),
        present_before: None,
        tracking: Tracking::Tracked,
        shown_name: ShownName::Last,
        life: Life::Own,
        answers: Answers::AtOnce,
        built_in: Vec::new(),
        deadline_seconds: DEADLINE,
        example,
    }
}

/// A child type, in the usual form: without location and tags, without a life of its own (its parent's `reconcile` does
/// what it asks for), answered when that is done.
pub fn child_type<'a>(name: &str, api_versions: impl IntoIterator<Item = &'a str>, example: Value) -> ResourceType {
    ResourceType {
        tracking: Tracking::Proxy,
        life: Life::Parents,
        answers: Answers::WhenDone,
        ..resource_type(name, api_versions, example)
    }
}

/// A POST that only reads.
pub fn reads(action: &str) -> Action {
    Action { name: action.to_owned(), effect: Effect::Reads, method: Method::Post }
}

/// A POST that changes state or has side effects.
pub fn writes(action: &str) -> Action {
    Action { name: action.to_owned(), effect: Effect::Writes, method: Method::Post }
}

/// A setting. `texts` are its effect, its trade-off and an example.
pub fn setting(key: &str, kind: Kind, default: &str, [effect, trade_off, example]: [&str; 3]) -> Setting {
    Setting {
        key: key.to_owned(),
        kind,
        default: default.to_owned(),
        effect: effect.to_owned(),
        trade_off: trade_off.to_owned(),
        example: example.to_owned(),
    }
}
