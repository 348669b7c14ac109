//! The server of a cache, as a workload spec: it means the same as a container and as a local process.
//!
//! `server.conf` is for Valkey 7.2 and newer and for Redis 7.0 and newer. What can be changed while the server runs is
//! in [`parameters`], so that a restart finds the configuration that was applied live.

use std::collections::BTreeMap;

use floci_az_sdk::{PortSpec, WorkloadSpec};

use crate::access;
use crate::cache::Cache;
use crate::children::Children;
use crate::private::Private;
use crate::settings::Settings;

/// Name of the workload.
pub const SERVER: &str = "server";
/// Name of its port, in the spec and in the gateway's allocations.
pub const PORT: &str = "redis";
/// In order of preference.
pub const PROGRAMS: [&str; 2] = ["valkey-server", "redis-server"];

/// Where a container listens.
const INSIDE: u16 = 6379;
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

/// The spec, with `port` as what clients reach.
pub fn spec(cache: &Cache, private: &Private, settings: &Settings, port: u16) -> WorkloadSpec {
    let users = access::file(&access::users(cache, private, &Children::default()), private);
    let files = [("server.conf", configuration(cache, settings)), ("users.acl", users)];
    WorkloadSpec {
        name: SERVER.to_owned(),
        image: settings.image.clone(),
        programs: PROGRAMS.map(str::to_owned).to_vec(),
        args: vec!["${files}/server.conf".to_owned()],
        env: BTreeMap::new(),
        ports: BTreeMap::from([(PORT.to_owned(), PortSpec { inside: INSIDE, outside: port })]),
        files: files.into_iter().map(|(name, content)| (name.to_owned(), content)).collect(),
        memory: Some(memory_limit(settings)),
    }
}

/// Of the container. Half as much again as the data: fragmentation, and the pages that are copied while the append-only
/// file is rewritten. From the operator's setting and not from the size, so that scaling replaces no container.
fn memory_limit(settings: &Settings) -> u64 {
    settings.max_memory.saturating_add(settings.max_memory / 2).saturating_add(OVERHEAD)
}

fn configuration(cache: &Cache, settings: &Settings) -> String {
    let live: String =
        parameters(cache, settings).iter().map(|(name, value)| format!("{name} \"{value}\"\n")).collect();
    // The ACL guards the server, which protected mode would not know. Data survives a restart: at most a second of
    // writes is lost.
    format!(
        r#"bind ${{address}}
port ${{port.{PORT}}}
protected-mode no
daemonize no
logfile ""
dir "${{data}}"
aclfile "${{files}}/users.acl"
appendonly yes
appendfsync everysec
save ""
{live}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use crate::private::Server;
    use crate::settings::{Backing, Firewall, PlainPort};
    use expect_test::expect;
    use floci_az_sdk::json;

    #[test]
    fn a_spec_holds_no_key_and_the_same_limit_for_every_size() {
        let settings = Settings {
            backing: Backing::Server,
            image: "valkey/valkey:8-alpine".to_owned(),
            ports: 6379..=6399,
            max_memory: 256 << 20,
            ssl_port: 6380,
            node_ports: 13000..=13999,
            plain_port: PlainPort::Open,
            firewall: Firewall::Enforced,
        };
        let private = Private {
            keys: Keys { primary: "one".to_owned(), secondary: "two".to_owned() },
            administrator: "three".to_owned(),
            replication: "four".to_owned(),
            node_ports: Vec::new(),
            server: Server::Placed,
            refused_ports: Vec::new(),
            exits: 0,
            repair: Default::default(),
        };
        let of = |sku: floci_az_sdk::Value| {
            let cache = Cache::read(&json!({ "properties": { "sku": sku } }), None).unwrap();
            spec(&cache, &private, &settings, 6381)
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
            --- users.acl
            user floci-az on #8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f ~* +ping +config +acl +info +role +cluster +replicaof +flushall +bgsave +save +lastsave +select +dbsize +scan +dump +del +migrate +restore +restore-asking +asking +readonly +wait
            user default on #7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed #3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3 ~* &* +@all
            user floci-az-replica on #04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00 +psync +replconf +ping
        "#]].assert_eq(&files.join(""));
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
