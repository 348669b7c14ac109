//! What is stored outlives the revision that stored it: read by the next, put back by a rollback, or the rollback is
//! refused; and a crash in between is either before it or after it.

use serde_json::{Value, json};

use crate::arm::{Answer, Cache, VERSION};
use crate::contained::widget;
use crate::fixture;
use crate::gateway::{Gateway, Runtime};

const NAMESPACE: &str = "Contoso.Widgets";

fn revision(schema: u32, more: Value) -> Vec<u8> {
    let mut script = json!({ "version": format!("{schema}.0.0"), "schema": schema, "api_versions": [VERSION] });
    script.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fixture::revision(script)
}

fn at(gateway: &Gateway, name: &str) -> Cache {
    let path = format!("/subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/{name}");
    gateway.arm().cache_at(&path)
}

fn red(size: u64) -> Value {
    widget(json!({ "size": size, "color": "red" }))
}

/// The digest of what became active.
fn swap(gateway: &Gateway, component: &[u8]) -> String {
    gateway.arm().install("?swap=true", component).expect(200).body["revision"]["digest"].as_str().unwrap().to_owned()
}

fn rollback(gateway: &Gateway) -> Answer {
    gateway.arm().rollout(NAMESPACE, "rollback", &json!({}))
}

/// Size, and the color by the name that its schema has for it.
#[track_caller]
fn check(gateway: &Gateway, name: &str, size: u64, member: &str) {
    let properties = &at(gateway, name).get().expect(200).body["properties"];
    let other = if member == "color" { "colour" } else { "color" };
    assert_eq!(
        (&properties["size"], &properties[member], &properties[other]),
        (&json!(size), &json!("red"), &Value::Null),
        "{name}: {properties:#}"
    );
}

#[test]
fn documents_go_forth_and_back_and_forth_and_none_is_lost() {
    let mut gateway = fixture::gateway();
    let (one, two) = (revision(1, json!({})), revision(2, json!({})));
    swap(&gateway, &one);
    for (name, size) in [("read", 1), ("written", 2), ("tagged", 3)] {
        at(&gateway, name).put(&red(size)).expect(201);
    }
    swap(&gateway, &two);
    // Read in the new schema whether or not it was stored in it.
    for (name, size) in [("read", 1), ("written", 2), ("tagged", 3)] {
        check(&gateway, name, size, "colour");
    }
    at(&gateway, "written").put(&red(20)).expect(200);
    at(&gateway, "tagged").patch(&json!({ "tags": { "a": "b" } })).expect(200);
    at(&gateway, "new").put(&red(4)).expect(201);
    gateway.kill();
    gateway.spawn();
    for (name, size) in [("read", 1), ("written", 20), ("tagged", 3), ("new", 4)] {
        check(&gateway, name, size, "colour");
    }

    let back = rollback(&gateway).expect(200).body;
    assert!(back["converted"].as_u64().unwrap() >= 2, "{back:#}");
    for again in 0..2 {
        for (name, size) in [("read", 1), ("written", 20), ("tagged", 3), ("new", 4)] {
            check(&gateway, name, size, "color");
        }
        assert_eq!(at(&gateway, "tagged").get().body["tags"], json!({ "a": "b" }));
        if again == 0 {
            gateway.kill();
            gateway.spawn();
        }
    }
    at(&gateway, "new").put(&red(40)).expect(200);

    swap(&gateway, &two);
    for (name, size) in [("read", 1), ("written", 20), ("tagged", 3), ("new", 40)] {
        check(&gateway, name, size, "colour");
    }
    let list = gateway
        .arm()
        .get(&format!("/subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets?api-version={VERSION}"));
    assert_eq!(list.expect(200).body["value"].as_array().unwrap().len(), 4);
}

#[test]
fn a_rollback_that_would_lose_something_is_refused_with_the_count() {
    let gateway = fixture::gateway();
    swap(&gateway, &revision(1, json!({})));
    for name in ["a", "b", "c"] {
        at(&gateway, name).put(&red(1)).expect(201);
    }
    let two = swap(&gateway, &revision(2, json!({ "downgrade": "refuse" })));
    at(&gateway, "a").put(&red(2)).expect(200);
    at(&gateway, "new").put(&red(3)).expect(201);
    let refused = rollback(&gateway).expect(409);
    assert_eq!(refused.code(), "StoredResourcesRefused");
    assert!(
        refused.message().starts_with("2 of 4 stored resources were changed in a newer schema"),
        "{}",
        refused.message()
    );
    assert_eq!(gateway.arm().plugin(NAMESPACE)["active"], two);
    for (name, size) in [("a", 2), ("b", 1), ("c", 1), ("new", 3)] {
        check(&gateway, name, size, "colour");
    }
    // Without what was changed nothing would be lost: the others are kept as they were.
    for name in ["a", "new"] {
        at(&gateway, name).delete();
        crate::gateway::wait_for("the deletion", || at(&gateway, name).get().status == 404);
    }
    rollback(&gateway).expect(200);
    for name in ["b", "c"] {
        check(&gateway, name, 1, "color");
    }
}

#[test]
fn steps_that_are_under_way_write_no_schema_but_the_active_ones() {
    let gateway = fixture::gateway();
    let (one, two) = (revision(1, json!({})), revision(2, json!({})));
    let digests = [swap(&gateway, &one), swap(&gateway, &two)];
    for number in 0..10 {
        let slow = widget(json!({ "size": number + 1, "color": "red", "waits": 60, "pause": 10 }));
        at(&gateway, &format!("slow{number}")).put(&slow).expect(201);
    }
    for round in 0..6 {
        gateway.arm().rollout(NAMESPACE, "swap", &json!({ "to": digests[round % 2] })).expect(200);
        for number in 0..10 {
            check(&gateway, &format!("slow{number}"), number + 1, if round % 2 == 0 { "color" } else { "colour" });
        }
    }
    for number in 0..10 {
        at(&gateway, &format!("slow{number}")).settled("Succeeded");
        check(&gateway, &format!("slow{number}"), number + 1, "colour");
    }
    let log = gateway.log_text();
    let misread: Vec<&str> = log.lines().filter(|line| line.contains("is stored in schema")).collect();
    assert!(misread.is_empty(), "{} steps read what was not theirs: {:?}", misread.len(), misread.first());
}

#[test]
fn a_crash_during_swaps_leaves_every_document_whole() {
    let mut gateway = fixture::gateway();
    let (one, two) = (revision(1, json!({})), revision(2, json!({})));
    let digests = [swap(&gateway, &one), swap(&gateway, &two)];
    for number in 0..20 {
        at(&gateway, &format!("w{number}")).put(&red(number + 1)).expect(201);
    }
    for round in 0..6 {
        let (arm, to) = (gateway.arm(), digests[round % 2].clone());
        // Killed while the swap is on its way: it is not known whether it was answered.
        let swapping = std::thread::spawn(move || {
            let body = json!({ "to": to }).to_string();
            arm.try_send("POST", &format!("/_floci/plugins/{NAMESPACE}/swap"), Some(body.as_bytes()))
        });
        std::thread::sleep(std::time::Duration::from_millis(u64::try_from(round).unwrap() * 3));
        gateway.kill();
        drop(swapping.join().unwrap());
        gateway.spawn();
        let active = gateway.arm().plugin(NAMESPACE)["active"].as_str().unwrap().to_owned();
        let member = if active == digests[0] { "color" } else { "colour" };
        for number in 0..20 {
            check(&gateway, &format!("w{number}"), number + 1, member);
        }
    }
}

#[test]
fn a_frozen_plugin_of_the_first_contract_works() {
    let all: Vec<(String, &str)> = ["WORKLOADS", "PORTS", "RESP", "INGRESS", "TRANSFERS"]
        .map(|name| (format!("FLOCI_AZ_SERVICES_WIDGETS_GRANTS_{name}"), "true"))
        .into();
    let mut settings: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    settings.push(("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"));
    let gateway = Gateway::with(Runtime::None, &settings);
    let frozen = include_bytes!("../fixtures/contract-0.1.0.wasm");
    let installed = gateway.arm().install("", frozen).expect(200).body;
    assert_eq!(installed["revision"]["contract"], "0.1.0", "{installed:#}");
    let path = "/subscriptions/s/resourceGroups/g/providers/Contoso.Widgets/widgets/old";
    let url = |more: &str| format!("{path}{more}?api-version=2026-01-01");
    let body = widget(json!({ "size": 7, "color": "red", "waits": 2 })).to_string();
    let put = gateway.arm().send("PUT", &url(""), Some(body.as_bytes()));
    put.expect(201);
    crate::gateway::wait_for("the widget", || gateway.arm().get(&url("")).state() == "Succeeded");
    let secret = gateway.arm().send("POST", &url("/rotate"), None).expect(200).body;
    assert_eq!(secret, json!({ "secret": "old-2" }));
    let refused = gateway.arm().send("PUT", &url(""), Some(br#"{"location":"westus","properties":{"size":0}}"#));
    assert_eq!(refused.expect(400).code(), "InvalidSize");
    // A plugin of today's contract takes over what it has stored, and gives it back.
    let today = fixture::revision(json!({ "version": "2.0.0", "schema": 2 }));
    gateway.arm().install("?swap=true", &today).expect(200);
    assert_eq!(gateway.arm().get(&url("")).expect(200).body["properties"]["colour"], "red");
    gateway.arm().rollout(NAMESPACE, "rollback", &json!({})).expect(200);
    assert_eq!(gateway.arm().get(&url("")).expect(200).body["properties"]["color"], "red");
    gateway.arm().send("DELETE", &url(""), None).expect(202);
    crate::gateway::wait_for("the end", || gateway.arm().get(&url("")).status == 404);
}
