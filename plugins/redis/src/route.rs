//! How clients reach the servers of a cache through the gateway: which ports and names lead where, and who may connect.

use std::collections::BTreeMap;
use std::net::IpAddr;

use floci_az_sdk::{Addresses, Backend, Entry, Protocol, ResourceId, Route, TokenUser};

use crate::access::{Access, token_users};
use crate::cache::Cache;
use crate::children::Children;
use crate::keys::digest;
use crate::nodes;
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

pub fn plain(cache: &Cache, private: &Private, settings: &Settings, children: &Children) -> Plain {
    let secluded = settings.firewall == Firewall::Enforced && cache.public_network_access == "Disabled";
    let unwanted = settings.plain_port == PlainPort::AsAsked && !cache.enable_non_ssl_port;
    let ruled = settings.firewall == Firewall::Enforced && !children.firewall.is_empty();
    match () {
        () if secluded || unwanted => Plain::Closed,
        () if ruled || nodes::is_clustered(cache, private) => Plain::Guarded,
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
    let plain = plain(cache, private, settings, children);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::children::assignment::Assignment;
    use crate::children::firewall::Rule;
    use crate::keys::Keys;
    use expect_test::expect;
    use floci_az_sdk::json;

    const SOMEBODY: &str = "6497c918-11ad-41e7-1b0f-7c518a87d0b0";

    fn cache(properties: floci_az_sdk::Value) -> Cache {
        let mut document = json!({ "properties": { "sku": { "name": "Premium", "family": "P", "capacity": 1 } } });
        let (members, more) = (document["properties"].as_object_mut().unwrap(), properties.as_object().unwrap());
        members.extend(more.clone());
        Cache::read(&document, None).unwrap()
    }

    fn children() -> Children {
        let rule = Rule { name: "r".to_owned(), first: [10, 0, 0, 1].into(), last: [10, 0, 0, 9].into() };
        let assignment = Assignment {
            name: "a".to_owned(),
            object_id: SOMEBODY.to_owned(),
            policy: "Data Reader".to_owned(),
            password: "behind the token".to_owned(),
        };
        Children { firewall: vec![rule], assignments: vec![assignment], ..Children::default() }
    }

    fn node(workload: &str, shard: u8, primary: bool, public: Option<u16>) -> Node {
        Node { workload: workload.to_owned(), port_name: "redis", shard, primary, public }
    }

    /// What of a route differs from cache to cache.
    fn shown(cache: &Cache, settings: &Settings, children: &Children, nodes: &[Node]) -> String {
        let private = Private {
            keys: Keys { primary: "one".to_owned(), secondary: "two".to_owned() },
            replication: "four".to_owned(),
            ..Private::generate().unwrap()
        };
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/Cache".parse().unwrap();
        let route = route(&id, cache, &private, settings, children, 6379, nodes);
        assert_eq!(route.hosts, ["Cache.redis.cache.windows.net", "Cache.localhost"]);
        assert_eq!(route.peers, [digest("four")]);
        let entry = |(port, entry): (&u16, &Entry)| {
            let ways = match (entry.tls, entry.plain) {
                (true, true) => "any",
                (true, false) => "tls",
                (false, _) => "plain",
            };
            format!("{port} {ways} -> {}", entry.to.workload)
        };
        let range = |addresses: &Addresses| format!("{}-{}", addresses.first, addresses.last);
        let from = route
            .from
            .as_ref()
            .map_or_else(|| "everybody".to_owned(), |from| from.iter().map(range).collect::<Vec<_>>().join(" "));
        format!(
            "{:?}; {}; from {from:?}; {} keys; {} tokens; TLS {:?}",
            plain(cache, &private, settings, children),
            route.entries.iter().map(entry).collect::<Vec<_>>().join(", "),
            route.keys.len(),
            route.tokens.len(),
            route.oldest_tls,
        )
    }

    #[test]
    fn a_route_says_who_is_led_where() {
        let one = [node("server", 0, true, None), node("replica-1", 0, false, None)];
        let cluster = [
            node("server", 0, true, Some(13_000)),
            node("replica-1", 0, false, Some(13_001)),
            node("shard-1", 1, true, Some(13_002)),
        ];
        let none = Children::default();
        let strict = Settings { plain_port: PlainPort::AsAsked, ..Settings::usual() };
        let stored = Settings { firewall: Firewall::Stored, ..Settings::usual() };
        let entra = json!({ "redisConfiguration": { "aad-enabled": "True" }, "disableAccessKeyAuthentication": true });
        let lines = [
            ("plain", shown(&cache(json!({})), &Settings::usual(), &none, &one)),
            ("oldest", shown(&cache(json!({ "minimumTlsVersion": "1.0" })), &Settings::usual(), &none, &one)),
            ("1.2", shown(&cache(json!({ "minimumTlsVersion": "1.2" })), &Settings::usual(), &none, &one)),
            ("rules", shown(&cache(json!({})), &Settings::usual(), &children(), &one)),
            ("rules, stored", shown(&cache(json!({})), &stored, &children(), &one)),
            (
                "private",
                shown(&cache(json!({ "publicNetworkAccess": "Disabled" })), &Settings::usual(), &children(), &one),
            ),
            ("private, stored", shown(&cache(json!({ "publicNetworkAccess": "Disabled" })), &stored, &none, &one)),
            ("strict", shown(&cache(json!({})), &strict, &none, &one)),
            ("strict, asked", shown(&cache(json!({ "enableNonSslPort": true })), &strict, &none, &one)),
            ("cluster", shown(&cache(json!({ "shardCount": 2 })), &Settings::usual(), &none, &cluster)),
            ("cluster, strict", shown(&cache(json!({ "shardCount": 2 })), &strict, &none, &cluster)),
            ("tokens only", shown(&cache(entra), &Settings::usual(), &children(), &one)),
        ];
        expect![[r#"
            plain: Direct; 6380 tls -> server; from "everybody"; 2 keys; 0 tokens; TLS None
            oldest: Direct; 6380 tls -> server; from "everybody"; 2 keys; 0 tokens; TLS None
            1.2: Direct; 6380 tls -> server; from "everybody"; 2 keys; 0 tokens; TLS Some("1.2")
            rules: Guarded; 6379 any -> server, 6380 tls -> server; from "10.0.0.1-10.0.0.9"; 2 keys; 0 tokens; TLS None
            rules, stored: Direct; 6380 tls -> server; from "everybody"; 2 keys; 0 tokens; TLS None
            private: Closed; 6380 tls -> server; from ""; 2 keys; 0 tokens; TLS None
            private, stored: Direct; 6380 tls -> server; from "everybody"; 2 keys; 0 tokens; TLS None
            strict: Closed; 6380 tls -> server; from "everybody"; 2 keys; 0 tokens; TLS None
            strict, asked: Direct; 6380 tls -> server; from "everybody"; 2 keys; 0 tokens; TLS None
            cluster: Guarded; 6379 any -> server, 6380 tls -> server, 13000 any -> server, 13001 any -> replica-1, 13002 any -> shard-1; from "everybody"; 2 keys; 0 tokens; TLS None
            cluster, strict: Closed; 6380 tls -> server, 13000 tls -> server, 13001 tls -> replica-1, 13002 tls -> shard-1; from "everybody"; 2 keys; 0 tokens; TLS None
            tokens only: Guarded; 6379 any -> server, 6380 tls -> server; from "10.0.0.1-10.0.0.9"; 0 keys; 1 tokens; TLS None"#]].assert_eq(&lines.map(|(name, line)| format!("{name}: {line}")).join("\n"));
    }

    #[test]
    fn users_of_deleted_policies_and_of_caches_without_tokens_are_none() {
        let private = Private::generate().unwrap();
        let entra = cache(json!({ "redisConfiguration": { "aad-enabled": "true" } }));
        let names = |cache: &Cache, children: &Children| {
            let users = crate::access::users(cache, &private, children);
            users.into_iter().map(|user| user.name).collect::<Vec<_>>().join(" ")
        };
        let mut orphaned = children();
        orphaned.assignments[0].policy = "mine".to_owned();
        let lines = [names(&entra, &children()), names(&cache(json!({})), &children()), names(&entra, &orphaned)];
        expect![[r#"
            default floci-az-replica 6497c918-11ad-41e7-1b0f-7c518a87d0b0
            default floci-az-replica
            default floci-az-replica"#]]
        .assert_eq(&lines.join("\n"));
        let users = crate::access::users(&entra, &private, &children());
        let reader = users.last().unwrap();
        assert_eq!(reader.command()[..4], ["ACL", "SETUSER", SOMEBODY, "reset"]);
        let digest = format!("#{}", digest("behind the token"));
        assert_eq!(reader.rules[..4], ["on".to_owned(), digest, "allchannels".to_owned(), "+@read".to_owned()]);
        assert!(!crate::access::file(&users, &private).contains("behind the token"));
    }
}
