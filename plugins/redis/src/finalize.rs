//! Towards gone. Idempotent: what is not there any more is passed over.

use std::time::Duration;

use floci_az_sdk::prelude::*;

use crate::children::link;
use crate::jobs;
use crate::nodes::{self, PORT};
use crate::private::{Private, Server};
use crate::settings::{Backing, Settings};

/// A runtime that cannot remove something now may be able to soon; the gateway has the deadline.
const AGAIN: Duration = Duration::from_millis(1_000);

pub fn finalize(resource: Resource, host: &dyn Host) -> Step {
    match gone(&resource, host) {
        Ok(()) => Step::done(resource.state),
        Err(fault) => Step::wait(resource.state, AGAIN, format!("the server is not removed yet: {fault}")),
    }
}

fn gone(resource: &Resource, host: &dyn Host) -> Result<(), Fault> {
    let mocked = Settings::read(host)?.backing == Backing::Nothing;
    // Private state that cannot be read says nothing about the servers; what is left behind then is removed by the gateway.
    let private = Private::of(&resource.state).or_else(|_| Private::generate())?;
    // A cache that was always mocked: the runtime need not even be there.
    let absent = Private::of(&resource.state).is_ok_and(|private| private.server == Server::Absent);
    if mocked && absent {
        return Ok(());
    }
    remove(&resource.id, &private, host)?;
    // What replicated this cache is one of its own now.
    let linked = private.linked.iter().filter_map(|id| id.parse().ok());
    // One that cannot be read keeps nobody alive.
    linked.chain(link::owners(&resource.id, host).unwrap_or_default()).try_for_each(|id| host.resources().wake(&id))
}

/// The route, the servers with their data, then the ports: nobody else may get them while a server listens.
pub fn remove(id: &ResourceId, private: &Private, host: &dyn Host) -> Result<(), Fault> {
    host.ingress().withdraw(id)?;
    jobs::tidy(id, host)?;
    nodes::all(private).iter().try_for_each(|place| nodes::remove(id, place, host))?;
    host.ports().release(id, PORT)
}

/// What the private state says of servers that are gone.
pub fn forget(private: &mut Private) {
    private.server = Server::Absent;
    private.nodes.clear();
    private.node_ports.clear();
    private.clustered = false;
}
