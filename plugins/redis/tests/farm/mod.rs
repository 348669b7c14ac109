//! A model of many servers: keys, replication, and as much of a cluster as the plugin relies on. Each workload is one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::{Rc, Weak};

use floci_az_redis::Redis;
use floci_az_sdk::testing::FakeHost;
use floci_az_sdk::{Command, Fault, Reply, json};

pub const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/cache";
pub const SLOTS: u16 = 16_384;

type Name = (String, String);

#[derive(Default)]
pub struct Server {
    parameters: BTreeMap<String, String>,
    /// Whom it replicates.
    pub primary: Option<(String, u16)>,
    /// By database.
    pub keys: BTreeMap<u32, BTreeSet<Vec<u8>>>,
    pub saves: u64,
    pub slots: BTreeSet<u16>,
    migrating: BTreeMap<u16, String>,
    /// Ids of the nodes that it knows.
    known: BTreeSet<String>,
    replicates: Option<String>,
    /// Keys that a client cannot have moved because of this.
    pub refuses_keys: Option<String>,
    /// It accepts no connections.
    pub is_silent: bool,
}

#[derive(Default)]
pub struct Farm {
    pub servers: BTreeMap<Name, Server>,
    host: Weak<FakeHost>,
}

pub fn gateway() -> (Rc<FakeHost>, Rc<RefCell<Farm>>) {
    let host = Rc::new(FakeHost::of::<Redis>());
    let farm = Rc::new(RefCell::new(Farm { servers: BTreeMap::new(), host: Rc::downgrade(&host) }));
    let model = farm.clone();
    host.answer_each(move |endpoint, _, command| {
        let name = (endpoint.owner.to_string().to_lowercase(), endpoint.workload.to_owned());
        model.borrow_mut().execute(&name, command)
    });
    (host, farm)
}

/// The slot of a key in this model: its first two bytes say it.
pub fn key(slot: u16, rest: u8) -> Vec<u8> {
    let [high, low] = slot.to_be_bytes();
    vec![high, low, rest]
}

fn slot(key: &[u8]) -> u16 {
    u16::from_be_bytes([key[0], key[1]]) % SLOTS
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Farm {
    pub fn server(&mut self, id: &str, workload: &str) -> &mut Server {
        self.servers.entry((id.to_lowercase(), workload.to_owned())).or_default()
    }

    /// Those whose workload is there.
    pub fn names(&self, id: &str) -> Vec<String> {
        let host = self.host.upgrade().unwrap();
        let of = self.servers.keys().filter(|(owner, _)| *owner == id.to_lowercase());
        of.filter(|(owner, name)| host.spec(owner, name).is_some()).map(|(_, name)| name.clone()).collect()
    }

    fn parameter(&self, (owner, workload): &Name, name: &str) -> String {
        // A server that was removed is known to the others until they forget it.
        let Some(spec) = self.host.upgrade().unwrap().spec(owner, workload) else { return String::new() };
        let of = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.trim_matches('"').to_owned());
        spec.files["server.conf"].lines().find_map(of).unwrap_or_default()
    }

    fn node_id((_, workload): &Name) -> String {
        format!("id-of-{workload}")
    }

    fn line(&self, name: &Name, asked: &Name) -> String {
        let server = &self.servers[name];
        let (me, id) = (if name == asked { "myself," } else { "" }, Farm::node_id(name));
        let (role, primary) = match &server.replicates {
            Some(primary) => ("slave", primary.as_str()),
            None => ("master", "-"),
        };
        let public = self.parameter(name, "cluster-announce-port");
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for slot in &server.slots {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *slot => *last = *slot,
                _ => ranges.push((*slot, *slot)),
            }
        }
        let slots = ranges.iter().map(|(first, last)| format!("{first}-{last}"));
        let migrating = server.migrating.iter().map(|(slot, to)| format!("[{slot}->-{to}]")).filter(|_| name == asked);
        let owned = slots.chain(migrating).map(|word| format!(" {word}")).collect::<String>();
        format!("{id} 127.0.0.1:{public}@1,localhost {me}{role} {primary} 0 0 1 connected{owned}\n")
    }

    fn execute(&mut self, name: &Name, command: &Command) -> Result<Reply, Fault> {
        let text: Vec<String> =
            command.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let words: Vec<&str> = text.iter().map(String::as_str).collect();
        self.servers.entry(name.clone()).or_default().known.insert(Farm::node_id(name));
        if self.servers[name].is_silent {
            return Err(Fault::new("ConnectionFailed", "nobody listens"));
        }
        if let Some(reply) = self.cluster(name, &words) {
            return Ok(reply);
        }
        if let ["MIGRATE", _, port, ..] = words.as_slice() {
            let database = words[4].parse().unwrap();
            let at = words.iter().position(|word| *word == "KEYS").unwrap();
            let options = &words[..at];
            return Ok(self.migrate(name, port, database, &command.arguments()[at + 1..], options));
        }
        let fallback = match words.as_slice() {
            ["CONFIG", "GET", parameter] => self.parameter(name, parameter),
            _ => String::new(),
        };
        let server = self.servers.get_mut(name).unwrap();
        Ok(match words.as_slice() {
            ["PING"] => Reply::text("PONG"),
            ["ACL", "USERS"] => Reply::Aggregate(json!([])),
            ["CONFIG", "GET", parameter] => {
                Reply::Aggregate(json!([parameter, server.parameters.get(*parameter).unwrap_or(&fallback)]))
            }
            ["CONFIG", "SET", parameter, value] => {
                server.parameters.insert((*parameter).to_owned(), (*value).to_owned());
                Reply::text("OK")
            }
            ["INFO", "replication"] => Reply::text(&match (&server.primary, &server.replicates) {
                (Some((host, port)), _) => {
                    format!("role:slave\r\nmaster_host:{host}\r\nmaster_port:{port}\r\nmaster_link_status:up\r\n")
                }
                (None, Some(_)) => "role:slave\r\nmaster_link_status:up\r\n".to_owned(),
                (None, None) => "role:master\r\n".to_owned(),
            }),
            ["INFO", "server"] => Reply::text("run_id:1\r\n"),
            ["INFO", "keyspace"] => {
                let filled = server.keys.iter().filter(|(_, keys)| !keys.is_empty());
                Reply::text(
                    &filled.map(|(number, keys)| format!("db{number}:keys={}\r\n", keys.len())).collect::<String>(),
                )
            }
            ["INFO", "persistence"] => Reply::text(&format!(
                "rdb_bgsave_in_progress:0\r\nrdb_last_bgsave_status:ok\r\nrdb_saves:{}\r\n",
                server.saves
            )),
            ["BGSAVE", "SCHEDULE"] => {
                server.saves += 1;
                Reply::text("Background saving started")
            }
            ["REPLICAOF", "NO", "ONE"] => {
                server.primary = None;
                Reply::text("OK")
            }
            ["REPLICAOF", host, port] => {
                server.primary = Some(((*host).to_owned(), port.parse().unwrap()));
                Reply::text("OK")
            }
            ["FLUSHALL", "ASYNC"] => match server.primary {
                Some(_) => Reply::Error("READONLY You can't write against a read only replica.".to_owned()),
                None => {
                    server.keys.clear();
                    Reply::text("OK")
                }
            },
            ["EVAL", script, "0", ..] if script.contains("SCAN") => {
                let keys: Vec<String> = server.keys.values().flatten().map(|key| hexadecimal(key)).collect();
                Reply::Aggregate(json!(["0", keys]))
            }
            ["SELECT", _] | ["ACL", "SETUSER", ..] => Reply::text("OK"),
            _ => Reply::Error(format!("ERR unknown command '{}'", words.join(" "))),
        })
    }

    fn cluster(&mut self, name: &Name, words: &[&str]) -> Option<Reply> {
        let owner = name.0.clone();
        let of_id = |id: &str| (owner.clone(), id.trim_start_matches("id-of-").to_owned());
        Some(match words {
            ["CLUSTER", "MYID"] => Reply::text(&Farm::node_id(name)),
            ["CLUSTER", "INFO"] => {
                let whole =
                    self.servers[name].known.iter().map(|id| self.servers[&of_id(id)].slots.len()).sum::<usize>();
                Reply::text(&format!("cluster_state:{}\r\n", if whole == usize::from(SLOTS) { "ok" } else { "fail" }))
            }
            ["CLUSTER", "NODES"] => {
                let known = self.servers[name].known.clone();
                Reply::text(&known.iter().map(|id| self.line(&of_id(id), name)).collect::<String>())
            }
            ["CLUSTER", "MEET", _, port, _] => {
                let names: Vec<Name> = self.servers.keys().filter(|(of, _)| *of == owner).cloned().collect();
                let met =
                    names.into_iter().find(|name| self.parameter(name, "cluster-announce-port") == *port).unwrap();
                let all: BTreeSet<String> =
                    self.servers[name].known.union(&self.servers[&met].known).cloned().collect();
                for id in &all {
                    self.servers.get_mut(&of_id(id)).unwrap().known = all.clone();
                }
                Reply::text("OK")
            }
            ["CLUSTER", "FORGET", id] => {
                self.servers.get_mut(name).unwrap().known.remove(*id);
                Reply::text("OK")
            }
            ["CLUSTER", "ADDSLOTSRANGE", ranges @ ..] => {
                let numbers: Vec<u16> = ranges.iter().map(|number| number.parse().unwrap()).collect();
                for range in numbers.chunks(2) {
                    self.servers.get_mut(name).unwrap().slots.extend(range[0]..=range[1]);
                }
                Reply::text("OK")
            }
            ["CLUSTER", "REPLICATE", id] => {
                self.servers.get_mut(name).unwrap().replicates = Some((*id).to_owned());
                Reply::text("OK")
            }
            ["CLUSTER", "SETSLOT", slot, "MIGRATING", id] => {
                self.servers.get_mut(name).unwrap().migrating.insert(slot.parse().unwrap(), (*id).to_owned());
                Reply::text("OK")
            }
            ["CLUSTER", "SETSLOT", _, "IMPORTING", _] => Reply::text("OK"),
            ["CLUSTER", "SETSLOT", number, "NODE", id] => {
                let number: u16 = number.parse().unwrap();
                let server = self.servers.get_mut(name).unwrap();
                if Farm::node_id(name) == *id {
                    server.slots.insert(number);
                } else if server.slots.contains(&number) {
                    let left = server.keys.values().flatten().any(|key| slot(key) == number);
                    assert!(!left, "a slot is given away with its keys");
                    server.slots.remove(&number);
                    server.migrating.remove(&number);
                }
                Reply::text("OK")
            }
            ["CLUSTER", "COUNTKEYSINSLOT", number] => {
                Reply::Integer(self.in_slot(name, number).len().try_into().unwrap())
            }
            ["EVAL", script, "0", number, count] if script.contains("GETKEYSINSLOT") => {
                let keys: Vec<String> = self.in_slot(name, number).iter().map(|key| hexadecimal(key)).collect();
                Reply::Aggregate(json!(keys.into_iter().take(count.parse().unwrap()).collect::<Vec<_>>()))
            }
            _ => return None,
        })
    }

    fn in_slot(&self, name: &Name, number: &str) -> Vec<Vec<u8>> {
        let number: u16 = number.parse().unwrap();
        self.servers[name].keys.values().flatten().filter(|key| slot(key) == number).cloned().collect()
    }

    /// To the server of the same cache that listens on this port outside.
    fn migrate(&mut self, from: &Name, port: &str, database: u32, keys: &[Vec<u8>], options: &[&str]) -> Reply {
        let host = self.host.upgrade().unwrap();
        let listens = |(owner, workload): &Name| {
            host.spec(owner, workload).is_some_and(|spec| spec.ports["redis"].outside.to_string() == port)
        };
        let to = self.servers.keys().find(|name| name.0 == from.0 && listens(name)).cloned().unwrap();
        if let Some(why) = &self.servers[&to].refuses_keys {
            return Reply::Error(why.clone());
        }
        let has = |key| self.servers[&to].keys.get(&database).is_some_and(|keys| keys.contains(key));
        if !options.contains(&"REPLACE") && keys.iter().any(has) {
            return Reply::Error("BUSYKEY Target key name already exists.".to_owned());
        }
        for key in keys {
            self.servers.get_mut(&to).unwrap().keys.entry(database).or_default().insert(key.clone());
            if !options.contains(&"COPY") {
                self.servers.get_mut(from).unwrap().keys.entry(database).or_default().remove(key);
            }
        }
        Reply::text("OK")
    }
}
