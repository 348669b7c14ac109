//! `linkedServers`: two Premium caches of which one replicates the other. The link is below either of them, and says what
//! the *other* one is.

use floci_az_sdk::prelude::*;

use super::{LINKED_SERVERS, cache, is_staying, needed, parent, properties, unreadable};
use crate::manifest::RESOURCE_TYPE;
use crate::member::{invalid, shown};
use crate::nodes;
use crate::private::Private;
use crate::sku::{Tier, not_allowed};

/// What the linked cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Writable; the cache that has the link replicates it.
    Primary,
    /// It replicates the cache that has the link.
    Secondary,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Of the link.
    pub id: ResourceId,
    /// The other cache.
    pub linked: ResourceId,
    pub location: String,
    pub role: Role,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "Primary",
            Role::Secondary => "Secondary",
        }
    }
}

impl Link {
    pub fn of(resource: &Resource) -> Result<Link, Rejection> {
        let properties = properties(&resource.state.document)?;
        let linked = needed(&properties, "linkedRedisCacheId")?;
        let linked: Option<ResourceId> = linked.parse().ok();
        let linked = linked.filter(|linked| linked.resource_type().eq_ignore_ascii_case(RESOURCE_TYPE));
        let linked = linked.ok_or_else(|| {
            let why = format!("It has to be the resource id of a cache, of type {RESOURCE_TYPE}.");
            properties.invalid("linkedRedisCacheId", &why)
        })?;
        let role = properties.one_of("serverRole", &[Role::Primary.as_str(), Role::Secondary.as_str()])?;
        let role = match role {
            Some("Primary") => Role::Primary,
            Some(_) => Role::Secondary,
            None => return Err(properties.invalid("serverRole", "It has to be Primary or Secondary.")),
        };
        let location = needed(&properties, "linkedRedisCacheLocation")?.to_owned();
        Ok(Link { id: resource.id.clone(), linked, location, role })
    }

    fn document(&self, owner: &ResourceId) -> Value {
        let primary = match self.role {
            Role::Primary => &self.linked,
            Role::Secondary => owner,
        };
        json!({
            "properties": {
                "linkedRedisCacheId": self.linked.to_string(),
                "linkedRedisCacheLocation": self.location,
                "serverRole": self.role.as_str(),
                "geoReplicatedPrimaryHostName": format!("{}.geo.redis.cache.windows.net", self.linked.name()),
                "primaryHostName": format!("{}.redis.cache.windows.net", primary.name()),
            }
        })
    }
}

/// The cache that this one replicates: a link below another names it as Secondary, or one below itself names another as
/// Primary. Links that are being deleted are none.
pub fn primary_of(id: &ResourceId, host: &dyn Host) -> Result<Option<ResourceId>, Fault> {
    for link in links_to(id, host)? {
        if let (Role::Secondary, Some(owner)) = (link.role, link.id.parent()) {
            return Ok(Some(owner));
        }
    }
    let own = links_of(id, host)?;
    Ok(own.into_iter().find(|link| link.role == Role::Primary).map(|link| link.linked))
}

/// The caches that have a link to this one.
pub fn owners(id: &ResourceId, host: &dyn Host) -> Result<Vec<ResourceId>, Fault> {
    Ok(links_to(id, host)?.into_iter().filter_map(|link| link.id.parent()).collect())
}

/// Whether the cache is in a link, its own or another's; then that link.
pub fn any_of(id: &ResourceId, host: &dyn Host) -> Result<Option<Link>, Fault> {
    let own = links_of(id, host)?.into_iter().next();
    own.map_or_else(|| Ok(links_to(id, host)?.into_iter().next()), |link| Ok(Some(link)))
}

fn links_of(id: &ResourceId, host: &dyn Host) -> Result<Vec<Link>, Fault> {
    read(&host.resources().children(id, LINKED_SERVERS)?)
}

/// A link has the name of the cache that it links.
fn links_to(id: &ResourceId, host: &dyn Host) -> Result<Vec<Link>, Fault> {
    let named = host.resources().named(&format!("{RESOURCE_TYPE}/{LINKED_SERVERS}"), id.name())?;
    Ok(read(&named)?.into_iter().filter(|link| link.linked == *id).collect())
}

fn read(links: &[Resource]) -> Result<Vec<Link>, Fault> {
    let read = |link: &Resource| Link::of(link).map_err(|rejection| unreadable(&link.id, &rejection));
    links.iter().filter(|link| is_staying(link)).map(read).collect()
}

pub fn validate(change: &Change, host: &dyn Host) -> Result<Accepted, Rejection> {
    let owner = parent(&change.desired.id)?;
    let link = Link::of(&change.desired)?;
    if let Some(current) = change.current() {
        let current = Link::of(current).map_err(|rejection| unreadable(&current.id, &rejection))?;
        if current.linked != link.linked || current.role != link.role {
            let message = "The requested update to the resource is not permitted. A link cannot be changed: delete it, \
                           and create another.";
            return Err(Rejection::bad_request("BadRequest", message).at("properties"));
        }
    }
    if !link.linked.name().eq_ignore_ascii_case(change.desired.name()) {
        let why = format!("The name of a linked server is that of the linked cache, '{}'.", link.linked.name());
        return Err(invalid("name", &why));
    }
    if link.linked == owner {
        return Err(invalid("properties.linkedRedisCacheId", "A cache cannot be linked to itself."));
    }
    let location = check_pair(&link, &owner, host)?;
    for id in [&owner, &link.linked] {
        if let Some(other) = any_of(id, host)?.filter(|other| other.id != link.id) {
            let message =
                format!("The cache '{}' is linked already, by '{}': a cache can have one link.", id.name(), other.id);
            return Err(Rejection::conflict("Conflict", message).at("properties.linkedRedisCacheId"));
        }
    }
    let link = Link { location, ..link };
    Ok(Accepted::reconcile(State::new(link.document(&owner))))
}

/// Both have to exist, be Premium, and have no shards; the secondary has to hold what the primary holds. The
/// location of the linked one.
fn check_pair(link: &Link, owner: &ResourceId, host: &dyn Host) -> Result<String, Rejection> {
    let missing = |id: &ResourceId| {
        let message = format!(
            "The Resource 'Microsoft.Cache/Redis/{}' under resource group '{}' was not found.",
            id.name(),
            id.group()
        );
        Rejection::not_found("ResourceNotFound", message).at("properties.linkedRedisCacheId")
    };
    let (this, own) = cache(owner, host)?.ok_or_else(|| missing(owner))?;
    let (other, linked) = cache(&link.linked, host)?.ok_or_else(|| missing(&link.linked))?;
    for (id, cache) in [(owner, &own), (&link.linked, &linked)] {
        if cache.sku.tier != Tier::Premium {
            let refused =
                not_allowed(LINKED_SERVERS, cache.sku.tier, &format!("The cache '{}' has to be Premium.", id.name()));
            return Err(refused.at("properties.linkedRedisCacheId"));
        }
    }
    if !same_place(&other.location, &link.location) {
        let why = format!(
            "The location of '{}' is {}, not {}.",
            other.name(),
            other.location,
            shown(&link.location.as_str().into())
        );
        return Err(invalid("properties.linkedRedisCacheLocation", &why));
    }
    for (resource, cache) in [(&this, &own), (&other, &linked)] {
        if nodes::is_clustered(cache, &Private::of(&resource.state)?) {
            let why =
                format!("Linked caches with shards are not supported here, and '{}' has shards.", resource.id.name());
            return Err(invalid("properties.linkedRedisCacheId", &why));
        }
    }
    let (primary, secondary) = match link.role {
        Role::Primary => (&linked, &own),
        Role::Secondary => (&own, &linked),
    };
    if secondary.sku.bytes() < primary.sku.bytes() {
        let why = format!(
            "The secondary cache, of size {}, has to be at least as large as the primary, of size {}.",
            secondary.sku.size(),
            primary.sku.size()
        );
        return Err(invalid("properties.linkedRedisCacheId", &why));
    }
    Ok(other.location)
}

/// `West US` is `westus`.
fn same_place(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Redis;
    use floci_az_sdk::testing::FakeHost;

    fn id(path: &str) -> String {
        format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/{path}")
    }

    fn linked(role: &str) -> FakeHost {
        let host = FakeHost::of::<Redis>();
        host.set("mocked", "true");
        for name in ["a", "b", "c"] {
            let sku = json!({ "name": "Premium", "family": "P", "capacity": 1 });
            host.put::<Redis>(&id(name), json!({ "properties": { "sku": sku } })).unwrap();
        }
        let link = json!({
            "linkedRedisCacheId": id("B"), "linkedRedisCacheLocation": "West US", "serverRole": role
        });
        host.put::<Redis>(&id("a/linkedServers/b"), json!({ "properties": link })).unwrap();
        host
    }

    fn primaries(host: &FakeHost) -> [Option<String>; 3] {
        let of = |name: &str| primary_of(&id(name).parse().unwrap(), host).unwrap().map(|id| id.name().to_owned());
        ["a", "b", "c"].map(of)
    }

    #[test]
    fn a_link_below_either_cache_says_who_replicates_whom() {
        assert_eq!(primaries(&linked("Secondary")), [None, Some("a".to_owned()), None]);
        assert_eq!(primaries(&linked("Primary")), [Some("B".to_owned()), None, None]);
    }

    #[test]
    fn a_link_that_is_being_deleted_is_none() {
        let host = linked("Secondary");
        let link = host.stored(&id("a/linkedServers/b")).unwrap();
        host.store(Resource { provisioning_state: floci_az_sdk::ProvisioningState::Deleting, ..link });
        assert_eq!(primaries(&host), [None, None, None]);
    }
}
