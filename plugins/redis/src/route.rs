//! How clients reach the servers of a cache through the gateway: which ports and names lead where, and who may connect.

use std::collections::BTreeMap;
use std::net::IpAddr;

use floci_az_sdk::{Addresses, Backend, Entry, Protocol, ResourceId, Route, TokenUser};

use crate::access::{Access, token_users};
use crate::cache::Cache;
use crate::children::Children;
use crate::keys::digest;
use crate::private::Private;
use crate::settings::{Firewall, PlainPort, Settings};

/// One server of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub workload: String,
    /// In the workload's spec.
    pub port_name: &'static str,
    pub shard: u8,
    pub primary: bool,
    /// The port that the gateway serves for it, in clusters.
    pub public: Option<u16>,
}

/// Who serves the port without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// The runtime: no one checks who connects.
    Direct,
    /// The gateway, which checks addresses, and leads to the nodes of a cluster.
    Guarded,
    /// Nobody.
    Closed,
}

pub fn plain(cache: &Cache, settings: &Settings, children: &Children) -> Plain {
    let private = settings.firewall == Firewall::Enforced && cache.public_network_access == "Disabled";
    let unwanted = settings.plain_port == PlainPort::AsAsked && !cache.enable_non_ssl_port;
    let ruled = settings.firewall == Firewall::Enforced && !children.firewall.is_empty();
    match () {
        () if private || unwanted => Plain::Closed,
        () if ruled || cache.shard_count.is_some() => Plain::Guarded,
        () => Plain::Direct,
    }
}

/// The port for TLS leads to the primary of the first shard, as Azure's does; from there a cluster sends clients on.
pub fn route(
    id: &ResourceId,
    cache: &Cache,
    private: &Private,
    settings: &Settings,
    children: &Children,
    main_port: u16,
    nodes: &[Node],
) -> Route {
    let plain = plain(cache, settings, children);
    let mut entries = BTreeMap::new();
    for node in nodes {
        if let Some(port) = node.public {
            entries.insert(port, entry(node, plain != Plain::Closed));
        }
    }
    if let Some(first) = nodes.iter().find(|node| node.primary && node.shard == 0) {
        if plain == Plain::Guarded {
            entries.insert(main_port, entry(first, true));
        }
        entries.insert(settings.ssl_port, entry(first, false));
    }
    let tokens = token_users(cache, children)
        .map(|(user, password, _)| TokenUser { user: user.to_owned(), password: password.to_owned() });
    Route {
        hosts: vec![format!("{}.redis.cache.windows.net", id.name()), format!("{}.localhost", id.name())],
        entries,
        from: from(cache, settings, children),
        keys: match Access::of(cache) {
            Access::Keys | Access::Everybody => vec![digest(&private.keys.primary), digest(&private.keys.secondary)],
            Access::Nobody => Vec::new(),
        },
        tokens: tokens.collect(),
        peers: vec![digest(&private.replication)],
        // Before 1.2 nothing is spoken, so older ones ask for nothing.
        oldest_tls: cache.minimum_tls_version.filter(|version| *version == "1.2").map(str::to_owned),
    }
}

fn entry(node: &Node, plain: bool) -> Entry {
    let to = Backend { workload: node.workload.clone(), port: node.port_name.to_owned() };
    Entry { protocol: Protocol::Resp, tls: true, plain, to }
}

/// None for everybody. Without rules a firewall lets everybody in.
fn from(cache: &Cache, settings: &Settings, children: &Children) -> Option<Vec<Addresses>> {
    match settings.firewall {
        Firewall::Stored => None,
        Firewall::Enforced if cache.public_network_access == "Disabled" => Some(Vec::new()),
        Firewall::Enforced if children.firewall.is_empty() => None,
        Firewall::Enforced => {
            let range = |first, last| Addresses { first: IpAddr::V4(first), last: IpAddr::V4(last) };
            Some(children.firewall.iter().map(|rule| range(rule.first, rule.last)).collect())
        }
    }
}
