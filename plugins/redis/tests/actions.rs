//! `listKeys` and `regenerateKey`, on a fake gateway.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that is set up wrongly has to fail"
)]

mod valkey;

use expect_test::{Expect, expect};
use floci_az_redis::Redis;
use floci_az_sdk::testing::{FakeHost, Moment};
use floci_az_sdk::{Fault, Next, Purpose, Value, json};
use valkey::{ID, gateway};

fn basic() -> Value {
    json!({ "location": "eastus", "properties": { "sku": { "name": "Basic", "family": "C", "capacity": 0 } } })
}

fn keys(host: &FakeHost) -> [String; 2] {
    let answer = host.post::<Redis>(ID, "listKeys", Value::Null).unwrap();
    let body = answer.body().unwrap();
    ["primaryKey", "secondaryKey"].map(|name| body[name].as_str().unwrap().to_owned())
}

fn regenerate(host: &FakeHost, key_type: &str) -> Value {
    host.post::<Redis>(ID, "regenerateKey", json!({ "keyType": key_type })).unwrap().body().unwrap().clone()
}

#[test]
fn both_keys_log_in() {
    let (host, valkey) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    for key in keys(&host) {
        assert!(valkey.borrow().admits("default", &key));
    }
    assert!(!valkey.borrow().admits("default", "guess"));
}

#[test]
fn a_new_key_works_at_once_and_the_old_one_no_more() {
    let (host, valkey) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    host.journal();
    let [primary, secondary] = keys(&host);
    let answer = regenerate(&host, "Primary");
    expect![[r#"
        resp as floci-az: ACL SETUSER default ..., ACL SETUSER floci-az-replica ...
        resp as default: PING
        resp as default: PING
        ensure server: running
        publish [6380]"#]]
    .assert_eq(&host.journal().join("\n"));

    let [new, same] = keys(&host);
    assert_eq!(answer, json!({ "primaryKey": new, "secondaryKey": secondary }));
    assert_eq!(same, secondary);
    let admitted = [&primary, &new, &secondary].map(|key| valkey.borrow().admits("default", key));
    assert_eq!(admitted, [false, true, true]);

    // The file that a restart reads has it, and no key is in it.
    let files = host.spec(ID, "server").unwrap().files;
    valkey.borrow_mut().boot(&files);
    let admitted = [&primary, &new, &secondary].map(|key| valkey.borrow().admits("default", key));
    assert_eq!(admitted, [false, true, true]);
    assert!(files.values().all(|content| !content.contains(&new) && !content.contains(&secondary)));

    regenerate(&host, "secondary");
    let [primary, second] = keys(&host);
    assert_eq!(primary, new);
    assert_ne!(second, secondary);
}

#[test]
fn a_key_type_that_is_none_is_refused() {
    fn check(body: Value, expected: Expect) {
        let (host, _) = gateway();
        host.put::<Redis>(ID, basic()).unwrap();
        let rejection = host.post::<Redis>(ID, "regenerateKey", body).unwrap_err();
        expected.assert_eq(&rejection.to_string());
    }
    check(
        Value::Null,
        expect![
            "400 InvalidRequestBody: The value of the parameter 'keyType' is invalid. It has to be Primary or Secondary, and is null. (keyType)"
        ],
    );
    check(
        json!({ "keyType": "Tertiary" }),
        expect![[
            r#"400 InvalidRequestBody: The value of the parameter 'keyType' is invalid. It has to be Primary or Secondary, and is "Tertiary". (keyType)"#
        ]],
    );
    check(
        json!({ "keyType": 1 }),
        expect![
            "400 InvalidRequestBody: The value of the parameter 'keyType' is invalid. It has to be Primary or Secondary, and is 1. (keyType)"
        ],
    );
    check(
        json!([{ "keyType": "Primary" }]),
        expect![
            "400 InvalidRequestBody: The value of the parameter 'keyType' is invalid. It has to be Primary or Secondary, and is null. (keyType)"
        ],
    );
}

#[test]
fn a_key_that_cannot_be_applied_is_not_changed() {
    let (host, valkey) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    let refused =
        |host: &FakeHost| host.post::<Redis>(ID, "regenerateKey", json!({ "keyType": "Primary" })).unwrap_err();
    expect!["409 Conflict: The key was not changed, because it cannot be applied to the cache now: CacheServerNotRunning: it has no server yet"].assert_eq(&refused(&host).to_string());

    host.settle::<Redis>(ID);
    let before = keys(&host);
    valkey.borrow_mut().fault = Some(Fault::new("ConnectionFailed", "localhost:6379: connection refused"));
    expect!["409 Conflict: The key was not changed, because it cannot be applied to the cache now: ConnectionFailed: localhost:6379: connection refused"].assert_eq(&refused(&host).to_string());
    valkey.borrow_mut().fault = None;

    valkey.borrow_mut().deaf = true;
    expect!["409 Conflict: The key was not changed, because it cannot be applied to the cache now: CacheServerRefused: the server refuses the new key"].assert_eq(&refused(&host).to_string());
    valkey.borrow_mut().deaf = false;

    // The file cannot be written: the server gets its old keys back.
    host.script([Err(Fault::new("WorkloadFailed", "the disk is full"))]);
    expect!["409 Conflict: The key was not changed, because it cannot be applied to the cache now: WorkloadFailed: the disk is full"].assert_eq(&refused(&host).to_string());
    assert_eq!(keys(&host), before);
    assert!(before.iter().all(|key| valkey.borrow().admits("default", key)));

    host.script([Ok(Moment::exited("killed", 1))]);
    host.reconcile::<Redis>(ID);
    expect!["409 Conflict: The key was not changed, because it cannot be applied to the cache now: CacheServerNotRunning: its server does not run"].assert_eq(&refused(&host).to_string());
}

#[test]
fn a_crash_in_the_middle_of_a_rotation_is_repaired() {
    let (host, valkey) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    let before = host.stored(ID).unwrap();
    regenerate(&host, "Primary");
    // The gateway died before it stored the answer: the server has a key that nobody knows.
    host.store(before);
    assert!(!valkey.borrow().admits("default", &keys(&host)[0]));
    assert_eq!(host.settle::<Redis>(ID), Next::Done);
    assert!(valkey.borrow().admits("default", &keys(&host)[0]));
}

#[test]
fn a_mocked_cache_has_keys_too() {
    let (host, _) = gateway();
    host.set("mocked", "true");
    host.put::<Redis>(ID, basic()).unwrap();
    let [primary, secondary] = keys(&host);
    regenerate(&host, "Secondary");
    let [same, new] = keys(&host);
    assert_eq!(same, primary);
    assert_ne!(new, secondary);
    assert_eq!(host.journal(), Vec::<String>::new());
}

#[test]
fn only_the_answer_to_a_put_shows_the_keys() {
    let (host, _) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    let [primary, secondary] = keys(&host);
    let shown = |purpose| host.show::<Redis>(ID, purpose)["properties"]["accessKeys"].clone();
    assert_eq!(shown(Purpose::Put), json!({ "primaryKey": primary, "secondaryKey": secondary }));
    assert_eq!([Purpose::Patch, Purpose::Get, Purpose::List].map(shown), [Value::Null, Value::Null, Value::Null]);
    let stored = host.stored(ID).unwrap();
    assert!(!format!("{stored:?}").contains(&primary));
}

#[test]
fn a_name_is_available_until_it_is_taken_or_if_it_is_one() {
    let (host, _valkey) = gateway();
    let check = |body: Value| match host.post_to_provider::<Redis>("checkNameAvailability", body) {
        Ok(answer) => format!("{} {:?}", answer.status(), answer.body()),
        Err(rejection) => format!("{} {} {:?}", rejection.status(), rejection.code(), rejection.target()),
    };
    let ask = |name: &str| check(json!({ "name": name, "type": "Microsoft.Cache/Redis" }));
    assert_eq!(ask("cache"), "200 None");
    host.put::<Redis>(ID, basic()).unwrap();
    assert_eq!(ask("CACHE"), "409 NameNotAvailable None");
    assert_eq!(ask("no--name"), r#"400 InvalidRequestBody Some("name")"#);
    assert_eq!(
        check(json!({ "name": "a", "type": "Microsoft.Cache/other" })),
        r#"400 InvalidRequestBody Some("type")"#
    );
    assert_eq!(check(json!({ "name": "a" })), r#"400 InvalidRequestBody Some("type")"#);
    assert_eq!(check(Value::Null), r#"400 InvalidRequestBody Some("name")"#);
}
