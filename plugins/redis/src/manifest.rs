//! What the plugin says of itself.

use floci_az_sdk::{
    Action, Answers, BuiltIn, Kind, Listener, Manifest, Method, Protocol, Purpose, ResourceType, Setting, ShownName,
    Tracking, WantedWorkloads, Wants, child_type, json, manifest as of, reads, resource_type, setting, writes,
};

use crate::children::{
    ACCESS_POLICIES, ASSIGNMENTS, CONNECTIONS, FIREWALL_RULES, LINK_RESOURCES, LINKED_SERVERS, SCHEDULES, policy,
};
use crate::server::PROGRAMS;
use crate::versions;

/// In the casing of real answers; `microsoft.cache/redis` is what clients mostly write.
pub const RESOURCE_TYPE: &str = "Microsoft.Cache/Redis";

pub fn manifest() -> Manifest {
    let example = json!({
        "name": "my-cache",
        "location": "eastus",
        "properties": {
            "sku": { "name": "Basic", "family": "C", "capacity": 0 },
            "enableNonSslPort": true,
            "minimumTlsVersion": "1.2"
        }
    });
    let redis = ResourceType {
        actions: vec![
            reads("listKeys"),
            writes("regenerateKey"),
            writes("forceReboot"),
            writes("flush"),
            writes("export"),
            writes("import"),
            Action { method: Method::Get, ..reads("listUpgradeNotifications") },
        ],
        // Only the answer to a PUT shows the access keys.
        present_on: vec![Purpose::Put],
        present_before: Some(versions::CURRENT.to_owned()),
        ..resource_type("Redis", versions::ALL, example)
    };
    Manifest {
        programs: PROGRAMS.map(str::to_owned).to_vec(),
        settings: settings(),
        actions: vec![reads("checkNameAvailability")],
        listeners: vec![Listener { setting: "ssl-port".to_owned(), protocol: Protocol::Resp }],
        wants: wants(),
        ..of("Microsoft.Cache", "redis", [redis].into_iter().chain(children()))
    }
}

/// How much memory a server gets follows from `max-memory`, and how many there are from the ports.
fn wants() -> Wants {
    let images = vec!["${default-image}".to_owned()];
    let ports = ["${base-port}-${max-port}", "${node-base-port}-${node-max-port}"];
    Wants {
        workloads: Some(WantedWorkloads { images, ..WantedWorkloads::default() }),
        ports: Some(ports.map(str::to_owned).to_vec()),
        resp: true,
        ingress: true,
        transfers: true,
    }
}

/// What a cache has below it.
fn children() -> [ResourceType; 7] {
    let of = |name: &str, since, example| child_type(&format!("Redis/{name}"), versions::since(since), example);
    let firewall = ResourceType {
        shown_name: ShownName::Path,
        ..of(
            FIREWALL_RULES,
            versions::SCHEDULES_AND_RULES,
            json!({
                "name": "office", "properties": { "startIP": "192.168.1.1", "endIP": "192.168.1.4" }
            }),
        )
    };
    let schedules = ResourceType {
        tracking: Tracking::ProxyWithLocation,
        shown_name: ShownName::Path,
        ..of(
            SCHEDULES,
            versions::SCHEDULES_AND_RULES,
            json!({
                "name": "default",
                "properties": { "scheduleEntries": [{ "dayOfWeek": "Monday", "startHourUtc": 12 }] }
            }),
        )
    };
    let links = ResourceType {
        answers: Answers::AtOnce,
        present_before: Some(versions::LINK_CURRENT.to_owned()),
        ..of(
            LINKED_SERVERS,
            versions::LINKS,
            json!({
                "name": "other-cache",
                "properties": {
                    "linkedRedisCacheId": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/my-group/\
                                           providers/Microsoft.Cache/Redis/other-cache",
                    "linkedRedisCacheLocation": "East US",
                    "serverRole": "Secondary"
                }
            }),
        )
    };
    let policies = ResourceType {
        answers: Answers::AtOnce,
        built_in: policy::built_in(),
        ..of(
            ACCESS_POLICIES,
            versions::POLICIES,
            json!({ "name": "my-policy", "properties": { "permissions": "+get +hget ~cache:*" } }),
        )
    };
    let assignments = ResourceType {
        answers: Answers::AtOnce,
        ..of(
            ASSIGNMENTS,
            versions::POLICIES,
            json!({
                "name": "my-assignment",
                "properties": {
                    "objectId": "6497c918-11ad-41e7-1b0f-7c518a87d0b0",
                    "objectIdAlias": "my-app",
                    "accessPolicyName": "Data Reader"
                }
            }),
        )
    };
    let connections = of(
        CONNECTIONS,
        versions::PRIVATE_ENDPOINTS,
        json!({
            "name": "my-endpoint", "properties": { "privateLinkServiceConnectionState": { "status": "Approved" } }
        }),
    );
    let link_resources = ResourceType {
        built_in: vec![BuiltIn {
            name: "redisCache".to_owned(),
            document: json!({
                "properties": {
                    "groupId": "redisCache",
                    "requiredMembers": ["redisCache"],
                    "requiredZoneNames": ["privatelink.redis.cache.windows.net"]
                }
            }),
        }],
        ..of(LINK_RESOURCES, versions::PRIVATE_ENDPOINTS, json!({}))
    };
    [firewall, schedules, links, policies, assignments, connections, link_resources]
}

fn settings() -> Vec<Setting> {
    vec![
        setting(
            "enabled",
            Kind::Boolean,
            "true",
            [
                "Serves Microsoft.Cache.",
                "Without it, requests to Microsoft.Cache are refused as for a provider that is not registered.",
                "enabled: false",
            ],
        ),
        setting(
            "mocked",
            Kind::Boolean,
            "false",
            [
                "Serves the management plane only: caches succeed at once and have no server.",
                "Clients that connect to a mocked cache are refused; caches that had a server lose it and its data.",
                "mocked: true",
            ],
        ),
        setting(
            "default-image",
            Kind::Text,
            "valkey/valkey:8-alpine",
            [
                "The image of the caches' containers: Valkey 7.2 or newer, or Redis 7.0 or newer.",
                "Another image replaces the container of every cache when it is next reconciled; the data stays if the \
                 new server can read it.",
                "default-image: \"redis:7-alpine\"",
            ],
        ),
        setting(
            "base-port",
            Kind::Port,
            "6379",
            [
                "The first port of the machine that a cache may listen on.",
                "A cache keeps the port it has. Mocked caches show this port.",
                "base-port: 16379",
            ],
        ),
        setting(
            "max-port",
            Kind::Port,
            "6399",
            [
                "The last port of the machine that a cache may listen on.",
                "There can be as many caches as there are ports, less one for ssl-port if it is among them.",
                "max-port: 16479",
            ],
        ),
        setting(
            "max-memory",
            Kind::Size,
            "256mb",
            [
                "The most data of one cache: its maxmemory is the size of its SKU, but not more than this.",
                "More lets a test fill the machine; less evicts earlier than Azure would. Another value replaces the \
                 container of every cache when it is next reconciled, because its memory limit follows.",
                "max-memory: 1gb",
            ],
        ),
        setting(
            "ssl-port",
            Kind::Port,
            "6380",
            [
                "The port on which the gateway serves every cache over TLS, and that caches show as sslPort.",
                "Which cache a client wants is told by the name that it asks for in TLS, else by its access key. While \
                 another program has the port, or tls.enabled is false, caches are reached without TLS only.",
                "ssl-port: 16380",
            ],
        ),
        setting(
            "node-base-port",
            Kind::Port,
            "13000",
            [
                "The first port of the machine for the nodes of clusters, and for servers that the gateway stands before.",
                "A node keeps the port it has. A cluster needs two for each node.",
                "node-base-port: 23000",
            ],
        ),
        setting(
            "node-max-port",
            Kind::Port,
            "13999",
            [
                "The last port of the machine for nodes.",
                "A cache whose nodes find no port ends as Failed.",
                "node-max-port: 23999",
            ],
        ),
        setting(
            "strict-ports",
            Kind::Boolean,
            "false",
            [
                "Closes the port without TLS of caches that have 'enableNonSslPort' set to false, as Azure does.",
                "Clients then need TLS and the gateway's certificate. Without it every cache can be reached without TLS.",
                "strict-ports: true",
            ],
        ),
        setting(
            "enforce-firewall",
            Kind::Boolean,
            "true",
            [
                "Lets only those connect whom a cache's firewall rules and its 'publicNetworkAccess' allow.",
                "A cache with rules for other addresses than 127.0.0.1 cannot be reached from this machine. Without it \
                 both are stored and shown, and everybody may connect.",
                "enforce-firewall: false",
            ],
        ),
    ]
}
