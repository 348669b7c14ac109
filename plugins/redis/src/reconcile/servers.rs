//! The servers of a cache: that they run, know their administrator, and have their configuration and users.

use std::time::Duration;

use floci_az_sdk::prelude::*;
use floci_az_sdk::{Workload, WorkloadState};

use super::View;
use super::links::Upstream;
use crate::access::{self, User};
use crate::administration::{Administration, Applied};
use crate::cache::Cache;
use crate::children::Children;
use crate::cluster::Member;
use crate::nodes::{self, BUS, Listening, PORT, Place, Role};
use crate::private::{Private, Repair, Server};
use crate::replication::Primary;
use crate::route::{Plain, plain};
use crate::server::{self, Post};
use crate::settings::Settings;

/// A server is started in a few milliseconds.
const STARTING: Duration = Duration::from_millis(20);
const LOADING: Duration = Duration::from_millis(50);
const ADDRESS: Duration = Duration::from_millis(50);
/// An image is pulled in seconds; a server that has exited is left alone for a moment.
const SLOW: Duration = Duration::from_millis(250);
/// Milliseconds that a running server may take to answer for the first time.
const SILENCE: u64 = 60_000;
/// Exits in a row, without having been ready in between, after which it is given up.
const EXITS: u32 = 3;
/// Lines of the server's output that a failure quotes.
const LINES: u32 = 20;
/// Servers that are started in one step: each may take an engine a second, and a step has a minute.
const STARTS: usize = 8;

/// A server that runs.
pub struct Running {
    pub place: Place,
    pub workload: Workload,
    listening: Listening,
    parameters: Vec<(&'static str, String)>,
    uptime: u64,
}

impl Running {
    pub fn administration<'a>(&'a self, view: &View<'a>, private: &'a Private) -> Administration<'a> {
        Administration::of(view.id, &self.place.workload, view.host, private)
    }

    /// As its replicas reach it.
    pub fn primary(&self) -> Option<Primary> {
        self.workload.peer(PORT).map(|(host, port)| Primary { host: host.to_owned(), port })
    }

    /// Until then nothing is decided that other servers have a part in.
    pub fn has_no_address(&self) -> Next {
        Next::wait(ADDRESS, format!("'{}' has no address yet", self.place.workload))
    }

    /// As a node of a cluster.
    fn member<'a>(&'a self, view: &View<'a>, private: &'a Private) -> Option<Member<'a>> {
        let (host, port) = self.workload.peer(PORT)?;
        Some(Member {
            administration: self.administration(view, private),
            place: &self.place,
            host: host.to_owned(),
            port,
            public: self.listening.public.unwrap_or(port),
            bus: self.workload.peer(BUS).map_or(0, |(_, port)| port),
        })
    }
}

/// All of them, as nodes of a cluster; what is to be waited for while one cannot be reached by the others.
pub fn members<'a>(view: &View<'a>, private: &'a Private, running: &'a [Running]) -> Result<Vec<Member<'a>>, Next> {
    running.iter().map(|one| one.member(view, private).ok_or_else(|| one.has_no_address())).collect()
}

/// What has to be so before servers are started: those that have nothing to give up are gone, and a server that becomes
/// the first node of a cluster holds nothing that a cluster cannot hold. What is to be waited for, if that is not known.
pub fn prepare(view: &View<'_>, private: &mut Private, upstream: &Upstream) -> Result<Option<Next>, Fault> {
    let becomes_cluster = view.clustered && !private.clustered && private.has_served();
    if let Some(before) = before_cluster(view.cache, private) {
        let administration = Administration::of(view.id, nodes::SERVER, view.host, private);
        let Ok(keyspace) = administration.info("keyspace") else {
            return restore(view, &before, private, upstream).map(Some);
        };
        if let Some(other) = keyspace.keys().find(|name| name.starts_with("db") && *name != "db0") {
            let message = format!(
                "the cache cannot get shards, because a cluster has database 0 only and this one has keys in database {}. \
                 Move or delete them, or send shardCount as null",
                other.trim_start_matches("db")
            );
            return Err(Fault::new("DatabasesNotEmpty", message));
        }
    }
    let gone: Vec<Place> = nodes::leaving(view.cache, private);
    let mut gone: Vec<Place> =
        gone.into_iter().filter(|place| place.role == Role::Replica || !view.clustered).collect();
    if becomes_cluster {
        // Their copy would claim its slots.
        gone.extend(nodes::places(view.cache).into_iter().filter(|place| {
            place.role == Role::Replica && private.nodes.get(&place.workload).is_some_and(|node| node.public.is_none())
        }));
    }
    for place in gone {
        nodes::remove(view.id, &place, view.host)?;
        private.nodes.remove(&place.workload);
    }
    Ok(None)
}

/// A cache that is to be a cluster, as long as its server is no node: the cache that its servers are still of.
fn before_cluster(cache: &Cache, private: &Private) -> Option<Cache> {
    let is_node = private.nodes.get(nodes::SERVER).is_some_and(|node| node.public.is_some());
    let becomes_cluster = cache.shard_count.is_some() && !private.clustered && private.has_served();
    (becomes_cluster && !is_node).then(|| Cache { shard_count: None, replicas: None, ..cache.clone() })
}

/// Has the servers run as they did before the cache was to be a cluster.
fn restore(view: &View<'_>, before: &Cache, private: &mut Private, upstream: &Upstream) -> Result<Next, Fault> {
    let plain = plain(before, private, view.settings, view.children);
    let view = View { cache: before, plain, clustered: false, ..*view };
    let main = nodes::main_port(view.id, private, view.settings, view.host)?;
    let running = match start(&view, private, main, upstream)? {
        Ok(running) => running,
        Err(next) => return Ok(next),
    };
    let next = configure(&view, private, &running)?;
    Ok(next.unwrap_or_else(|| Next::wait(LOADING, "the server is asked for the databases that have keys")))
}

/// Has every server run. What is to be waited for, as long as one does not.
pub fn start(
    view: &View<'_>,
    private: &mut Private,
    main: u16,
    upstream: &Upstream,
) -> Result<Result<Vec<Running>, Next>, Fault> {
    let users = access::file(&access::users(view.cache, private, view.children), private);
    let (mut running, mut waiting, mut started) = (Vec::<Running>::new(), None, 0);
    for place in nodes::places(view.cache).into_iter().chain(nodes::leaving(view.cache, private)) {
        if started == STARTS {
            waiting = waiting.or(Some(Next::wait(Duration::ZERO, "servers are being started")));
            break;
        }
        let listening =
            nodes::listening(view.id, &place, main, (view.plain, view.clustered), private, view.settings, view.host)?;
        let first = running.iter().find(|one| one.place.shard == place.shard && one.place.role == Role::Primary);
        // Without it the replica would start as a primary.
        if place.role == Role::Replica && !view.clustered && first.and_then(Running::primary).is_none() {
            let reason = format!("'{}' waits for its primary", place.workload);
            waiting = waiting.or_else(|| Some(first.map_or(Next::wait(ADDRESS, reason), Running::has_no_address)));
            continue;
        }
        let post = post(view, private, &place, &listening, upstream, first);
        let parameters = post.parameters();
        let spec = server::spec(view.cache, view.settings, &post, users.clone());
        let workload = match view.host.workloads().ensure(view.id, &spec) {
            Ok(workload) => workload,
            Err(fault) if fault.is("PortInUse") && !nodes::has_served(private, &place) => {
                return another_port(view, &place, &listening, private).map(Err);
            }
            Err(fault) => return Err(fault),
        };
        let served = nodes::has_served(private, &place);
        started += usize::from(!private.nodes.contains_key(&place.workload));
        let node = private.nodes.entry(place.workload.clone()).or_default();
        (node.shard, node.primary) = (place.shard, place.role == Role::Primary);
        node.public = listening.public;
        // The count starts anew when the spec changes.
        node.exits = node.exits.min(workload.exits);
        if !private.has_served() {
            private.server = Server::Placed;
        }
        match &workload.state {
            WorkloadState::Preparing { progress } => {
                let next = Next::wait(SLOW, format!("the server is being prepared: {progress}"));
                waiting = waiting.or(Some(next));
            }
            WorkloadState::Exited { detail } if !served && detail.contains("Address already in use") => {
                return another_port(view, &place, &listening, private).map(Err);
            }
            WorkloadState::Exited { detail } => {
                let next = exited(&workload, &place, detail, SLOW, private)?;
                waiting = waiting.or(Some(next));
            }
            WorkloadState::Running { uptime } => {
                let uptime = *uptime;
                running.push(Running { place, workload, listening, parameters, uptime });
            }
        }
    }
    Ok(waiting.map_or(Ok(running), Err))
}

fn post<'a>(
    view: &View<'_>,
    private: &'a Private,
    place: &'a Place,
    listening: &Listening,
    upstream: &'a Upstream,
    first: Option<&Running>,
) -> Post<'a> {
    let linked = match (place.role, upstream) {
        (Role::Primary, Upstream::Of { primary, password }) if !view.clustered => Some((primary, password)),
        _ => None,
    };
    Post {
        workload: &place.workload,
        ports: listening.specs.clone(),
        public: listening.public,
        announced: match &private.server {
            Server::Serving { host, .. } => host,
            Server::Absent | Server::Placed => "localhost",
        },
        primary: match place.role {
            Role::Primary => linked.map(|(primary, _)| primary.clone()),
            Role::Replica => first.and_then(Running::primary),
        },
        replication: linked.map_or(&private.replication, |(_, password)| password),
    }
}

/// Another program has a port, and no client knows it yet. Ends when the range is exhausted.
fn another_port(view: &View<'_>, place: &Place, listening: &Listening, private: &mut Private) -> Result<Next, Fault> {
    nodes::remove(view.id, place, view.host)?;
    private.nodes.remove(&place.workload);
    let is_main = place.workload == nodes::SERVER;
    if is_main && !view.clustered && view.plain == Plain::Direct {
        view.host.ports().release(view.id, PORT)?;
    }
    if is_main && !private.has_served() {
        private.server = Server::Absent;
    }
    let ports: Vec<u16> = listening.specs.values().map(|port| port.outside).collect();
    private.refused_ports.extend(&ports);
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let reason = format!("another program listens on the port {}; trying the next one", ports.join(" or "));
    Ok(Next::wait(Duration::ZERO, reason))
}

/// It ended, or it was just started and does not answer: tries again, but not for ever.
fn exited(
    workload: &Workload,
    place: &Place,
    detail: &str,
    after: Duration,
    private: &mut Private,
) -> Result<Next, Fault> {
    let node = private.nodes.entry(place.workload.clone()).or_default();
    let times = workload.exits.saturating_sub(node.exits);
    if times < EXITS {
        return Ok(Next::wait(after, format!("the server is not ready yet: {detail}")));
    }
    node.exits = workload.exits;
    Err(Fault::new(
        "CacheServerExited",
        format!("the cache's server was started {times} times and ended each time: {detail}"),
    ))
}

/// Brings each server to its configuration and users. None when all have them.
pub fn configure(view: &View<'_>, private: &mut Private, running: &[Running]) -> Result<Option<Next>, Fault> {
    let users = access::users(view.cache, private, view.children);
    for one in running {
        if let Some(next) = configure_one(view, private, one, &users)? {
            return Ok(Some(next));
        }
        let node = private.nodes.entry(one.place.workload.clone()).or_default();
        (node.ready, node.exits, node.repair) = (true, one.workload.exits, Repair::NotNeeded);
    }
    Ok(None)
}

fn configure_one(view: &View<'_>, private: &mut Private, one: &Running, users: &[User]) -> Result<Option<Next>, Fault> {
    let administration = Administration::of(view.id, &one.place.workload, view.host, private);
    let all = server::parameters(view.cache, view.settings);
    let parameters: Vec<(&str, String)> = all.iter().chain(&one.parameters).cloned().collect();
    let last_output = || match view.host.workloads().logs(view.id, &one.place.workload, LINES) {
        Ok(lines) => format!("Its last output:\n{lines}"),
        Err(fault) => format!("Its output cannot be had: {fault}"),
    };
    match administration.apply(&parameters, users)? {
        Applied::Ready => Ok(None),
        Applied::Loading => Ok(Some(Next::wait(LOADING, "the server reads its data"))),
        Applied::Silent(why) if one.uptime > SILENCE => {
            let message = format!("the cache's server runs since {} s and does not answer: {why}", one.uptime / 1_000);
            Err(Fault::new("CacheNotResponding", format!("{message}. {}", last_output())))
        }
        // A server that ends again and again is mostly seen while it starts.
        Applied::Silent(why) => exited(&one.workload, &one.place, &why, STARTING, private)
            .map(Some)
            .map_err(|fault| Fault::new(fault.code, format!("{}. {}", fault.message, last_output()))),
        Applied::Stranger(why) => reintroduce(view, one, private, &why).map(Some),
    }
}

/// The server does not know its administrator: a client with `ACL` rights may have removed it. `ensure` has just
/// written the ACL file, so a restart helps, and the data stays.
fn reintroduce(view: &View<'_>, one: &Running, private: &mut Private, why: &str) -> Result<Next, Fault> {
    let node = private.nodes.entry(one.place.workload.clone()).or_default();
    match node.repair {
        Repair::NotNeeded => {
            view.host.log().write(
                Level::Warn,
                &format!("the server is restarted, because it does not know its administrator: {why}"),
            );
            view.host.workloads().restart(view.id, &one.place.workload)?;
            node.repair = Repair::Restarted;
            Ok(Next::wait(STARTING, "the server was restarted to read its users again"))
        }
        Repair::Restarted => {
            node.repair = Repair::NotNeeded;
            let message =
                format!("the cache's server does not know its administrator, not even after a restart: {why}");
            Err(Fault::new("CacheServerRefused", message))
        }
    }
}

/// Writes the users' file of every server, so that they survive a restart of it. More is to be done if a server is being
/// replaced.
pub fn write_users(
    id: &ResourceId,
    cache: &Cache,
    private: &Private,
    children: &Children,
    settings: &Settings,
    host: &dyn Host,
) -> Result<Work, Fault> {
    let mut private = private.clone();
    let before = before_cluster(cache, &private);
    let cache = before.as_ref().unwrap_or(cache);
    let clustered = nodes::is_clustered(cache, &private);
    let plain = plain(cache, &private, settings, children);
    let view = View { id, cache, children, settings, host, plain, clustered };
    let upstream = super::links::upstream(&view)?;
    let main = nodes::main_port(id, &mut private, settings, host)?;
    match start(&view, &mut private, main, &upstream)? {
        Ok(_) => Ok(Work::Settled),
        Err(_) => Ok(Work::Reconcile),
    }
}
