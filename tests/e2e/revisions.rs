//! Revisions that are not taken in, each with its own text, and plugins beside each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use floci_az::plugin::Digest;
use serde_json::{Value, json};

use crate::arm::{Answer, Cache, VERSION, quickstart};
use crate::contained::widget;
use crate::fixture;
use crate::gateway::{Gateway, wait_for};
use crate::raw::Raw;

const NAMESPACE: &str = "Contoso.Widgets";

fn revision(script: Value) -> Vec<u8> {
    let mut all = json!({ "api_versions": [VERSION] });
    all.as_object_mut().unwrap().extend(script.as_object().unwrap().clone());
    fixture::revision(all)
}

fn at(gateway: &Gateway, path: &str) -> Cache {
    gateway.arm().cache_at(&format!("/subscriptions/s/resourceGroups/g/providers/{path}"))
}

/// Replaces what is the same length in the bytes of a component.
fn patched(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component.to_vec();
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, at)| *at == from.as_bytes())
        .map(|(place, _)| place)
        .collect();
    assert!(!places.is_empty(), "{from} is not in the component");
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// Status, code and message, without what differs from build to build.
fn told(answer: &Answer, bytes: &[u8]) -> String {
    let message = answer.message().replace(&Digest::of(bytes).to_string(), "<digest>");
    format!("{} {} {}", answer.status, answer.code(), message.replace(Digest::of(bytes).short(), "<digest>"))
}

/// The same, of a message that names the active revision, too.
fn told_beside(answer: &Answer, bytes: &[u8], active: &Value) -> String {
    let active = &active.as_str().unwrap()[..12];
    told(answer, bytes).replace(active, "<active>")
}

#[test]
fn what_is_refused_says_why_and_the_active_revision_serves_on() {
    let gateway = fixture::gateway();
    let arm = gateway.arm();
    let good = revision(json!({ "types": ["widgets", "gadgets"] }));
    let active = arm.install("", &good).expect(200).body["revision"]["digest"].clone();
    for (kind, name) in [("widgets", "a"), ("widgets", "b"), ("gadgets", "c")] {
        at(&gateway, &format!("Contoso.Widgets/{kind}/{name}")).put(&widget(json!({ "color": "red" }))).expect(201);
    }
    let end = AtomicBool::new(false);
    let lines = thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let (cache, mut answers) = (at(&gateway, "Contoso.Widgets/widgets/a"), 0);
            while !end.load(Ordering::Relaxed) {
                cache.put(&widget(json!({ "color": "red" }))).expect(200);
                cache.post("secret", &Value::Null).expect(200);
                answers += 1;
            }
            answers
        });
        let mut lines = Vec::new();
        let mut refuse = |what: &str, parameters: &str, bytes: &[u8]| {
            let answer = arm.install(parameters, bytes);
            assert!(answer.status >= 400, "{what}: {:#}", answer.body);
            lines.push(format!("{what}: {}", told_beside(&answer, bytes, &active)));
            assert_eq!(arm.plugin(NAMESPACE)["active"], active, "{what}");
        };
        let swap = "?swap=true";
        refuse("not wasm", swap, b"#!/bin/sh\nexit 0\n");
        refuse("core module", swap, &wat::parse_str(Raw::default().module()).unwrap());
        refuse("older contract", swap, &patched(&good, "floci:provider/provider@0.1.", "floci:provider/provider@0.0."));
        refuse("newer contract", swap, &patched(&good, "floci:provider/provider@0.1.", "floci:provider/provider@0.9."));
        refuse("missing export", swap, &patched(&good, "floci:provider/provider@", "floci:provider/provides@"));
        refuse("other namespace", swap, &revision(json!({ "namespace": "Contoso.Others" })));
        refuse("other service", swap, &revision(json!({ "service": "others", "types": ["widgets", "gadgets"] })));
        refuse("missing type", swap, &revision(json!({ "stamp": "fewer types" })));
        refuse("describe traps", swap, &revision(json!({ "describe": "trap" })));
        refuse("describe loops", swap, &revision(json!({ "describe": "loop" })));
        refuse("describe is no JSON", swap, &revision(json!({ "describe": "garbage" })));
        let two = |upgrade: &str| revision(json!({ "schema": 2, "types": ["widgets", "gadgets"], "upgrade": upgrade }));
        refuse("upgrade fails", swap, &two("fail-on:b"));
        refuse("upgrade traps", swap, &two("trap"));
        refuse("too big", swap, &Raw { fields: "(memory 1) (memory 1) (memory 1)", ..Raw::default() }.component());
        let pin = format!("?swap=true&digest=sha256:{}", "0".repeat(64));
        refuse("digest", &pin, &revision(json!({ "stamp": "pinned" })));
        end.store(true, Ordering::Relaxed);
        assert!(serving.join().unwrap() > 0);
        lines
    });
    expect![[r#"
        not wasm: 400 NotWebAssembly the plugin <digest> cannot be loaded: it is no WebAssembly: it begins with '#!/bin/s'. A plugin is a WebAssembly component, as `cargo build --release --target wasm32-wasip2` makes it
        core module: 400 CoreModule the plugin <digest> cannot be loaded: it is a core WebAssembly module, and a plugin is a component. Build it with `cargo build --release --target wasm32-wasip2`, or make a component of it with `wasm-tools component new`
        older contract: 400 ContractTooOld the plugin <digest> cannot be loaded: it was built with version 0.0.1 of the contract, which is older than what this gateway serves (0.1.0 to 0.1.1). Build it with the floci-az-sdk of this gateway's version
        newer contract: 400 ContractTooNew the plugin <digest> cannot be loaded: it was built with version 0.9.1 of the contract, which is newer than what this gateway serves (0.1.0 to 0.1.1). Use a newer gateway, or build it with an older floci-az-sdk
        missing export: 400 ExportMissing the plugin <digest> cannot be loaded: it does not export 'floci:provider/provider@0.1.1', which is what a plugin is called by. It exports: floci:provider/provides@0.1.1, floci:provider/schemas@0.1.1. Use `floci_az_sdk::provider!`, or export the world 'plugin' of the contract
        other namespace: 409 ServiceTaken two plugins claim the service name widgets in the settings: Contoso.Widgets@<active> and Contoso.Others@<digest>. Leave one of them out
        other service: 409 OtherService the revision Contoso.Widgets@<digest> calls its service 'others', and the settings of Contoso.Widgets are those of 'widgets'. Keep the service's name, or remove the plugin first
        missing type: 409 StoredResourcesRefused the revision Contoso.Widgets@<digest> does not serve Contoso.Widgets/gadgets, of which 1 resource is stored. Delete these resources first, or serve the type: /subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/gadgets/c
        describe traps: 400 DescribeFailed the plugin <digest> did not describe itself: the plugin <digest> failed in 'describe': wasm trap: wasm `unreachable` instruction executed. It is asked for its manifest under the default limits: look at its manifest function
        describe loops: 400 DescribeFailed the plugin <digest> did not describe itself: the plugin <digest> did not answer 'describe' within 10 s and was stopped. It is asked for its manifest under the default limits: look at its manifest function
        describe is no JSON: 400 InvalidManifest the manifest of the plugin <digest> is not valid: expected ident at line 1 column 2
        upgrade fails: 409 StoredResourcesRefused the revision Contoso.Widgets@<digest> does not read 1 of 3 stored resources. The first: /subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/b is stored in schema 1, and the revision Contoso.Widgets@<digest> does not take it to schema 2: the widget b of schema 1 is one that cannot be upgraded. Mend its upgrade, or delete these resources: /subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/b
        upgrade traps: 409 StoredResourcesRefused the revision Contoso.Widgets@<digest> does not read 3 of 3 stored resources. The first: /subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/gadgets/c is stored in schema 1, and the revision Contoso.Widgets@<digest> could not take it to schema 2: the plugin Contoso.Widgets@<digest> failed in 'upgrade': wasm trap: wasm `unreachable` instruction executed. Mend its upgrade, or delete these resources: /subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/gadgets/c, /subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/a, /subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/b
        too big: 400 PluginTooBig the plugin <digest> is too big: it needs 4 memories, and a plugin may have 2. Build it with less
        digest: 400 DigestMismatch the component has the digest sha256:<digest>, and sha256:0000000000000000000000000000000000000000000000000000000000000000 was asked for. It was changed on its way, or another was meant: compare with what its publisher says"#]].assert_eq(&lines.join("\n"));
    assert_eq!(arm.plugin(NAMESPACE)["revisions"].as_array().unwrap().len(), 1, "nothing is left of them");
}

#[test]
fn an_import_that_is_not_granted_is_refused() {
    let gateway = fixture::gateway();
    let frozen = include_bytes!("../fixtures/contract-0.1.0.wasm");
    let refused = gateway.arm().install("", frozen).expect(400);
    expect![[r#"
        400 NotGranted the revision Contoso.Widgets@<digest> is not allowed what it needs: it imports workloads, ports, ingress, transfers, which the service widgets is not granted (granted: resp). To allow it, write into floci-az.yml:
            floci-az.services.widgets.grants.workloads: true
            floci-az.services.widgets.grants.ports: true
            floci-az.services.widgets.grants.ingress: true
            floci-az.services.widgets.grants.transfers: true"#]].assert_eq(&told(&refused, frozen));
    assert_eq!(gateway.arm().get("/_floci/plugins/Contoso.Widgets").status, 404);
}

#[test]
fn plugins_are_beside_each_other_and_know_nothing_of_each_other() {
    let gateway = fixture::gateway();
    let arm = gateway.arm();
    let tools = json!({ "namespace": "Contoso.Tools", "service": "tools", "types": ["hammers"] });
    arm.install("", &revision(json!({}))).expect(200);
    arm.install("", &revision(tools)).expect(200);
    arm.cache("my-cache").put(&quickstart()).expect(201);
    at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({}))).expect(201);
    at(&gateway, "Contoso.Tools/hammers/a").put(&widget(json!({}))).expect(201);
    assert_eq!(at(&gateway, "Contoso.Tools/widgets/a").get().status, 404);
    let providers = arm.get("/subscriptions/s/providers?api-version=2021-04-01").expect(200).body;
    let names: Vec<&str> =
        providers["value"].as_array().unwrap().iter().map(|one| one["namespace"].as_str().unwrap()).collect();
    assert_eq!(names, ["Contoso.Tools", "Contoso.Widgets", "Microsoft.Cache", "Microsoft.Resources"]);
    // The claim of a service's name by another namespace, and the removal of one of them.
    let thief = revision(json!({ "namespace": "Contoso.Thief" }));
    let refused = arm.install("", &thief).expect(409);
    assert_eq!(refused.code(), "ServiceTaken");
    assert!(refused.message().contains("Contoso.Widgets@") && refused.message().contains("Contoso.Thief@"));
    let refused = arm.send("DELETE", "/_floci/plugins/Contoso.Tools", None).expect(409);
    assert_eq!(refused.code(), "PluginHasResources");
    at(&gateway, "Contoso.Tools/hammers/a").delete();
    wait_for("the deletion", || at(&gateway, "Contoso.Tools/hammers/a").get().status == 404);
    arm.send("DELETE", "/_floci/plugins/Contoso.Tools", None).expect(204);
    assert_eq!(at(&gateway, "Contoso.Tools/hammers/a").get().expect(404).code(), "InvalidResourceNamespace");
    at(&gateway, "Contoso.Widgets/widgets/a").get().expect(200);
    arm.cache("my-cache").get().expect(200);
}

#[test]
fn what_was_installed_serves_after_a_restart_and_what_was_removed_does_not() {
    let mut gateway = fixture::gateway();
    let one = gateway.arm().install("", &revision(json!({ "version": "1.0.0" }))).expect(200).body;
    gateway.arm().install("", &revision(json!({ "version": "2.0.0" }))).expect(200);
    at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({}))).expect(201);
    gateway.kill();
    gateway.spawn();
    let plugin = gateway.arm().plugin(NAMESPACE);
    assert_eq!(plugin["active"], one["revision"]["digest"]);
    let states: Vec<&str> =
        plugin["revisions"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["Ready", "Active"], "the newer one has not served yet");
    at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({ "size": 3 }))).expect(200);
    let newer = plugin["revisions"][0]["digest"].as_str().unwrap();
    gateway.arm().rollout(NAMESPACE, "swap", &json!({ "to": &newer[..12] })).expect(200);
    at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({ "size": 4 }))).expect(200);
    let shown = at(&gateway, "Contoso.Widgets/widgets/a").get().body;
    assert_eq!(shown["properties"]["madeBy"], "2.0.0");
    at(&gateway, "Contoso.Widgets/widgets/a").delete();
    wait_for("the deletion", || at(&gateway, "Contoso.Widgets/widgets/a").get().status == 404);
    gateway.arm().send("DELETE", "/_floci/plugins/contoso.widgets", None).expect(204);
    gateway.kill();
    gateway.spawn();
    assert_eq!(gateway.arm().get("/_floci/plugins/Contoso.Widgets").status, 404);
}

#[test]
fn what_is_part_of_the_gateway_stays_whatever_takes_its_place() {
    let gateway = fixture::gateway();
    let arm = gateway.arm();
    let bundled = arm.plugin("Microsoft.Cache")["active"].as_str().unwrap().to_owned();
    let mut other = floci_az::plugin::bundled()[0].to_vec();
    other.extend([0, 3, 2, b'x', b'y']);
    arm.install("?swap=true", &other).expect(200);
    let path = format!("/_floci/plugins/Microsoft.Cache/revisions/{bundled}");
    assert_eq!(arm.send("DELETE", &path, None).expect(409).code(), "PluginIsBundled");
    assert_eq!(arm.send("DELETE", "/_floci/plugins/Microsoft.Cache", None).expect(409).code(), "PluginIsBundled");
    // More than are kept: the oldest go, never it, never the newest.
    for number in 0..12 {
        let installed = arm.install("", &revision(json!({ "stamp": format!("{number}") }))).expect(200).body;
        let digest = installed["revision"]["digest"].clone();
        let known = arm.plugin(NAMESPACE)["revisions"].as_array().unwrap().clone();
        assert!(known.len() <= 10 && known[0]["digest"] == digest, "{number}: {known:?}");
    }
    let casing = revision(json!({ "namespace": "contoso.WIDGETS" }));
    assert_eq!(arm.install("?swap=true", &casing).expect(409).code(), "OtherCasing");
}

#[test]
fn a_revision_that_is_gone_from_disk_gives_way_to_the_one_before() {
    let mut gateway = fixture::gateway();
    let one = gateway.arm().install("", &revision(json!({ "version": "1.0.0" }))).expect(200).body;
    at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({}))).expect(201);
    let two = gateway.arm().install("?swap=true", &revision(json!({ "version": "2.0.0" }))).expect(200).body;
    gateway.kill();
    let digest = two["revision"]["digest"].as_str().unwrap();
    std::fs::write(gateway.data().join("plugins").join(format!("{digest}.wasm")), "damaged").unwrap();
    gateway.spawn();
    assert_eq!(gateway.arm().plugin(NAMESPACE)["active"], one["revision"]["digest"]);
    at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({ "size": 3 }))).expect(200);
    assert!(gateway.log_text().contains("a revision cannot serve"), "{}", gateway.log_text());
}

/// A key of an operator: its public half as PEM, and a signature in base64.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Signer {
        Signer(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()))
    }

    fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.0.sign(&SystemRandom::new(), message).unwrap())
    }
}

#[test]
fn what_is_not_signed_is_refused_and_the_active_revision_serves_on() {
    let (ours, other) = (Signer::new(), Signer::new());
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("operator.pub");
    std::fs::write(&key, ours.public_pem()).unwrap();
    let mut gateway = fixture::prepared();
    gateway.set("FLOCI_AZ_PLUGINS_SIGNATURE_KEY", key.to_str().unwrap());
    gateway.spawn();
    let (one, two) = (revision(json!({ "version": "1.0.0" })), revision(json!({ "version": "2.0.0" })));
    let install = |component: &[u8], signature: Option<&str>| {
        let headers: Vec<_> = signature.map(|signature| ("x-floci-signature", signature)).into_iter().collect();
        gateway.arm().install_with("?swap=true", component, &headers)
    };
    let active = install(&one, Some(&ours.sign(&one))).expect(200).body["revision"]["digest"].clone();
    at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({}))).expect(201);
    let lines = [
        ("no signature", None),
        ("of another key", Some(other.sign(&two))),
        ("of another component", Some(ours.sign(&one))),
        ("no base64", Some("%".to_owned())),
    ]
    .map(|(what, signature)| {
        let refused = install(&two, signature.as_deref());
        at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({}))).expect(200);
        assert_eq!(gateway.arm().plugin(NAMESPACE)["active"], active, "{what}");
        format!("{what}: {}", told(&refused, &two))
    });
    expect![[r#"
        no signature: 400 SignatureMissing the component that was sent is not signed: the signature that is sent with it (--signature FILE, or the header x-floci-signature) was looked for. The gateway takes signed components only (plugins.signature-key): sign it with cosign sign-blob --key cosign.key --bundle plugin.wasm.sig plugin.wasm
        of another key: 400 SignatureInvalid the component that was sent has no signature that plugins.signature-key is good for: the signature that is sent with it (--signature FILE, or the header x-floci-signature) is not valid for these bytes and this key. Sign it with cosign sign-blob --key cosign.key --bundle plugin.wasm.sig plugin.wasm, or set plugins.signature-key to the key that it was signed with
        of another component: 400 SignatureInvalid the component that was sent has no signature that plugins.signature-key is good for: the signature that is sent with it (--signature FILE, or the header x-floci-signature) is not valid for these bytes and this key. Sign it with cosign sign-blob --key cosign.key --bundle plugin.wasm.sig plugin.wasm, or set plugins.signature-key to the key that it was signed with
        no base64: 400 InvalidRequest x-floci-signature '%' is invalid. Supported: the signature's bytes in base64."#]].assert_eq(&lines.join("\n"));
    let events = gateway.arm().text("/_floci/events?follow=false");
    for code in ["SignatureMissing", "SignatureInvalid"] {
        assert!(events.contains(&format!(r#""code":"{code}""#)), "{code}: {events}");
    }
    install(&two, Some(&ours.sign(&two))).expect(200);
    assert_ne!(gateway.arm().plugin(NAMESPACE)["active"], active);
}

#[test]
fn a_namespace_that_nothing_serves_is_served_again_by_its_own_component() {
    let mut gateway = fixture::gateway();
    let component = revision(json!({ "version": "1.0.0" }));
    let digest = gateway.arm().install("", &component).expect(200).body["revision"]["digest"].clone();
    at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({ "size": 3 }))).expect(201);
    gateway.kill();
    let file = format!("{}.wasm", digest.as_str().unwrap());
    std::fs::remove_file(gateway.data().join("plugins").join(file)).unwrap();
    gateway.spawn();
    assert_eq!(gateway.arm().plugin(NAMESPACE)["active"], Value::Null);
    assert_eq!(at(&gateway, "Contoso.Widgets/widgets/a").get().expect(404).code(), "InvalidResourceNamespace");
    // A plugin that has taken its name meanwhile is in the way, by name.
    let thief = revision(json!({ "namespace": "Contoso.Thief" }));
    gateway.arm().install("", &thief).expect(200);
    let refused = gateway.arm().install("", &component).expect(409);
    assert_eq!(refused.code(), "ServiceTaken");
    gateway.arm().send("DELETE", "/_floci/plugins/Contoso.Thief", None).expect(204);

    let installed = gateway.arm().install("", &component).expect(200).body;
    assert_eq!(installed["revision"]["digest"], digest);
    assert_eq!(at(&gateway, "Contoso.Widgets/widgets/a").get().expect(200).body["properties"]["size"], 3);
}

#[test]
fn an_install_of_the_folder_that_was_cut_off_is_made_good_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = fixture::prepared();
    gateway.set("FLOCI_AZ_PLUGINS_FOLDER", folder.path().to_str().unwrap());
    gateway.set("FLOCI_AZ_SERVICES_WIDGETS_LIMITS_CALL_SECONDS", "45");
    let file = folder.path().join("widgets.wasm");
    std::fs::write(&file, revision(json!({ "version": "1.0.0" }))).unwrap();
    gateway.spawn();
    at(&gateway, "Contoso.Widgets/widgets/a").put(&widget(json!({}))).expect(201);
    let before = gateway.arm().plugin(NAMESPACE)["active"].clone();
    thread::scope(|scope| {
        // A swap between schemas waits for this change; the gateway is gone before it ends.
        let hanging = at(&gateway, "Contoso.Widgets/widgets/b");
        scope.spawn(move || hanging.arm.try_send("PUT", &hanging.url(), Some(HANGING)));
        wait_for("the call that hangs", || {
            let is_running = |line: &str| line.contains("floci_az_plugin_instances{") && line.ends_with(" 1");
            gateway.arm().text("/metrics").lines().any(|line| line.contains("Contoso.Widgets") && is_running(line))
        });
        let newer = folder.path().join("newer");
        std::fs::write(&newer, revision(json!({ "version": "2.0.0", "schema": 2 }))).unwrap();
        std::fs::rename(&newer, &file).unwrap();
        let revisions = || gateway.arm().plugin(NAMESPACE)["revisions"].as_array().unwrap().len();
        wait_for("the newer revision", || revisions() == 2);
        assert_eq!(gateway.arm().plugin(NAMESPACE)["active"], before);
        crate::gateway::send(gateway.pid(), "KILL");
    });
    gateway.kill();
    gateway.spawn();
    wait_for("the newer revision to serve", || gateway.arm().plugin(NAMESPACE)["active"] != before);
    assert_eq!(gateway.arm().plugin(NAMESPACE)["revisions"][0]["version"], "2.0.0");
    // What is no component is told, beside one that is.
    std::fs::write(folder.path().join("bad.wasm"), "no component").unwrap();
    let is_told = |line: &str| line.contains("NotWebAssembly") && line.contains("bad.wasm");
    wait_for("the refusal", || gateway.arm().text("/_floci/events?follow=false").lines().any(is_told));
}

const HANGING: &[u8] = br#"{"location": "westus", "properties": {"misbehave": "block"}}"#;
