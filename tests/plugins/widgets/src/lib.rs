//! A resource provider for the tests of the gateway: widgets, which have a size and a color, and which do whatever a
//! plugin should not.
//!
//! A widget's properties:
//!
//! | property               | what it does                                                                            |
//! | ---------------------- | --------------------------------------------------------------------------------------- |
//! | `size`                 | a number from 1 to 1000, if it is there; anything else is refused as `InvalidSize`       |
//! | `color`                | stored as `colour` from schema 2 on; a client may say either                             |
//! | `waits`                | `reconcile` waits so many times, `pause` (20) milliseconds each, before it is done       |
//! | `misbehave`            | see [`mischief`]; with `misbehaveIn` in another function than `validate`                 |
//! | `madeBy`, `readyBy`    | the version that has validated it, and the one that has ended its last reconcile         |
//! | `shownBy`              | the version that shows it, if the script says `present`                                  |
//!
//! Actions: `secret` reads, `rotate` makes another secret and returns it. What the plugin is called, and the rest of what
//! it is, comes from its [script](Script).

#[cfg(target_arch = "wasm32")]
mod export;
pub mod mischief;
mod script;

use std::time::Duration;

use floci_az_sdk::prelude::*;
use floci_az_sdk::{ProvisioningState, ResourceType, child_type, reads, writes};
use serde::{Deserialize, Serialize};

pub use script::{MARK, PLACE, Script};

/// The first schema whose documents say `colour`.
const COLOUR: u32 = 2;

/// The provider.
#[derive(Debug)]
pub struct Widgets;

/// What no client sees.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Private {
    /// How often `reconcile` has waited since the last change.
    waited: u64,
    /// How many secrets there have been.
    secrets: u64,
}

impl Provider for Widgets {
    fn manifest() -> Manifest {
        let script = Script::read();
        match script.describe.as_str() {
            "trap" => mischief::trap(),
            "loop" => mischief::endless(),
            _ => {}
        }
        let kinds = script.types.iter().map(|name| kind(name, &script));
        Manifest { version: script.version.clone(), ..manifest(&script.namespace, &script.service, kinds) }
    }

    fn validate(change: Change, host: &dyn Host) -> Result<Accepted, Rejection> {
        let Change { desired, .. } = change;
        mischief::of(&desired, "validate", host);
        let script = Script::read();
        let mut state = desired.state;
        let mut private: Private = state.private()?.unwrap_or_default();
        private.waited = 0;
        private.secrets = private.secrets.max(1);
        state.set_private(&private)?;

        let properties = properties(&mut state.document)?;
        if properties.get("size").is_some_and(|size| !matches!(size.as_u64(), Some(1..=1000))) {
            return Err(Rejection::bad_request("InvalidSize", "a widget's size is 1 to 1000").at("properties.size"));
        }
        rename_color(properties, script.schema);
        properties.insert("madeBy".to_owned(), json!(script.version));
        let has_work =
            properties.contains_key("waits") || properties.get("misbehaveIn").is_some_and(|place| place == "reconcile");
        Ok(match has_work {
            true => Accepted::reconcile(state),
            false => Accepted::settled(state),
        })
    }

    fn reconcile(resource: Resource, host: &dyn Host) -> Step {
        mischief::of(&resource, "reconcile", host);
        let is_settled = resource.provisioning_state == ProvisioningState::Succeeded;
        let mut state = resource.state;
        if is_settled {
            return Step::done(state);
        }
        match step(&mut state) {
            Ok(next) => Step { state, next },
            Err(fault) => Step::failed(state, fault),
        }
    }

    fn finalize(resource: Resource, host: &dyn Host) -> Step {
        mischief::of(&resource, "finalize", host);
        Step::done(resource.state)
    }

    fn invoke(call: ActionCall, host: &dyn Host) -> Result<Answer, Rejection> {
        mischief::of_action(&call, host);
        let resource = call.resource()?;
        mischief::of(resource, "invoke", host);
        let mut state = resource.state.clone();
        let mut private: Private = state.private()?.unwrap_or_default();
        let secret = |private: &Private| json!({ "secret": format!("{}-{}", resource.name(), private.secrets) });
        match call.action.as_str() {
            "rotate" => {
                private.secrets += 1;
                state.set_private(&private)?;
                Ok(Answer::ok(secret(&private)).storing(state))
            }
            _ => Ok(Answer::ok(secret(&private))),
        }
    }

    fn present(view: View, host: &dyn Host) -> Value {
        mischief::of(&view.resource, "present", host);
        let mut document = view.resource.state.document;
        if let Ok(properties) = properties(&mut document) {
            properties.insert("shownBy".to_owned(), json!(Script::read().version));
        }
        document
    }

    fn upgrade(resource: Resource, from_schema: u32) -> Result<State, String> {
        let script = Script::read();
        match script.upgrade.split_once(':') {
            Some(("fail-on", name)) if name == resource.name() => {
                return Err(format!("the widget {name} of schema {from_schema} is one that cannot be upgraded"));
            }
            None if script.upgrade == "trap" => mischief::trap(),
            None if script.upgrade == "loop" => mischief::endless(),
            _ => {}
        }
        with_color_of(resource.state, script.schema)
    }

    fn downgrade(resource: Resource, to_schema: u32) -> Result<State, String> {
        match Script::read().downgrade.as_str() {
            "refuse" => Err(format!("the widget {} cannot go back to schema {to_schema}", resource.name())),
            _ => with_color_of(resource.state, to_schema),
        }
    }
}

fn kind(name: &str, script: &Script) -> ResourceType {
    let versions = || script.api_versions.iter().map(String::as_str);
    let example = json!({ "name": "a-widget", "location": "westus", "properties": { "size": 10, "color": "red" } });
    let kind = match name.contains('/') {
        false => ResourceType {
            actions: vec![reads("secret"), writes("rotate")],
            ..resource_type(name, versions(), example)
        },
        true => child_type(name, versions(), example),
    };
    let present_on = match script.present {
        true => vec![Purpose::Put, Purpose::Patch, Purpose::Get, Purpose::List],
        false => Vec::new(),
    };
    ResourceType { schema_version: script.schema, present_on, ..kind }
}

/// One step towards ready, which is nothing but waiting.
fn step(state: &mut State) -> Result<Next, Fault> {
    let mut private: Private = state.private()?.unwrap_or_default();
    let properties =
        properties(&mut state.document).map_err(|_| Fault::new("InvalidDocument", "it has no properties"))?;
    let number = |name: &str| properties.get(name).and_then(Value::as_u64);
    if private.waited < number("waits").unwrap_or(0) {
        let pause = Duration::from_millis(number("pause").unwrap_or(20));
        private.waited += 1;
        state.set_private(&private)?;
        return Ok(Next::wait(pause, format!("it has waited {} times", private.waited)));
    }
    properties.insert("readyBy".to_owned(), json!(Script::read().version));
    Ok(Next::Done)
}

fn properties(document: &mut Value) -> Result<&mut serde_json::Map<String, Value>, Rejection> {
    let missing =
        || Rejection::bad_request("InvalidProperties", "a widget has 'properties', an object").at("properties");
    let document = document.as_object_mut().ok_or_else(missing)?;
    document.entry("properties").or_insert_with(|| json!({})).as_object_mut().ok_or_else(missing)
}

fn with_color_of(mut state: State, schema: u32) -> Result<State, String> {
    let properties = properties(&mut state.document).map_err(|rejection| rejection.to_string())?;
    rename_color(properties, schema);
    Ok(state)
}

fn rename_color(properties: &mut serde_json::Map<String, Value>, schema: u32) {
    let (from, to) = if schema >= COLOUR { ("color", "colour") } else { ("colour", "color") };
    if let Some(color) = properties.shift_remove(from) {
        properties.insert(to.to_owned(), color);
    }
}

#[cfg(not(target_arch = "wasm32"))]
floci_az_sdk::provider!(Widgets);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_color_goes_to_schema_2_and_back() {
        let state = State::new(json!({ "properties": { "size": 1, "color": "red" } }));
        let newer = with_color_of(state.clone(), 2).unwrap();
        assert_eq!(newer.document, json!({ "properties": { "size": 1, "colour": "red" } }));
        assert_eq!(with_color_of(newer.clone(), 2), Ok(newer.clone()));
        assert_eq!(with_color_of(newer, 1), Ok(state));
    }

    #[test]
    fn the_script_that_is_built_in_is_the_default() {
        assert_eq!(Script::read(), Script::default());
    }
}
