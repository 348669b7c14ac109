//! From what a cache should be to what it is, one step at a time.
//!
//! Each call looks at everything again: port, workload, answers, configuration, keys. So it makes no difference whether
//! a cache is created, was changed, or its server died, and a crash between two steps is repaired by the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use floci_az_sdk::prelude::*;
use floci_az_sdk::{Backend, Entry, Protocol, Route, Workload, WorkloadState};

use crate::access::Access;
use crate::administration::{Administration, Applied};
use crate::cache::Cache;
use crate::document::document;
use crate::finalize;
use crate::keys::digest;
use crate::private::{Private, Repair, Server};
use crate::server::{self, PORT, SERVER};
use crate::settings::{Backing, Settings};

/// A server is started in a few milliseconds.
const STARTING: Duration = Duration::from_millis(20);
const LOADING: Duration = Duration::from_millis(50);
/// An image is pulled in seconds; a server that has exited is left alone for a moment.
const SLOW: Duration = Duration::from_millis(250);
/// Milliseconds that a running server may take to answer for the first time.
const SILENCE: u64 = 60_000;
/// Exits in a row, without having been ready in between, after which it is given up.
const EXITS: u32 = 3;
/// Lines of the server's output that a failure quotes.
const LINES: u32 = 20;

pub fn reconcile(resource: Resource, host: &dyn Host) -> Step {
    let id = resource.id;
    let mut state = resource.state;
    let next = step(&id, &mut state, host).into();
    Step { state, next }
}

fn step(id: &ResourceId, state: &mut State, host: &dyn Host) -> Result<Next, Fault> {
    let settings = Settings::read(host)?;
    let mut private = Private::of(state)?;
    let cache = Cache::read(&state.document, None).map_err(|rejection| {
        Fault::new("DocumentUnreadable", format!("the stored document is not valid: {rejection}"))
    })?;
    let next = match settings.backing {
        Backing::Server => serve(id, &cache, &mut private, &settings, host),
        Backing::Nothing => Ok(withdraw(id, &mut private, host)),
    };
    // Also after a fault: what was learnt on the way (a port that is taken, say) must not be forgotten.
    state.document = document(&cache, &private.server, &settings);
    state.set_private(&private)?;
    next
}

/// Mocked: a server that is there from before goes.
fn withdraw(id: &ResourceId, private: &mut Private, host: &dyn Host) -> Next {
    if private.server == Server::Absent {
        return Next::Done;
    }
    if let Err(fault) = host.ingress().withdraw(id) {
        host.log().write(Level::Warn, &format!("the route of a mocked cache is not withdrawn: {fault}"));
    }
    match finalize::remove(id, host) {
        Ok(()) => private.server = Server::Absent,
        // Mocked is for machines without a runtime: that it cannot remove anything must not fail the cache.
        Err(fault) => host.log().write(Level::Warn, &format!("the server of a mocked cache is not removed: {fault}")),
    }
    Next::Done
}

fn serve(
    id: &ResourceId,
    cache: &Cache,
    private: &mut Private,
    settings: &Settings,
    host: &dyn Host,
) -> Result<Next, Fault> {
    let port = allocate(id, private, settings, host)?;
    let workload = match host.workloads().ensure(id, &server::spec(cache, private, settings, port)) {
        Ok(workload) => workload,
        Err(fault) if fault.is("PortInUse") && !has_served(private) => return another_port(id, port, private, host),
        Err(fault) => return Err(fault),
    };
    if !has_served(private) {
        private.server = Server::Placed;
    }
    // The count starts anew when the spec changes.
    private.exits = private.exits.min(workload.exits);
    match &workload.state {
        WorkloadState::Preparing { progress } => {
            Ok(Next::wait(SLOW, format!("the server is being prepared: {progress}")))
        }
        WorkloadState::Exited { detail } if !has_served(private) && detail.contains("Address already in use") => {
            another_port(id, port, private, host)
        }
        WorkloadState::Exited { detail } => exited(&workload, detail, SLOW, private),
        WorkloadState::Running { uptime } => talk(id, cache, private, settings, host, (&workload, port, *uptime)),
    }
}

fn has_served(private: &Private) -> bool {
    matches!(private.server, Server::Serving { .. })
}

fn allocate(id: &ResourceId, private: &mut Private, settings: &Settings, host: &dyn Host) -> Result<u16, Fault> {
    let mut except = private.refused_ports.clone();
    except.push(settings.ssl_port);
    host.ports().allocate(id, PORT, settings.ports.clone(), &except).map_err(|fault| {
        if !fault.is("PortRangeExhausted") || private.refused_ports.is_empty() {
            return fault;
        }
        // A later change tries them again.
        let refused: Vec<String> = std::mem::take(&mut private.refused_ports).iter().map(u16::to_string).collect();
        let message = format!("{}; other programs listen on {}", fault.message, refused.join(", "));
        Fault::new(fault.code, message)
    })
}

/// Another program has the port, and no client knows it yet. Ends when the range is exhausted.
fn another_port(id: &ResourceId, port: u16, private: &mut Private, host: &dyn Host) -> Result<Next, Fault> {
    finalize::remove(id, host)?;
    private.server = Server::Absent;
    private.refused_ports.push(port);
    Ok(Next::wait(Duration::ZERO, format!("another program listens on the port {port}; trying the next one")))
}

/// It ended, or it was just started and does not answer: tries again, but not for ever.
fn exited(workload: &Workload, detail: &str, after: Duration, private: &mut Private) -> Result<Next, Fault> {
    let times = workload.exits.saturating_sub(private.exits);
    if times < EXITS {
        return Ok(Next::wait(after, format!("the server is not ready yet: {detail}")));
    }
    private.exits = workload.exits;
    Err(Fault::new(
        "CacheServerExited",
        format!("the cache's server was started {times} times and ended each time: {detail}"),
    ))
}

fn talk(
    id: &ResourceId,
    cache: &Cache,
    private: &mut Private,
    settings: &Settings,
    host: &dyn Host,
    (workload, port, uptime): (&Workload, u16, u64),
) -> Result<Next, Fault> {
    let administration = Administration::of(id, host, private);
    match administration.apply(&server::parameters(cache, settings), Access::of(cache), &private.keys)? {
        Applied::Ready => {
            if !has_served(private) {
                say_what_is_less(cache, settings, host);
            }
            let port = workload.port(PORT).unwrap_or(port);
            private.server = Server::Serving { host: workload.host.clone(), port };
            private.exits = workload.exits;
            private.repair = Repair::NotNeeded;
            private.refused_ports.clear();
            publish(id, cache, private, settings, host)?;
            Ok(Next::Done)
        }
        Applied::Loading => Ok(Next::wait(LOADING, "the server reads its data")),
        Applied::Silent(why) if uptime > SILENCE => {
            let message = format!("the cache's server runs since {} s and does not answer: {why}", uptime / 1_000);
            Err(Fault::new("CacheNotResponding", format!("{message}. {}", last_output(id, host))))
        }
        // A server that ends again and again is mostly seen while it starts.
        Applied::Silent(why) => exited(workload, &why, STARTING, private)
            .map_err(|fault| Fault::new(fault.code, format!("{}. {}", fault.message, last_output(id, host)))),
        Applied::Stranger(why) => reintroduce(id, private, host, &why),
    }
}

/// The way in over TLS: by the cache's names, or by its keys.
pub fn publish(
    id: &ResourceId,
    cache: &Cache,
    private: &Private,
    settings: &Settings,
    host: &dyn Host,
) -> Result<(), Fault> {
    let keys = [&private.keys.primary, &private.keys.secondary];
    let to = Backend { workload: SERVER.to_owned(), port: PORT.to_owned() };
    let name = id.name().to_lowercase();
    let route = Route {
        hosts: vec![format!("{name}.redis.cache.windows.net"), format!("{name}.localhost")],
        entries: BTreeMap::from([(settings.ssl_port, Entry { protocol: Protocol::Resp, tls: true, plain: false, to })]),
        keys: if Access::of(cache) == Access::Keys { keys.map(|key| digest(key)).to_vec() } else { Vec::new() },
        ..Route::default()
    };
    match host.ingress().publish(id, &route) {
        // The cache works without; and it may be the port of another gateway, whose clients are not ours.
        Err(fault) if fault.is("PortInUse") => {
            host.log().write(Level::Warn, &format!("clients cannot connect over TLS: {fault}"));
            Ok(())
        }
        published => published,
    }
}

fn last_output(id: &ResourceId, host: &dyn Host) -> String {
    match host.workloads().logs(id, SERVER, LINES) {
        Ok(lines) => format!("Its last output:\n{lines}"),
        Err(fault) => format!("Its output cannot be had: {fault}"),
    }
}

/// The server does not know its administrator: a client with `ACL` rights may have removed it. `ensure` has just
/// written the ACL file, so a restart helps, and the data stays.
fn reintroduce(id: &ResourceId, private: &mut Private, host: &dyn Host, why: &str) -> Result<Next, Fault> {
    match private.repair {
        Repair::NotNeeded => {
            host.log().write(
                Level::Warn,
                &format!("the server is restarted, because it does not know its administrator: {why}"),
            );
            host.workloads().restart(id, SERVER)?;
            private.repair = Repair::Restarted;
            Ok(Next::wait(STARTING, "the server was restarted to read its users again"))
        }
        Repair::Restarted => {
            private.repair = Repair::NotNeeded;
            let message =
                format!("the cache's server does not know its administrator, not even after a restart: {why}");
            Err(Fault::new("CacheServerRefused", message))
        }
    }
}

/// Once for each cache: it gets less memory than its size promises.
fn say_what_is_less(cache: &Cache, settings: &Settings, host: &dyn Host) {
    let granted = server::max_memory(cache, settings);
    if granted < cache.sku.bytes() {
        let message = format!(
            "maxmemory is {} MiB and not the {} MiB of size {}: 'services.redis.max-memory' allows no more",
            granted >> 20,
            cache.sku.bytes() >> 20,
            cache.sku.size()
        );
        host.log().write(Level::Info, &message);
    }
}
