//! `forceReboot`: the servers are stopped and started; their data stays.

use floci_az_sdk::prelude::*;

use crate::cache::Cache;
use crate::member::Members;
use crate::nodes::{self, Place, Role};
use crate::settings::{Backing, Settings};

const TYPES: [&str; 3] = ["AllNodes", "PrimaryNode", "SecondaryNode"];

pub fn reboot(resource: &Resource, body: &Value, host: &dyn Host) -> Result<Answer, Rejection> {
    let cache = Cache::read(&resource.state.document, None)?;
    let wanted = chosen(&cache, &resource.state.document, body)?;
    if Settings::read(host)?.backing == Backing::Server {
        for place in &wanted {
            host.workloads().restart(&resource.id, &place.workload).map_err(|fault| {
                let message = format!("The node '{}' was not rebooted: {fault}", place.workload);
                Rejection::conflict("Conflict", message)
            })?;
        }
        // A container has another address after a restart.
        host.resources().wake(&resource.id)?;
    }
    Ok(Answer::ok(json!({ "message": "reboot operation enqueued" })))
}

/// The servers that are meant. A cache that shows a secondary node without having one has none to reboot.
fn chosen(cache: &Cache, document: &Value, body: &Value) -> Result<Vec<Place>, Rejection> {
    let places = nodes::places(cache);
    let Some(body) = Members::of(body, "")? else { return Ok(places) };
    let kind = body.one_of("rebootType", &TYPES)?;
    let last = cache.shards().saturating_sub(1);
    let shard = body.integer("shardId", 0..=last)?;
    let ports: Vec<u64> = match body.get("ports") {
        Some(Value::Array(ports)) => ports.iter().filter_map(Value::as_u64).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(_) => return Err(body.invalid("ports", "It has to be an array of the ports of instances.")),
    };
    let instances = document.pointer("/properties/instances").and_then(Value::as_array).cloned().unwrap_or_default();
    let number = |port: &u64| {
        instances.iter().position(|instance| {
            ["sslPort", "nonSslPort"].iter().any(|name| instance.get(name).and_then(Value::as_u64) == Some(*port))
        })
    };
    let mut numbers = Vec::new();
    for port in &ports {
        let unknown = || body.invalid("ports", &format!("No instance of this cache has the port {port}."));
        numbers.push(number(port).ok_or_else(unknown)?);
    }
    let per_shard = usize::from(cache.nodes_per_shard());
    let is_named = |place: &Place| {
        let replica = place.workload.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
        let within = if place.role == Role::Primary { 0 } else { replica.unwrap_or_default() };
        numbers.contains(&(usize::from(place.shard) * per_shard + within))
    };
    let meant = |place: &Place| {
        let kind = match kind {
            Some("PrimaryNode") => place.role == Role::Primary,
            Some("SecondaryNode") => place.role == Role::Replica,
            _ => true,
        };
        kind && shard.is_none_or(|shard| shard == place.shard) && (numbers.is_empty() || is_named(place))
    };
    Ok(places.into_iter().filter(meant).collect())
}
