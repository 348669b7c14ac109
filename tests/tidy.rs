//! Rules of the house that a compiler does not check. ARCHITECTURE.md lists them; each has its test here.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::allow_attributes, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

/// Every Rust file below a folder of the repository: its path from the root, and its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "no sources below {folder}");
    found.sort();
    let name = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The code of a file: no comments, no tests. Tests that are written into a file are its end; a module of tests that is
/// a file of its own is only named, and what comes after its name is code.
fn code(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let begin_tests = |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim() == "mod tests {";
    let end = lines.windows(2).position(begin_tests).unwrap_or(lines.len());
    lines[..end].join("\n")
}

#[test]
fn only_comments_and_tests_are_no_code() {
    for (text, expected) in [
        ("", ""),
        ("//! doc\nuse a;\n    // why\nfn b() {}", "use a;\nfn b() {}"),
        ("use a;\n#[cfg(test)]\nmod tests {\n    use b;\n}\n", "use a;"),
        ("use a;\n#[cfg(test)]\n// Long.\nmod tests {\n    use b;\n}\n", "use a;"),
        ("#[cfg(test)]\nmod tests;\nuse a;\n", "#[cfg(test)]\nmod tests;\nuse a;"),
        ("#[cfg(test)]\nmod tests;\nuse a;\n#[cfg(test)]\nmod tests {\n}", "#[cfg(test)]\nmod tests;\nuse a;"),
        ("#[cfg(test)]\nuse a;\nuse b;", "#[cfg(test)]\nuse a;\nuse b;"),
        ("mod tests {", "mod tests {"),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

/// Files below `folder` whose code names one of `words`, but those whose path starts with one of `allowed`.
fn naming(folder: &str, words: &[&str], allowed: &[&str]) -> Vec<String> {
    let sources = sources(folder);
    for prefix in allowed {
        assert!(sources.iter().any(|(name, _)| name.starts_with(prefix)), "{prefix} is gone: mend this test");
    }
    let names = |text: &str| words.iter().any(|word| code(text).to_lowercase().contains(word));
    let guilty =
        sources.iter().filter(|(name, text)| !allowed.iter().any(|prefix| name.starts_with(prefix)) && names(text));
    guilty.map(|(name, _)| name.clone()).collect()
}

/// The gateway's modules that the code of a part of it names. Of `use crate::{a, b}` it is an empty name, which no list
/// of names has: written so, a rule could not be checked.
fn modules_named_by(part: &str) -> BTreeSet<String> {
    let sources: Vec<_> = sources("host/src").into_iter().filter(|(name, _)| name.starts_with(part)).collect();
    assert!(!sources.is_empty(), "{part} is gone: mend this test");
    let word =
        |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
    sources.iter().flat_map(|(_, text)| code(text).split("crate::").skip(1).map(word).collect::<Vec<_>>()).collect()
}

#[test]
fn only_plugin_names_wasmtime() {
    assert_eq!(naming("host/src", &["wasmtime"], &["host/src/plugin/"]), Vec::<String>::new());
}

#[test]
fn only_docker_names_bollard() {
    assert_eq!(naming("host/src", &["bollard"], &["host/src/runtime/docker"]), Vec::<String>::new());
}

#[test]
fn only_telemetry_names_its_formats() {
    assert_eq!(naming("host/src", &["prometheus", "opentelemetry"], &["host/src/telemetry/"]), Vec::<String>::new());
}

#[test]
fn arm_knows_no_service() {
    // The bundling line; the redis protocol, which any plugin may speak to its own workloads, and their clients; the
    // console for whatever speaks it.
    let allowed = [
        "host/src/plugin/bundled.rs",
        "host/src/imports/resp.rs",
        "host/src/ingress/resp/",
        "host/src/ingress/tests/tokens.rs",
        "host/src/cli/console",
        "host/src/main.rs",
    ];
    assert_eq!(naming("host/src", &["redis", "valkey", "microsoft.cache"], &allowed), Vec::<String>::new());
}

#[test]
fn dependencies_point_one_way() {
    for (part, only) in [
        ("state/", &[][..]),
        ("config/", &[]),
        ("runtime/", &["config"]),
        ("ports.rs", &["runtime", "state"]),
        ("folders.rs", &["config"]),
        ("identity/", &["arm", "config", "folders", "identity"]),
        ("ingress/", &["config", "identity", "ingress", "runtime", "words"]),
        ("words.rs", &[]),
        ("telemetry/", &[]),
        ("cli/", &["cli", "config", "folders", "identity", "plugin", "rollout", "words"]),
        ("sources/", &["config", "plugin", "rollout", "sources"]),
    ] {
        let others = modules_named_by(&format!("host/src/{part}"));
        let others: Vec<&String> = others.iter().filter(|module| !only.contains(&module.as_str())).collect();
        assert_eq!(others, Vec::<&String>::new(), "{part}");
    }
    for (folder, absent) in [
        (
            "host/src/arm",
            &[
                "crate::rollout",
                "crate::reconcile",
                "crate::server",
                "crate::gateway",
                "crate::runtime",
                "crate::config",
                "crate::admin",
                "crate::identity",
            ][..],
        ),
        (
            "host/src/plugin",
            &[
                "crate::arm",
                "crate::runtime",
                "crate::state",
                "crate::server",
                "crate::reconcile",
                "crate::rollout",
                "crate::config",
            ],
        ),
        ("wit/src", &["floci_az_sdk", "wasmtime"]),
        ("sdk/src", &["wasmtime", "tokio", "floci_az::"]),
        ("plugins", &["wasmtime", "wit_bindgen", "tokio"]),
    ] {
        assert_eq!(naming(folder, absent, &[]), Vec::<String>::new(), "below {folder}");
    }
}

/// Plugins that were built with a version go on running only if that version stays what it was. What is to be added comes
/// into a version of its own, beside it.
#[test]
fn contract_is_frozen() {
    let released = [("0.1.0", "6ed837ff5417145744ce8f630e7e58645904f19bd3d38a64a88370918b176ee4")];
    let mut versions: Vec<String> = fs::read_dir(root().join("wit"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    versions.sort();
    for (version, digest) in released {
        let text = fs::read(root().join("wit").join(version).join("provider.wit")).unwrap();
        let found: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, digest, "version {version} of the contract was changed");
    }
    // All but the newest, which is in the making, are released.
    assert_eq!(versions.len(), released.len() + 1, "{versions:?}");
}

#[test]
fn every_module_says_what_it_is() {
    let all = ["host/src", "sdk/src", "plugins", "wit/src", "tests"].into_iter().flat_map(sources);
    let bare: Vec<String> = all.filter(|(_, text)| !text.starts_with("//!")).map(|(name, _)| name).collect();
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn files_are_one_story_each() {
    let all: Vec<(String, String)> =
        ["host/src", "sdk/src", "plugins", "wit/src"].into_iter().flat_map(sources).collect();
    let vague = ["utils.rs", "common.rs", "helpers.rs", "manager.rs", "misc.rs", "types.rs", "traits.rs"];
    let named_so: Vec<&String> = all
        .iter()
        .map(|(name, _)| name)
        .filter(|name| vague.iter().any(|word| name.ends_with(&format!("/{word}"))))
        .collect();
    assert_eq!(named_so, Vec::<&String>::new());
    let long: Vec<&String> = all.iter().filter(|(_, text)| text.lines().count() > 500).map(|(name, _)| name).collect();
    assert_eq!(long, Vec::<&String>::new(), "longer than 500 lines");
}

#[test]
fn nothing_is_left_undone() {
    let marks = ["todo!", "unimplemented!", "fixme", "xxx"].map(str::to_owned);
    let words: Vec<&str> = marks.iter().map(String::as_str).collect();
    for folder in ["host/src", "sdk/src", "plugins", "wit/src"] {
        assert_eq!(naming(folder, &words, &[]), Vec::<String>::new());
    }
}

#[test]
fn every_dependency_of_the_gateway_has_its_reason() {
    let manifest = fs::read_to_string(root().join("host/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    // Names that are reasons, or whose reason stands at the workspace.
    let plain = ["workspace", "bytes", "thiserror", "tokio", "tracing", "clap", "hyper ="];
    let mut previous = "";
    for line in dependencies.lines().filter(|line| !line.trim().is_empty()) {
        let explained = line.contains('#') || previous.starts_with('#') || plain.iter().any(|word| line.contains(word));
        assert!(explained, "no reason: {line}");
        previous = line;
    }
}
