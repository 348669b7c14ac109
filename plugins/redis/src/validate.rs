//! A PUT or a PATCH: from a client's body to the state that is stored.

use floci_az_sdk::ProvisioningState;
use floci_az_sdk::prelude::*;

use crate::access::Access;
use crate::cache::Cache;
use crate::document::document;
use crate::private::{Private, Server};
use crate::settings::{Backing, Settings};
use crate::{name, scaling, server};

pub fn validate(change: Change, host: &dyn Host) -> Result<Accepted, Rejection> {
    let settings = Settings::read(host)?;
    let current = change.current();
    if current.is_none() {
        name::check(change.desired.name())?;
        name::check_free(&change.desired.id, host)?;
    }
    // A stored document that this version cannot read must not stand in the way of replacing it.
    let before = current.and_then(|current| Cache::read(&current.state.document, None).ok());
    let cache = Cache::read(&change.desired.state.document, before.as_ref())?;
    if let Some(before) = &before {
        scaling::check(before, &cache)?;
    }
    let private = Private::of(&change.desired.state)?;
    let work = work(&cache, before.as_ref(), current, &private, &settings);

    let mut state = State::new(document(&cache, &private.server, &settings));
    state.set_private(&private)?;
    Ok(Accepted { state, work })
}

/// Whether the server has to be touched: not for tags, zones, or what is only shown.
fn work(
    cache: &Cache,
    before: Option<&Cache>,
    current: Option<&Resource>,
    private: &Private,
    settings: &Settings,
) -> Work {
    let succeeded = current.is_some_and(|current| current.provisioning_state == ProvisioningState::Succeeded);
    let runs_alike = |before: &Cache| {
        server::parameters(before, settings) == server::parameters(cache, settings)
            && Access::of(before) == Access::of(cache)
    };
    match (settings.backing, &private.server) {
        (Backing::Nothing, Server::Absent) => Work::Settled,
        (Backing::Server, Server::Serving { .. }) if succeeded && before.is_some_and(runs_alike) => Work::Settled,
        (Backing::Nothing | Backing::Server, _) => Work::Reconcile,
    }
}
