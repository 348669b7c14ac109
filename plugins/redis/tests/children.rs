//! What may be below a cache, and what it makes of the cache.
#![expect(clippy::unwrap_used, reason = "a test that is set up wrongly has to fail")]

use expect_test::{Expect, expect};
use floci_az_redis::Redis;
use floci_az_sdk::testing::FakeHost;
use floci_az_sdk::{Rejection, Resource, Value, json};

const CACHES: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis";

fn id(path: &str) -> String {
    format!("{CACHES}/{path}")
}

fn sku(name: &str, family: &str, capacity: u8) -> Value {
    json!({ "name": name, "family": family, "capacity": capacity })
}

/// Mocked, with the Premium caches `a` and `b`, a larger one `large`, one of two shards and a Basic one.
fn host() -> FakeHost {
    let host = FakeHost::of::<Redis>();
    host.set("mocked", "true");
    for (name, properties) in [
        ("a", json!({ "sku": sku("Premium", "P", 1) })),
        ("b", json!({ "sku": sku("Premium", "P", 1) })),
        ("large", json!({ "sku": sku("Premium", "P", 2) })),
        ("sharded", json!({ "sku": sku("Premium", "P", 1), "shardCount": 2 })),
        ("basic", json!({ "sku": sku("Basic", "C", 0) })),
    ] {
        let body = json!({ "location": "West US", "properties": properties });
        host.put::<Redis>(&id(name), body).unwrap();
    }
    host
}

fn put(host: &FakeHost, path: &str, properties: Value) -> Result<Resource, Rejection> {
    host.put::<Redis>(&id(path), json!({ "properties": properties }))
}

/// One line for each, on a host of its own.
fn check(bodies: impl IntoIterator<Item = (&'static str, Value)>, expected: Expect) {
    let line = |(path, properties): (&str, Value)| match put(&host(), path, properties.clone()) {
        Ok(child) => format!("{path} -> {}", child.state.document),
        Err(rejection) => format!("{path} {properties}: {rejection}"),
    };
    expected.assert_eq(&bodies.into_iter().map(line).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_firewall_rule_is_a_range() {
    let range = |first: &str, last: &str| json!({ "startIP": first, "endIP": last });
    check(
        [
            ("a/firewallRules/rule_1", range("192.168.1.1", "192.168.1.4")),
            ("basic/firewallRules/one", range("10.0.0.4", "10.0.0.4")),
            ("a/firewallRules/my-rule", range("10.0.0.4", "10.0.0.4")),
            ("a/firewallRules/r", range("10.0.0.4", "10.0.0.3")),
            ("a/firewallRules/r", range("10.0.0", "10.0.0.3")),
            ("a/firewallRules/r", range("::1", "::2")),
            ("a/firewallRules/r", json!({ "startIP": "10.0.0.4" })),
            ("a/firewallRules/r", json!({ "startIP": 1, "endIP": 2 })),
            ("a/firewallRules/r", Value::Null),
        ],
        expect![[r#"
            a/firewallRules/rule_1 -> {"properties":{"startIP":"192.168.1.1","endIP":"192.168.1.4"}}
            basic/firewallRules/one -> {"properties":{"startIP":"10.0.0.4","endIP":"10.0.0.4"}}
            a/firewallRules/my-rule {"startIP":"10.0.0.4","endIP":"10.0.0.4"}: 400 InvalidRequestBody: The value of the parameter 'name' is invalid. The name of a firewall rule has 1 to 256 letters, digits and underscores. (name)
            a/firewallRules/r {"startIP":"10.0.0.4","endIP":"10.0.0.3"}: 400 InvalidRequestBody: The value of the parameter 'endIP' is invalid. The range ends at 10.0.0.3, before it begins at 10.0.0.4 ('startIP'). (properties.endIP)
            a/firewallRules/r {"startIP":"10.0.0","endIP":"10.0.0.3"}: 400 InvalidRequestBody: The value of the parameter 'startIP' is invalid. It has to be an IPv4 address, such as 192.168.1.4, and is "10.0.0". (properties.startIP)
            a/firewallRules/r {"startIP":"::1","endIP":"::2"}: 400 InvalidRequestBody: The value of the parameter 'startIP' is invalid. It has to be an IPv4 address, such as 192.168.1.4, and is "::1". (properties.startIP)
            a/firewallRules/r {"startIP":"10.0.0.4"}: 400 InvalidRequestBody: The value of the parameter 'endIP' is invalid. It is needed. (properties.endIP)
            a/firewallRules/r {"startIP":1,"endIP":2}: 400 InvalidRequestBody: The value of the parameter 'startIP' is invalid. It has to be a string, and is 1. (properties.startIP)
            a/firewallRules/r null: 400 InvalidRequestBody: The value of the parameter 'properties' is invalid. It has to be an object. (properties)"#]],
    );
}

#[test]
fn a_patch_schedule_is_a_list_of_hours() {
    let entries = |entries: Value| json!({ "scheduleEntries": entries });
    check(
        [
            (
                "a/patchSchedules/default",
                entries(
                    json!([{ "dayOfWeek": "monday", "startHourUtc": 12, "maintenanceWindow": "PT5H" }, { "dayOfWeek": "Weekend", "startHourUtc": 0 }]),
                ),
            ),
            ("basic/patchSchedules/DEFAULT", entries(json!([{ "dayOfWeek": "Everyday", "startHourUtc": 23 }]))),
            ("a/patchSchedules/other", entries(json!([{ "dayOfWeek": "Everyday", "startHourUtc": 23 }]))),
            ("a/patchSchedules/default", entries(json!([]))),
            ("a/patchSchedules/default", json!({})),
            ("a/patchSchedules/default", entries(json!([{ "dayOfWeek": "Funday", "startHourUtc": 1 }]))),
            ("a/patchSchedules/default", entries(json!([{ "dayOfWeek": "Monday", "startHourUtc": 24 }]))),
            ("a/patchSchedules/default", entries(json!([{ "dayOfWeek": "Monday" }]))),
            (
                "a/patchSchedules/default",
                entries(json!([{ "dayOfWeek": "Monday", "startHourUtc": 1, "maintenanceWindow": "5 hours" }])),
            ),
            ("a/patchSchedules/default", entries(json!(["Monday"]))),
        ],
        expect![[r#"
            a/patchSchedules/default -> {"properties":{"scheduleEntries":[{"dayOfWeek":"Monday","startHourUtc":12,"maintenanceWindow":"PT5H"},{"dayOfWeek":"Weekend","startHourUtc":0}]}}
            basic/patchSchedules/DEFAULT -> {"properties":{"scheduleEntries":[{"dayOfWeek":"Everyday","startHourUtc":23}]}}
            a/patchSchedules/other {"scheduleEntries":[{"dayOfWeek":"Everyday","startHourUtc":23}]}: 400 InvalidRequestBody: The value of the parameter 'name' is invalid. A cache has one patch schedule, whose name is 'default'. (name)
            a/patchSchedules/default {"scheduleEntries":[]}: 400 InvalidRequestBody: The value of the parameter 'scheduleEntries' is invalid. It has to be an array of entries, such as {"dayOfWeek": "Monday", "startHourUtc": 12}. (properties.scheduleEntries)
            a/patchSchedules/default {}: 400 InvalidRequestBody: The value of the parameter 'scheduleEntries' is invalid. It has to be an array of entries, such as {"dayOfWeek": "Monday", "startHourUtc": 12}. (properties.scheduleEntries)
            a/patchSchedules/default {"scheduleEntries":[{"dayOfWeek":"Funday","startHourUtc":1}]}: 400 InvalidRequestBody: The value of the parameter 'dayOfWeek' is invalid. It has to be Monday or Tuesday or Wednesday or Thursday or Friday or Saturday or Sunday or Everyday or Weekend, and is "Funday". (properties.scheduleEntries[0].dayOfWeek)
            a/patchSchedules/default {"scheduleEntries":[{"dayOfWeek":"Monday","startHourUtc":24}]}: 400 InvalidRequestBody: The value of the parameter 'startHourUtc' is invalid. It has to be a whole number from 0 to 23, and is 24. (properties.scheduleEntries[0].startHourUtc)
            a/patchSchedules/default {"scheduleEntries":[{"dayOfWeek":"Monday"}]}: 400 InvalidRequestBody: The value of the parameter 'startHourUtc' is invalid. It has to be a whole number from 0 to 23. (properties.scheduleEntries[0].startHourUtc)
            a/patchSchedules/default {"scheduleEntries":[{"dayOfWeek":"Monday","startHourUtc":1,"maintenanceWindow":"5 hours"}]}: 400 InvalidRequestBody: The value of the parameter 'maintenanceWindow' is invalid. It has to be an ISO 8601 duration, such as PT5H, and is "5 hours". (properties.scheduleEntries[0].maintenanceWindow)
            a/patchSchedules/default {"scheduleEntries":["Monday"]}: 400 InvalidRequestBody: The value of the parameter 'scheduleEntries[0]' is invalid. It has to be an object, and is "Monday". (properties.scheduleEntries[0])"#]],
    );
}

#[test]
fn a_link_is_between_two_premium_caches() {
    let to = |name: &str, role: &str| json!({ "linkedRedisCacheId": id(name), "linkedRedisCacheLocation": "westus", "serverRole": role });
    check(
        [
            ("a/linkedServers/b", to("b", "Secondary")),
            ("a/linkedServers/large", to("large", "secondary")),
            ("large/linkedServers/a", to("a", "Primary")),
            ("a/linkedServers/other", to("b", "Secondary")),
            ("a/linkedServers/a", to("a", "Secondary")),
            ("a/linkedServers/none", to("none", "Secondary")),
            ("a/linkedServers/basic", to("basic", "Secondary")),
            ("basic/linkedServers/a", to("a", "Secondary")),
            ("a/linkedServers/sharded", to("sharded", "Secondary")),
            ("sharded/linkedServers/a", to("a", "Primary")),
            ("large/linkedServers/a", to("a", "Secondary")),
            ("a/linkedServers/b", to("b", "Both")),
            (
                "a/linkedServers/b",
                json!({ "linkedRedisCacheId": id("b"), "linkedRedisCacheLocation": "East US", "serverRole": "Secondary" }),
            ),
            (
                "a/linkedServers/b",
                json!({ "linkedRedisCacheId": "b", "linkedRedisCacheLocation": "West US", "serverRole": "Secondary" }),
            ),
            (
                "a/linkedServers/b",
                json!({ "linkedRedisCacheId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/b", "linkedRedisCacheLocation": "West US", "serverRole": "Secondary" }),
            ),
            ("a/linkedServers/b", json!({})),
        ],
        expect![[r#"
            a/linkedServers/b -> {"properties":{"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/b","linkedRedisCacheLocation":"West US","serverRole":"Secondary","geoReplicatedPrimaryHostName":"b.geo.redis.cache.windows.net","primaryHostName":"a.redis.cache.windows.net"}}
            a/linkedServers/large -> {"properties":{"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/large","linkedRedisCacheLocation":"West US","serverRole":"Secondary","geoReplicatedPrimaryHostName":"large.geo.redis.cache.windows.net","primaryHostName":"a.redis.cache.windows.net"}}
            large/linkedServers/a -> {"properties":{"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a","linkedRedisCacheLocation":"West US","serverRole":"Primary","geoReplicatedPrimaryHostName":"a.geo.redis.cache.windows.net","primaryHostName":"a.redis.cache.windows.net"}}
            a/linkedServers/other {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/b","linkedRedisCacheLocation":"westus","serverRole":"Secondary"}: 400 InvalidRequestBody: The value of the parameter 'name' is invalid. The name of a linked server is that of the linked cache, 'b'. (name)
            a/linkedServers/a {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a","linkedRedisCacheLocation":"westus","serverRole":"Secondary"}: 400 InvalidRequestBody: The value of the parameter 'linkedRedisCacheId' is invalid. A cache cannot be linked to itself. (properties.linkedRedisCacheId)
            a/linkedServers/none {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/none","linkedRedisCacheLocation":"westus","serverRole":"Secondary"}: 404 ResourceNotFound: The Resource 'Microsoft.Cache/Redis/none' under resource group 'g' was not found. (properties.linkedRedisCacheId)
            a/linkedServers/basic {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/basic","linkedRedisCacheLocation":"westus","serverRole":"Secondary"}: 400 InvalidRequestBody: The setting 'linkedServers' is not allowed on 'Basic' cache instances. The cache 'basic' has to be Premium. (properties.linkedRedisCacheId)
            basic/linkedServers/a {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a","linkedRedisCacheLocation":"westus","serverRole":"Secondary"}: 400 InvalidRequestBody: The setting 'linkedServers' is not allowed on 'Basic' cache instances. The cache 'basic' has to be Premium. (properties.linkedRedisCacheId)
            a/linkedServers/sharded {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/sharded","linkedRedisCacheLocation":"westus","serverRole":"Secondary"}: 400 InvalidRequestBody: The value of the parameter 'linkedRedisCacheId' is invalid. Linked caches with shards are not supported here, and 'sharded' has shards. (properties.linkedRedisCacheId)
            sharded/linkedServers/a {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a","linkedRedisCacheLocation":"westus","serverRole":"Primary"}: 400 InvalidRequestBody: The value of the parameter 'linkedRedisCacheId' is invalid. Linked caches with shards are not supported here, and 'sharded' has shards. (properties.linkedRedisCacheId)
            large/linkedServers/a {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a","linkedRedisCacheLocation":"westus","serverRole":"Secondary"}: 400 InvalidRequestBody: The value of the parameter 'linkedRedisCacheId' is invalid. The secondary cache, of size P1, has to be at least as large as the primary, of size P2. (properties.linkedRedisCacheId)
            a/linkedServers/b {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/b","linkedRedisCacheLocation":"westus","serverRole":"Both"}: 400 InvalidRequestBody: The value of the parameter 'serverRole' is invalid. It has to be Primary or Secondary, and is "Both". (properties.serverRole)
            a/linkedServers/b {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/b","linkedRedisCacheLocation":"East US","serverRole":"Secondary"}: 400 InvalidRequestBody: The value of the parameter 'linkedRedisCacheLocation' is invalid. The location of 'b' is West US, not "East US". (properties.linkedRedisCacheLocation)
            a/linkedServers/b {"linkedRedisCacheId":"b","linkedRedisCacheLocation":"West US","serverRole":"Secondary"}: 400 InvalidRequestBody: The value of the parameter 'linkedRedisCacheId' is invalid. It has to be the resource id of a cache, of type Microsoft.Cache/Redis. (properties.linkedRedisCacheId)
            a/linkedServers/b {"linkedRedisCacheId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/b","linkedRedisCacheLocation":"West US","serverRole":"Secondary"}: 400 InvalidRequestBody: The value of the parameter 'linkedRedisCacheId' is invalid. It has to be the resource id of a cache, of type Microsoft.Cache/Redis. (properties.linkedRedisCacheId)
            a/linkedServers/b {}: 400 InvalidRequestBody: The value of the parameter 'linkedRedisCacheId' is invalid. It is needed. (properties.linkedRedisCacheId)"#]],
    );
}

#[test]
fn a_cache_has_one_link_and_keeps_its_shards_as_long() {
    let host = host();
    let to = |name: &str, role: &str| json!({ "linkedRedisCacheId": id(name), "linkedRedisCacheLocation": "West US", "serverRole": role });
    put(&host, "a/linkedServers/b", to("b", "Secondary")).unwrap();
    put(&host, "a/linkedServers/b", to("b", "Secondary")).unwrap();
    host.settle::<Redis>(&id("a"));
    let shown = |name: &str| host.stored(&id(name)).unwrap().state.document["properties"]["linkedServers"].to_string();
    let refused = |outcome: Result<Resource, Rejection>| outcome.unwrap_err().to_string();
    let shards = json!({ "properties": { "shardCount": 2 } });
    expect![[r#"
        [{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a/linkedServers/b"}]
        []
        400 BadRequest: The requested update to the resource is not permitted. A link cannot be changed: delete it, and create another. (properties)
        409 Conflict: The cache 'a' is linked already, by '/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a/linkedServers/b': a cache can have one link. (properties.linkedRedisCacheId)
        409 Conflict: The cache 'b' is linked already, by '/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a/linkedServers/b': a cache can have one link. (properties.linkedRedisCacheId)
        409 Conflict: The cache 'b' is linked already, by '/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a/linkedServers/b': a cache can have one link. (properties.linkedRedisCacheId)
        400 BadRequest: The requested update to the resource is not permitted. The following properties(s) cannot be modified: 'properties.shardCount'. A linked cache keeps its size: unlink it first. (properties.shardCount)
        400 BadRequest: The requested update to the resource is not permitted. The following properties(s) cannot be modified: 'properties.shardCount'. A linked cache keeps its size: unlink it first. (properties.shardCount)"#]].assert_eq(
        &[
            shown("a"),
            shown("b"),
            refused(put(&host, "a/linkedServers/b", to("b", "Primary"))),
            refused(put(&host, "a/linkedServers/large", to("large", "Secondary"))),
            refused(put(&host, "b/linkedServers/a", to("a", "Primary"))),
            refused(put(&host, "large/linkedServers/b", to("b", "Primary"))),
            refused(host.patch::<Redis>(&id("a"), shards.clone())),
            refused(host.patch::<Redis>(&id("b"), shards)),
        ]
        .join("\n"),
    );
}

#[test]
fn a_policy_is_checked_before_it_is_stored() {
    let of = |permissions: &str| json!({ "permissions": permissions });
    check(
        [
            ("a/accessPolicies/My Policy", of(" +get   +hget  ~cache:*")),
            ("basic/accessPolicies/readers", of("+@read allkeys")),
            ("a/accessPolicies/ab", of("+get")),
            ("a/accessPolicies/-ab", of("+get")),
            ("a/accessPolicies/abc", of("+get on >password")),
            ("a/accessPolicies/abc", of("")),
            ("a/accessPolicies/abc", json!({})),
            ("a/accessPolicies/abc", json!({ "permissions": ["+get"] })),
        ],
        expect![[r#"
            a/accessPolicies/My Policy -> {"properties":{"type":"Custom","permissions":"+get +hget ~cache:*"}}
            basic/accessPolicies/readers -> {"properties":{"type":"Custom","permissions":"+@read allkeys"}}
            a/accessPolicies/ab {"permissions":"+get"}: 400 InvalidRequestBody: The value of the parameter 'name' is invalid. The name of an access policy has 3 to 63 letters, digits, hyphens and spaces; it begins and ends with a letter or a digit. (name)
            a/accessPolicies/-ab {"permissions":"+get"}: 400 InvalidRequestBody: The value of the parameter 'name' is invalid. The name of an access policy has 3 to 63 letters, digits, hyphens and spaces; it begins and ends with a letter or a digit. (name)
            a/accessPolicies/abc {"permissions":"+get on >password"}: 400 InvalidRequestBody: The value of the parameter 'permissions' is invalid. 'on' is not a permission: there are commands (+get, -@dangerous), keys (~cache:*, allkeys), channels (&news:*, allchannels) and brackets of them. (properties.permissions)
            a/accessPolicies/abc {"permissions":""}: 400 InvalidRequestBody: The value of the parameter 'permissions' is invalid. It has to name what is allowed, such as '+get ~cache:*'. (properties.permissions)
            a/accessPolicies/abc {}: 400 InvalidRequestBody: The value of the parameter 'permissions' is invalid. It is needed. (properties.permissions)
            a/accessPolicies/abc {"permissions":["+get"]}: 400 InvalidRequestBody: The value of the parameter 'permissions' is invalid. It has to be a string, and is ["+get"]. (properties.permissions)"#]],
    );
}

const SOMEBODY: &str = "6497C918-11ad-41e7-1b0f-7c518a87d0b0";

fn assignment(object: &str, policy: &str) -> Value {
    json!({ "objectId": object, "objectIdAlias": "app", "accessPolicyName": policy })
}

#[test]
fn an_assignment_needs_a_policy_and_a_guid() {
    check(
        [
            ("a/accessPolicyAssignments/one", assignment(SOMEBODY, "data owner")),
            ("a/accessPolicyAssignments/one", assignment(SOMEBODY, "mine")),
            ("a/accessPolicyAssignments/one", assignment("default", "Data Owner")),
            ("a/accessPolicyAssignments/one", assignment("6497c91811ad41e71b0f7c518a87d0b0", "Data Owner")),
            ("a/accessPolicyAssignments/a b", assignment(SOMEBODY, "Data Owner")),
            ("a/accessPolicyAssignments/one", json!({ "objectId": SOMEBODY, "accessPolicyName": "Data Owner" })),
            ("a/accessPolicyAssignments/one", json!({ "objectId": SOMEBODY, "objectIdAlias": "app" })),
        ],
        expect![[r#"
            a/accessPolicyAssignments/one -> {"properties":{"objectId":"6497C918-11ad-41e7-1b0f-7c518a87d0b0","objectIdAlias":"app","accessPolicyName":"Data Owner"}}
            a/accessPolicyAssignments/one {"objectId":"6497C918-11ad-41e7-1b0f-7c518a87d0b0","objectIdAlias":"app","accessPolicyName":"mine"}: 400 InvalidRequestBody: The value of the parameter 'accessPolicyName' is invalid. There is no access policy 'mine' on the cache 'a'. (properties.accessPolicyName)
            a/accessPolicyAssignments/one {"objectId":"default","objectIdAlias":"app","accessPolicyName":"Data Owner"}: 400 InvalidRequestBody: The value of the parameter 'objectId' is invalid. It has to be a GUID, such as 6497c918-11ad-41e7-1b0f-7c518a87d0b0, and is "default". (properties.objectId)
            a/accessPolicyAssignments/one {"objectId":"6497c91811ad41e71b0f7c518a87d0b0","objectIdAlias":"app","accessPolicyName":"Data Owner"}: 400 InvalidRequestBody: The value of the parameter 'objectId' is invalid. It has to be a GUID, such as 6497c918-11ad-41e7-1b0f-7c518a87d0b0, and is "6497c91811ad41e71b0f7c518a87d0b0". (properties.objectId)
            a/accessPolicyAssignments/a b {"objectId":"6497C918-11ad-41e7-1b0f-7c518a87d0b0","objectIdAlias":"app","accessPolicyName":"Data Owner"}: 400 InvalidRequestBody: The value of the parameter 'name' is invalid. The name of an access policy assignment has 3 to 63 letters, digits and hyphens; it begins and ends with a letter or a digit. (name)
            a/accessPolicyAssignments/one {"objectId":"6497C918-11ad-41e7-1b0f-7c518a87d0b0","accessPolicyName":"Data Owner"}: 400 InvalidRequestBody: The value of the parameter 'objectIdAlias' is invalid. It is needed. (properties.objectIdAlias)
            a/accessPolicyAssignments/one {"objectId":"6497C918-11ad-41e7-1b0f-7c518a87d0b0","objectIdAlias":"app"}: 400 InvalidRequestBody: The value of the parameter 'accessPolicyName' is invalid. It is needed. (properties.accessPolicyName)"#]],
    );
    let host = host();
    put(&host, "a/accessPolicies/mine", json!({ "permissions": "+get" })).unwrap();
    let one = put(&host, "a/accessPolicyAssignments/one", assignment(SOMEBODY, "MINE")).unwrap();
    assert_eq!(one.state.document["properties"]["accessPolicyName"], "mine");
    // The password is made once, and nobody sees it.
    let again = put(&host, "a/accessPolicyAssignments/one", assignment(SOMEBODY, "Data Reader")).unwrap();
    assert_eq!(one.state.private, again.state.private);
    assert!(!one.state.private.is_empty());
    expect!["409 Conflict: The object id '6497c918-11ad-41e7-1b0f-7c518a87d0b0' has a policy already, by the assignment 'one': it can have one. Change that assignment, or delete it first. (properties.objectId)"]
        .assert_eq(&put(&host, "a/accessPolicyAssignments/two", assignment(&SOMEBODY.to_lowercase(), "mine")).unwrap_err().to_string());
    put(&host, "b/accessPolicyAssignments/two", assignment(SOMEBODY, "Data Owner")).unwrap();
}

#[test]
fn a_private_endpoint_is_approved_and_shown_in_its_cache() {
    let of = |state: Value| json!({ "privateLinkServiceConnectionState": state });
    check(
        [
            ("a/privateEndpointConnections/pe", of(json!({ "status": "approved", "description": "Auto-Approved" }))),
            ("basic/privateEndpointConnections/pe", of(json!({ "status": "Rejected" }))),
            ("a/privateEndpointConnections/pe", of(json!({ "status": "Perhaps" }))),
            ("a/privateEndpointConnections/pe", of(json!({}))),
            ("a/privateEndpointConnections/pe", json!({})),
            ("a/privateLinkResources/redisCache", json!({})),
        ],
        expect![[r#"
            a/privateEndpointConnections/pe -> {"properties":{"privateEndpoint":{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/pe"},"privateLinkServiceConnectionState":{"status":"Approved","description":"Auto-Approved","actionsRequired":"None"}}}
            basic/privateEndpointConnections/pe -> {"properties":{"privateEndpoint":{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/pe"},"privateLinkServiceConnectionState":{"status":"Rejected","description":"","actionsRequired":"None"}}}
            a/privateEndpointConnections/pe {"privateLinkServiceConnectionState":{"status":"Perhaps"}}: 400 InvalidRequestBody: The value of the parameter 'status' is invalid. It has to be Pending or Approved or Rejected, and is "Perhaps". (properties.privateLinkServiceConnectionState.status)
            a/privateEndpointConnections/pe {"privateLinkServiceConnectionState":{}}: 400 InvalidRequestBody: The value of the parameter 'status' is invalid. It has to be Pending or Approved or Rejected. (properties.privateLinkServiceConnectionState.status)
            a/privateEndpointConnections/pe {}: 400 InvalidRequestBody: The value of the parameter 'privateLinkServiceConnectionState' is invalid. It is needed, such as {"status": "Approved"}. (properties.privateLinkServiceConnectionState)
            a/privateLinkResources/redisCache {}: 400 BadRequest: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a/privateLinkResources/redisCache' cannot be changed: resources of type 'Microsoft.Cache/Redis/privateLinkResources' come with their cache."#]],
    );
    let host = host();
    put(&host, "a/privateEndpointConnections/pe", of(json!({ "status": "Approved" }))).unwrap();
    host.settle::<Redis>(&id("a"));
    let shown = &host.stored(&id("a")).unwrap().state.document["properties"]["privateEndpointConnections"];
    expect![[r#"[{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a/privateEndpointConnections/pe","properties":{"privateEndpoint":{"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/pe"},"privateLinkServiceConnectionState":{"status":"Approved","description":"","actionsRequired":"None"}}}]"#]].assert_eq(&shown.to_string());
}

#[test]
fn identities_are_issued_once() {
    let host = host();
    let user = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u";
    let patch = |identity: Value| host.patch::<Redis>(&id("a"), json!({ "identity": identity }));
    let shown = |identity: Value| patch(identity).unwrap().state.document["identity"].clone();
    let system = shown(json!({ "type": "SystemAssigned", "principalId": "mine" }));
    assert_eq!(system["principalId"].as_str().unwrap().len(), 36, "{system}");
    assert_eq!(system["tenantId"], "00000000-0000-0000-0000-000000000002");
    let both = shown(json!({ "type": "systemassigned,userassigned", "userAssignedIdentities": { user: {} } }));
    assert_eq!((&both["type"], &both["principalId"]), (&json!("SystemAssigned, UserAssigned"), &system["principalId"]));
    let client = both["userAssignedIdentities"][user]["clientId"].as_str().unwrap();
    assert_eq!(client.len(), 36);
    let only = shown(json!({ "type": "UserAssigned" }));
    assert_eq!(only["userAssignedIdentities"][user]["clientId"], client);
    assert_eq!(only.get("principalId"), None);
    assert_eq!(shown(json!({ "type": "None" })), json!({ "type": "None" }));
    let refused = [
        json!({ "type": "SystemAssigned", "userAssignedIdentities": [] }),
        json!({ "type": "UserAssigned" }),
        json!({ "type": "UserAssigned", "userAssignedIdentities": { "u": {} } }),
        json!({ "type": "Some" }),
    ];
    let lines = refused.map(|identity| patch(identity).unwrap_err().to_string()).join("\n");
    expect![[r#"
        400 InvalidRequestBody: The value of the parameter 'userAssignedIdentities' is invalid. It has to be an object, and is []. (identity.userAssignedIdentities)
        400 InvalidRequestBody: The value of the parameter 'userAssignedIdentities' is invalid. It has to name the identities by their resource ids, such as {"/subscriptions/...": {}}. (identity.userAssignedIdentities)
        400 InvalidRequestBody: The value of the parameter 'userAssignedIdentities' is invalid. "u" is not the resource id of a user-assigned identity. (identity.userAssignedIdentities)
        400 InvalidRequestBody: The value of the parameter 'type' is invalid. It has to be None or SystemAssigned or UserAssigned or SystemAssigned, UserAssigned. (identity.type)"#]].assert_eq(&lines);
    let mixed =
        json!({ "identity": { "type": "SystemAssigned" }, "properties": { "publicNetworkAccess": "Disabled" } });
    expect!["400 BadRequest: The following updates can't be processed in one single request, please send seperate request to update them: 'properties.publicNetworkAccess,identity'. (properties.publicNetworkAccess)"]
        .assert_eq(&host.patch::<Redis>(&id("a"), mixed).unwrap_err().to_string());
}

#[test]
fn every_example_of_the_manifest_works() {
    let host = FakeHost::of::<Redis>();
    host.set("mocked", "true");
    let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/my-group/providers/Microsoft.Cache";
    let premium = json!({ "location": "East US", "properties": { "sku": sku("Premium", "P", 1) } });
    for name in ["parent", "other-cache"] {
        host.put::<Redis>(&format!("{group}/Redis/{name}"), premium.clone()).unwrap();
    }
    for kind in <Redis as floci_az_sdk::Provider>::manifest().types {
        let Some(name) = kind.example["name"].as_str() else { continue };
        let id = match kind.name.split_once('/') {
            Some((_, child)) => format!("{group}/Redis/parent/{child}/{name}"),
            None => format!("{group}/{}/{name}", kind.name),
        };
        host.put::<Redis>(&id, kind.example.clone()).unwrap_or_else(|rejection| panic!("{id}: {rejection}"));
    }
}
