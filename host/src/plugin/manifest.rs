//! What the gateway relies on of a manifest, beyond its shape. A manifest that does not keep to it is refused when its
//! plugin is loaded, so that no request has to find out.

use std::collections::{BTreeMap, BTreeSet};

use floci_az_contract::{
    Action, Effect, Kind, Life, Manifest, Method, PortRange, ResourceType, Setting, Tracking, fill,
};

/// Names below a provider that are the gateway's.
const GATEWAYS: [&str; 4] = ["register", "unregister", "operations", "locations"];

/// The gateway's own namespace: groups, tags, subscriptions.
pub const OWN: &str = "Microsoft.Resources";
/// Characters; Azure's longest has 40. The administration takes no longer one in a path.
pub const LONGEST_NAMESPACE: usize = 128;
const LONGEST_VERSION: usize = 64;

/// Groups of a service's settings that are the gateway's: what the operator allows its plugin.
const RESERVED: [&str; 2] = ["grants", "limits"];

pub(super) fn check(manifest: &Manifest) -> Result<(), String> {
    if !is_namespace(&manifest.namespace) {
        return Err(format!(
            "namespace '{}' has to be of the form Company.Service: letters, digits and dots between them, at most {LONGEST_NAMESPACE} characters",
            manifest.namespace.escape_debug()
        ));
    }
    if manifest.namespace.eq_ignore_ascii_case(OWN) {
        return Err(format!("namespace '{OWN}' is the gateway's own"));
    }
    let version = &manifest.version;
    if version.is_empty() || version.len() > LONGEST_VERSION || !version.bytes().all(|byte| byte.is_ascii_graphic()) {
        let shown: String = version.escape_debug().take(LONGEST_VERSION).collect();
        return Err(format!("version '{shown}' has to be 1 to {LONGEST_VERSION} visible ASCII characters"));
    }
    if !is_word(&manifest.service) || manifest.service.contains(['.', '_']) {
        return Err(format!("service '{}' has to be letters, digits and hyphens", manifest.service));
    }
    if manifest.types.is_empty() {
        return Err("it declares no resource types".to_owned());
    }
    for Action { name, effect, .. } in &manifest.actions {
        if !is_word(name) || GATEWAYS.contains(&name.to_lowercase().as_str()) {
            return Err(format!(
                "action '{name}' of the provider has to be letters and digits, and none of the host's"
            ));
        }
        if *effect != Effect::Reads {
            return Err(format!("action '{name}' of the provider can only read: there is no resource to change"));
        }
    }
    let mut seen = BTreeSet::new();
    for kind in &manifest.types {
        if !seen.insert(kind.name.to_lowercase()) {
            return Err(format!("type '{}' is declared twice", kind.name));
        }
        of_type(kind)?;
        of_place(manifest, kind)?;
    }
    of_settings(manifest)?;
    of_listeners(manifest)?;
    of_wants(manifest)
}

/// What is true of a type on its own.
fn of_type(kind: &ResourceType) -> Result<(), String> {
    let name = &kind.name;
    if !name.split('/').all(is_word) {
        return Err(format!("type '{name}' has to be letters and digits, with '/' before the name of a child type"));
    }
    if kind.api_versions.is_empty() {
        return Err(format!("type '{name}' has no api-versions"));
    }
    if let Some(version) = kind.present_before.as_ref().filter(|version| !is_version(version)) {
        return Err(format!(
            "presentBefore of type '{name}' is '{version}', and has to be an api-version such as 2024-11-01"
        ));
    }
    if kind.deadline_seconds == 0 {
        return Err(format!("type '{name}' gives its operations no time: deadlineSeconds is 0"));
    }
    for action in &kind.actions {
        if !is_word(&action.name) {
            return Err(format!("action '{}' of type '{name}' has to be letters and digits", action.name));
        }
        if action.method == Method::Get && action.effect != Effect::Reads {
            return Err(format!(
                "action '{}' of type '{name}' is asked for by GET, and so can only read: its effect has to be 'reads'",
                action.name
            ));
        }
    }
    let mut names = BTreeSet::new();
    for child in &kind.built_in {
        if child.name.is_empty() || child.name.contains(['/', '?', '#', '%']) {
            return Err(format!("the built-in '{}' of type '{name}' has a name that no path can have", child.name));
        }
        if !names.insert(child.name.to_lowercase()) {
            return Err(format!("the built-in '{}' of type '{name}' is declared twice", child.name));
        }
        if !child.document.is_object() {
            return Err(format!("the document of the built-in '{}' of type '{name}' has to be an object", child.name));
        }
    }
    Ok(())
}

/// What is true of a type among the others: what only a child can be, and what its parent has to be.
fn of_place(manifest: &Manifest, kind: &ResourceType) -> Result<(), String> {
    let name = &kind.name;
    let Some(above) = kind.parent() else {
        let only_of_children = [
            (kind.life == Life::Parents, "life 'parents'"),
            (kind.tracking == Tracking::ProxyWithLocation, "tracking 'proxyWithLocation'"),
            (!kind.built_in.is_empty(), "'builtIn'"),
        ];
        return match only_of_children.iter().find(|(is, _)| *is) {
            Some((_, member)) => {
                Err(format!("type '{name}' has no parent, and {member} is for child types: 'parent/child'"))
            }
            None => Ok(()),
        };
    };
    match manifest.types.iter().find(|other| other.name.eq_ignore_ascii_case(above)) {
        None => Err(format!("type '{name}' is a child of '{above}', which is not declared")),
        Some(parent) if parent.life == Life::Parents => Err(format!(
            "type '{name}' is a child of '{above}', whose life is its own parent's: nothing can be below it"
        )),
        Some(_) => Ok(()),
    }
}

/// Whether a setting of a service is the gateway's, and not its plugin's.
pub fn is_reserved(key: &str) -> bool {
    RESERVED.contains(&key.split('.').next().unwrap_or_default())
}

fn of_settings(manifest: &Manifest) -> Result<(), String> {
    for Setting { key, .. } in &manifest.settings {
        if is_reserved(key) {
            return Err(format!(
                "the setting '{key}' is one of the gateway's: {} are",
                RESERVED.join(".* and ") + ".*"
            ));
        }
    }
    let invalid = manifest.settings.iter().find_map(|setting| Some((setting, setting.parse(&setting.default).err()?)));
    match invalid {
        Some((setting, error)) => {
            Err(format!("the default of the setting '{}' is '{}', not {error}", setting.key, setting.default))
        }
        None => Ok(()),
    }
}

fn of_listeners(manifest: &Manifest) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for listener in &manifest.listeners {
        let key = &listener.setting;
        match manifest.settings.iter().find(|setting| setting.key == *key).map(|setting| &setting.kind) {
            Some(Kind::Port) => {}
            Some(_) => return Err(format!("the setting '{key}' of a listener has to be of kind port")),
            None => return Err(format!("a listener takes its port from the setting '{key}', which is not declared")),
        }
        if !seen.insert(key) {
            return Err(format!("two listeners take their port from the setting '{key}'"));
        }
    }
    Ok(())
}

/// With the defaults of its settings, what a manifest asks for has to be something.
fn of_wants(manifest: &Manifest) -> Result<(), String> {
    let defaults: BTreeMap<String, String> =
        manifest.settings.iter().map(|setting| (setting.key.clone(), setting.default.clone())).collect();
    let filled = |text: &str| {
        fill(text, &defaults)
            .map_err(|key| format!("what it wants is '{text}', and the setting '{key}' is not declared"))
    };
    for range in manifest.wants.ports.iter().flatten() {
        if filled(range)?.parse::<PortRange>().is_err() {
            return Err(format!("it wants the ports '{range}', which has to be a port or a range such as 6379-6399"));
        }
    }
    let Some(workloads) = &manifest.wants.workloads else { return Ok(()) };
    for image in &workloads.images {
        let image = filled(image)?;
        // A setting that is not set asks for nothing.
        if !image.is_empty() && (image.contains(',') || Kind::Patterns.parse(&image).is_err()) {
            return Err(format!(
                "it wants the image '{image}', which has to be a name, with or without a '*' at its end"
            ));
        }
    }
    match workloads.memory.as_deref().map(filled).transpose()? {
        Some(memory) if Setting::bytes(&memory).is_none() => {
            Err(format!("it wants workloads of '{memory}', which has to be {}", Kind::Size.supported()))
        }
        _ => Ok(()),
    }
}

fn is_namespace(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= LONGEST_NAMESPACE && text.contains('.') && text.split('.').all(is_part)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// A date, with an optional suffix.
fn is_version(text: &str) -> bool {
    let date = text.get(..10).unwrap_or_default().bytes().enumerate();
    let is_date = text.len() >= 10
        && date.into_iter().all(|(n, byte)| if n == 4 || n == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    let suffix = text.get(10..).unwrap_or_default();
    is_date && (suffix.is_empty() || suffix.strip_prefix('-').is_some_and(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn manifest(of_type: Value, more: Value) -> Manifest {
        let kind = |name: &str, more: &Value| {
            let mut kind = json!({
                "name": name, "apiVersions": ["2026-01-01"], "schemaVersion": 1, "deadlineSeconds": 1, "example": {},
            });
            kind.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            kind
        };
        let mut manifest = json!({
            "namespace": "Contoso.Bakery", "service": "bakery", "version": "1",
            "types": [kind("ovens", &json!({})), kind("ovens/loaves", &json!({ "life": "parents" })), kind("other", &of_type)],
        });
        manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(manifest).unwrap()
    }

    #[test]
    fn what_a_type_cannot_be_is_refused_with_its_name() {
        let child = |more: Value| {
            let mut child = json!({ "name": "ovens/bricks" });
            child.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            child
        };
        let named = |name: &str| json!([{ "name": name, "document": {} }]);
        for (of_type, refused) in [
            (json!({}), None),
            (child(json!({ "life": "parents", "tracking": "proxyWithLocation", "builtIn": named("a") })), None),
            (json!({ "tracking": "proxy", "shownName": "path", "presentBefore": "2024-11-01-preview" }), None),
            (json!({ "actions": [{ "name": "look", "effect": "reads", "method": "GET" }] }), None),
            (json!({ "name": "OVENS" }), Some("type 'OVENS' is declared twice")),
            (json!({ "life": "parents" }), Some("type 'other' has no parent, and life 'parents' is for child types")),
            (json!({ "tracking": "proxyWithLocation" }), Some("and tracking 'proxyWithLocation' is for child types")),
            (json!({ "builtIn": named("a") }), Some("and 'builtIn' is for child types")),
            (json!({ "name": "grates/bars" }), Some("a child of 'grates', which is not declared")),
            (json!({ "name": "ovens/loaves/crumbs" }), Some("nothing can be below it")),
            (child(json!({ "builtIn": named("a/b") })), Some("'a/b' of type 'ovens/bricks' has a name that no path")),
            (
                child(json!({ "builtIn": [{ "name": "a", "document": {} }, { "name": "A", "document": {} }] })),
                Some("the built-in 'A' of type 'ovens/bricks' is declared twice"),
            ),
            (child(json!({ "builtIn": [{ "name": "a", "document": 1 }] })), Some("has to be an object")),
            (json!({ "presentBefore": "soon" }), Some("presentBefore of type 'other' is 'soon'")),
            (json!({ "presentBefore": "2024-11-1" }), Some("presentBefore of type 'other' is '2024-11-1'")),
            (
                json!({ "actions": [{ "name": "clean", "effect": "writes", "method": "GET" }] }),
                Some("action 'clean' of type 'other' is asked for by GET, and so can only read"),
            ),
        ] {
            let found = check(&manifest(of_type.clone(), json!({})));
            match (refused, found) {
                (None, found) => assert_eq!(found, Ok(()), "{of_type}"),
                (Some(text), found) => assert!(found.as_ref().is_err_and(|f| f.contains(text)), "{of_type}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_plugin_is_called_what_can_be_asked_for_and_shown() {
        let long = format!("A.{}", "b".repeat(LONGEST_NAMESPACE));
        for (more, refused) in [
            (json!({ "namespace": "Contoso.Bakery.Ovens" }), None),
            (json!({ "version": "1.0.0-beta+7" }), None),
            (json!({ "namespace": "Contoso" }), Some("namespace 'Contoso'")),
            (json!({ "namespace": ".." }), Some("namespace '..'")),
            (json!({ "namespace": "a-b.c_d" }), Some("namespace 'a-b.c_d'")),
            (json!({ "namespace": "A.b\n" }), Some("namespace 'A.b\\n'")),
            (json!({ "namespace": long }), Some("at most 128 characters")),
            (json!({ "namespace": "microsoft.RESOURCES" }), Some("the gateway's own")),
            (json!({ "version": "" }), Some("version ''")),
            (json!({ "version": "1\n\u{1b}[31m" }), Some("version '1\\n\\u{1b}[31m'")),
            (json!({ "version": "1".repeat(65) }), Some("visible ASCII characters")),
        ] {
            let found = check(&manifest(json!({}), more.clone()));
            match refused {
                None => assert_eq!(found, Ok(()), "{more}"),
                Some(text) => assert!(found.as_ref().is_err_and(|f| f.contains(text)), "{more}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_listener_has_a_port_of_its_own_in_the_settings() {
        let setting = |key: &str, kind: &Kind, default: &str| {
            let kind = serde_json::to_value(kind).unwrap();
            json!({ "key": key, "kind": kind, "default": default, "effect": "", "tradeOff": "", "example": "" })
        };
        let settings = json!([setting("door", &Kind::Port, "4000"), setting("heat", &Kind::Boolean, "true")]);
        let listeners = |keys: &[&str]| {
            let all: Vec<Value> = keys.iter().map(|key| json!({ "setting": key, "protocol": "tcp" })).collect();
            check(&manifest(json!({}), json!({ "settings": settings, "listeners": all })))
        };
        assert_eq!(listeners(&["door"]), Ok(()));
        for (keys, text) in [
            (&["heat"][..], "'heat' of a listener has to be of kind port"),
            (&["window"], "from the setting 'window', which is not declared"),
            (&["door", "door"], "two listeners take their port from the setting 'door'"),
        ] {
            let found = listeners(keys);
            assert!(found.as_ref().is_err_and(|found| found.contains(text)), "{keys:?}: {found:?}");
        }
    }

    #[test]
    fn what_is_asked_for_is_something_with_the_settings_at_their_defaults() {
        let setting = |key: &str, default: &str| json!({ "key": key, "kind": "text", "default": default, "effect": "", "tradeOff": "", "example": "" });
        let settings = json!([setting("first", "7000"), setting("last", "7009"), setting("image", "")]);
        let images = |image: &str| json!({ "workloads": { "images": [image] } });
        let ports = |range: &str| json!({ "ports": [range] });
        for (wants, refused) in [
            (json!({}), None),
            (images("contoso/oven:*"), None),
            (images("${image}"), None),
            (ports("${first}-${last}"), None),
            (json!({ "workloads": { "memory": "2gb", "count": 3 }, "resp": true }), None),
            (images("${colour}"), Some("'${colour}', and the setting 'colour' is not declared")),
            (images("a*b"), Some("the image 'a*b', which has to be a name")),
            (images("a,b"), Some("the image 'a,b', which has to be a name")),
            (ports("${last}-${first}"), Some("the ports '${last}-${first}', which has to be a port or a range")),
            (ports("http"), Some("the ports 'http', which has to be a port or a range")),
            (json!({ "workloads": { "memory": "lots" } }), Some("workloads of 'lots', which has to be a size")),
        ] {
            let found = check(&manifest(json!({}), json!({ "settings": settings, "wants": wants })));
            match refused {
                None => assert_eq!(found, Ok(()), "{wants}"),
                Some(text) => assert!(found.as_ref().is_err_and(|f| f.contains(text)), "{wants}: {found:?}"),
            }
        }
        for key in ["grants.ports", "limits", "limits.memory"] {
            let found = check(&manifest(json!({}), json!({ "settings": [setting(key, "x")] })));
            assert!(found.as_ref().is_err_and(|found| found.contains("is one of the gateway's")), "{key}: {found:?}");
        }
        assert_eq!(check(&manifest(json!({}), json!({ "settings": [setting("grantsmanship", "x")] }))), Ok(()));
    }
}
