//! For any JSON: no panic, and what is accepted is what a client may send back.
#![expect(clippy::expect_used, reason = "a test that is set up wrongly has to fail")]

use floci_az_redis::Redis;
use floci_az_sdk::testing::FakeHost;
use floci_az_sdk::{Value, json};
use proptest::prelude::*;

const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/cache";

/// Values of every kind, with those among them that mean something somewhere.
fn any_value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "",
        "1",
        "30",
        "50",
        "642",
        "1.2",
        "4",
        "6.0",
        "latest",
        "true",
        "Yes",
        "no",
        "Enabled",
        "Stable",
        "Automatic",
        "NoZones",
        "UserDefined",
        "SystemAssigned",
        "allkeys-lru",
        "KEA",
        "10.0.0.4",
        "Basic",
        "premium",
        "C",
        "p",
        "ünï",
        "AccountName=a;AccountKey=b",
        "/subscriptions/0/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..8).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
        ".{0,80}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop_oneof![".{0,8}", prop::sample::select(MEMBERS.to_vec()).prop_map(str::to_owned)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const MEMBERS: [&str; 10] =
    ["properties", "sku", "name", "family", "capacity", "redisConfiguration", "zones", "identity", "type", "keyType"];

/// Bodies that are mostly right: each part is what it should be, or absent, or anything.
fn plausible() -> impl Strategy<Value = Value> {
    fn one_of(values: Vec<Value>) -> impl Strategy<Value = Value> {
        prop_oneof![8 => prop::sample::select(values), 24 => Just(Value::Null), 1 => any_value()]
    }
    let sku =
        prop::sample::select(vec![("Basic", "C", 0), ("standard", "c", 1), ("Premium", "P", 1), ("PREMIUM", "p", 5)])
            .prop_map(|(name, family, capacity)| json!({ "name": name, "family": family, "capacity": capacity }));
    let configuration = prop_oneof![
        8 => prop::collection::btree_map(
            prop::sample::select(vec!["maxmemory-policy", "maxmemory-reserved", "notify-keyspace-events", "timeout", "maxclients",
                "rdb-backup-enabled", "rdb-storage-connection-string", "authnotrequired", "other"]),
            prop::sample::select(vec!["noeviction", "30", "200", "KEA", "0", "false", "true", "no", "yes", "AccountKey=x;a=b"]),
            0..3,
        ).prop_map(|texts| json!(texts)),
        1 => any_value(),
    ];
    let subnet = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s";
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
    (
        (sku, configuration, one_of(texts(&["4", "6.0", "latest", "6"])), one_of(vec![json!(true), json!(false)])),
        (one_of(texts(&["1.0", "1.2"])), one_of(texts(&["enabled", "Disabled"])), one_of(vec![json!(1), json!(3)])),
        (one_of(vec![json!(1), json!(2)]), one_of(texts(&[subnet])), one_of(texts(&["10.0.0.4"]))),
        (one_of(texts(&["Automatic", "nozones", "UserDefined"])), one_of(vec![json!([]), json!(["1", "2"])])),
        (one_of(vec![json!({ "type": "SystemAssigned" })]), one_of(vec![json!({}), json!({ "a": "b" })])),
    )
        .prop_map(|((sku, configuration, version, plain), (tls, network, replicas), (shards, subnet, ip), (policy, zones), (identity, tenant))| {
            json!({
                "zones": zones, "identity": identity,
                "properties": {
                    "sku": sku, "redisConfiguration": configuration, "redisVersion": version, "enableNonSslPort": plain,
                    "minimumTlsVersion": tls, "publicNetworkAccess": network, "replicasPerPrimary": replicas, "shardCount": shards,
                    "subnetId": subnet, "staticIP": ip, "zonalAllocationPolicy": policy, "tenantSettings": tenant
                }
            })
        })
}

/// What is accepted is accepted again, and means the same.
fn is_fixed_point(host: &FakeHost, body: Value) {
    let Ok(first) = host.put::<Redis>(ID, body) else { return };
    let second = host.put::<Redis>(ID, first.state.document.clone()).expect("its own document");
    assert_eq!(first.state.document, second.state.document);
    assert_eq!(first.state.private, second.state.private);
    let patched = host.patch::<Redis>(ID, json!({})).expect("a patch of nothing");
    assert_eq!(first.state.document, patched.state.document);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn any_document_is_answered(document in any_value(), properties in any_value()) {
        is_fixed_point(&FakeHost::of::<Redis>(), document);
        is_fixed_point(&FakeHost::of::<Redis>(), json!({ "properties": properties }));
    }

    #[test]
    fn what_is_accepted_may_be_sent_back(body in plausible()) {
        is_fixed_point(&FakeHost::of::<Redis>(), body);
    }

    #[test]
    fn any_change_of_a_cache_is_answered(first in plausible(), second in plausible(), patch in any_value()) {
        let host = FakeHost::of::<Redis>();
        if host.put::<Redis>(ID, first).is_ok() {
            is_fixed_point(&host, second);
            let _ = host.patch::<Redis>(ID, json!({ "properties": patch }));
            host.settle::<Redis>(ID);
            let _ = host.post::<Redis>(ID, "regenerateKey", patch);
            host.delete::<Redis>(ID);
        }
    }
}

#[test]
fn most_plausible_bodies_are_accepted() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..200).filter(|_| {
        let body = plausible().new_tree(&mut runner).unwrap().current();
        FakeHost::of::<Redis>().put::<Redis>(ID, body).is_ok()
    });
    assert!(accepted.count() > 20, "the property above would say little");
}
