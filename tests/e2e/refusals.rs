//! What gets refused, and how: an error of ARM's in ARM's envelope, and nothing stored.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::arm::{Answer, VERSION, quickstart};
use crate::gateway::{Gateway, Runtime};

const GROUP: &str = "/subscriptions/my-sub/resourceGroups/my-rg";

fn mocked() -> Gateway {
    Gateway::with(Runtime::None, &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"), ("FLOCI_AZ_STORAGE_MODE", "memory")])
}

fn show(answer: &Answer) -> String {
    let target = answer.body["error"]["target"].as_str().map(|target| format!(" at {target}")).unwrap_or_default();
    format!("{} {}{target}: {}", answer.status, answer.code(), answer.message())
}

/// The quickstart's body with one member set, or removed if the value is null.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = quickstart();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => parent.shift_remove(member),
        value => parent.insert(member.to_owned(), value),
    };
    body
}

#[test]
fn bad_input_changes_nothing() {
    let gateway = mocked();
    let cache = gateway.arm().cache("my-cache");
    let put = |body: &[u8]| gateway.arm().send("PUT", &cache.url(), Some(body));
    let texts: [&[u8]; 6] = [b"", b"{", b"[]", b"null", b"\"text\"", b"{\"location\":\"eastus\"}x"];
    let bodies = [
        json!({}),
        with("/location", Value::Null),
        with("/location", json!(7)),
        with("/location", json!("atlantis")),
        with("/properties", Value::Null),
        with("/properties", json!([])),
        with("/properties/sku", Value::Null),
        with("/properties/sku/name", json!("Gold")),
        with("/properties/sku/name", json!("Premium")),
        with("/properties/sku/family", json!("X")),
        with("/properties/sku/capacity", json!(7)),
        with("/properties/sku/capacity", json!("0")),
        with("/properties/minimumTlsVersion", json!("3.0")),
        with("/properties/enableNonSslPort", json!("yes")),
        with("/properties/redisConfiguration", json!({ "maxmemory-policy": "sometimes" })),
        with("/colour", json!("red")),
        with("/tags", json!({ "a": 1 })),
    ];
    let bodies: Vec<Vec<u8>> = bodies.iter().map(|body| body.to_string().into_bytes()).collect();
    for body in texts.iter().copied().chain(bodies.iter().map(Vec::as_slice)) {
        let answer = put(body);
        assert_eq!(answer.status, 400, "{} {:#}", String::from_utf8_lossy(body), answer.body);
        answer.code();
        cache.get().expect(404);
    }

    // Nor of what is there.
    cache.put(&quickstart()).expect(201);
    let (before, keys) = (cache.get().expect(200).body, cache.keys());
    for body in texts.iter().copied().chain(bodies.iter().map(Vec::as_slice)) {
        assert_eq!(put(body).status, 400, "{}", String::from_utf8_lossy(body));
    }
    for body in [json!([]), json!({ "tags": { "a": 1 } }), json!({ "properties": { "sku": { "name": "Gold" } } })] {
        assert_eq!(cache.patch(&body).status, 400, "{body}");
    }
    assert_eq!((cache.get().expect(200).body, cache.keys()), (before, keys));
}

#[test]
fn conditions_of_a_request_are_kept() {
    let gateway = mocked();
    let cache = gateway.arm().cache("my-cache");
    let put = |header: &str, value: &str| gateway.arm().put_if(&cache.url(), &quickstart(), header, value).status;
    assert_eq!(put("if-match", "*"), 412, "only to change, and nothing is there");
    cache.get().expect(404);
    assert_eq!(put("if-none-match", "*"), 201);
    assert_eq!(put("if-none-match", "*"), 412, "only to create, and it is there");
    assert_eq!(put("if-match", "*"), 200);
    assert_eq!(put("if-match", "\"1\""), 412, "no resource has this tag");
}

#[test]
fn one_writer_per_resource() {
    let gateway = mocked();
    let cache = gateway.arm().cache("my-cache");
    // Not 0: a cache is not scaled down to that.
    cache.put(&with("/properties/sku/capacity", json!(1))).expect(201);
    // Each writer's change is whole: tags and capacity of one request, never of two.
    std::thread::scope(|scope| {
        for writer in 1..5 {
            let cache = &cache;
            scope.spawn(move || {
                let mut body = with("/properties/sku/capacity", json!(writer));
                body["tags"] = json!({ "writer": writer.to_string() });
                for _ in 0..25 {
                    let answer = cache.put(&body).expect(200).body;
                    assert_eq!(answer["tags"]["writer"], json!(writer.to_string()));
                }
            });
        }
    });
    let last = cache.get().expect(200).body;
    assert_eq!(last["tags"]["writer"], json!(last["properties"]["sku"]["capacity"].to_string()));
}

#[test]
fn of_one_name_in_several_groups_at_once_one_is_created() {
    let gateway = mocked();
    let created: Vec<u16> = std::thread::scope(|scope| {
        let puts: Vec<_> = (0..6)
            .map(|group| {
                let mut cache = gateway.arm().cache("my-cache");
                cache.path = cache.path.replace("my-rg", &format!("group-{group}"));
                scope.spawn(move || cache.put(&quickstart()).status)
            })
            .collect();
        puts.into_iter().map(|put| put.join().unwrap()).collect()
    });
    assert_eq!(created.iter().filter(|status| **status == 201).count(), 1, "{created:?}");
    assert_eq!(created.iter().filter(|status| **status == 409).count(), 5, "{created:?}");
}

#[test]
fn the_wording_of_the_front_door() {
    let gateway = mocked();
    let arm = gateway.arm();
    let cache = arm.cache("my-cache");
    cache.put(&quickstart()).expect(201);
    let check = |method: &str, path: &str, body: Option<Value>, expected: Expect| {
        let answer = arm.send(method, path, body.map(|body| body.to_string().into_bytes()).as_deref());
        expected.assert_eq(&show(&answer));
    };
    let redis = |rest: &str| format!("{GROUP}/providers/Microsoft.Cache/redis{rest}");
    let version = format!("?api-version={VERSION}");

    check(
        "GET",
        &redis("/my-cache"),
        None,
        expect![
            "400 MissingApiVersionParameter: The api-version query parameter (?api-version=) is required for all requests."
        ],
    );
    check(
        "GET",
        &redis("/other?api-version=2024-11-01"),
        None,
        expect![
            "404 ResourceNotFound: The Resource 'Microsoft.Cache/Redis/other' under resource group 'my-rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ],
    );
    check(
        "PATCH",
        &redis("/other?api-version=2024-11-01"),
        Some(json!({})),
        expect![
            "404 ResourceNotFound: The Resource 'Microsoft.Cache/Redis/other' under resource group 'my-rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ],
    );
    check(
        "POST",
        &redis("/other/listKeys?api-version=2024-11-01"),
        None,
        expect![
            "404 ResourceNotFound: The Resource 'Microsoft.Cache/Redis/other' under resource group 'my-rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ],
    );
    check(
        "POST",
        &redis(&format!("/my-cache{version}")),
        Some(json!({})),
        expect![
            "405 HttpMethodNotAllowed: The HTTP method 'POST' is not supported at this URL. Supported: GET, HEAD, PUT, PATCH, DELETE."
        ],
    );
    check(
        "DELETE",
        &redis(&version),
        None,
        expect!["405 HttpMethodNotAllowed: The HTTP method 'DELETE' is not supported at this URL. Supported: GET."],
    );
    check(
        "GET",
        &redis(&format!("/my-cache/listKeys{version}")),
        None,
        expect!["405 HttpMethodNotAllowed: The HTTP method 'GET' is not supported at this URL. Supported: POST."],
    );
    check(
        "GET",
        &redis(&format!("/my-cache/colours{version}")),
        None,
        expect![
            "404 InvalidResourceType: The resource type could not be found in the namespace 'Microsoft.Cache' for api version '2024-11-01'."
        ],
    );
    check(
        "GET",
        &format!("{GROUP}/providers/Microsoft.Cache/memcached/a{version}"),
        None,
        expect![
            "404 InvalidResourceType: The resource type could not be found in the namespace 'Microsoft.Cache' for api version '2024-11-01'."
        ],
    );
    check(
        "GET",
        &format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/a{version}"),
        None,
        expect![
            "404 InvalidResourceNamespace: The resource namespace 'Microsoft.Storage' is invalid. This gateway serves: Microsoft.Cache, Microsoft.Resources."
        ],
    );
    check(
        "GET",
        &format!("/providers/Microsoft.Cache/redis/a{version}"),
        None,
        expect![
            "404 MissingSubscription: The request did not have a subscription or a valid tenant level resource provider."
        ],
    );
    check(
        "GET",
        "/nothing",
        None,
        expect![
            "404 NotFound: No such path: '/nothing'. Resources are at /subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{type}/{name}; the gateway's own state at /health and /ready."
        ],
    );
    check(
        "GET",
        &format!("/subscriptions/my%20sub/providers/Microsoft.Cache/redis{version}"),
        None,
        expect!["400 InvalidSubscriptionId: The provided subscription identifier 'my sub' is malformed or invalid."],
    );
    check(
        "GET",
        &format!("/subscriptions/s/resourceGroups/ends./providers/Microsoft.Cache/redis{version}"),
        None,
        expect![
            "400 InvalidResourceGroupName: The resource group name 'ends.' is invalid. It has 1 to 90 letters, digits, '-', '_', '(', ')' and '.', and does not end with '.'."
        ],
    );
    check(
        "GET",
        &redis(&format!("/a%2Fb{version}")),
        None,
        expect![
            "400 InvalidRequestUri: The path '/subscriptions/my-sub/resourceGroups/my-rg/providers/Microsoft.Cache/redis/a%2Fb' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character."
        ],
    );
    check(
        "PUT",
        &redis(&format!("/my-cache{version}")),
        Some(with("/location", json!("westus"))),
        expect![
            "409 InvalidResourceLocation at location: The resource 'my-cache' already exists in location 'eastus' in resource group 'my-rg'. A resource with the same name cannot be created in location 'westus'. Please select a new resource name."
        ],
    );
    check(
        "PUT",
        &redis(&format!("/my-cache{version}")),
        Some(with("/properties/provisioningState", json!("Failed"))),
        expect![
            "400 InvalidRequestContent at properties.provisioningState: The provisioningState 'Failed' of the request is not the resource's, which is 'Succeeded'. It is read-only: leave it out."
        ],
    );
    let unknown = arm.get(&redis("/my-cache?api-version=1999-01-01"));
    assert_eq!((unknown.status, unknown.code()), (400, "NoRegisteredProviderFound"));
    assert!(
        unknown
            .message()
            .contains("for type 'Redis'. The supported api-versions are '2025-08-01-preview, 2024-11-01, "),
        "{}",
        unknown.message()
    );
}

#[test]
fn names_and_key_types_have_rules() {
    let gateway = mocked();
    for name in ["-a", "a-", "a--b", "a.b", "a_b", &"a".repeat(64)] {
        let cache = gateway.arm().cache(name);
        let answer = cache.put(&quickstart());
        assert_eq!(answer.status, 400, "{name}: {:#}", answer.body);
        answer.code();
        cache.get().expect(404);
    }
    let cache = gateway.arm().cache("my-cache");
    cache.put(&quickstart()).expect(201);
    let keys = cache.keys();
    for body in [json!(null), json!({}), json!({ "keyType": "Tertiary" }), json!({ "keyType": 1 }), json!([])] {
        let answer = cache.post("regenerateKey", &body);
        assert_eq!(answer.status, 400, "{body}: {:#}", answer.body);
        answer.code();
        assert_eq!(cache.keys(), keys, "{body}");
    }
}

#[test]
fn paths_reach_the_same_cache_in_any_casing_and_names_keep_the_last_one() {
    let gateway = mocked();
    let (arm, cache) = (gateway.arm(), gateway.arm().cache("my-cache"));
    cache.put(&quickstart()).expect(201);
    let shouted = cache.path.to_uppercase();
    assert_eq!(arm.get(&format!("{shouted}?API-VERSION={VERSION}")).expect(200).body["name"], "my-cache");
    let body = quickstart().to_string();
    let replaced = arm.send("PUT", &format!("/{shouted}?api-version={VERSION}"), Some(body.as_bytes())).expect(200);
    assert_eq!(
        replaced.body["id"],
        "/subscriptions/MY-SUB/resourceGroups/MY-RG/providers/Microsoft.Cache/Redis/MY-CACHE"
    );
    assert_eq!(cache.get().expect(200).body["name"], "MY-CACHE");
}

#[test]
fn an_empty_segment_is_malformed_but_where_a_parent_would_be() {
    let gateway = mocked();
    let (arm, cache) = (gateway.arm(), gateway.arm().cache("my-cache"));
    cache.put(&quickstart()).expect(201);
    let get = |path: &str| arm.get(&format!("{path}?api-version={VERSION}"));
    // As azure-mgmt-resource writes it for a resource that has no parent.
    assert_eq!(get(&cache.path.replace("Microsoft.Cache/", "Microsoft.Cache//")).expect(200).body["name"], "my-cache");
    for (written, empty) in [("my-rg/", "my-rg//"), ("/my-cache", "//my-cache"), ("my-sub/", "/")] {
        assert_eq!(get(&cache.path.replacen(written, empty, 1)).expect(400).code(), "InvalidRequestUri", "{empty}");
    }
}

#[test]
fn leniency_and_strictness_are_settings() {
    let lenient = Gateway::with(
        Runtime::None,
        &[
            ("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"),
            ("FLOCI_AZ_ARM_STRICT", "false"),
            ("FLOCI_AZ_ARM_STRICT_GROUPS", "true"),
        ],
    );
    let (arm, cache) = (lenient.arm(), lenient.arm().cache("my-cache"));
    assert_eq!(cache.put(&quickstart()).expect(404).code(), "ResourceGroupNotFound");
    let group = format!("{GROUP}?api-version={VERSION}");
    arm.send("HEAD", &group, None).expect_status(404);
    arm.send("PUT", &group, Some(b"{\"location\":\"West US\"}")).expect(201);
    arm.send("HEAD", &group, None).expect_status(204);
    assert_eq!(arm.get(&group).expect(200).body["location"], "westus");
    cache.put(&quickstart()).expect(201);
    arm.get(&cache.path).expect(200);
    cache.remove();
    arm.send("HEAD", &group, None).expect_status(204);
}

#[test]
fn requests_that_are_too_large_or_broken_off_harm_nobody() {
    let gateway = mocked();
    let (arm, cache) = (gateway.arm(), gateway.arm().cache("my-cache"));
    let large = vec![b' '; (4 << 20) + 1];
    let answer = arm.try_send("PUT", &cache.url(), Some(&large));
    // A client that is still sending may lose the answer with its connection.
    assert!(answer.is_none_or(|answer| answer.status == 413));
    let deep = [vec![b'['; 1 << 20], vec![b']'; 1 << 20]].concat();
    assert_eq!(arm.send("PUT", &cache.url(), Some(&deep)).expect(400).code(), "InvalidRequestContent");
    let mut nested = json!({});
    for _ in 0..100 {
        nested = json!({ "a": nested });
    }
    for large in [nested, json!(vec![json!({}); 300_000])] {
        let answer = cache.put(&with("/identity", large)).expect(400);
        assert!(answer.body.to_string().len() < 4_000, "what is refused is not repeated whole");
    }
    let answer = cache.put(&with("/location", json!("x".repeat(3 << 20)))).expect(400);
    assert!(answer.body.to_string().len() < 4_000, "what is refused is not repeated whole");
    cache.get().expect(404);

    // Nor by many small patches.
    cache.put(&quickstart()).expect(201);
    let mut statuses = Vec::new();
    for n in 0..6 {
        let member =
            json!({ "type": "UserAssigned", "userAssignedIdentities": { format!("id-{n}"): vec![json!({}); 5_000] } });
        statuses.push(cache.patch(&json!({ "identity": member })).status);
    }
    assert!(statuses.contains(&400) && statuses.iter().all(|status| [200, 400].contains(status)), "{statuses:?}");
    cache.put(&quickstart()).expect(200);
}

#[test]
fn a_disabled_service_says_how_to_enable_it() {
    let gateway = Gateway::with(Runtime::None, &[("FLOCI_AZ_SERVICES_REDIS_ENABLED", "false")]);
    let answer = gateway.arm().cache("my-cache").put(&quickstart()).expect(404);
    expect!["404 InvalidResourceNamespace: The resource namespace 'Microsoft.Cache' is invalid: its service is disabled in this gateway. Start it with services.redis.enabled set to true."]
        .assert_eq(&show(&answer));
    let tags = format!("{}/providers/Microsoft.Resources/tags/default", gateway.arm().cache("my-cache").path);
    let answer = gateway.arm().send("DELETE", &format!("{tags}?api-version={VERSION}"), None).expect(404);
    assert_eq!(answer.code(), "InvalidResourceNamespace");
}

#[test]
fn without_a_runtime_a_creation_fails_with_what_to_do() {
    let gateway = Gateway::start(Runtime::None);
    let cache = gateway.arm().cache("my-cache");
    let created = cache.put(&quickstart()).expect(201);
    cache.settled("Failed");
    let operation = gateway.arm().get(created.header("azure-asyncoperation").unwrap()).body;
    assert_eq!(operation["error"]["code"], "RuntimeUnavailable");
    assert!(operation["error"]["message"].as_str().unwrap().contains("FLOCI_AZ_RUNTIME"), "{operation:#}");
    cache.remove();
}

/// Dropping every instance of every plugin between any two requests changes no answer.
#[test]
fn plugin_holds_no_state() {
    let answers = |between: &mut dyn FnMut(&mut Gateway)| {
        let mut gateway = Gateway::prepare(Runtime::None, &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true")]);
        // Shown, and not listened on.
        gateway.set("FLOCI_AZ_SERVICES_REDIS_BASE_PORT", "6379");
        gateway.spawn();
        let cache = gateway.arm().cache("my-cache");
        let requests: [&dyn Fn() -> Answer; 7] = [
            &|| cache.put(&quickstart()),
            &|| cache.get(),
            &|| cache.patch(&json!({ "properties": { "redisConfiguration": { "maxmemory-policy": "noeviction" } } })),
            &|| cache.put(&with("/properties/sku/capacity", json!(1))),
            &|| cache.regenerate("Primary"),
            &|| cache.get(),
            &|| cache.put(&with("/properties/sku/name", json!("Gold"))),
        ];
        let mut answers = Vec::new();
        for request in requests {
            let mut answer = request();
            for random in ["/properties/accessKeys", "/properties/sslPort", "/primaryKey", "/secondaryKey"] {
                if let Some(value) = answer.body.pointer_mut(random).filter(|value| !value.is_null()) {
                    *value = json!("random");
                }
            }
            answers.push((answer.status, answer.body));
            between(&mut gateway);
        }
        answers
    };
    let kept = answers(&mut |_| {});
    let dropped = answers(&mut |gateway| {
        gateway.kill();
        gateway.spawn();
    });
    assert_eq!(kept, dropped);
}
