//! A server of a cache, as a workload spec: it means the same as a container and as a local process.
//!
//! `server.conf` is for Valkey 7.2 and newer and for Redis 7.0 and newer. What can be changed while the server runs is
//! in [`parameters`], so that a restart finds the configuration that was applied live.

use std::collections::BTreeMap;

use floci_az_sdk::{PortSpec, WorkloadSpec};

use crate::access::REPLICA;
use crate::cache::Cache;
use crate::nodes::{BUS, PORT};
use crate::replication::Primary;
use crate::settings::Settings;

/// In order of preference.
pub const PROGRAMS: [&str; 2] = ["valkey-server", "redis-server"];

/// Bytes that a server takes besides its data: code, client buffers, the append-only file's buffers.
const OVERHEAD: u64 = 128 << 20;

/// Bytes of data: what the size sells, but not more than the operator allows.
pub fn max_memory(cache: &Cache, settings: &Settings) -> u64 {
    cache.sku.bytes().min(settings.max_memory)
}

/// What is applied to a running server, by the names that `CONFIG SET` and `server.conf` share.
pub fn parameters(cache: &Cache, settings: &Settings) -> [(&'static str, String); 5] {
    [
        ("maxmemory", max_memory(cache, settings).to_string()),
        ("maxmemory-policy", cache.configuration.eviction_policy().to_owned()),
        ("notify-keyspace-events", cache.configuration.keyspace_events().to_owned()),
        ("timeout", cache.configuration.timeout().to_owned()),
        ("maxclients", cache.sku.max_clients().to_string()),
    ]
}

/// What one server has beside what all servers of its cache have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post<'a> {
    pub workload: &'a str,
    pub ports: BTreeMap<String, PortSpec>,
    /// The port that it is announced as, if it is a node of a cluster.
    pub public: Option<u16>,
    /// The host that it is announced as.
    pub announced: &'a str,
    /// Whom it replicates when it starts.
    pub primary: Option<Primary>,
    /// Password for those that it replicates.
    pub replication: &'a str,
}

impl Post<'_> {
    /// What is applied to this one while it runs, besides [`parameters`].
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut own = vec![("masteruser", REPLICA.to_owned()), ("masterauth", self.replication.to_owned())];
        if let Some(public) = self.public {
            own.push(("cluster-announce-hostname", self.announced.to_owned()));
            own.push(("cluster-announce-port", public.to_string()));
        }
        own
    }
}

pub fn spec(cache: &Cache, settings: &Settings, post: &Post<'_>, users: String) -> WorkloadSpec {
    let files = [("server.conf", configuration(cache, settings, post)), ("users.acl", users)];
    workload(post.workload, settings, post.ports.clone(), files)
}

/// A workload that runs a server, with these files.
pub fn workload<const N: usize>(
    name: &str,
    settings: &Settings,
    ports: BTreeMap<String, PortSpec>,
    files: [(&str, String); N],
) -> WorkloadSpec {
    WorkloadSpec {
        name: name.to_owned(),
        image: settings.image.clone(),
        programs: PROGRAMS.map(str::to_owned).to_vec(),
        args: vec!["${files}/server.conf".to_owned()],
        env: BTreeMap::new(),
        ports,
        files: files.into_iter().map(|(name, content)| (name.to_owned(), content)).collect(),
        memory: Some(memory_limit(settings)),
    }
}

/// Of the container. Half as much again as the data: fragmentation, and the pages that are copied while the append-only
/// file is rewritten. From the operator's setting and not from the size, so that scaling replaces no container.
fn memory_limit(settings: &Settings) -> u64 {
    settings.max_memory.saturating_add(settings.max_memory / 2).saturating_add(OVERHEAD)
}

fn configuration(cache: &Cache, settings: &Settings, post: &Post<'_>) -> String {
    let (all, own) = (parameters(cache, settings), post.parameters());
    let live: String = all.iter().chain(&own).map(|(name, value)| format!("{name} \"{value}\"\n")).collect();
    let cluster = match post.public {
        // Roles are given once, by the plugin: no replica takes over by itself, none moves to another primary.
        Some(_) => format!(
            "cluster-enabled yes\n\
             cluster-config-file nodes.conf\n\
             cluster-port ${{port.{BUS}}}\n\
             cluster-node-timeout 5000\n\
             cluster-preferred-endpoint-type hostname\n\
             cluster-allow-replica-migration no\n\
             cluster-replica-no-failover yes\n"
        ),
        None => String::new(),
    };
    let replicaof = match &post.primary {
        Some(Primary { host, port }) if post.public.is_none() => format!("replicaof {host} {port}\n"),
        Some(_) | None => String::new(),
    };
    // Data survives a restart: at most a second of writes is lost.
    format!(
        r#"{}appendonly yes
appendfsync everysec
save ""
{live}{cluster}{replicaof}"#,
        placed()
    )
}

/// Where a server listens, writes and knows its users. The ACL guards it, which protected mode would not know.
pub fn placed() -> String {
    format!(
        r#"bind ${{address}}
port ${{port.{PORT}}}
protected-mode no
daemonize no
logfile ""
dir "${{data}}"
aclfile "${{files}}/users.acl"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use floci_az_sdk::json;

    #[test]
    fn a_node_of_a_cluster_listens_inside_where_it_is_announced() {
        let cache =
            Cache::read(&json!({ "properties": { "sku": { "name": "Premium", "family": "P", "capacity": 1 } } }), None);
        let post = Post {
            workload: "shard-1",
            ports: BTreeMap::new(),
            public: Some(13_001),
            announced: "localhost",
            primary: Some(Primary { host: "10.0.0.2".to_owned(), port: 6379 }),
            replication: "four",
        };
        let text = configuration(&cache.unwrap(), &Settings::usual(), &post);
        expect![[r#"
            maxmemory "268435456"
            maxmemory-policy "volatile-lru"
            notify-keyspace-events ""
            timeout "0"
            maxclients "7500"
            masteruser "floci-az-replica"
            masterauth "four"
            cluster-announce-hostname "localhost"
            cluster-announce-port "13001"
            cluster-enabled yes
            cluster-config-file nodes.conf
            cluster-port ${port.bus}
            cluster-node-timeout 5000
            cluster-preferred-endpoint-type hostname
            cluster-allow-replica-migration no
            cluster-replica-no-failover yes
        "#]]
        .assert_eq(text.split("save \"\"\n").nth(1).unwrap());
        let replica = Post { public: None, ..post };
        let cache =
            Cache::read(&json!({ "properties": { "sku": { "name": "Premium", "family": "P", "capacity": 1 } } }), None);
        assert!(configuration(&cache.unwrap(), &Settings::usual(), &replica).ends_with("replicaof 10.0.0.2 6379\n"));
    }

    #[test]
    fn a_spec_holds_no_key_and_the_same_limit_for_every_size() {
        let settings = Settings::usual();
        let of = |sku: floci_az_sdk::Value| {
            let cache = Cache::read(&json!({ "properties": { "sku": sku } }), None).unwrap();
            let post = Post {
                workload: "server",
                ports: BTreeMap::from([("redis".to_owned(), PortSpec { inside: 6379, outside: 6381 })]),
                public: None,
                announced: "localhost",
                primary: None,
                replication: "four",
            };
            spec(&cache, &settings, &post, "user default on\n".to_owned())
        };
        let spec = of(json!({ "name": "Basic", "family": "C", "capacity": 0 }));
        let files: Vec<String> = spec.files.iter().map(|(name, content)| format!("--- {name}\n{content}")).collect();
        expect![[r#"
            --- server.conf
            bind ${address}
            port ${port.redis}
            protected-mode no
            daemonize no
            logfile ""
            dir "${data}"
            aclfile "${files}/users.acl"
            appendonly yes
            appendfsync everysec
            save ""
            maxmemory "262144000"
            maxmemory-policy "volatile-lru"
            notify-keyspace-events ""
            timeout "0"
            maxclients "256"
            masteruser "floci-az-replica"
            masterauth "four"
            --- users.acl
            user default on
        "#]]
        .assert_eq(&files.join(""));
        expect![[r#"
            WorkloadSpec {
                name: "server",
                image: "valkey/valkey:8-alpine",
                programs: [
                    "valkey-server",
                    "redis-server",
                ],
                args: [
                    "${files}/server.conf",
                ],
                env: {},
                ports: {
                    "redis": PortSpec {
                        inside: 6379,
                        outside: 6381,
                    },
                },
                files: {},
                memory: Some(
                    536870912,
                ),
            }
        "#]]
        .assert_debug_eq(&WorkloadSpec { files: BTreeMap::new(), ..spec.clone() });
        let larger = of(json!({ "name": "Premium", "family": "P", "capacity": 5 }));
        assert_eq!(WorkloadSpec { files: spec.files.clone(), ..larger }, spec);
    }
}
