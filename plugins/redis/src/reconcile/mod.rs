//! From what a cache should be to what it is, one step at a time.
//!
//! Each call looks at everything again: ports, workloads, answers, configuration, users, who replicates whom. So it makes no
//! difference whether a cache is created, was changed, or a server of it died, and a crash between two steps is repaired
//! by the next one.
//!
//! ```text
//! servers run ─▶ each is configured ─▶ route ─▶ replicas, cluster ─▶ a job, if there is one ─▶ linked caches ─▶ done
//! ```

mod links;
mod servers;

use std::time::Duration;

use floci_az_sdk::ProvisioningState;
use floci_az_sdk::prelude::*;

use crate::cache::Cache;
use crate::children::Children;
use crate::cluster::{self, Formed, Member};
use crate::document::document;
use crate::finalize;
use crate::jobs::{self, Progress, Scene};
use crate::nodes::{self, Role};
use crate::private::{Private, Server};
use crate::replication::{Following, follow};
use crate::route::{Plain, plain, route};
use crate::server;
use crate::settings::{Backing, Settings};
use links::Upstream;
use servers::Running;
pub use servers::write_users;

const REPLICATING: Duration = Duration::from_millis(20);

/// What a step is about.
pub struct View<'a> {
    pub id: &'a ResourceId,
    pub cache: &'a Cache,
    pub children: &'a Children,
    pub settings: &'a Settings,
    pub host: &'a dyn Host,
    pub plain: Plain,
    pub clustered: bool,
}

pub fn reconcile(resource: Resource, host: &dyn Host) -> Step {
    let id = resource.id;
    let mut state = resource.state;
    let next = step(&id, resource.provisioning_state, &mut state, host).into();
    Step { state, next }
}

fn step(id: &ResourceId, now: ProvisioningState, state: &mut State, host: &dyn Host) -> Result<Next, Fault> {
    let settings = Settings::read(host)?;
    let mut private = Private::of(state)?;
    let cache = Cache::read(&state.document, None).map_err(|rejection| {
        Fault::new("DocumentUnreadable", format!("the stored document is not valid: {rejection}"))
    })?;
    let children = Children::read(id, host)?;
    private.linked = children.links.iter().map(|link| link.linked.to_string()).collect();
    // Its operation has ended before it did: nobody waits for it any more.
    let busy = private.job.is_some();
    let ended = busy && now != ProvisioningState::Updating;
    let next = match settings.backing {
        Backing::Server => {
            let clustered = nodes::is_clustered(&cache, &private);
            let plain = plain(&cache, &private, &settings, &children);
            let view = View { id, cache: &cache, children: &children, settings: &settings, host, plain, clustered };
            let dropped = if ended { drop_job(&view, &mut private) } else { Ok(()) };
            dropped.and_then(|()| serve(&view, &mut private))
        }
        Backing::Nothing => Ok(withdraw(id, &mut private, host)),
    };
    if next.is_err() && busy {
        private.job = None;
        tidy(id, host);
    }
    // Also after a fault: what was learnt on the way (a port that is taken, say) must not be forgotten.
    state.document = document(&cache, &private, &settings, &children);
    state.set_private(&private)?;
    next
}

/// Mocked: a server that is there from before goes.
fn withdraw(id: &ResourceId, private: &mut Private, host: &dyn Host) -> Next {
    if private.job.take().is_some() {
        tidy(id, host);
    }
    if private.server == Server::Absent {
        return Next::Done;
    }
    match finalize::remove(id, private, host) {
        Ok(()) => finalize::forget(private),
        // Mocked is for machines without a runtime: that it cannot remove anything must not fail the cache.
        Err(fault) => host.log().write(Level::Warn, &format!("the server of a mocked cache is not removed: {fault}")),
    }
    Next::Done
}

fn serve(view: &View<'_>, private: &mut Private) -> Result<Next, Fault> {
    let upstream = links::upstream(view)?;
    if let Some(next) = servers::prepare(view, private, &upstream)? {
        return Ok(next);
    }
    let main = nodes::main_port(view.id, private, view.settings, view.host)?;
    if private.has_served() && view.plain == Plain::Direct {
        // The gateway lets go of a port that the server is to have now.
        publish_now(view, private, main)?;
    }
    let running = match servers::start(view, private, main, &upstream)? {
        Ok(running) => running,
        Err(next) => return Ok(next),
    };
    if let Some(next) = servers::configure(view, private, &running)? {
        return Ok(next);
    }
    private.node_ports = node_ports(view, private);
    publish_now(view, private, main)?;
    if let Some(next) = replicate(view, private, &running, &upstream)? {
        return Ok(next);
    }
    if let Some(next) = join(view, private, &running)? {
        return Ok(next);
    }
    serving(view, private, &running, main);
    if let Some(next) = work(view, private, &running)? {
        return Ok(next);
    }
    links::settle(view)
}

/// The route as it is to be. The port of TLS is one for all caches: that it is taken is no reason to fail this one.
fn publish_now(view: &View<'_>, private: &Private, main: u16) -> Result<(), Fault> {
    let View { id, cache, children, settings, host, .. } = view;
    let mut route = route(id, cache, private, settings, children, main, &nodes::shown(private));
    match host.ingress().publish(id, &route) {
        Err(fault) if fault.is("PortInUse") && route.entries.remove(&settings.ssl_port).is_some() => {
            host.ingress().publish(id, &route)?;
            host.log().write(Level::Warn, &format!("the cache cannot be reached with TLS: {fault}"));
            Ok(())
        }
        other => other,
    }
}

/// The route of a cache whose servers are as they were: other keys, say.
pub fn publish(
    id: &ResourceId,
    cache: &Cache,
    private: &Private,
    children: &Children,
    settings: &Settings,
    host: &dyn Host,
) -> Result<(), Fault> {
    let main = host.ports().allocate(id, nodes::PORT, settings.ports.clone(), &[settings.ssl_port])?;
    let route = route(id, cache, private, settings, children, main, &nodes::shown(private));
    host.ingress().publish(id, &route)
}

/// Outside of a cluster: who replicates whom.
fn replicate(
    view: &View<'_>,
    private: &Private,
    running: &[Running],
    upstream: &Upstream,
) -> Result<Option<Next>, Fault> {
    if view.clustered {
        return Ok(None);
    }
    let first = running.iter().find(|one| one.place.role == Role::Primary);
    let main = first.and_then(Running::primary);
    if let (Some(first), None, true) = (first, &main, running.len() > 1) {
        return Ok(Some(first.has_no_address()));
    }
    for one in running {
        let primary = match (one.place.role, upstream) {
            (Role::Primary, Upstream::Nobody) => None,
            (Role::Primary, Upstream::Of { primary, .. }) => Some(primary),
            // It does not run now; what is replicated stays as it is.
            (Role::Primary, Upstream::Away) => continue,
            (Role::Replica, _) => main.as_ref(),
        };
        let administration = one.administration(view, private);
        if let Following::Catching(why) = follow(&administration, primary)? {
            return Ok(Some(Next::wait(REPLICATING, format!("'{}' replicates: {why}", one.place.workload))));
        }
    }
    Ok(None)
}

/// The nodes of a cluster, and the end of those that it is not to have any more.
fn join(view: &View<'_>, private: &mut Private, running: &[Running]) -> Result<Option<Next>, Fault> {
    if !view.clustered {
        return Ok(None);
    }
    // From here on its keys may be on any of the nodes.
    private.clustered = true;
    let leaving = nodes::leaving(view.cache, private);
    let members = match servers::members(view, private, running) {
        Ok(members) => members,
        Err(next) => return Ok(Some(next)),
    };
    let (going, staying): (Vec<Member<'_>>, Vec<Member<'_>>) =
        members.into_iter().partition(|member| leaving.iter().any(|place| place == member.place));
    if let Formed::Not(after, reason) = cluster::form(&staying, &going)? {
        return Ok(Some(Next::wait(after, reason)));
    }
    if leaving.is_empty() {
        return Ok(None);
    }
    for place in &leaving {
        nodes::remove(view.id, place, view.host)?;
        private.nodes.remove(&place.workload);
    }
    Ok(Some(Next::wait(Duration::ZERO, "nodes have left the cluster")))
}

/// In the document's order.
fn node_ports(view: &View<'_>, private: &Private) -> Vec<Option<u16>> {
    if !view.clustered {
        return Vec::new();
    }
    let (shards, nodes) = (view.cache.shards(), view.cache.nodes_per_shard());
    let names = (0..shards).flat_map(|shard| (0..nodes).map(move |number| nodes::name(shard, number)));
    names.map(|name| private.nodes.get(&name).and_then(|node| node.public)).collect()
}

fn serving(view: &View<'_>, private: &mut Private, running: &[Running], main: u16) {
    let Some(first) = running.iter().find(|one| one.place.workload == nodes::SERVER) else { return };
    if !private.has_served() {
        say_what_is_less(view);
    }
    let (host, port) = match view.plain {
        Plain::Direct => (first.workload.host.clone(), first.workload.port(nodes::PORT).unwrap_or(main)),
        // The gateway serves it, where its other ports are.
        Plain::Guarded | Plain::Closed => ("localhost".to_owned(), main),
    };
    private.server = Server::Serving { host, port };
    private.refused_ports.clear();
}

/// A step of the job that an action has left.
fn work(view: &View<'_>, private: &mut Private, running: &[Running]) -> Result<Option<Next>, Fault> {
    let Some(mut job) = private.job.take() else { return Ok(None) };
    let members = match servers::members(view, private, running) {
        Ok(members) => members,
        Err(next) => {
            private.job = Some(job);
            return Ok(Some(next));
        }
    };
    let scene = Scene::of(view.id, &members, private, view.clustered, view.settings, view.host);
    let outcome = jobs::advance(&mut job, &scene);
    match outcome {
        Ok(Progress::Again(after, reason)) => {
            private.job = Some(job);
            Ok(Some(Next::wait(after, reason)))
        }
        Ok(Progress::Done) => {
            jobs::tidy(view.id, view.host)?;
            Ok(None)
        }
        Err(fault) => {
            tidy(view.id, view.host);
            Ok(Some(Next::Refused(fault)))
        }
    }
}

/// What a dropped job leaves behind; the reason that it was dropped for is the one to tell.
fn tidy(id: &ResourceId, host: &dyn Host) {
    if let Err(fault) = jobs::tidy(id, host) {
        host.log().write(Level::Warn, &format!("what was begun with the cache's data is not tidied up: {fault}"));
    }
}

fn drop_job(view: &View<'_>, private: &mut Private) -> Result<(), Fault> {
    view.host.log().write(Level::Warn, "what was begun with the cache's data is given up: its operation has ended");
    private.job = None;
    jobs::tidy(view.id, view.host)
}

/// Once for each cache: it gets less memory than its size promises.
fn say_what_is_less(view: &View<'_>) {
    let granted = server::max_memory(view.cache, view.settings);
    if granted < view.cache.sku.bytes() {
        let message = format!(
            "maxmemory is {} MiB and not the {} MiB of size {}: 'services.redis.max-memory' allows no more",
            granted >> 20,
            view.cache.sku.bytes() >> 20,
            view.cache.sku.size()
        );
        view.host.log().write(Level::Info, &message);
    }
}
