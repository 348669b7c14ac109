//! Components of the plugin in `tests/plugins/widgets`: built once, then any number of revisions by the script that is
//! written into their bytes.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use floci_az_widgets::{MARK, PLACE, Script};
use serde_json::Value;

use crate::gateway::{Gateway, Runtime};

const TARGET: &str = "wasm32-wasip2";

/// A gateway that allows what these components ask for, and whose caches are mocked.
pub fn gateway() -> Gateway {
    let mut gateway = prepared();
    gateway.spawn();
    gateway
}

/// The same, to be started with further settings.
pub fn prepared() -> Gateway {
    let granted = ["WIDGETS", "TOOLS", "OTHERS"].map(|service| format!("FLOCI_AZ_SERVICES_{service}_GRANTS_RESP"));
    let mut settings: Vec<(&str, &str)> = granted.iter().map(|name| (name.as_str(), "true")).collect();
    settings.push(("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"));
    Gateway::prepare(Runtime::None, &settings)
}

/// The component with this script. Its members are those of [`Script`]; what is left out has its default.
#[track_caller]
pub fn revision(script: Value) -> Vec<u8> {
    let text = script.to_string();
    serde_json::from_value::<Script>(script).expect("a script of the fixture");
    assert!(MARK.len() + text.len() <= PLACE, "the script is too long: {} bytes", text.len());
    let mut bytes = built().to_vec();
    let places: Vec<usize> = bytes
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, at)| *at == MARK.as_bytes())
        .map(|(place, _)| place)
        .collect();
    let [mark] = places[..] else { panic!("the mark has to be in the component once: {places:?}") };
    let place = &mut bytes[mark + MARK.len()..mark + PLACE];
    assert!(place.starts_with(b"{}  ") && place.ends_with(b"    "), "the place is not as it was built");
    place[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

/// As it was built, by the first test of this process that needs it. Cargo's own lock is there for other processes.
fn built() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let file = build();
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    })
}

fn build() -> PathBuf {
    let target = target().join("plugins");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["build", "--release", "--locked", "--quiet", "--target", TARGET, "--package", "floci-az-widgets"])
        .arg("--target-dir")
        .arg(&target);
    // As `host/build.rs` builds the plugins of the gateway: without what is meant for the gateway.
    for name in
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET"]
    {
        cargo.env_remove(name);
    }
    for (setting, value) in
        [("DEBUG", "false"), ("STRIP", "true"), ("INCREMENTAL", "false"), ("CODEGEN_UNITS", "1"), ("LTO", "true")]
    {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    let status = cargo.status().expect("cargo");
    assert!(status.success(), "the fixture could not be built; if the target is missing: rustup target add {TARGET}");
    target.join(TARGET).join("release/floci_az_widgets.wasm")
}

/// The target folder that this test was built into: `target/release/deps/e2e-...` is in it.
fn target() -> PathBuf {
    env::current_exe().unwrap().ancestors().nth(3).expect("a test is built into a target folder").to_owned()
}

mod tests {
    use floci_az::plugin::{Compiled, Digest, Engine, Revision};
    use serde_json::json;

    use super::revision;

    /// What a component with this script says of itself.
    fn described(script: serde_json::Value) -> String {
        let bytes = revision(script);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let loaded = runtime.block_on(async {
            let engine = Engine::new().unwrap();
            Revision::load(&engine, &Compiled::Nowhere, bytes.clone().into()).await
        });
        match loaded {
            Ok(revision) => {
                let manifest = revision.manifest();
                let types: Vec<_> = manifest.types.iter().map(|kind| (&kind.name, kind.schema_version)).collect();
                format!("{} {} {} {types:?}", manifest.namespace, manifest.service, manifest.version)
            }
            Err(error) => error.to_string().replace(Digest::of(&bytes).short(), "<digest>"),
        }
    }

    #[test]
    fn a_script_makes_a_revision_of_its_own() {
        assert_eq!(described(json!({})), r#"Contoso.Widgets widgets 1.0.0 [("widgets", 1)]"#);
        let other = json!({ "namespace": "Contoso.Tools", "service": "tools", "version": "2.0.0", "schema": 2,
            "types": ["widgets", "gadgets", "widgets/parts"], "api_versions": ["2026-02-01", "2026-01-01"] });
        assert_eq!(
            described(other),
            r#"Contoso.Tools tools 2.0.0 [("widgets", 2), ("gadgets", 2), ("widgets/parts", 2)]"#
        );
        assert_ne!(revision(json!({ "stamp": "v1" })), revision(json!({ "stamp": "v2" })));
    }

    #[test]
    fn a_script_can_spoil_the_manifest() {
        for describe in ["trap", "garbage"] {
            let said = described(json!({ "describe": describe }));
            assert!(said.contains("<digest>") && !said.contains("Contoso.Widgets widgets"), "{said}");
        }
    }
}
