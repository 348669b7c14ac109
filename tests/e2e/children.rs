//! Child types: their shape, their lists, what is built in, and the life that they have from their parent's.

use serde_json::{Value, json};

use crate::arm::{Answer, Cache, VERSION, quickstart};
use crate::gateway::{Gateway, Runtime, send, wait_for};

fn mocked() -> Gateway {
    Gateway::with(Runtime::None, &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"), ("FLOCI_AZ_STORAGE_MODE", "memory")])
}

/// A child of a cache. It has the same verbs.
fn child(cache: &Cache, path: &str) -> Cache {
    cache.arm.cache_at(&format!("{}/{path}", cache.path))
}

fn list(cache: &Cache, kind: &str) -> Answer {
    cache.arm.get(&format!("{}/{kind}?api-version={VERSION}", cache.path))
}

fn names(list: &Answer) -> Vec<String> {
    list.body["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

fn rule(first: &str, last: &str) -> Value {
    json!({ "properties": { "startIP": first, "endIP": last } })
}

fn policy(permissions: &str) -> Value {
    json!({ "properties": { "permissions": permissions } })
}

#[test]
fn a_child_without_operations_is_there_when_its_put_is_answered() {
    let gateway = mocked();
    let cache = gateway.arm().cache("my-cache");
    let office = child(&cache, "firewallRules/office");
    assert_eq!(office.put(&rule("10.0.0.1", "10.0.0.9")).expect(404).code(), "ParentResourceNotFound");
    assert_eq!(list(&cache, "firewallRules").expect(404).code(), "ParentResourceNotFound");
    cache.create();

    // A location and tags are for tracked resources; clients send them nevertheless.
    let mut body = rule("10.0.0.1", "10.0.0.9");
    body["location"] = json!("nowhere");
    body["tags"] = json!({ "a": "b" });
    let created = office.put(&body).expect(201);
    assert_eq!((created.header("azure-asyncoperation"), created.header("location")), (None, None));
    assert_eq!(
        (&created.body["name"], &created.body["type"], created.state()),
        (&json!("my-cache/office"), &json!("Microsoft.Cache/Redis/firewallRules"), "Succeeded")
    );
    assert_eq!((created.body.get("location"), created.body.get("tags")), (None, None), "{:#}", created.body);
    assert_eq!(office.get().expect(200).body, created.body);

    let changed = office.put(&rule("10.0.0.2", "10.0.0.9")).expect(200);
    assert_eq!((&changed.body["properties"]["startIP"], changed.state()), (&json!("10.0.0.2"), "Succeeded"));
    let patched = office.patch(&json!({ "properties": { "endIP": "10.0.0.3" } })).expect(200);
    assert_eq!((&patched.body["properties"]["endIP"], patched.state()), (&json!("10.0.0.3"), "Succeeded"));
    assert_eq!(patched.header("azure-asyncoperation"), None);

    assert_eq!(names(&list(&cache, "firewallRules").expect(200)), ["my-cache/office"]);
    assert_eq!(cache.get().expect(200).state(), "Succeeded");
    office.delete().expect(200);
    office.delete().expect(204);
    office.get().expect(404);
    assert_eq!(list(&cache, "firewallRules").expect(200).body, json!({ "value": [] }));
}

#[test]
fn lists_of_children_are_of_one_parent() {
    let gateway = mocked();
    let [one, other] = ["cache-one", "cache-two"].map(|name| gateway.arm().cache(name));
    for cache in [&one, &other] {
        cache.create();
        child(cache, "firewallRules/office").put(&rule("10.0.0.1", "10.0.0.9")).expect(201);
    }
    assert_eq!(names(&list(&one, "firewallRules")), ["cache-one/office"]);
    let url = format!("/subscriptions/my-sub/resources?api-version={VERSION}");
    let resources = gateway.arm().get(&url).expect(200);
    assert_eq!(names(&resources), ["cache-one", "cache-two"], "proxies are their parents' to list");
}

#[test]
fn a_proxy_has_its_parents_location_or_none_and_no_tags() {
    let gateway = mocked();
    let cache = gateway.arm().cache("my-cache");
    let mut premium = quickstart();
    premium["properties"]["sku"] = json!({ "name": "Premium", "family": "P", "capacity": 1 });
    cache.put(&premium).expect(201);
    cache.settled("Succeeded");
    let schedule = child(&cache, "patchSchedules/default");
    let entries = json!({ "properties": { "scheduleEntries": [{ "dayOfWeek": "Monday", "startHourUtc": 12 }] } });
    let created = schedule.put(&entries).expect(201).body;
    assert_eq!((&created["name"], &created["location"]), (&json!("my-cache/default"), &json!("East US")));
    assert_eq!(created.get("tags"), None);

    let url = format!("{}/providers/Microsoft.Resources/tags/default?api-version=2024-11-01", schedule.path);
    for (method, body) in [("GET", None), ("PUT", Some(json!({ "properties": { "tags": { "a": "b" } } })))] {
        let answer = gateway.arm().send(method, &url, body.map(|body| body.to_string()).as_deref().map(str::as_bytes));
        assert_eq!(answer.expect(400).code(), "ResourceTypeNotTaggable");
    }
}

#[test]
fn what_is_built_in_is_listed_first_and_cannot_be_changed() {
    let gateway = mocked();
    let cache = gateway.arm().cache("my-cache");
    let reader = child(&cache, "accessPolicies/data%20READER");
    assert_eq!(reader.get().expect(404).code(), "ParentResourceNotFound");
    cache.create();
    child(&cache, "accessPolicies/a-policy").put(&policy("+get ~*")).expect(201);
    child(&cache, "accessPolicies/a-policy").settled("Succeeded");

    let all = names(&list(&cache, "accessPolicies").expect(200));
    assert_eq!(all, ["Data Owner", "Data Contributor", "Data Reader", "a-policy"]);
    let mut paged = Vec::new();
    let mut next = Some(format!("{}/accessPolicies?api-version={VERSION}&$top=1", cache.path));
    while let Some(url) = next {
        let page = gateway.arm().get(&url).expect(200);
        paged.extend(names(&page));
        next = page.body["nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(paged, all);

    let shown = reader.get().expect(200).body;
    assert_eq!(
        (&shown["name"], &shown["type"], &shown["properties"]["type"]),
        (&json!("Data Reader"), &json!("Microsoft.Cache/Redis/accessPolicies"), &json!("BuiltIn"))
    );
    assert!(shown["id"].as_str().unwrap().ends_with("/my-cache/accessPolicies/Data Reader"), "{shown:#}");
    for refused in [reader.put(&policy("+@all ~*")), reader.patch(&policy("+@all ~*")), reader.delete()] {
        assert_eq!(refused.expect(409).code(), "OperationNotAllowed");
    }
    assert_eq!(reader.get().expect(200).body, shown);
    // A document without a state is shown without one.
    let links = list(&cache, "privateLinkResources").expect(200).body;
    assert_eq!(links["value"][0]["properties"].get("provisioningState"), None, "{links:#}");
}

#[test]
fn children_go_with_their_parent_and_with_their_group() {
    let gateway = mocked();
    let cache = gateway.arm().cache("my-cache");
    let office = child(&cache, "firewallRules/office");
    cache.create();
    office.put(&rule("10.0.0.1", "10.0.0.9")).expect(201);
    cache.remove();
    office.get().expect(404);
    cache.create();
    assert_eq!(names(&list(&cache, "firewallRules")), Vec::<String>::new(), "a new cache has none of the old one's");

    office.put(&rule("10.0.0.1", "10.0.0.9")).expect(201);
    let group = "/subscriptions/my-sub/resourcegroups/my-rg?api-version=2024-11-01";
    gateway.arm().send("DELETE", group, None).expect_status(202);
    wait_for("the group to be gone", || gateway.arm().get(group).status == 404);
    office.get().expect(404);
}

#[test]
fn many_children_change_at_once() {
    let gateway = mocked();
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let put = |n: u8| child(&cache, &format!("firewallRules/r{n}")).put(&rule("10.0.0.1", &format!("10.0.0.{n}")));
    std::thread::scope(|scope| {
        let all: Vec<_> = (1..=8).map(|n| scope.spawn(move || put(n).expect(201).state().to_owned())).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), "Succeeded");
        }
    });
    assert_eq!(names(&list(&cache, "firewallRules")).len(), 8);
}

#[test]
fn actions_have_the_method_that_their_manifest_says() {
    let gateway = mocked();
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let refused = cache.post("listUpgradeNotifications", &Value::Null).expect(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    let refused = gateway.arm().get(&format!("{}/listKeys?api-version={VERSION}", cache.path)).expect(405);
    assert_eq!(refused.header("allow"), Some("POST"));
    let url = format!("{}/listUpgradeNotifications?api-version={VERSION}&history=5", cache.path);
    gateway.arm().get(&url).expect(200);
    gateway.arm().send("HEAD", &url, None).expect_status(200);
}

/// A cache whose server does not answer, so that whatever is asked of it stays under way.
fn stuck() -> (Gateway, Cache, u32) {
    let gateway = Gateway::start(Runtime::Process);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let server = gateway.server_pid();
    send(server, "STOP");
    (gateway, cache, server)
}

#[test]
fn a_pending_child_is_brought_to_its_end_after_a_crash() {
    let (mut gateway, cache, server) = stuck();
    let kept = child(&cache, "accessPolicies/kept");
    let created = kept.put(&policy("+get ~*")).expect(201);
    assert_eq!(created.state(), "Creating");
    let operation = created.header("azure-asyncoperation").unwrap().to_owned();
    assert_eq!(cache.get().expect(200).state(), "Succeeded", "a parent's own state is its own");
    gateway.kill();
    send(server, "CONT");
    gateway.spawn();
    kept.settled("Succeeded");
    assert_eq!(gateway.arm().get(&operation).expect(200).body["status"], "Succeeded");
    assert_eq!(cache.get().expect(200).state(), "Succeeded");
}

#[test]
fn a_child_is_changed_while_its_parent_is_idle_and_deleted_at_any_time() {
    let (_gateway, cache, server) = stuck();
    let policies = ["first", "second"].map(|name| child(&cache, &format!("accessPolicies/{name}")));
    for policy_ in &policies {
        policy_.put(&policy("+get ~*")).expect(201);
    }
    // Its own change is under way, too.
    assert_eq!(policies[0].put(&policy("+set ~*")).expect(409).code(), "Conflict");
    let setting = json!({ "properties": { "redisConfiguration": { "maxmemory-policy": "noeviction" } } });
    let patched = cache.patch(&setting).expect(200);
    assert_eq!(patched.state(), "Updating");
    assert!(patched.header("azure-asyncoperation").is_some(), "it has not ended");
    let third = child(&cache, "accessPolicies/third");
    assert!(third.put(&policy("+get ~*")).expect(409).message().contains("is busy"));
    third.get().expect(404);

    let deleted = policies[0].delete().expect(202);
    let operation = deleted.header("location").unwrap().to_owned();
    assert_eq!(policies[0].get().expect(200).state(), "Deleting");
    send(server, "CONT");
    cache.settled("Succeeded");
    policies[1].settled("Succeeded");
    wait_for("the policy to be gone", || policies[0].get().status == 404);
    let ended = cache.arm.get(&operation).expect(200).body;
    assert_eq!(ended["status"], "Succeeded");
    assert!(ended["id"].as_str().unwrap().contains("/operationresults/"), "{ended:#}");
}

#[test]
fn what_a_parent_fails_at_its_children_fail_at() {
    let mut gateway = Gateway::start(Runtime::Process);
    let cache = gateway.arm().cache("my-cache");
    let [before, during] = ["before", "during"].map(|name| child(&cache, &format!("firewallRules/{name}")));
    cache.create();
    before.put(&rule("127.0.0.1", "127.0.0.1")).expect(201);
    // Its server cannot be started again: another program has its port.
    let (server, ports) = (gateway.server_pid(), gateway.range());
    gateway.kill();
    send(server, "KILL");
    let take = |port: u16| std::net::TcpListener::bind(("0.0.0.0", port));
    let mut taken = Vec::new();
    wait_for("the port of the server", || {
        taken.clear();
        taken = ports.clone().filter_map(|port| take(port).ok()).collect();
        taken.len() == ports.len()
    });
    gateway.spawn();

    let failed = during.put(&rule("127.0.0.1", "127.0.0.1")).expect(409);
    assert_eq!(failed.header("x-ms-failure-cause"), Some("service"));
    assert_eq!(during.get().expect(200).state(), "Failed");
    assert_eq!(before.delete().expect(409).code(), failed.code());
    assert_eq!(before.get().expect(200).state(), "Deleting");
    assert_eq!(before.put(&rule("127.0.0.1", "127.0.0.1")).expect(409).code(), "Conflict");
    assert_eq!(cache.get().expect(200).state(), "Succeeded", "a repair that fails changes no state");

    // Then it can: the deletion has gone on, and what has failed is its user's to repeat.
    drop(taken);
    wait_for("the rule to be gone", || before.get().status == 404);
    assert_eq!(during.get().expect(200).state(), "Failed");
    assert_eq!(during.put(&rule("127.0.0.1", "127.0.0.1")).expect(200).state(), "Succeeded");
}

#[test]
fn nothing_is_put_below_what_could_not_be_created() {
    let gateway = Gateway::with(Runtime::None, &[("FLOCI_AZ_STORAGE_MODE", "memory")]);
    let cache = gateway.arm().cache("my-cache");
    cache.put(&quickstart()).expect(201);
    cache.settled("Failed");
    let office = child(&cache, "firewallRules/office");
    let refused = office.put(&rule("10.0.0.1", "10.0.0.9")).expect(409);
    assert!(refused.message().contains("could not be created"), "{}", refused.message());
    office.get().expect(404);
    cache.remove();
}

#[test]
fn who_waits_for_a_child_is_told_when_the_gateway_ends() {
    let (mut gateway, cache, _server) = stuck();
    let office = child(&cache, "firewallRules/office");
    let waiting = std::thread::spawn({
        let office = office.clone();
        move || office.put(&rule("127.0.0.1", "127.0.0.1"))
    });
    wait_for("the rule to be stored", || office.get().status == 200);
    gateway.terminate();
    assert_eq!(waiting.join().unwrap().expect(504).code(), "OperationNotDoneInTime");
    // It has ended the server, too; the next start has the rule brought to its end.
    gateway.spawn();
    office.settled("Succeeded");
}

#[test]
fn a_patch_that_is_done_soon_is_answered_with_what_it_made() {
    let gateway = Gateway::start(Runtime::Process);
    let cache = gateway.arm().cache("my-cache");
    cache.create();
    let mut policies = ["noeviction", "allkeys-lru"].into_iter().cycle();
    // A machine that is busy may take longer for some.
    wait_for("a patch that is done soon", || {
        let setting = json!({ "properties": { "redisConfiguration": { "maxmemory-policy": policies.next() } } });
        let patched = cache.patch(&setting).expect(200);
        assert_eq!(patched.body["properties"]["accessKeys"], Value::Null);
        let soon = patched.header("azure-asyncoperation").is_none();
        assert_eq!(patched.state(), if soon { "Succeeded" } else { "Updating" });
        cache.settled("Succeeded");
        soon
    });
}
