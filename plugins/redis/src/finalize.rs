//! Towards gone. Idempotent: what is not there any more is passed over.

use std::time::Duration;

use floci_az_sdk::prelude::*;

use crate::private::{Private, Server};
use crate::server::{PORT, SERVER};
use crate::settings::{Backing, Settings};

/// A runtime that cannot remove something now may be able to soon; the gateway has the deadline.
const AGAIN: Duration = Duration::from_millis(1_000);

pub fn finalize(resource: Resource, host: &dyn Host) -> Step {
    match has_nothing(&resource, host).and_then(|nothing| if nothing { Ok(()) } else { remove(&resource.id, host) }) {
        Ok(()) => Step::done(resource.state),
        Err(fault) => Step::wait(resource.state, AGAIN, format!("the server is not removed yet: {fault}")),
    }
}

/// A cache that was always mocked: the runtime need not even be there.
fn has_nothing(resource: &Resource, host: &dyn Host) -> Result<bool, Fault> {
    let mocked = Settings::read(host)?.backing == Backing::Nothing;
    // Private state that cannot be read says nothing about the server.
    let absent = Private::of(&resource.state).is_ok_and(|private| private.server == Server::Absent);
    Ok(mocked && absent)
}

/// The server with its data, then the port: nobody else may get it while the server listens.
pub fn remove(id: &ResourceId, host: &dyn Host) -> Result<(), Fault> {
    host.workloads().remove(id, SERVER)?;
    host.ports().release(id, PORT)
}
