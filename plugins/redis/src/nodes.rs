//! Which servers a cache has, and where they listen.
//!
//! One by default, the workload [`SERVER`]. `replicasPerPrimary` gives each shard real replicas, `shardCount` real
//! shards. The first server of a shard is its primary for good: replicas do not take over, a primary that ends is started
//! again with its data.
//!
//! | port             | of                                                   | who listens                               |
//! | ---------------- | ---------------------------------------------------- | ----------------------------------------- |
//! | [`PORT`]         | the cache                                            | its only server, or the gateway before it |
//! | `<node>-inner`   | a server behind the gateway                          | the server                                |
//! | `<node>-public`  | a node of a cluster: what it is announced as         | the gateway before it                     |
//! | `<node>-bus`     | a node of a cluster                                  | the server, for the other nodes           |

use std::collections::BTreeMap;

use floci_az_sdk::PortSpec;
use floci_az_sdk::prelude::*;

use crate::cache::Cache;
use crate::private::{Private, Server};
use crate::route::Plain;
use crate::settings::Settings;

/// Name of the workload that is the cache's only server, or the primary of its first shard.
pub const SERVER: &str = "server";
/// Name of the port that clients reach, in the spec and in the gateway's allocations.
pub const PORT: &str = "redis";
/// Name of the port that the nodes of a cluster speak to each other on.
pub const BUS: &str = "bus";

/// Where a container listens.
const INSIDE: u16 = 6379;
const INSIDE_BUS: u16 = 16_379;

/// A server's place in its cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub workload: String,
    pub shard: u8,
    pub role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Primary,
    Replica,
}

impl Place {
    fn new(shard: u8, number: u8) -> Place {
        let role = if number == 0 { Role::Primary } else { Role::Replica };
        Place { workload: name(shard, number), shard, role }
    }

    fn port_names(&self) -> [String; 3] {
        ["inner", "public", "bus"].map(|name| format!("{}-{name}", self.workload))
    }
}

/// Of a workload; the primary has the number 0.
pub fn name(shard: u8, number: u8) -> String {
    match (shard, number) {
        (0, 0) => SERVER.to_owned(),
        (0, _) => format!("replica-{number}"),
        (_, 0) => format!("shard-{shard}"),
        (_, _) => format!("shard-{shard}-replica-{number}"),
    }
}

/// Whether the servers are a cluster. One that has been a cluster stays one.
pub fn is_clustered(cache: &Cache, private: &Private) -> bool {
    cache.shard_count.is_some() || private.clustered
}

/// The servers that a cache is to have, primaries before their replicas.
pub fn places(cache: &Cache) -> Vec<Place> {
    let replicas = cache.replicas.unwrap_or(0);
    (0..cache.shards()).flat_map(|shard| (0..=replicas).map(move |number| Place::new(shard, number))).collect()
}

/// Those that it has and is not to have any more.
pub fn leaving(cache: &Cache, private: &Private) -> Vec<Place> {
    let staying = places(cache);
    known(private).filter(|place| !staying.iter().any(|other| other.workload == place.workload)).collect()
}

/// Those that there may be.
pub fn all(private: &Private) -> Vec<Place> {
    let first = Place::new(0, 0);
    let others = known(private).filter(|place| place.workload != SERVER);
    [first].into_iter().chain(others).collect()
}

fn known(private: &Private) -> impl Iterator<Item = Place> {
    private.nodes.iter().map(|(workload, node)| Place {
        workload: workload.clone(),
        shard: node.shard,
        role: if node.primary { Role::Primary } else { Role::Replica },
    })
}

/// What the route and the document are told of the servers.
pub fn shown(private: &Private) -> Vec<crate::route::Node> {
    let mut nodes: Vec<crate::route::Node> = private
        .nodes
        .iter()
        .map(|(workload, node)| crate::route::Node {
            workload: workload.clone(),
            port_name: PORT,
            shard: node.shard,
            primary: node.primary,
            public: node.public,
        })
        .collect();
    nodes.sort_by_key(|node| (node.shard, !node.primary, node.workload.clone()));
    nodes
}

/// Ports of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// For the workload spec.
    pub specs: BTreeMap<String, PortSpec>,
    /// The gateway's before it, for a node of a cluster.
    pub public: Option<u16>,
}

/// The port that clients know the cache by.
pub fn main_port(id: &ResourceId, private: &mut Private, settings: &Settings, host: &dyn Host) -> Result<u16, Fault> {
    let except = except(private, settings);
    host.ports().allocate(id, PORT, settings.ports.clone(), &except).map_err(|fault| tell_refused(fault, private))
}

/// The ports of the server at a place. Idempotent.
pub fn listening(
    id: &ResourceId,
    place: &Place,
    main: u16,
    (plain, clustered): (Plain, bool),
    private: &mut Private,
    settings: &Settings,
    host: &dyn Host,
) -> Result<Listening, Fault> {
    let except = except(private, settings);
    let mut hidden = |name: &str| {
        let allocated = host.ports().allocate(id, name, settings.node_ports.clone(), &except);
        allocated.map_err(|fault| tell_refused(fault, private))
    };
    let [inner, public, bus] = place.port_names();
    if clustered {
        let public = hidden(&public)?;
        let client = PortSpec { inside: public, outside: hidden(&inner)? };
        let bus = PortSpec { inside: INSIDE_BUS, outside: hidden(&bus)? };
        let specs = BTreeMap::from([(PORT.to_owned(), client), (BUS.to_owned(), bus)]);
        return Ok(Listening { specs, public: Some(public) });
    }
    let outside = match plain {
        Plain::Direct if place.workload == SERVER => main,
        Plain::Direct | Plain::Guarded | Plain::Closed => hidden(&inner)?,
    };
    let specs = BTreeMap::from([(PORT.to_owned(), PortSpec { inside: INSIDE, outside })]);
    Ok(Listening { specs, public: None })
}

/// Takes a server away with its data, then its ports: nobody else may get them while it listens.
pub fn remove(id: &ResourceId, place: &Place, host: &dyn Host) -> Result<(), Fault> {
    host.workloads().remove(id, &place.workload)?;
    place.port_names().iter().try_for_each(|name| host.ports().release(id, name))
}

/// Whether it has been ready: then clients know its ports.
pub fn has_served(private: &Private, place: &Place) -> bool {
    let node = private.nodes.get(&place.workload).is_some_and(|node| node.ready);
    node || (place.workload == SERVER && matches!(private.server, Server::Serving { .. }))
}

fn except(private: &Private, settings: &Settings) -> Vec<u16> {
    private.refused_ports.iter().copied().chain([settings.ssl_port]).collect()
}

fn tell_refused(fault: Fault, private: &mut Private) -> Fault {
    if !fault.is("PortRangeExhausted") || private.refused_ports.is_empty() {
        return fault;
    }
    // A later change tries them again.
    let refused: Vec<String> = std::mem::take(&mut private.refused_ports).iter().map(u16::to_string).collect();
    let message = format!("{}; other programs listen on {}", fault.message, refused.join(", "));
    Fault::new(fault.code, message)
}
