//! Caches that are mocked, and what is left of a cache.

use expect_test::expect;
use floci_az_redis::Redis;
use floci_az_sdk::{Next, json};

use super::valkey::{ID, gateway};
use super::{basic, check};

#[test]
fn a_mocked_cache_succeeds_at_once_and_touches_nothing() {
    let (host, _) = gateway();
    host.set("mocked", "true");
    host.put::<Redis>(ID, basic()).unwrap();
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"

        Done
        "localhost" 6379 6380 primary true
    "#]],
    );
    assert_eq!(host.delete::<Redis>(ID), Next::Done);
    assert_eq!(host.journal(), Vec::<String>::new());
}

#[test]
fn a_cache_follows_when_mocked_is_switched() {
    let (host, _) = gateway();
    host.set("mocked", "true");
    host.put::<Redis>(ID, basic()).unwrap();
    host.set("mocked", "false");
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            allocate redis: 6379
            ensure server: running
            resp as floci-az: (look)
            publish [6380]
            resp as floci-az: INFO replication
            Done
            "localhost" 6379 6380 primary true
        "#]],
    );
    host.set("mocked", "true");
    check(
        host.reconcile::<Redis>(ID),
        &host,
        expect![[r#"
            withdraw
            remove import
            release import
            remove server
            release server-inner
            release server-public
            release server-bus
            release redis
            Done
            "localhost" 6379 6380 primary true
        "#]],
    );
}

#[test]
fn a_deleted_cache_leaves_nothing() {
    let (host, _) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    host.journal();
    assert_eq!(host.delete::<Redis>(ID), Next::Done);
    assert_eq!(
        host.journal(),
        [
            "withdraw",
            "remove import",
            "release import",
            "remove server",
            "release server-inner",
            "release server-public",
            "release server-bus",
            "release redis"
        ]
    );
    assert_eq!(host.held_ports(ID), []);
    assert!(host.spec(ID, "server").is_none() && host.stored(ID).is_none());
}

#[test]
fn access_keys_can_be_switched_off() {
    let (host, valkey) = gateway();
    host.put::<Redis>(ID, basic()).unwrap();
    host.settle::<Redis>(ID);
    host.patch::<Redis>(ID, json!({ "properties": { "disableAccessKeyAuthentication": true } })).unwrap();
    host.settle::<Redis>(ID);
    assert_eq!(valkey.borrow().users["default"], None);
}
