//! `forceReboot`: the servers are stopped and started; their data stays.

use floci_az_sdk::prelude::*;

use crate::cache::Cache;
use crate::nodes;
use crate::requests;
use crate::settings::{Backing, Settings};

pub fn reboot(resource: &Resource, body: &Value, host: &dyn Host) -> Result<Answer, Rejection> {
    let cache = Cache::read(&resource.state.document, None)?;
    let named = requests::reboot(body, &cache, &resource.state.document)?;
    // A cache that shows a secondary node without having one has none to reboot.
    let there = nodes::places(&cache);
    let names = named.iter().map(|node| nodes::name(node.shard, node.position));
    let meant = names.filter(|name| there.iter().any(|place| place.workload == *name));
    if Settings::read(host)?.backing == Backing::Server {
        for workload in meant {
            host.workloads().restart(&resource.id, &workload).map_err(|fault| {
                Rejection::conflict("Conflict", format!("The node '{workload}' was not rebooted: {fault}"))
            })?;
        }
        // A container may have another address after a restart.
        host.resources().wake(&resource.id)?;
    }
    Ok(Answer::ok(json!({ "message": "reboot operation enqueued" })))
}
