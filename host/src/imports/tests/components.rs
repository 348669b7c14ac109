//! Real components of the SDK: what they import is what their author turned on, and what they are not granted answers
//! them with a fault.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::plugin::contract::{Resource, State};
use crate::plugin::{Compiled, Engine, bundled};

/// The SDK's example, with these features. Its folder is the one that the bundled plugins are built in, so that what
/// they depend on is there.
fn kiosk(features: &str) -> Vec<u8> {
    // One component has one file, whatever its features.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _turn = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let target = PathBuf::from(env!("OUT_DIR")).join("plugins");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["build", "--release", "--locked", "--target", "wasm32-wasip2", "--package", "floci-az-sdk"])
        .args(["--example", "kiosk", "--features", features, "--target-dir"])
        .arg(&target);
    for name in
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET"]
    {
        cargo.env_remove(name);
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(target.join("wasm32-wasip2/release/examples/kiosk.wasm")).unwrap()
}

async fn loaded(bytes: &[u8]) -> Revision {
    Revision::load(&Engine::new().unwrap(), &Compiled::Nowhere, bytes.to_vec().into()).await.unwrap()
}

/// Those of the contract, without its version.
fn imports_of(revision: &Revision) -> String {
    let imports = revision.imports();
    let own = imports.iter().filter_map(|name| name.strip_prefix("floci:provider/")?.strip_suffix("@0.1.1"));
    own.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_component_imports_and_asks_for_what_its_features_say() {
    let mut told = String::new();
    for features in ["", "ports,resp", "workloads,ports,resp,ingress,transfers"] {
        let revision = loaded(&kiosk(features)).await;
        let asked = Grants::asked(revision.manifest(), &Values::new());
        let _ = writeln!(told, "[{features}] imports {}; asks for {:?}", imports_of(&revision), asked.lines());
    }
    let bundled = loaded(bundled()[0]).await;
    let _ = writeln!(told, "bundled: {}", imports_of(&bundled));
    expect![[r#"
        [] imports types resources settings log; asks for []
        [ports,resp] imports types resources ports resp settings log; asks for ["ports: 18400-18409", "resp"]
        [workloads,ports,resp,ingress,transfers] imports types resources workloads ports resp ingress transfers settings log; asks for ["workloads: images contoso/kiosk:*; programs kiosk-server; 2 at most; 67108864 bytes of memory each", "ports: 18400-18409", "resp", "ingress", "transfers"]
        bundled: types resources workloads ports resp ingress transfers settings log
    "#]].assert_eq(&told);
}

/// What became of each of its imports in one `reconcile`.
async fn outcomes(revision: &Revision, grants: Grants) -> String {
    let (lender, _woken) = Lender::of_nothing().await;
    let id = "/subscriptions/s/resourceGroups/g/providers/Contoso.Kiosk/kiosks/corner";
    let resource = Resource {
        id: id.to_owned(),
        name: "corner".to_owned(),
        type_: "Contoso.Kiosk/kiosks".to_owned(),
        location: "West US".to_owned(),
        tags: "{}".to_owned(),
        state: State { document: r#"{"properties":{}}"#.to_owned(), private: Vec::new() },
        provisioning_state: "Creating".to_owned(),
        schema_version: 1,
        generation: 1,
    };
    let imports = call_about(&Arc::new(lender), id, grants);
    let step = revision.reconcile(imports, &resource).await.unwrap();
    let document: serde_json::Value = serde_json::from_str(&step.state.document).unwrap();
    let outcomes = document["properties"]["outcomes"].as_object().unwrap();
    outcomes.iter().fold(String::new(), |mut told, (interface, outcome)| {
        let _ = writeln!(told, "{interface}: {}", outcome.as_str().unwrap());
        told
    })
}

#[tokio::test]
async fn what_is_not_built_in_and_what_is_not_granted_are_faults_and_never_traps() {
    let revision = loaded(&kiosk("workloads,resp,ingress")).await;
    let some = [("grants.workloads", "true"), ("grants.programs", "other-server"), ("grants.ingress", "true")];
    let values = some.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let granted = Grants::read(revision.manifest(), &values, &Grants::none("kiosk"));
    expect![[r#"
        workloads: NotGranted: the program 'kiosk-server' is not granted to this plugin (granted: other-server). Whoever operates the gateway can allow it: services.kiosk.grants.programs
        ports: NotGranted: the plugin is built without the feature 'ports' of floci-az-sdk. Turn it on in the plugin's Cargo.toml, and build it again
        resp: NotGranted: 'resp' is not granted to this plugin (granted: workloads, ingress). Whoever operates the gateway can allow it: services.kiosk.grants.resp
        ingress: ()
        transfers: NotGranted: the plugin is built without the feature 'transfers' of floci-az-sdk. Turn it on in the plugin's Cargo.toml, and build it again
    "#]].assert_eq(&outcomes(&revision, granted).await);

    let refused = Grants::none("kiosk").check_imports(revision.imports().iter().map(String::as_str)).unwrap_err();
    expect![[r#"
        it imports workloads, resp, ingress, which the service kiosk is not granted (granted: nothing). To allow it, write into floci-az.yml:
            floci-az.services.kiosk.grants.workloads: true
            floci-az.services.kiosk.grants.resp: true
            floci-az.services.kiosk.grants.ingress: true"#]].assert_eq(&refused.to_string());
}
