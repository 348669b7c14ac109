//! Which bodies are refused, and what becomes of the others.
#![expect(clippy::unwrap_used, reason = "a test that is set up wrongly has to fail")]

use expect_test::{Expect, expect};
use floci_az_redis::Redis;
use floci_az_sdk::testing::FakeHost;
use floci_az_sdk::{ProvisioningState, Rejection, Resource, Value, json};

const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/cache";

/// `members` are properties beside a sku, which they may replace.
fn body(members: Value) -> Value {
    let mut properties = json!({ "sku": { "name": "Basic", "family": "C", "capacity": 0 } });
    properties.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({ "location": "eastus", "properties": properties })
}

fn premium(members: Value) -> Value {
    let mut properties = json!({ "sku": { "name": "Premium", "family": "P", "capacity": 1 } });
    properties.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body(properties)
}

fn create(body: Value) -> Result<Resource, Rejection> {
    FakeHost::of::<Redis>().put::<Redis>(ID, body)
}

/// One line for each body.
fn check(bodies: impl IntoIterator<Item = Value>, expected: Expect) {
    let line = |body: Value| match create(body.clone()) {
        Ok(_) => format!("{body} is accepted"),
        Err(rejection) => rejection.to_string(),
    };
    let lines: Vec<String> = bodies.into_iter().map(line).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn the_example_of_the_manifest_becomes_azures_document() {
    let manifest = <Redis as floci_az_sdk::Provider>::manifest();
    let cache = create(manifest.types[0].example.clone()).unwrap();
    assert_eq!(cache.provisioning_state, ProvisioningState::Creating);
    expect![[r#"
        {
          "properties": {
            "redisVersion": "6.0",
            "sku": {
              "name": "Basic",
              "family": "C",
              "capacity": 0
            },
            "enableNonSslPort": true,
            "instances": [
              {
                "sslPort": 15000,
                "nonSslPort": 13000,
                "isMaster": false,
                "isPrimary": false
              }
            ],
            "publicNetworkAccess": "Enabled",
            "minimumTlsVersion": "1.2",
            "redisConfiguration": {
              "maxclients": "256",
              "maxfragmentationmemory-reserved": "30",
              "maxmemory-delta": "30",
              "maxmemory-reserved": "30"
            },
            "accessKeys": null,
            "hostName": "localhost",
            "port": null,
            "sslPort": 6380,
            "linkedServers": [],
            "updateChannel": "Stable",
            "disableAccessKeyAuthentication": false,
            "zonalAllocationPolicy": "NoZones"
          }
        }"#]]
    .assert_eq(&format!("{:#}", cache.state.document));
}

#[test]
fn what_clients_really_send_is_accepted() {
    // az redis create, terraform, and the specification's own example.
    for body in [
        json!({ "properties": { "redisConfiguration": {}, "tenantSettings": {}, "sku": { "name": "basic", "family": "c", "capacity": 0 } } }),
        body(json!({ "disableAccessKeyAuthentication": false, "enableNonSslPort": false, "minimumTlsVersion": "1.2",
            "publicNetworkAccess": "Enabled", "redisVersion": "6",
            "redisConfiguration": { "preferred-data-persistence-auth-method": "", "aad-enabled": "false" } })),
        json!({ "zones": ["1"], "properties": { "enableNonSslPort": true, "minimumTlsVersion": "1.2",
            "redisConfiguration": { "maxmemory-policy": "allkeys-lru" }, "redisVersion": "4", "replicasPerPrimary": 2, "shardCount": 2,
            "sku": { "name": "Premium", "capacity": 1, "family": "P" }, "staticIP": "192.168.0.5",
            "subnetId": "/subscriptions/0/resourceGroups/rg2/providers/Microsoft.Network/virtualNetworks/network1/subnets/subnet1" } }),
    ] {
        create(body.clone()).unwrap_or_else(|rejection| panic!("{body}: {rejection}"));
    }
}

#[test]
fn a_sku_is_needed_and_has_to_exist() {
    let sku = |sku: Value| json!({ "properties": { "sku": sku } });
    check(
        [
            Value::Null,
            json!({}),
            json!({ "properties": [] }),
            json!({ "properties": {} }),
            sku(json!("Basic")),
            sku(json!({ "family": "C", "capacity": 0 })),
            sku(json!({ "name": "Gold", "family": "C", "capacity": 0 })),
            sku(json!({ "name": "Basic", "family": "P", "capacity": 1 })),
            sku(json!({ "name": "Standard", "family": "C", "capacity": 7 })),
            sku(json!({ "name": "Premium", "family": "P", "capacity": 0 })),
            sku(json!({ "name": "Premium", "family": "P", "capacity": "1" })),
            sku(json!({ "name": "Basic", "family": "C", "capacity": 1.5 })),
            sku(json!({ "name": "Basic", "family": "C" })),
        ],
        expect![[r#"
            400 InvalidRequestBody: The value of the parameter 'properties' is invalid. It has to be an object. (properties)
            400 InvalidRequestBody: The value of the parameter 'properties' is invalid. It has to be an object. (properties)
            400 InvalidRequestBody: The value of the parameter 'properties' is invalid. It has to be an object, and is []. (properties)
            400 InvalidRequestBody: The value of the parameter 'sku' is invalid. A cache needs one, such as {"name": "Basic", "family": "C", "capacity": 0}. (properties.sku)
            400 InvalidRequestBody: The value of the parameter 'sku' is invalid. It has to be an object, and is "Basic". (properties.sku)
            400 InvalidRequestBody: The value of the parameter 'name' is invalid. A cache needs one, such as {"name": "Basic", "family": "C", "capacity": 0}. (properties.sku.name)
            400 InvalidRequestBody: The value of the parameter 'name' is invalid. It has to be Basic or Standard or Premium, and is "Gold". (properties.sku.name)
            400 InvalidRequestBody: Exception of type 'AzCacheRP.Exceptions.SkuFamilyNotSupportedException' was thrown. The family of Basic is C, not P. (properties.sku.family)
            400 InvalidRequestBody: The value of the parameter 'capacity' is invalid. It has to be a whole number from 0 to 6, and is 7. (properties.sku.capacity)
            400 InvalidRequestBody: The value of the parameter 'capacity' is invalid. It has to be a whole number from 1 to 5, and is 0. (properties.sku.capacity)
            400 InvalidRequestBody: The value of the parameter 'capacity' is invalid. It has to be a whole number from 1 to 5, and is "1". (properties.sku.capacity)
            400 InvalidRequestBody: The value of the parameter 'capacity' is invalid. It has to be a whole number from 0 to 6, and is 1.5. (properties.sku.capacity)
            400 InvalidRequestBody: The value of the parameter 'capacity' is invalid. A cache needs one, such as {"name": "Basic", "family": "C", "capacity": 0}. (properties.sku.capacity)"#]],
    );
}

#[test]
fn properties_have_their_types_and_values() {
    check(
        [
            body(json!({ "enableNonSslPort": "true" })),
            body(json!({ "minimumTlsVersion": "1.3" })),
            body(json!({ "publicNetworkAccess": true })),
            body(json!({ "redisVersion": "5" })),
            body(json!({ "redisVersion": 6 })),
            body(json!({ "redisVersion": "6.x" })),
            body(json!({ "tenantSettings": { "a": 1 } })),
            body(json!({ "updateChannel": "Nightly" })),
            premium(json!({ "shardCount": 0 })),
            premium(json!({ "replicasPerPrimary": 1, "replicasPerMaster": 2 })),
            premium(json!({ "subnetId": "subnet" })),
            premium(json!({ "staticIP": "::1" })),
            json!({ "zones": "1", "properties": premium(json!({}))["properties"] }),
            json!({ "identity": {}, "properties": body(json!({}))["properties"] }),
        ],
        expect![[r#"
            400 InvalidRequestBody: The value of the parameter 'enableNonSslPort' is invalid. It has to be true or false, and is "true". (properties.enableNonSslPort)
            400 InvalidRequestBody: The value of the parameter 'minimumTlsVersion' is invalid. It has to be 1.0 or 1.1 or 1.2, and is "1.3". (properties.minimumTlsVersion)
            400 InvalidRequestBody: The value of the parameter 'publicNetworkAccess' is invalid. It has to be Enabled or Disabled, and is true. (properties.publicNetworkAccess)
            400 InvalidRequestBody: The value of the parameter 'redisVersion' is invalid. It has to be 4, 4.0, 6, 6.0 or latest. (properties.redisVersion)
            400 InvalidRequestBody: The value of the parameter 'redisVersion' is invalid. It has to be a string, and is 6. (properties.redisVersion)
            400 InvalidRequestBody: The value of the parameter 'redisVersion' is invalid. It has to be 4, 4.0, 6, 6.0 or latest. (properties.redisVersion)
            400 InvalidRequestBody: The value of the parameter 'a' is invalid. It has to be a string, and is 1. (properties.tenantSettings.a)
            400 InvalidRequestBody: The value of the parameter 'updateChannel' is invalid. It has to be Stable or Preview, and is "Nightly". (properties.updateChannel)
            400 InvalidRequestBody: The value of the parameter 'shardCount' is invalid. It has to be a whole number from 1 to 30, and is 0. (properties.shardCount)
            400 InvalidRequestBody: The value of the parameter 'replicasPerMaster' is invalid. It is another name of replicasPerPrimary, and has to be equal. (properties.replicasPerMaster)
            400 InvalidRequestBody: The value of the parameter 'subnetId' is invalid. It has to be the resource id of a subnet of a virtual network. (properties.subnetId)
            400 InvalidRequestBody: The value of the parameter 'staticIP' is invalid. It has to be an IPv4 address, such as 192.168.0.5. (properties.staticIP)
            400 InvalidRequestBody: The value of the parameter 'zones' is invalid. It has to be an array of strings, and is "1". (zones)
            400 InvalidRequestBody: The value of the parameter 'type' is invalid. It has to be None or SystemAssigned or UserAssigned or SystemAssigned, UserAssigned. (identity.type)"#]],
    );
}

#[test]
fn premium_is_needed_for_what_azure_has_only_there() {
    check(
        [
            body(json!({ "shardCount": 1 })),
            body(json!({ "replicasPerMaster": 1 })),
            body(json!({ "redisConfiguration": { "rdb-backup-enabled": "true" } })),
            body(json!({ "redisConfiguration": { "maxmemory-reserved": "50" } })),
            json!({ "zones": ["1"], "properties": body(json!({}))["properties"] }),
            premium(json!({ "zonalAllocationPolicy": "UserDefined" })),
            json!({ "zones": ["1"], "properties": premium(json!({ "zonalAllocationPolicy": "NoZones" }))["properties"] }),
        ],
        expect![[r#"
            400 InvalidRequestBody: The value of the parameter 'shardCount' is invalid. It needs a Premium cache; this one is Basic. (properties.shardCount)
            400 InvalidRequestBody: The value of the parameter 'replicasPerPrimary' is invalid. It needs a Premium cache; this one is Basic. (properties.replicasPerPrimary)
            400 InvalidRequestBody: The value of the parameter 'rdb-backup-enabled' is invalid. Persistence needs a Premium cache; this one is Basic. (properties.redisConfiguration.rdb-backup-enabled)
            400 InvalidRequestBody: The setting 'maxmemory-reserved' is not allowed on 'Basic' cache instances. (properties.redisConfiguration.maxmemory-reserved)
            400 InvalidRequestBody: The value of the parameter 'zones' is invalid. Zones can be chosen for Premium caches; this one is Basic. (zones)
            400 InvalidRequestBody: The value of the parameter 'zonalAllocationPolicy' is invalid. UserDefined needs 'zones', such as ["1", "2"]. (properties.zonalAllocationPolicy)
            400 InvalidRequestBody: The value of the parameter 'zonalAllocationPolicy' is invalid. NoZones leaves the choice to Azure; with 'zones' it has to be UserDefined. (properties.zonalAllocationPolicy)"#]],
    );
}

#[test]
fn the_configuration_is_an_object_of_strings() {
    let with = |configuration: Value| premium(json!({ "redisConfiguration": configuration }));
    check(
        [
            with(json!("maxmemory-policy=noeviction")),
            with(json!({ "maxmemory-reserved": 50 })),
            with(json!({ "rdb-backup-enabled": true })),
            with(json!({ "maxmemory-policy": "lru" })),
            with(json!({ "notify-keyspace-events": "KQ" })),
            with(json!({ "maxmemory-delta": "-1" })),
            with(json!({ "timeout": "+5" })),
            with(json!({ "rdb-backup-frequency": "45" })),
            with(json!({ "rdb-backup-max-snapshot-count": "0" })),
            with(json!({ "authnotrequired": "yes" })),
            with(json!({ "something.else": 1 })),
            with(json!({ "something.else": "kept", "timeout": null })),
        ],
        expect![[r#"
            400 InvalidRequestBody: The value of the parameter 'redisConfiguration' is invalid. It has to be an object of strings, and is "maxmemory-policy=noeviction". (properties.redisConfiguration)
            400 InvalidRequestBody: The value of the parameter 'maxmemory-reserved' is invalid. It has to be a string, and is 50. (properties.redisConfiguration.maxmemory-reserved)
            400 InvalidRequestBody: The value of the parameter 'rdb-backup-enabled' is invalid. It has to be a string, and is true. (properties.redisConfiguration.rdb-backup-enabled)
            400 InvalidRequestBody: The value of the parameter 'maxmemory-policy' is invalid. It has to be allkeys-lfu, allkeys-lru, allkeys-random, noeviction, volatile-lfu, volatile-lru, volatile-random, volatile-ttl. (properties.redisConfiguration.maxmemory-policy)
            400 InvalidRequestBody: The value of the parameter 'notify-keyspace-events' is invalid. It has to be a combination of the flags KEg$lshzxetdmnA. (properties.redisConfiguration.notify-keyspace-events)
            400 InvalidRequestBody: The value of the parameter 'maxmemory-delta' is invalid. It has to be a number of megabytes, such as "50". (properties.redisConfiguration.maxmemory-delta)
            400 InvalidRequestBody: The value of the parameter 'timeout' is invalid. It has to be a number of seconds, such as "300". (properties.redisConfiguration.timeout)
            400 InvalidRequestBody: The value of the parameter 'rdb-backup-frequency' is invalid. It has to be 15, 30, 60, 360, 720, 1440 minutes. (properties.redisConfiguration.rdb-backup-frequency)
            400 InvalidRequestBody: The value of the parameter 'rdb-backup-max-snapshot-count' is invalid. It has to be a number of snapshots, such as "1". (properties.redisConfiguration.rdb-backup-max-snapshot-count)
            400 InvalidRequestBody: The value of the parameter 'authnotrequired' is invalid. Authentication can be switched off only for a cache in a virtual network ('subnetId'). (properties.redisConfiguration.authnotrequired)
            400 InvalidRequestBody: The value of the parameter 'something.else' is invalid. It has to be a string, and is 1. (properties.redisConfiguration.something.else)
            {"location":"eastus","properties":{"sku":{"name":"Premium","family":"P","capacity":1},"redisConfiguration":{"something.else":"kept","timeout":null}}} is accepted"#]],
    );
}

#[test]
fn unknown_keys_are_kept_and_a_storage_key_is_hidden() {
    let configuration = json!({
        "something-else": "kept",
        "maxclients": "7",
        "rdb-storage-connection-string": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=x"
    });
    let cache = create(premium(json!({ "redisConfiguration": configuration }))).unwrap();
    expect![[r#"
        {
          "maxclients": "7500",
          "maxfragmentationmemory-reserved": "642",
          "maxmemory-delta": "642",
          "maxmemory-reserved": "642",
          "rdb-storage-connection-string": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=[key hidden];EndpointSuffix=x",
          "something-else": "kept"
        }"#]].assert_eq(&format!("{:#}", cache.state.document["properties"]["redisConfiguration"]));
}

#[test]
fn a_name_is_a_dns_label_and_taken_once() {
    let host = FakeHost::of::<Redis>();
    let id = |group: &str, name: &str| {
        format!("/subscriptions/s/resourceGroups/{group}/providers/Microsoft.Cache/redis/{name}")
    };
    let lines: Vec<String> =
        [("g", "My-Cache-1"), ("h", "my-cache-1"), ("g", "-a"), ("g", "a--b"), ("g", "a_b"), ("g", &"a".repeat(64))]
            .map(|(group, name)| match host.put::<Redis>(&id(group, name), body(json!({}))) {
                Ok(_) => format!("{name} is accepted"),
                Err(rejection) => rejection.to_string(),
            })
            .to_vec();
    expect![[r#"
        My-Cache-1 is accepted
        409 NameNotAvailable: An error occured when trying to reserve the DNS name for the cache instance. This may be a temporary issue if a cache instance of this name was recently deleted. Please choose a different name or try again later. The name is that of '/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/redis/My-Cache-1'.
        400 InvalidRequestBody: The value of the parameter 'name' is invalid. The name of a cache has 1 to 63 letters, digits and hyphens; it begins and ends with a letter or a digit, and has no two hyphens in a row. (name)
        400 InvalidRequestBody: The value of the parameter 'name' is invalid. The name of a cache has 1 to 63 letters, digits and hyphens; it begins and ends with a letter or a digit, and has no two hyphens in a row. (name)
        400 InvalidRequestBody: The value of the parameter 'name' is invalid. The name of a cache has 1 to 63 letters, digits and hyphens; it begins and ends with a letter or a digit, and has no two hyphens in a row. (name)
        400 InvalidRequestBody: The value of the parameter 'name' is invalid. The name of a cache has 1 to 63 letters, digits and hyphens; it begins and ends with a letter or a digit, and has no two hyphens in a row. (name)"#]].assert_eq(&lines.join("\n"));
    // One's own name is not taken.
    host.put::<Redis>(&id("g", "my-cache-1"), body(json!({}))).unwrap();
}

#[test]
fn a_cache_is_scaled_as_azure_allows() {
    let sku = |text: &str| {
        let (name, family) = match text.split_at(1).0 {
            "B" => ("Basic", "C"),
            "S" => ("Standard", "C"),
            _ => ("Premium", "P"),
        };
        json!({ "name": name, "family": family, "capacity": text[1..].parse::<u8>().unwrap() })
    };
    let lines: Vec<String> =
        ["B0 B1", "B1 B0", "B0 S0", "B1 S2", "B1 P1", "S1 P1", "S1 P3", "S2 S1", "S1 S0", "P2 P1", "P1 S1", "S1 B1"]
            .map(|pair| {
                let (from, to) = pair.split_once(' ').unwrap();
                let host = FakeHost::of::<Redis>();
                host.put::<Redis>(ID, body(json!({ "sku": sku(from) }))).unwrap();
                let outcome = host.patch::<Redis>(ID, json!({ "properties": { "sku": sku(to) } }));
                format!(
                    "{from} → {to}: {}",
                    outcome.map_or_else(|rejection| rejection.to_string(), |_| "accepted".to_owned())
                )
            })
            .to_vec();
    expect![[r#"
        B0 → B1: accepted
        B1 → B0: 400 BadRequest: The requested update to the resource is not permitted. The following properties(s) cannot be modified: 'properties.sku.capacity'. A cache of size C1 cannot become C0. (properties.sku.capacity)
        B0 → S0: accepted
        B1 → S2: 400 BadRequest: The requested update to the resource is not permitted. The following properties(s) cannot be modified: 'properties.sku.capacity'. Scale to Standard C1 first, and then to C2. (properties.sku.capacity)
        B1 → P1: 400 InvalidRequestBody: Exception of type 'AzCacheRP.Exceptions.SkuFamilyNotSupportedException' was thrown. A Basic cache can be scaled to Standard, and then to Premium. (properties.sku.name)
        S1 → P1: accepted
        S1 → P3: accepted
        S2 → S1: accepted
        S1 → S0: 400 BadRequest: The requested update to the resource is not permitted. The following properties(s) cannot be modified: 'properties.sku.capacity'. A cache of size C1 cannot become C0. (properties.sku.capacity)
        P2 → P1: accepted
        P1 → S1: 400 BadRequest: The requested update to the resource is not permitted. The following properties(s) cannot be modified: 'properties.sku.name'. A cache cannot go from Premium down to Standard. (properties.sku.name)
        S1 → B1: 400 BadRequest: The requested update to the resource is not permitted. The following properties(s) cannot be modified: 'properties.sku.name'. A cache cannot go from Standard down to Basic. (properties.sku.name)"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn reserved_memory_follows_the_size_unless_it_was_chosen() {
    let reserved =
        |resource: Resource| resource.state.document["properties"]["redisConfiguration"]["maxmemory-reserved"].clone();
    let host = FakeHost::of::<Redis>();
    let standard =
        |capacity: u8| json!({ "properties": { "sku": { "name": "Standard", "family": "C", "capacity": capacity } } });
    assert_eq!(reserved(host.put::<Redis>(ID, standard(0)).unwrap()), "30");
    assert_eq!(reserved(host.patch::<Redis>(ID, standard(1)).unwrap()), "125");
    let chosen = json!({ "properties": { "redisConfiguration": { "maxmemory-reserved": "200" } } });
    assert_eq!(reserved(host.patch::<Redis>(ID, chosen).unwrap()), "200");
    assert_eq!(reserved(host.patch::<Redis>(ID, standard(2)).unwrap()), "200");
}

#[test]
fn only_what_the_server_needs_is_work() {
    let host = FakeHost::of::<Redis>();
    host.answer(|_, command| {
        Ok(match command.to_string().split(' ').collect::<Vec<_>>().as_slice() {
            ["CONFIG", "GET", name] => floci_az_sdk::Reply::Aggregate(json!([
                name,
                match *name {
                    "maxmemory" => "262144000",
                    "maxmemory-policy" => "volatile-lru",
                    "timeout" => "0",
                    "maxclients" => "256",
                    _ => "",
                }
            ])),
            _ => floci_az_sdk::Reply::text("OK"),
        })
    });
    host.put::<Redis>(ID, body(json!({}))).unwrap();
    host.settle::<Redis>(ID);
    let check = |patch: Value, expected: ProvisioningState| {
        let patched = host.patch::<Redis>(ID, patch.clone()).unwrap();
        assert_eq!(patched.provisioning_state, expected, "{patch}");
        host.settle::<Redis>(ID);
    };
    check(json!({}), ProvisioningState::Succeeded);
    check(json!({ "identity": { "type": "SystemAssigned" } }), ProvisioningState::Succeeded);
    check(json!({ "properties": { "enableNonSslPort": true } }), ProvisioningState::Succeeded);
    check(json!({ "properties": { "disableAccessKeyAuthentication": true } }), ProvisioningState::Updating);
    check(json!({ "properties": { "disableAccessKeyAuthentication": false } }), ProvisioningState::Updating);
}

#[test]
fn nodes_zones_and_the_network_are_shown() {
    let subnet = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s";
    let sent = premium(json!({ "shardCount": 2, "replicasPerPrimary": 1, "subnetId": subnet, "staticIP": "10.0.0.4" }));
    let host = FakeHost::of::<Redis>();
    let cache = host.put::<Redis>(ID, json!({ "zones": ["1", "2"], "properties": sent["properties"] })).unwrap();
    let document = &cache.state.document;
    expect![[r#"
        ["1","2"] "UserDefined"
        ["{\"sslPort\":15000,\"shardId\":0,\"zone\":\"1\",\"isMaster\":false,\"isPrimary\":false}", "{\"sslPort\":15001,\"shardId\":0,\"zone\":\"2\",\"isMaster\":false,\"isPrimary\":false}", "{\"sslPort\":15002,\"shardId\":1,\"zone\":\"1\",\"isMaster\":false,\"isPrimary\":false}", "{\"sslPort\":15003,\"shardId\":1,\"zone\":\"2\",\"isMaster\":false,\"isPrimary\":false}"]"#]].assert_eq(&format!(
        "{} {}\n{:?}",
        document["zones"],
        document["properties"]["zonalAllocationPolicy"],
        document["properties"]["instances"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>()
    ));

    // What was decided at creation stays, and may be left out.
    let kept = host.put::<Redis>(ID, premium(json!({}))).unwrap();
    assert_eq!(kept.state.document["properties"]["subnetId"], subnet);
    let moved = host.patch::<Redis>(ID, json!({ "properties": { "staticIP": "10.0.0.5" } })).unwrap_err();
    expect!["400 BadRequest: The requested update to the resource is not permitted. The following properties(s) cannot be modified: 'properties.staticIP'. It is decided when a cache is created. (properties.staticIP)"].assert_eq(&moved.to_string());
}
