//! A PUT or a PATCH of a cache: from a client's body to the state that is stored.

use floci_az_sdk::ProvisioningState;
use floci_az_sdk::prelude::*;

use crate::access::users;
use crate::cache::Cache;
use crate::children::{Children, link};
use crate::document::document;
use crate::private::{Private, Server};
use crate::route::{plain, route};
use crate::settings::{Backing, Settings};
use crate::{name, scaling, server};

pub fn validate(change: Change, host: &dyn Host) -> Result<Accepted, Rejection> {
    let settings = Settings::read(host)?;
    let id = &change.desired.id;
    let current = change.current();
    if current.is_none() {
        name::check(change.desired.name())?;
        name::check_free(id, host)?;
    }
    // A stored document that this version cannot read must not stand in the way of replacing it.
    let before = current.and_then(|current| Cache::read(&current.state.document, None).ok());
    let mut cache = Cache::read(&change.desired.state.document, before.as_ref())?;
    let identity = before.as_ref().and_then(|before| before.identity.as_ref());
    cache.identity = cache.identity.map(|sent| sent.issued(identity)).transpose()?;
    if let Some(before) = &before {
        scaling::check(before, &cache)?;
        let resized = match (before.sku != cache.sku, before.shard_count != cache.shard_count) {
            (true, _) => Some("properties.sku"),
            (false, true) => Some("properties.shardCount"),
            (false, false) => None,
        };
        if let Some(target) = resized
            && link::any_of(id, host)?.is_some()
        {
            return Err(scaling::not_permitted(target, "A linked cache keeps its size: unlink it first."));
        }
    }
    let private = Private::of(&change.desired.state)?;
    let children = Children::read(id, host)?;
    let succeeded = current.is_some_and(|current| current.provisioning_state == ProvisioningState::Succeeded);
    let work = match (settings.backing, &private.server, &before) {
        (Backing::Nothing, Server::Absent, _) => Work::Settled,
        (Backing::Server, Server::Serving { .. }, Some(before)) if succeeded => {
            let of = |cache: &Cache| effects(id, cache, &private, &settings, &children);
            if of(before) == of(&cache) { Work::Settled } else { Work::Reconcile }
        }
        (Backing::Nothing | Backing::Server, _, _) => Work::Reconcile,
    };

    let mut state = State::new(document(&cache, &private, &settings, &children));
    state.set_private(&private)?;
    Ok(Accepted { state, work })
}

/// All that a cache has servers and routes for: not tags, zones, or what is only shown.
fn effects(
    id: &ResourceId,
    cache: &Cache,
    private: &Private,
    settings: &Settings,
    children: &Children,
) -> impl PartialEq + use<> {
    (
        (cache.shard_count, cache.replicas),
        server::parameters(cache, settings),
        users(cache, private, children),
        plain(cache, private, settings, children),
        route(id, cache, private, settings, children, 0, &[]),
    )
}
