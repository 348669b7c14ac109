//! ARM's rules that hold for every resource: its errors, word for word, and its blindness to case.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::arm::{Answer, quickstart};
use crate::gateway::{Gateway, Runtime};

const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";

/// As strict as Azure: groups are created first, subscriptions are those there are.
fn strict() -> Gateway {
    Gateway::with(
        Runtime::None,
        &[
            ("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"),
            ("FLOCI_AZ_STORAGE_MODE", "memory"),
            ("FLOCI_AZ_ARM_STRICT_GROUPS", "true"),
            ("FLOCI_AZ_ARM_STRICT_SUBSCRIPTIONS", "true"),
        ],
    )
}

fn show(answer: &Answer) -> String {
    let target = answer.body["error"]["target"].as_str().map(|target| format!(" at {target}")).unwrap_or_default();
    format!("{} {}{target}: {}", answer.status, answer.code(), answer.message())
}

/// Without the lists of regions and versions, which are long and grow.
fn shortened(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, after) in
        [("The supported api-versions are '", "'"), ("The supported locations are '", "'"), ("resource type is '", "'")]
    {
        if let Some(from) = text.find(before).map(|at| at + before.len()) {
            let to = from + text[from..].find(after).unwrap();
            assert!(to > from, "an empty list: {text}");
            text.replace_range(from..to, "...");
        }
    }
    text
}

#[test]
fn the_errors_that_azure_documents_have_their_status_code_and_text() {
    let gateway = strict();
    let arm = gateway.arm();
    let group = format!("{SUBSCRIPTION}/resourceGroups/my-rg");
    let redis = |rest: &str| format!("{group}/providers/Microsoft.Cache/redis{rest}");
    let send = |method: &str, path: &str, body: Value| {
        let body = if let Value::String(text) = body { text } else { body.to_string() };
        arm.send(method, path, if body == "null" { None } else { Some(body.as_bytes()) })
    };
    let check = |method: &str, path: &str, body: Value, expected: Expect| {
        expected.assert_eq(&shortened(&show(&send(method, path, body))));
    };
    let with = |member: &str, value: Value| {
        let mut body = quickstart();
        body[member] = value;
        body
    };
    const V: &str = "?api-version=2024-11-01";

    let not_there = redis(&format!("/a{V}"));
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let body = if method == "GET" { Value::Null } else { quickstart() };
        check(
            method,
            &not_there,
            body,
            expect!["404 ResourceGroupNotFound: Resource group 'my-rg' could not be found."],
        );
    }
    send("PUT", &format!("{group}{V}"), json!({ "location": "eastus" })).expect(201);

    check(
        "GET",
        &redis("/a"),
        Value::Null,
        expect![
            "400 MissingApiVersionParameter: The api-version query parameter (?api-version=) is required for all requests."
        ],
    );
    check(
        "GET",
        &format!("{group}?api-version=latest"),
        Value::Null,
        expect![
            "400 InvalidApiVersionParameter: The api-version 'latest' is invalid. It has to be a date such as 2024-11-01, with an optional suffix such as -preview."
        ],
    );
    check(
        "PUT",
        &redis("/a?api-version=2020-12-31"),
        quickstart(),
        expect![
            "400 NoRegisteredProviderFound at Microsoft.Cache: No registered resource provider found for location 'eastus' and API version '2020-12-31' for type 'Redis'. The supported api-versions are '...'. The supported locations are '...'."
        ],
    );
    check(
        "GET",
        &format!("{group}/providers/Microsoft.Nothing/things/a{V}"),
        Value::Null,
        expect![
            "404 InvalidResourceNamespace: The resource namespace 'Microsoft.Nothing' is invalid. This gateway serves: Microsoft.Cache, Microsoft.Resources."
        ],
    );
    check(
        "GET",
        &format!("{group}/providers/Microsoft.Cache/things/a{V}"),
        Value::Null,
        expect![
            "404 InvalidResourceType: The resource type could not be found in the namespace 'Microsoft.Cache' for api version '2024-11-01'."
        ],
    );
    check(
        "GET",
        &format!("/providers/Microsoft.Cache/redis/a{V}"),
        Value::Null,
        expect![
            "404 MissingSubscription: The request did not have a subscription or a valid tenant level resource provider."
        ],
    );
    check(
        "GET",
        &format!("/resourceGroups/my-rg/providers/Microsoft.Cache/redis/a{V}"),
        Value::Null,
        expect![
            "404 MissingSubscription: The request did not have a subscription or a valid tenant level resource provider."
        ],
    );
    check(
        "GET",
        &format!("/subscriptions/my-sub/resourceGroups{V}"),
        Value::Null,
        expect!["400 InvalidSubscriptionId: The provided subscription identifier 'my-sub' is malformed or invalid."],
    );
    check(
        "GET",
        &format!("/subscriptions/00000000-0000-0000-0000-0000000000ff/resourceGroups{V}"),
        Value::Null,
        expect![
            "404 SubscriptionNotFound: The subscription '00000000-0000-0000-0000-0000000000ff' could not be found. This gateway has: 00000000-0000-0000-0000-000000000001. Others are accepted once arm.strict-subscriptions is false."
        ],
    );
    check(
        "GET",
        &not_there,
        Value::Null,
        expect![
            "404 ResourceNotFound: The Resource 'Microsoft.Cache/Redis/a' under resource group 'my-rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ],
    );
    check(
        "PATCH",
        &not_there,
        json!({}),
        expect![
            "404 ResourceNotFound: The Resource 'Microsoft.Cache/Redis/a' under resource group 'my-rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ],
    );
    check(
        "POST",
        &redis(&format!("/a/listKeys{V}")),
        Value::Null,
        expect![
            "404 ResourceNotFound: The Resource 'Microsoft.Cache/Redis/a' under resource group 'my-rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ],
    );
    send("DELETE", &not_there, Value::Null).expect_status(204);

    let there = redis(&format!("/b{V}"));
    check(
        "PUT",
        &there,
        with("location", Value::Null),
        expect!["400 LocationRequired at location: The location property is required for this definition."],
    );
    check(
        "PUT",
        &there,
        with("location", json!("atlantis")),
        expect![
            "400 LocationNotAvailableForResourceType at location: The provided location 'atlantis' is not available for resource type 'Microsoft.Cache/Redis'. List of available regions for the resource type is '...'."
        ],
    );
    check(
        "PUT",
        &there,
        json!("{"),
        expect![
            "400 InvalidRequestContent: The request content was invalid and could not be deserialized: 'EOF while parsing an object at line 1 column 1'."
        ],
    );
    check(
        "PUT",
        &there,
        with("colour", json!("red")),
        expect![
            "400 InvalidRequestContent at colour: The request content was invalid and could not be deserialized: 'Could not find member 'colour' on object of type 'ResourceDefinition''."
        ],
    );
    send("PUT", &there, with("tags", json!({ "a": "b" }))).expect(201);
    check(
        "PUT",
        &there,
        with("location", json!("West US")),
        expect![
            "409 InvalidResourceLocation at location: The resource 'b' already exists in location 'eastus' in resource group 'my-rg'. A resource with the same name cannot be created in location 'westus'. Please select a new resource name."
        ],
    );
    check(
        "PATCH",
        &there,
        json!({ "location": "westus" }),
        expect![
            "409 InvalidResourceLocation at location: The resource 'b' already exists in location 'eastus' in resource group 'my-rg'. A resource with the same name cannot be created in location 'westus'. Please select a new resource name."
        ],
    );
    check(
        "PATCH",
        &there,
        json!({ "properties": { "provisioningState": "Failed" } }),
        expect![
            "400 InvalidRequestContent at properties.provisioningState: The provisioningState 'Failed' of the request is not the resource's, which is 'Succeeded'. It is read-only: leave it out."
        ],
    );
    check(
        "POST",
        &there,
        json!({}),
        expect![
            "405 HttpMethodNotAllowed: The HTTP method 'POST' is not supported at this URL. Supported: GET, HEAD, PUT, PATCH, DELETE."
        ],
    );
    check(
        "PUT",
        &format!("{SUBSCRIPTION}/resourceGroups/ends.{V}"),
        json!({ "location": "eastus" }),
        expect![
            "400 InvalidResourceGroupName: The resource group name 'ends.' is invalid. It has 1 to 90 letters, digits, '-', '_', '(', ')' and '.', and does not end with '.'."
        ],
    );

    // Tags are replaced as a whole; what is sent back as it was read is accepted.
    let patched =
        send("PATCH", &there, json!({ "tags": { "c": "d" }, "properties": { "provisioningState": "Succeeded" } }));
    assert_eq!(patched.expect(200).body["tags"], json!({ "c": "d" }));
    send("DELETE", &there, Value::Null).expect(202);
    crate::gateway::wait_for("the cache to be gone", || arm.get(&there).status == 404);
    send("POST", &format!("{SUBSCRIPTION}/providers/Microsoft.Cache/unregister{V}"), Value::Null).expect(200);
    check(
        "PUT",
        &there,
        quickstart(),
        expect![
            "409 MissingSubscriptionRegistration: The subscription is not registered to use namespace 'Microsoft.Cache'. See https://aka.ms/rps-not-found for how to register subscriptions."
        ],
    );
}

#[test]
fn any_casing_of_a_path_reaches_the_same_resource() {
    let gateway = Gateway::with(
        Runtime::None,
        &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"), ("FLOCI_AZ_STORAGE_MODE", "memory")],
    );
    let arm = gateway.arm();
    let path = format!("{SUBSCRIPTION}/resourceGroups/My-Group/providers/Microsoft.Cache/Redis/My-Cache");
    let cache = arm.cache_at(&path);
    cache.put(&quickstart()).expect(201);
    let (body, keys) = (cache.get().expect(200).body, cache.keys());
    assert_eq!(body["id"], path);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let flips = proptest::collection::vec(any::<bool>(), path.len());
    runner
        .run(&flips, |flips| {
            let flip = |(c, upper): (char, &bool)| if *upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            let mixed = arm.cache_at(&path.chars().zip(&flips).map(flip).collect::<String>());
            prop_assert_eq!(&mixed.get().expect(200).body, &body);
            prop_assert_eq!(&mixed.keys(), &keys);
            // Names are shown as the user last wrote them, the rest in its own casing.
            let put = mixed.put(&quickstart()).expect(200).body;
            let id = put["id"].as_str().unwrap();
            prop_assert!(id.eq_ignore_ascii_case(&path));
            prop_assert!(id.contains("/resourceGroups/") && id.contains("/providers/Microsoft.Cache/Redis/"), "{}", id);
            prop_assert!(mixed.path.ends_with(put["name"].as_str().unwrap()));
            prop_assert_eq!(&cache.put(&quickstart()).expect(200).body["id"], path.as_str());
            Ok(())
        })
        .unwrap();
}
