//! Older api-versions: each is answered in its own shape, whatever is asked for, and stored documents are whole.

use expect_test::expect;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Runtime};

const CACHES: &str = "/subscriptions/my-sub/resourceGroups/my-rg/providers/Microsoft.Cache/redis";

fn properties(body: &Value) -> String {
    body["properties"].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn older_versions_are_answered_in_their_own_shape() {
    let gateway = Gateway::with(
        Runtime::None,
        &[("FLOCI_AZ_SERVICES_REDIS_MOCKED", "true"), ("FLOCI_AZ_STORAGE_MODE", "memory")],
    );
    let arm = gateway.arm();
    let send = |method: &str, path: &str, version: &str, body: Value| {
        let body = if body.is_null() { None } else { Some(body.to_string()) };
        let url = format!("{CACHES}{path}?api-version={version}");
        arm.send(method, &url, body.as_deref().map(str::as_bytes))
    };
    let premium = json!({ "location": "westus", "properties": {
        "sku": { "name": "Premium", "family": "P", "capacity": 1 }, "minimumTlsVersion": "1.2"
    } });
    let link = json!({ "properties": {
        "linkedRedisCacheId": format!("{CACHES}/other"), "linkedRedisCacheLocation": "West US", "serverRole": "Secondary"
    } });
    let old = "2018-03-01";
    let put = send("PUT", "/my-cache", old, premium.clone()).expect(201).body;
    assert!(put["properties"]["accessKeys"]["primaryKey"].is_string(), "{put:#}");
    send("PUT", "/other", old, premium).expect(201);
    send("PUT", "/my-cache/linkedServers/other", old, link).expect(201);
    let lines = [
        ("PUT", put),
        ("PATCH", send("PATCH", "/my-cache", old, json!({ "tags": { "a": "b" } })).expect(200).body),
        ("GET", send("GET", "/my-cache", old, Value::Null).expect(200).body),
        ("list", send("GET", "", old, Value::Null).expect(200).body["value"][0].clone()),
        ("2024-11-01", send("GET", "/my-cache", "2024-11-01", Value::Null).expect(200).body),
        ("a link", send("GET", "/my-cache/linkedServers/other", old, Value::Null).expect(200).body),
        ("2024-11-01", send("GET", "/my-cache/linkedServers/other", "2024-11-01", Value::Null).expect(200).body),
    ];
    expect![[r#"
        PUT: provisioningState redisVersion sku enableNonSslPort minimumTlsVersion redisConfiguration accessKeys hostName port sslPort linkedServers
        PATCH: provisioningState redisVersion sku enableNonSslPort minimumTlsVersion redisConfiguration accessKeys hostName port sslPort linkedServers
        GET: provisioningState redisVersion sku enableNonSslPort minimumTlsVersion redisConfiguration accessKeys hostName port sslPort linkedServers
        list: provisioningState redisVersion sku enableNonSslPort minimumTlsVersion redisConfiguration accessKeys hostName port sslPort linkedServers
        2024-11-01: provisioningState redisVersion sku enableNonSslPort instances publicNetworkAccess minimumTlsVersion redisConfiguration accessKeys hostName port sslPort linkedServers updateChannel disableAccessKeyAuthentication zonalAllocationPolicy
        a link: provisioningState linkedRedisCacheId linkedRedisCacheLocation serverRole
        2024-11-01: provisioningState linkedRedisCacheId linkedRedisCacheLocation serverRole geoReplicatedPrimaryHostName primaryHostName"#]].assert_eq(&lines.map(|(what, body)| format!("{what}: {}", properties(&body))).join("\n"));
    // What a version does not have cannot be asked for in it.
    assert_eq!(send("GET", "/my-cache/accessPolicies", "2023-04-01", Value::Null).code(), "NoRegisteredProviderFound");
    send("GET", "/my-cache/accessPolicies", "2023-05-01-preview", Value::Null).expect(200);
}
