//! `listKeys` and `regenerateKey` of a cache, `checkNameAvailability` of the provider.

use floci_az_sdk::WorkloadState;
use floci_az_sdk::prelude::*;

use crate::access::Access;
use crate::administration::{Administration, Login};
use crate::cache::Cache;
use crate::keys::{KeyType, Keys};
use crate::member::{invalid, shown};
use crate::name;
use crate::private::Private;
use crate::reconcile::publish;
use crate::server::{self, PORT, SERVER};
use crate::settings::{Backing, Settings};

pub fn invoke(call: &ActionCall, host: &dyn Host) -> Result<Answer, Rejection> {
    if call.action == "checkNameAvailability" {
        return name::check_availability(&call.body, host);
    }
    let resource = call.resource()?;
    match call.action.as_str() {
        "listKeys" => Ok(Answer::ok(Private::of(&resource.state)?.keys.to_json())),
        "regenerateKey" => regenerate(resource, key_type(&call.body)?, host),
        other => Err(Rejection::bad_request(
            "ActionNotSupported",
            format!("'{other}' is not an action of {}", resource.resource_type),
        )),
    }
}

/// `{"keyType": "Primary"}`, in any casing.
fn key_type(body: &Value) -> Result<KeyType, Rejection> {
    let value = body.get("keyType").unwrap_or(&Value::Null);
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("primary") => Ok(KeyType::Primary),
        Some("secondary") => Ok(KeyType::Secondary),
        _ => Err(invalid("keyType", &format!("It has to be Primary or Secondary, and is {}.", shown(value)))),
    }
}

/// The new key is stored only after it works and the old one does not. Should anything fail on the way, the server gets
/// its old keys back; should the gateway die on the way, the next reconcile does that.
fn regenerate(resource: &Resource, which: KeyType, host: &dyn Host) -> Result<Answer, Rejection> {
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
    let port = match host.workloads().inspect(id, SERVER)? {
        Some(workload) if matches!(workload.state, WorkloadState::Running { .. }) => {
            host.ports().allocate(id, PORT, settings.ports.clone(), &[settings.ssl_port])?
        }
        Some(_) => return Err(Fault::new("CacheServerNotRunning", "its server does not run")),
        None => return Err(Fault::new("CacheServerNotRunning", "it has no server yet")),
    };
    let access = Access::of(&cache);
    let administration = Administration::of(id, host, old);
    let applied = administration.admit(access, &new.keys).and_then(|()| {
        verify(&administration, access, old.keys.get(which), &new.keys, which)?;
        // The ACL file, so that the key survives a restart.
        host.workloads().ensure(id, &server::spec(&cache, new, settings, port))
    });
    // Over TLS, too, the new key is in force when the answer arrives.
    let applied = applied.and_then(|workload| {
        publish(id, &cache, new, settings, host)?;
        Ok(workload)
    });
    match applied {
        // Another image or memory limit may have been set in the meantime: then it is being replaced now.
        Ok(workload) if matches!(workload.state, WorkloadState::Running { .. }) => Ok(Work::Settled),
        Ok(_) => Ok(Work::Reconcile),
        Err(fault) => {
            if let Err(second) = administration.admit(access, &old.keys) {
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
