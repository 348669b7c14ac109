//! Linked caches: the secondary replicates the primary, and is a cache of its own again when the link goes.
//!
//! Each of the two brings about its own side. The cache that has the link wakes the other, and is done when the other is.

use std::time::Duration;

use floci_az_sdk::prelude::*;
use floci_az_sdk::{ProvisioningState, WorkloadState};

use super::View;
use crate::administration::Administration;
use crate::children::link::{self, Link, Role};
use crate::children::{LINKED_SERVERS, is_staying};
use crate::nodes::{PORT, SERVER};
use crate::private::{Private, Server};
use crate::replication::{self, Primary};

const OTHER: Duration = Duration::from_millis(50);

/// Whom the cache replicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    Nobody,
    /// Somebody who does not run now.
    Away,
    Of {
        primary: Primary,
        password: String,
    },
}

pub fn upstream(view: &View<'_>) -> Result<Upstream, Fault> {
    let Some(id) = link::primary_of(view.id, view.host)? else { return Ok(Upstream::Nobody) };
    // Its end is that of the link too, whichever of the two has it.
    let primary = view.host.resources().get(&id)?;
    let Some(resource) = primary.filter(is_staying) else { return Ok(Upstream::Nobody) };
    if view.clustered {
        return Err(replication::refuse_clusters(view.id, &id));
    }
    let private = Private::of(&resource.state)?;
    let Some(workload) = view.host.workloads().inspect(&id, SERVER)? else { return Ok(Upstream::Away) };
    Ok(match workload.peer(PORT) {
        Some((host, port)) => {
            let primary = Primary { host: host.to_owned(), port };
            Upstream::Of { primary, password: private.replication }
        }
        None => Upstream::Away,
    })
}

/// Waits for the caches at the other ends of this one's links, as long as those are being made or deleted.
pub fn settle(view: &View<'_>) -> Result<Next, Fault> {
    for child in view.host.resources().children(view.id, LINKED_SERVERS)? {
        let Ok(link) = Link::of(&child) else { continue };
        let going = child.provisioning_state == ProvisioningState::Deleting;
        // Of a link to a primary this cache itself is the end that something is done with, but for the other's document.
        if link.role == Role::Primary {
            continue;
        }
        if view.clustered && !going {
            return Err(replication::refuse_clusters(view.id, &link.linked));
        }
        if !is_pending(&child) {
            continue;
        }
        if let Some(why) = is_awaited(view, &link, going)? {
            view.host.resources().wake(&link.linked)?;
            return Ok(Next::wait(OTHER, why));
        }
    }
    Ok(Next::Done)
}

fn is_pending(link: &Resource) -> bool {
    match link.provisioning_state {
        ProvisioningState::Creating | ProvisioningState::Updating | ProvisioningState::Deleting => true,
        ProvisioningState::Succeeded | ProvisioningState::Failed => false,
    }
}

/// What the linked cache lacks, if it can be had.
fn is_awaited(view: &View<'_>, link: &Link, going: bool) -> Result<Option<String>, Fault> {
    let name = link.linked.name();
    let Some(other) = view.host.resources().get(&link.linked)? else { return Ok(None) };
    let private = Private::of(&other.state)?;
    let is_gone = other.provisioning_state == ProvisioningState::Deleting || private.server == Server::Absent;
    if is_gone {
        return Ok(None);
    }
    let not_yet = |why: &str| Ok(Some(format!("the linked cache '{name}' {why}")));
    match view.host.workloads().inspect(&link.linked, SERVER)? {
        Some(workload) if matches!(workload.state, WorkloadState::Running { .. }) => {}
        Some(_) | None if going => return Ok(None),
        Some(_) | None => return not_yet("does not run"),
    }
    let administration = Administration::of(&link.linked, SERVER, view.host, &private);
    let is_replica = match replication::is_replica(&administration) {
        Ok(is_replica) => is_replica,
        Err(fault) => return not_yet(&format!("does not answer: {fault}")),
    };
    match (is_replica, going) {
        (None, true) | (Some(true), false) => Ok(None),
        (Some(_), true) => not_yet("still replicates this one"),
        (None, false) => not_yet("does not replicate this one yet"),
        (Some(false), false) => not_yet("does not have the data of this one yet"),
    }
}
