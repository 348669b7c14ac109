//! The public document: what a GET shows, in Azure's order.

use floci_az_sdk::{Purpose, Value, View, json};
use serde_json::Map;

use crate::cache::Cache;
use crate::children::Children;
use crate::children::connection::Connection as Connected;
use crate::private::{Private, Server};
use crate::settings::{Backing, Settings};
use crate::versions;

/// Azure's ports of the first node, which follow each other.
const FIRST_NODE_SSL: u16 = 15_000;
const FIRST_NODE_NON_SSL: u16 = 13_000;

/// Where clients are to connect, and whether the nodes have found their roles.
struct Connection<'a> {
    host: &'a str,
    port: Option<u16>,
    roles: Roles,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Roles {
    Undecided,
    Decided,
}

impl Connection<'_> {
    fn of<'a>(server: &'a Server, settings: &Settings) -> Connection<'a> {
        match (server, settings.backing) {
            (Server::Serving { host, port }, _) => Connection { host, port: Some(*port), roles: Roles::Decided },
            (_, Backing::Nothing) => {
                Connection { host: "localhost", port: Some(*settings.ports.start()), roles: Roles::Decided }
            }
            // No port rather than a wrong one. Host and sslPort have to be there from the start: Terraform's provider
            // reads them from the first answer, and panics on null.
            (_, Backing::Server) => Connection { host: "localhost", port: None, roles: Roles::Undecided },
        }
    }
}

pub fn document(cache: &Cache, private: &Private, settings: &Settings, children: &Children) -> Value {
    let connection = Connection::of(&private.server, settings);
    let mut properties = Map::new();
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    set("redisVersion", json!(cache.redis_version));
    set("sku", cache.sku.to_json());
    set("enableNonSslPort", json!(cache.enable_non_ssl_port));
    set("instances", instances(cache, &private.node_ports, connection.roles));
    set("publicNetworkAccess", json!(cache.public_network_access));
    let sent = [
        ("minimumTlsVersion", json!(cache.minimum_tls_version)),
        ("tenantSettings", json!(cache.tenant_settings)),
        ("shardCount", json!(cache.shard_count)),
        ("replicasPerMaster", json!(cache.replicas)),
        ("replicasPerPrimary", json!(cache.replicas)),
        ("subnetId", json!(cache.subnet_id)),
        ("staticIP", json!(cache.static_ip)),
    ];
    for (name, value) in sent.into_iter().filter(|(_, value)| !value.is_null()) {
        set(name, value);
    }
    set("redisConfiguration", json!(cache.configuration.texts()));
    set("accessKeys", Value::Null);
    set("hostName", json!(connection.host));
    set("port", json!(connection.port));
    set("sslPort", json!(settings.ssl_port));
    let links: Vec<Value> = children.links.iter().map(|link| json!({ "id": link.id.to_string() })).collect();
    set("linkedServers", json!(links));
    if !children.connections.is_empty() {
        let connections: Vec<Value> = children.connections.iter().map(Connected::to_json).collect();
        set("privateEndpointConnections", json!(connections));
    }
    set("updateChannel", json!(cache.update_channel));
    set("disableAccessKeyAuthentication", json!(cache.disable_access_key_authentication));
    set("zonalAllocationPolicy", json!(cache.zones.policy.as_str()));

    let mut document = json!({ "properties": properties });
    if let Some(members) = document.as_object_mut() {
        if !cache.zones.names.is_empty() {
            members.insert("zones".to_owned(), json!(cache.zones.names));
        }
        if let Some(identity) = &cache.identity {
            members.insert("identity".to_owned(), identity.to_json());
        }
    }
    document
}

/// One per node that Azure would have, with the ports where the gateway serves it, if it does.
fn instances(cache: &Cache, ports: &[Option<u16>], roles: Roles) -> Value {
    let nodes = u16::from(cache.nodes_per_shard());
    let mut zones = cache.zones.names.iter().cycle();
    let instance = |number: u16| {
        let mut instance = Map::new();
        let mut set = |name: &str, value: Value| instance.insert(name.to_owned(), value);
        let served = ports.get(usize::from(number)).copied().flatten();
        set("sslPort", json!(served.unwrap_or(FIRST_NODE_SSL + number)));
        if cache.enable_non_ssl_port {
            set("nonSslPort", json!(served.unwrap_or(FIRST_NODE_NON_SSL + number)));
        }
        if cache.shard_count.is_some() {
            set("shardId", json!(number / nodes));
        }
        if let Some(zone) = zones.next() {
            set("zone", json!(zone));
        }
        let primary = roles == Roles::Decided && number.is_multiple_of(nodes);
        set("isMaster", json!(primary));
        set("isPrimary", json!(primary));
        Value::Object(instance)
    };
    Value::Array((0..nodes * u16::from(cache.shards())).map(instance).collect())
}

/// The document as this answer shows it, in this version: the answer to a PUT has the keys.
pub fn presented(view: View) -> Value {
    let state = view.resource.state;
    let keys = match view.purpose {
        Purpose::Put => state.private::<Private>().ok().flatten().map(|private| private.keys.to_json()),
        Purpose::Patch | Purpose::Get | Purpose::List => None,
    };
    let mut document = state.document;
    if let (Some(keys), Some(shown)) = (keys, document.pointer_mut("/properties/accessKeys")) {
        *shown = keys;
    }
    versions::cache_as_of(document, &view.api_version)
}
