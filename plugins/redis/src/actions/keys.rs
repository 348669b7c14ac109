//! `regenerateKey`: a new key, which works when the answer arrives.

use floci_az_sdk::WorkloadState;
use floci_az_sdk::prelude::*;

use crate::access::{self, Access};
use crate::administration::{Administration, Login};
use crate::cache::Cache;
use crate::children::Children;
use crate::keys::{KeyType, Keys};
use crate::member::{invalid, shown};
use crate::nodes;
use crate::private::Private;
use crate::reconcile;
use crate::settings::{Backing, Settings};

/// `{"keyType": "Primary"}`, in any casing.
pub fn key_type(body: &Value) -> Result<KeyType, Rejection> {
    let value = body.get("keyType").unwrap_or(&Value::Null);
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("primary") => Ok(KeyType::Primary),
        Some("secondary") => Ok(KeyType::Secondary),
        _ => Err(invalid("keyType", &format!("It has to be Primary or Secondary, and is {}.", shown(value)))),
    }
}

/// The new key is stored only after it works and the old one does not. Should anything fail on the way, the server gets
/// its old keys back; should the gateway die on the way, the next reconcile does that.
pub fn regenerate(resource: &Resource, which: KeyType, host: &dyn Host) -> Result<Answer, Rejection> {
    let settings = Settings::read(host)?;
    let old = Private::of(&resource.state)?;
    let new = Private { keys: old.keys.with_new(which)?, ..old.clone() };
    let work = match settings.backing {
        Backing::Nothing => Work::Settled,
        Backing::Server => rotate(resource, &old, &new, which, &settings, host).map_err(|fault| {
            let message = format!("The key was not changed, because it cannot be applied to the cache now: {fault}");
            Rejection::conflict("Conflict", message)
        })?,
    };
    let mut state = resource.state.clone();
    state.set_private(&new)?;
    Ok(Answer::ok(new.keys.to_json()).storing(state).then(work))
}

fn rotate(
    resource: &Resource,
    old: &Private,
    new: &Private,
    which: KeyType,
    settings: &Settings,
    host: &dyn Host,
) -> Result<Work, Fault> {
    let id = &resource.id;
    let cache = Cache::read(&resource.state.document, None)
        .map_err(|rejection| Fault::new("DocumentUnreadable", rejection.to_string()))?;
    let children = Children::read(id, host)?;
    let (access, users) = (Access::of(&cache), |private: &Private| access::users(&cache, private, &children));
    let places = nodes::places(&cache);
    let servers: Vec<Administration<'_>> =
        places.iter().map(|place| Administration::of(id, &place.workload, host, old)).collect();
    for server in &servers {
        match host.workloads().inspect(id, server.workload)? {
            Some(workload) if matches!(workload.state, WorkloadState::Running { .. }) => {}
            Some(_) => return Err(Fault::new("CacheServerNotRunning", "its server does not run")),
            None => return Err(Fault::new("CacheServerNotRunning", "it has no server yet")),
        }
    }
    let applied = servers.iter().try_for_each(|server| {
        server.admit(&users(new))?;
        verify(server, access, old.keys.get(which), &new.keys, which)
    });
    // The ACL files, so that the key survives a restart.
    let applied = applied.and_then(|()| reconcile::write_users(id, &cache, new, &children, settings, host));
    match applied {
        Ok(Work::Settled) => {
            // Clients are told apart by their keys where many caches share a port.
            match reconcile::publish(id, &cache, new, &children, settings, host) {
                Ok(()) => Ok(Work::Settled),
                Err(fault) => {
                    host.log().write(Level::Warn, &format!("the new key is not known to the gateway yet: {fault}"));
                    Ok(Work::Reconcile)
                }
            }
        }
        // Another image or memory limit may have been set in the meantime: then it is being replaced now.
        Ok(Work::Reconcile) => Ok(Work::Reconcile),
        Err(fault) => {
            for second in servers.iter().filter_map(|server| server.admit(&users(old)).err()) {
                let message = format!("the old keys could not be restored, the next reconcile does it: {second}");
                host.log().write(Level::Warn, &message);
            }
            Err(fault)
        }
    }
}

/// By real logins, where keys are what admits.
fn verify(
    administration: &Administration<'_>,
    access: Access,
    old: &str,
    new: &Keys,
    which: KeyType,
) -> Result<(), Fault> {
    if access != Access::Keys {
        return Ok(());
    }
    match (administration.login(new.get(which))?, administration.login(old)?) {
        (Login::Admitted, Login::Refused) => Ok(()),
        (Login::Refused, _) => Err(Fault::new("CacheServerRefused", "the server refuses the new key")),
        (Login::Admitted, Login::Admitted) => {
            Err(Fault::new("CacheServerRefused", "the server still takes the old key"))
        }
    }
}
