//! A checked spec with its placeholders filled in: what a runtime carries out.
//!
//! Every text of a plugin passes here before it reaches an engine's URL, a path or a command line, so nothing behind
//! this line checks again. [`Plan::digest`] names what a running workload cannot change: two plans of one digest differ
//! at most in the contents of their files.

use std::collections::{BTreeMap, BTreeSet};

use floci_az_contract::{PortSpec, WorkloadSpec};
use serde::Serialize;

use super::RuntimeError;
use super::names::hex;
use super::placeholders::Places;

/// Raised when a runtime starts workloads in another way, so that those of an older gateway are replaced.
const GENERATION: u32 = 1;
/// Docker's limit for a container's name is 255, DNS's for a label 63; a workload's name is a part of both.
const LONGEST_NAME: usize = 40;
/// The longest name that fits every tar format, and far more than a file of a spec needs.
const LONGEST_FILE_NAME: usize = 99;
const LONGEST_IMAGE: usize = 512;

#[derive(Debug, Serialize)]
pub struct Plan {
    pub image: String,
    pub programs: Vec<String>,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub ports: BTreeMap<String, PortSpec>,
    pub memory: Option<i64>,
    /// Contents by name.
    #[serde(skip)]
    pub files: BTreeMap<String, String>,
}

impl Plan {
    pub fn new(spec: &WorkloadSpec, places: &Places) -> Result<Plan, RuntimeError> {
        let wrong = |what: String| {
            RuntimeError::InvalidSpec(format!("the spec of the workload {:?} is not valid: {what}", spec.name))
        };
        check(spec).map_err(wrong)?;
        let fill = |what: &str, text: &str| places.fill(text).map_err(|error| wrong(format!("{what}: {error}")));
        let filled = |what: &str, texts: &BTreeMap<String, String>| -> Result<BTreeMap<String, String>, RuntimeError> {
            texts.iter().map(|(name, text)| Ok((name.clone(), fill(&format!("{what}.{name}"), text)?))).collect()
        };
        let memory = spec.memory.map(i64::try_from).transpose();
        Ok(Plan {
            image: spec.image.clone(),
            programs: spec.programs.clone(),
            args: spec.args.iter().map(|arg| fill("args", arg)).collect::<Result<_, _>>()?,
            env: filled("env", &spec.env)?,
            ports: spec.ports.clone(),
            memory: memory.map_err(|_| wrong("memory is more than any machine has".to_owned()))?,
            files: filled("files", &spec.files)?,
        })
    }

    /// Of everything but the contents of files. `place` is what the runtime itself adds, a network for example.
    pub fn digest(&self, place: &str) -> String {
        let text = serde_json::to_string(&(GENERATION, place, self)).unwrap_or_default();
        hex(&[&text], 32)
    }

    /// Of the contents of files.
    pub fn files_digest(&self) -> String {
        let parts: Vec<&str> =
            self.files.iter().flat_map(|(name, content)| [name.as_str(), content.as_str()]).collect();
        hex(&parts, 32)
    }
}

fn check(spec: &WorkloadSpec) -> Result<(), String> {
    check_word("name", &spec.name)?;
    if !is_image(&spec.image) {
        return Err(format!("image {:?} is not an image reference such as `example/server:1.0`", spec.image));
    }
    if spec.programs.is_empty() {
        return Err("programs is empty; name at least one program".to_owned());
    }
    if let Some(program) = spec.programs.iter().find(|program| !is_file_name(program)) {
        return Err(format!(
            "programs: {program:?} is not the name of a program; it is searched for on PATH, so it has no folder"
        ));
    }
    if let Some(file) = spec.files.keys().find(|file| !is_file_name(file)) {
        return Err(format!(
            "files: {file:?} is not a file name; it has 1 to {LONGEST_FILE_NAME} characters and no folder"
        ));
    }
    if let Some(name) = spec.env.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return Err(format!("env: {name:?} is not the name of a variable"));
    }
    if spec.args.iter().chain(spec.env.values()).any(|text| text.contains('\0')) {
        return Err("args and env cannot hold the character NUL; a file can".to_owned());
    }
    if spec.memory == Some(0) {
        return Err("memory is 0; leave it out for no bound".to_owned());
    }
    let mut taken = BTreeSet::new();
    for (name, port) in &spec.ports {
        check_word("ports", name)?;
        if port.inside == 0 || port.outside == 0 || !taken.insert(port.outside) {
            return Err(format!("ports: {name:?} needs ports from 1 to 65535, and an outside that no other has"));
        }
    }
    Ok(())
}

fn check_word(what: &str, word: &str) -> Result<(), String> {
    let is_word =
        !word.is_empty() && word.len() <= LONGEST_NAME && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_word {
        Ok(())
    } else {
        Err(format!("{what}: {word:?} is not a name of 1 to {LONGEST_NAME} letters, digits and hyphens"))
    }
}

/// The reference becomes a part of the engine's URL, so it must not be able to name another one.
fn is_image(image: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    image.starts_with(|c: char| c.is_ascii_alphanumeric())
        && image.len() <= LONGEST_IMAGE
        && image.chars().all(allowed)
        && !image.contains("..")
        && !image.contains("//")
}

fn is_file_name(name: &str) -> bool {
    (1..=LONGEST_FILE_NAME).contains(&name.len()) && name != "." && name != ".." && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::*;

    fn plan(change: Value) -> Result<Plan, RuntimeError> {
        let mut spec = json!({
            "name": "cache", "image": "valkey/valkey:8-alpine", "programs": ["valkey-server", "redis-server"],
            "args": ["${files}/redis.conf"], "env": {"DATA": "${data}"}, "files": {"redis.conf": "port ${port.redis}"},
            "ports": {"redis": {"inside": 6379, "outside": 7000}}, "memory": 1_000_000,
        });
        for (name, value) in change.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let places = Places {
            files: "/floci/files".to_owned(),
            data: "/floci/data".to_owned(),
            address: "0.0.0.0",
            ports: BTreeMap::from([("redis".to_owned(), 6379)]),
        };
        Plan::new(&serde_json::from_value(spec).unwrap(), &places)
    }

    fn check(change: Value, expected: Expect) {
        let shown = match plan(change) {
            Ok(plan) => format!("{:?} {:?} {:?}", plan.args, plan.env, plan.files),
            Err(error) => format!("{}: {error}", error.code()),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_spec_is_checked_before_anything_is_done_with_it() {
        check(
            json!({}),
            expect![[r#"["/floci/files/redis.conf"] {"DATA": "/floci/data"} {"redis.conf": "port 6379"}"#]],
        );
        check(
            json!({"image": "registry.local:5000/a/b_c:1.2@sha256:00"}),
            expect![[r#"["/floci/files/redis.conf"] {"DATA": "/floci/data"} {"redis.conf": "port 6379"}"#]],
        );
        check(
            json!({"name": "a b"}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "a b" is not valid: name: "a b" is not a name of 1 to 40 letters, digits and hyphens"#
            ]],
        );
        check(
            json!({"name": ""}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "" is not valid: name: "" is not a name of 1 to 40 letters, digits and hyphens"#
            ]],
        );
        check(
            json!({"image": "../containers/other"}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: image "../containers/other" is not an image reference such as `example/server:1.0`"#
            ]],
        );
        check(
            json!({"image": "a?fromSrc=x"}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: image "a?fromSrc=x" is not an image reference such as `example/server:1.0`"#
            ]],
        );
        check(
            json!({"programs": []}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: programs is empty; name at least one program"#
            ]],
        );
        check(
            json!({"programs": ["/bin/sh"]}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: programs: "/bin/sh" is not the name of a program; it is searched for on PATH, so it has no folder"#
            ]],
        );
        check(
            json!({"files": {"a/b": ""}}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: files: "a/b" is not a file name; it has 1 to 99 characters and no folder"#
            ]],
        );
        check(
            json!({"files": {"..": ""}}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: files: ".." is not a file name; it has 1 to 99 characters and no folder"#
            ]],
        );
        check(
            json!({"files": {"a": "${secret}"}}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: files.a: ${secret} is not a placeholder. There are ${files}, ${data}, ${address}, ${port.redis}"#
            ]],
        );
        check(
            json!({"args": ["${port.tls}"]}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: args: ${port.tls} is not a placeholder. There are ${files}, ${data}, ${address}, ${port.redis}"#
            ]],
        );
        check(
            json!({"args": ["a\u{0}b"]}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: args and env cannot hold the character NUL; a file can"#
            ]],
        );
        check(
            json!({"env": {"A=B": ""}}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: env: "A=B" is not the name of a variable"#
            ]],
        );
        check(
            json!({"memory": 0}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: memory is 0; leave it out for no bound"#
            ]],
        );
        check(
            json!({"memory": u64::MAX}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: memory is more than any machine has"#
            ]],
        );
        check(
            json!({"ports": {"redis": {"inside": 6379, "outside": 0}}}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: ports: "redis" needs ports from 1 to 65535, and an outside that no other has"#
            ]],
        );
        check(
            json!({"ports": {"a": {"inside": 1, "outside": 7}, "b": {"inside": 2, "outside": 7}}}),
            expect![[
                r#"InvalidWorkloadSpec: the spec of the workload "cache" is not valid: ports: "b" needs ports from 1 to 65535, and an outside that no other has"#
            ]],
        );
    }

    #[test]
    fn the_digest_changes_with_everything_but_the_contents_of_files() {
        let digest = |change| plan(change).unwrap().digest("");
        let base = digest(json!({}));
        expect!["a6472df21a2750390ddf5432c1f97fb4"].assert_eq(&base);
        assert_eq!(base, digest(json!({"files": {"other.conf": "x"}})));
        assert_ne!(base, plan(json!({})).unwrap().digest("network"));
        for change in [
            json!({"image": "valkey/valkey:9"}),
            json!({"programs": ["redis-server"]}),
            json!({"args": []}),
            json!({"env": {}}),
            json!({"ports": {"redis": {"inside": 6379, "outside": 7001}}}),
            json!({"memory": 2_000_000}),
        ] {
            assert_ne!(base, digest(change.clone()), "{change}");
        }
        assert_ne!(
            plan(json!({})).unwrap().files_digest(),
            plan(json!({"files": {"redis.conf": "x"}})).unwrap().files_digest()
        );
    }
}
