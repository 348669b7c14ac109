//! What the plugin says of itself.

use floci_az_sdk::{
    Kind, Listener, Manifest, Protocol, Purpose, ResourceType, Setting, json, manifest as of, reads, resource_type,
    setting, writes,
};

use crate::server::PROGRAMS;

/// Versions of which there is a specification or recorded traffic, newest first. All are answered alike: later ones
/// only add members.
const API_VERSIONS: [&str; 16] = [
    "2025-08-01-preview",
    "2024-11-01",
    "2024-03-01",
    "2023-08-01",
    "2023-05-01-preview",
    "2023-04-01",
    "2021-06-01",
    "2020-06-01",
    "2018-03-01",
    "2017-10-01",
    "2017-02-01",
    "2016-04-01",
    "2015-08-01",
    "2015-03-01",
    "2014-04-01",
    "2014-04-01-preview",
];

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
        actions: vec![reads("listKeys"), writes("regenerateKey")],
        // Only the answer to a PUT shows the access keys.
        present_on: vec![Purpose::Put],
        ..resource_type("Redis", API_VERSIONS, example)
    };
    Manifest {
        programs: PROGRAMS.map(str::to_owned).to_vec(),
        settings: settings(),
        listeners: vec![Listener { setting: "ssl-port".to_owned(), protocol: Protocol::Resp }],
        actions: vec![reads("checkNameAvailability")],
        ..of("Microsoft.Cache", "redis", [redis])
    }
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
    ]
}
