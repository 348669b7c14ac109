//! What ARM itself answers: subscriptions, providers, groups, lists of anything, tags, operations.

use serde_json::{Value, json};

use crate::arm::{Answer, Arm, Cache, quickstart};
use crate::gateway::{Gateway, Runtime, send as send_signal, wait_for};

const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";
/// Any well-formed version is one of ARM's own.
const ARM_VERSION: &str = "2022-12-01";

fn mocked() -> Gateway {
    Gateway::with(Runtime::None, &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"), ("FLOCI_AZ_STORAGE_MODE", "memory")])
}

/// A request below the usual subscription.
fn send(arm: &Arm, method: &str, path: &str, body: Value) -> Answer {
    let mark = if path.contains('?') { '&' } else { '?' };
    let url = format!("{SUBSCRIPTION}{path}{mark}api-version={ARM_VERSION}");
    let body = body.to_string();
    arm.send(method, &url, if body == "null" { None } else { Some(body.as_bytes()) })
}

fn get(arm: &Arm, path: &str) -> Value {
    send(arm, "GET", path, Value::Null).expect(200).body
}

fn names(list: &Value) -> Vec<&str> {
    list["value"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn cache(arm: &Arm, group: &str, name: &str) -> Cache {
    arm.cache_at(&format!("{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Cache/redis/{name}"))
}

fn with_tags(tags: Value) -> Value {
    let mut body = quickstart();
    body["tags"] = tags;
    body
}

#[test]
fn tenants_subscriptions_and_regions_are_there_from_the_start() {
    let gateway = mocked();
    let arm = gateway.arm();
    let list = |path: &str| arm.get(&format!("{path}?api-version={ARM_VERSION}")).expect(200).body;
    let tenant = list("/tenants")["value"][0]["tenantId"].clone();
    let subscriptions = list("/subscriptions");
    assert_eq!(subscriptions["value"][0]["subscriptionId"], "00000000-0000-0000-0000-000000000001");
    assert_eq!(subscriptions["value"][0]["tenantId"], tenant);
    assert_eq!(subscriptions["value"][0]["state"], "Enabled");
    assert_eq!(get(&arm, ""), subscriptions["value"][0]);
    let regions = get(&arm, "/locations");
    assert!(names(&regions).contains(&"westeurope"), "{regions:#}");

    // One that is used is one.
    arm.cache("my-cache").put(&quickstart()).expect(201);
    let ids: Vec<String> = list("/subscriptions")["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["subscriptionId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["00000000-0000-0000-0000-000000000001", "my-sub"]);
    assert_eq!(
        arm.send("POST", &format!("/subscriptions?api-version={ARM_VERSION}"), None).expect(405).code(),
        "HttpMethodNotAllowed"
    );
}

#[test]
fn providers_are_registered_until_they_are_unregistered() {
    let gateway = Gateway::with(Runtime::None, &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true")]);
    let arm = gateway.arm();
    let state = |arm: &Arm| get(arm, "/providers/microsoft.cache")["registrationState"].clone();
    let provider = get(&arm, "/providers/Microsoft.Cache");
    let types = provider["resourceTypes"].as_array().unwrap();
    assert_eq!(types[0]["resourceType"], "Redis");
    assert!(types[0]["apiVersions"].as_array().unwrap().contains(&json!("2024-11-01")));
    assert!(types[0]["locations"].as_array().unwrap().contains(&json!("East US")));
    assert_eq!(state(&arm), "Registered");
    let all = get(&arm, "/providers");
    let namespaces: Vec<&Value> = all["value"].as_array().unwrap().iter().map(|one| &one["namespace"]).collect();
    assert_eq!(namespaces, ["Microsoft.Cache", "Microsoft.Resources"]);

    let cache = cache(&arm, "g", "my-cache");
    cache.put(&quickstart()).expect(201);
    let refused = send(&arm, "POST", "/providers/Microsoft.Cache/unregister", Value::Null).expect(409);
    assert!(refused.message().contains("1 of its resources"), "{}", refused.message());
    cache.remove();
    let unregistered = send(&arm, "POST", "/providers/Microsoft.Cache/unregister", Value::Null).expect(200);
    assert_eq!(unregistered.body["registrationState"], "Unregistered");
    for answer in [cache.put(&quickstart()), cache.get(), cache.delete()] {
        assert_eq!(answer.expect(409).code(), "MissingSubscriptionRegistration");
    }
    arm.cache("elsewhere").put(&quickstart()).expect(201);

    // It is remembered.
    let mut gateway = gateway;
    gateway.kill();
    gateway.spawn();
    let arm = gateway.arm();
    assert_eq!(state(&arm), "Unregistered");
    send(&arm, "POST", "/providers/Microsoft.Cache/register", Value::Null).expect(200);
    assert_eq!(state(&arm), "Registered");
    cache.put(&quickstart()).expect(201);

    for (method, path) in [("GET", "/providers/Microsoft.Nothing"), ("POST", "/providers/Microsoft.Nothing/register")] {
        assert_eq!(send(&arm, method, path, Value::Null).expect(404).code(), "InvalidResourceNamespace");
    }
    let operations =
        arm.get(&format!("/providers/Microsoft.Cache/operations?api-version={ARM_VERSION}")).expect(200).body;
    assert!(names(&operations).contains(&"Microsoft.Cache/Redis/listKeys/action"), "{operations:#}");
}

#[test]
fn names_are_checked_before_they_are_used() {
    let gateway = mocked();
    let arm = gateway.arm();
    // As the Python SDK writes it.
    let url = format!("{SUBSCRIPTION}/providers/Microsoft.Cache/CheckNameAvailability?api-version=2024-11-01");
    let ask = |name: &str| {
        let body = json!({ "name": name, "type": "Microsoft.Cache/Redis" }).to_string();
        arm.send("POST", &url, Some(body.as_bytes()))
    };
    assert_eq!(ask("my-cache").expect(200).body, Value::Null);
    arm.cache("my-cache").put(&quickstart()).expect(201);
    assert_eq!(ask("my-cache").expect(409).code(), "NameNotAvailable");
    arm.get(&url).expect(405);
}

#[test]
fn groups_live_as_azures() {
    let gateway = mocked();
    let arm = gateway.arm();
    let group = |method: &str, name: &str, body: Value| send(&arm, method, &format!("/resourcegroups/{name}"), body);
    let created =
        group("PUT", "Team-A", json!({ "location": "West Europe", "tags": { "env": "test" } })).expect(201).body;
    assert_eq!(created["id"], format!("{SUBSCRIPTION}/resourceGroups/Team-A"));
    assert_eq!(created["properties"]["provisioningState"], "Succeeded");
    assert_eq!(group("GET", "team-a", Value::Null).expect(200).body, created);
    group("HEAD", "TEAM-A", Value::Null).expect_status(204);
    group("HEAD", "team-b", Value::Null).expect_status(404);
    assert_eq!(group("GET", "team-b", Value::Null).expect(404).code(), "ResourceGroupNotFound");

    let patched = group("PATCH", "Team-A", json!({ "tags": { "x": "y" } })).expect(200).body;
    assert_eq!((&patched["tags"], &patched["location"]), (&json!({ "x": "y" }), &json!("westeurope")));
    // The casing last given is kept, and tags are replaced as a whole.
    let replaced = group("PUT", "team-a", json!({ "location": "westeurope" })).expect(200).body;
    assert_eq!((&replaced["name"], &replaced["tags"]), (&json!("team-a"), &json!({})));
    for (method, body, status, code) in [
        ("PUT", json!({ "location": "eastus" }), 409, "InvalidResourceGroupLocation"),
        ("PATCH", json!({ "location": "eastus" }), 409, "InvalidResourceGroupLocation"),
        ("PUT", json!({}), 400, "LocationRequired"),
        ("PUT", json!({ "location": "atlantis" }), 400, "LocationNotAvailableForResourceType"),
        ("PUT", json!({ "location": "westeurope", "colour": "red" }), 400, "InvalidRequestContent"),
        ("PATCH", json!({ "tags": { "a<b": "c" } }), 400, "InvalidTags"),
        ("POST", json!({}), 405, "HttpMethodNotAllowed"),
    ] {
        assert_eq!(group(method, "team-a", body.clone()).expect(status).code(), code, "{method} {body}");
    }
    for name in ["ends.", "sp%20ace", &"g".repeat(91)] {
        let refused = group("PUT", name, json!({ "location": "eastus" })).expect(400);
        assert_eq!(refused.code(), "InvalidResourceGroupName", "{name}");
    }
    let refused = send(&arm, "POST", "/resourcegroups/team-a/exportTemplate", json!({})).expect(400);
    assert_eq!(refused.code(), "ResourceGroupActionNotSupported");

    group("PUT", "team-c", json!({ "location": "eastus", "tags": { "env": "prod" } })).expect(201);
    assert_eq!(names(&get(&arm, "/resourcegroups")), ["team-a", "team-c"]);
    assert_eq!(
        names(&get(&arm, "/resourcegroups?$filter=tagName%20eq%20'env'%20and%20tagValue%20eq%20'prod'")),
        ["team-c"]
    );
    assert_eq!(group("DELETE", "team-d", Value::Null).expect(404).code(), "ResourceGroupNotFound");
}

#[test]
fn many_are_created_in_one_new_group_at_once() {
    let gateway = mocked();
    let arm = gateway.arm();
    std::thread::scope(|scope| {
        for n in 0..16 {
            let cache = cache(&arm, if n % 2 == 0 { "new" } else { "NEW" }, &format!("cache-{n}"));
            scope.spawn(move || cache.put(&quickstart()).expect(201));
        }
    });
    assert_eq!(names(&get(&arm, "/resources")).len(), 16);
    assert_eq!(names(&get(&arm, "/resourcegroups")).len(), 1);
}

#[test]
fn a_provider_is_not_unregistered_beside_a_creation() {
    let gateway = mocked();
    let arm = gateway.arm();
    let cache = cache(&arm, "g", "my-cache");
    for _ in 0..20 {
        let unregister = || send(&arm, "POST", "/providers/Microsoft.Cache/unregister", Value::Null).status;
        let (created, unregistered) = std::thread::scope(|scope| {
            let creating = scope.spawn(|| cache.put(&quickstart()).status);
            let unregistering = scope.spawn(unregister);
            (creating.join().unwrap(), unregistering.join().unwrap())
        });
        assert!(matches!((created, unregistered), (201, 409) | (409, 200)), "{created}, {unregistered}");
        send(&arm, "POST", "/providers/Microsoft.Cache/register", Value::Null).expect(200);
        if created == 201 {
            cache.remove();
        }
    }
}

/// The answer to polling an operation's URL until it has ended.
fn ended(arm: &Arm, started: &Answer) -> Answer {
    let url = started.header("location").unwrap().to_owned();
    let mut answer = arm.get(&url);
    while answer.status == 202 {
        assert_eq!(answer.header("location"), Some(url.as_str()));
        assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
        answer = arm.get(&url);
    }
    answer.expect(200)
}

on_each_runtime!(a_group_goes_with_everything_in_it);

fn a_group_goes_with_everything_in_it(runtime: Runtime) {
    let mut gateway = Gateway::start(runtime);
    let arm = gateway.arm();
    let caches = ["one", "two", "three"].map(|name| cache(&arm, "My-Group", name));
    let kept = cache(&arm, "my-group-2", "kept");
    for cache in caches.iter().chain([&kept]) {
        cache.put(&quickstart()).expect(201);
    }
    caches[0].settled("Succeeded");
    kept.settled("Succeeded");
    // Nobody created it; the first cache did.
    assert_eq!(names(&get(&arm, "/resourcegroups")), ["My-Group", "my-group-2"]);

    let started = send(&arm, "DELETE", "/resourcegroups/MY-GROUP", Value::Null).expect(202);
    let again = send(&arm, "DELETE", "/resourcegroups/my-group", Value::Null);
    assert!(again.status == 404 || again.header("location") == started.header("location"), "{again:?}");
    gateway.kill();
    gateway.spawn();
    ended(&arm, &started);
    for cache in &caches {
        cache.get().expect(404);
    }
    assert_eq!(send(&arm, "GET", "/resourcegroups/my-group", Value::Null).expect(404).code(), "ResourceGroupNotFound");
    kept.get().expect(200);
    wait_for("one server to be left", || gateway.workloads().len() == 1);
    // The name is free again, and so are those inside.
    caches[0].create();
}

#[test]
fn nothing_is_put_into_a_group_that_is_going() {
    let gateway = Gateway::start(Runtime::Process);
    let arm = gateway.arm();
    let first = cache(&arm, "g", "first");
    first.create();
    // It does not hear that it has to end, so the group cannot go yet.
    send_signal(gateway.server_pid(), "STOP");
    let started = send(&arm, "DELETE", "/resourcegroups/g", Value::Null).expect(202);
    assert_eq!(get(&arm, "/resourcegroups/g")["properties"]["provisioningState"], "Deleting");
    let late = cache(&arm, "G", "late");
    for answer in [late.put(&quickstart()), first.put(&quickstart()), first.patch(&json!({ "tags": {} }))] {
        assert_eq!(answer.expect(409).code(), "ResourceGroupBeingDeleted");
    }
    let tags = "/resourcegroups/g/providers/Microsoft.Resources/tags/default";
    for (method, path) in [("PUT", "/resourcegroups/g"), ("PATCH", "/resourcegroups/g"), ("DELETE", tags)] {
        let refused = send(&arm, method, path, json!({ "location": "eastus" })).expect(409);
        assert_eq!(refused.code(), "ResourceGroupBeingDeleted", "{method} {path}");
    }
    let again = send(&arm, "DELETE", "/resourcegroups/g", Value::Null).expect(202);
    assert_eq!(again.header("location"), started.header("location"), "the same operation");
    ended(&arm, &started);
    first.get().expect(404);
    assert!(names(&get(&arm, "/resourcegroups")).is_empty());
    late.create();
}

#[test]
fn resources_of_any_type_are_listed_filtered_and_paged() {
    let gateway = mocked();
    let arm = gateway.arm();
    for (group, name, tags) in [
        ("g1", "alpha", json!({ "env": "test" })),
        ("g1", "beta", json!({ "env": "prod", "team": "a" })),
        ("g2", "gamma", json!({})),
    ] {
        cache(&arm, group, name).put(&with_tags(tags)).expect(201);
    }
    arm.cache("other-subscription").put(&quickstart()).expect(201);
    let list = |query: &str| get(&arm, &format!("/resources?{query}"));
    for (filter, expected) in [
        ("", vec!["alpha", "beta", "gamma"]),
        ("$filter=", vec!["alpha", "beta", "gamma"]),
        ("$filter=resourceGroup eq 'G1'", vec!["alpha", "beta"]),
        ("$filter=resourceType eq 'microsoft.cache/redis'", vec!["alpha", "beta", "gamma"]),
        ("$filter=resourceType eq 'Microsoft.Storage/storageAccounts'", vec![]),
        ("$filter=name eq 'Gamma'", vec!["gamma"]),
        ("$filter=tagName eq 'env' and tagValue eq 'prod'", vec!["beta"]),
        ("$filter=resourceGroup eq 'g1' and tagName eq 'env'", vec!["alpha", "beta"]),
        ("unknown=parameter", vec!["alpha", "beta", "gamma"]),
    ] {
        assert_eq!(names(&list(&filter.replace(' ', "%20"))), expected, "{filter}");
    }
    assert_eq!(names(&get(&arm, "/resourceGroups/g2/resources")), ["gamma"]);
    let unknown = send(&arm, "GET", "/resourceGroups/g3/resources", Value::Null).expect(404);
    assert_eq!(unknown.code(), "ResourceGroupNotFound");
    for (query, code) in
        [("$filter=colour%20eq%20'red'", "InvalidFilterInQueryString"), ("$top=0", "InvalidTopInQueryString")]
    {
        assert_eq!(send(&arm, "GET", &format!("/resources?{query}"), Value::Null).expect(400).code(), code);
    }

    let plain = list("")["value"][0].clone();
    assert_eq!(plain["type"], "Microsoft.Cache/Redis");
    assert_eq!(plain["tags"], json!({ "env": "test" }));
    assert!(plain.get("createdTime").is_none() && plain.get("properties").is_none(), "{plain:#}");
    let expanded = list("$expand=createdTime,changedTime,provisioningState")["value"][0].clone();
    assert_eq!(expanded["provisioningState"], "Succeeded");
    assert!(expanded["createdTime"].is_string() && expanded["changedTime"].is_string(), "{expanded:#}");

    // By nextLink, of any list.
    for path in ["/resources?", "/providers/Microsoft.Cache/redis?"] {
        let version = if path.contains("Cache") { "2024-11-01" } else { ARM_VERSION };
        let mut url = format!("{SUBSCRIPTION}{path}$top=2&api-version={version}");
        let mut pages = Vec::new();
        loop {
            let page = arm.get(&url).expect(200).body;
            pages.push(names(&page).iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            match page["nextLink"].as_str() {
                Some(next) => url = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(pages, [vec!["alpha", "beta"], vec!["gamma"]], "{path}");
    }
}

#[test]
fn tags_are_a_resource_of_whatever_has_them() {
    let gateway = mocked();
    let arm = gateway.arm();
    let cache = cache(&arm, "g", "my-cache");
    cache.put(&with_tags(json!({ "env": "test" }))).expect(201);
    for scope in ["", "/resourceGroups/g", "/resourceGroups/g/providers/Microsoft.Cache/redis/my-cache"] {
        let path = format!("{scope}/providers/Microsoft.Resources/tags/default");
        let tags = |answer: Answer| answer.expect(200).body["properties"]["tags"].clone();
        let put = send(&arm, "PUT", &path, json!({ "properties": { "tags": { "a": "1", "b": "2" } } })).expect(200);
        assert_eq!(put.body["type"], "Microsoft.Resources/tags");
        assert_eq!(tags(put), json!({ "a": "1", "b": "2" }));
        let patch = |operation: &str, tags: Value| {
            send(&arm, "PATCH", &path, json!({ "operation": operation, "properties": { "tags": tags } }))
        };
        assert_eq!(tags(patch("Merge", json!({ "b": "3", "c": "4" }))), json!({ "a": "1", "b": "3", "c": "4" }));
        assert_eq!(tags(patch("Delete", json!({ "a": "1" }))), json!({ "b": "3", "c": "4" }));
        assert_eq!(patch("Multiply", json!({})).expect(400).code(), "InvalidRequestContent");
        assert_eq!(patch("Merge", json!({ "a?": "" })).expect(400).code(), "InvalidTags");
        assert_eq!(tags(send(&arm, "GET", &path, Value::Null)), json!({ "b": "3", "c": "4" }), "{scope}");
    }
    let shown = cache.get().expect(200).body;
    assert_eq!(shown["tags"], json!({ "b": "3", "c": "4" }));
    assert_eq!(get(&arm, "/resourceGroups/g")["tags"], shown["tags"]);
    let used = get(&arm, "/tagNames");
    assert_eq!(used["value"][0]["tagName"], "b");
    assert_eq!(used["value"][0]["count"]["value"], 2, "of the group and of the cache");
    send(&arm, "DELETE", "/resourceGroups/g/providers/Microsoft.Resources/tags/default", Value::Null)
        .expect_status(200);
    assert_eq!(get(&arm, "/resourceGroups/g")["tags"], json!({}));
    let without = json!({ "properties": {} });
    let refused = send(&arm, "PUT", "/providers/Microsoft.Resources/tags/default", without).expect(400);
    assert_eq!(refused.code(), "InvalidRequestContent", "nothing is deleted by an omission");
    let unknown = "/resourceGroups/h/providers/Microsoft.Resources/tags/default";
    assert_eq!(send(&arm, "GET", unknown, Value::Null).expect(404).code(), "ResourceGroupNotFound");
}

#[test]
fn an_operation_is_found_where_it_was_started() {
    let gateway = Gateway::start(Runtime::None);
    let arm = gateway.arm();
    let cache = cache(&arm, "g", "my-cache");
    let created = cache.put(&quickstart()).expect(201);
    let status = created.header("azure-asyncoperation").unwrap().to_owned();
    assert_eq!(arm.get(&status).expect(200).body["status"], "Failed", "there is no runtime");
    let id = status.split('?').next().unwrap().rsplit('/').next().unwrap();
    for wrong in [
        format!("/subscriptions/other/providers/Microsoft.Cache/locations/eastus/asyncOperations/{id}"),
        format!("{SUBSCRIPTION}/operationresults/{id}"),
        format!("{SUBSCRIPTION}/operationresults/nonsense"),
    ] {
        let answer = arm.get(&format!("{wrong}?api-version={ARM_VERSION}")).expect(404);
        assert_eq!(answer.code(), "OperationNotFound", "{wrong}");
    }
    cache.remove();
}
