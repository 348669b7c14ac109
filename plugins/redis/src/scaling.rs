//! Which changes of an existing cache are possible, and which only one after the other.

use floci_az_sdk::Rejection;

use crate::cache::Cache;
use crate::sku::{Tier, family_not_supported};

/// Azure's rules: a cache grows through the tiers one at a time and never back, not down to C0, and not in tier and
/// size at once when it leaves Basic; its network is decided when it is created.
pub fn check(current: &Cache, desired: &Cache) -> Result<(), Rejection> {
    let (from, to) = (current.sku, desired.sku);
    if to.tier < from.tier {
        let why = format!("A cache cannot go from {} down to {}.", from.tier.as_str(), to.tier.as_str());
        return Err(not_permitted("properties.sku.name", &why));
    }
    if from.tier == Tier::Basic && to.tier == Tier::Premium {
        let why = "A Basic cache can be scaled to Standard, and then to Premium.";
        return Err(family_not_supported(why).at("properties.sku.name"));
    }
    if from.tier == Tier::Basic && to.tier == Tier::Standard && from.capacity != to.capacity {
        let why = format!("Scale to Standard {} first, and then to {}.", from.size(), to.size());
        return Err(not_permitted("properties.sku.capacity", &why));
    }
    if to.size() == "C0" && from.size() != "C0" {
        return Err(not_permitted(
            "properties.sku.capacity",
            &format!("A cache of size {} cannot become C0.", from.size()),
        ));
    }
    if current.subnet_id != desired.subnet_id {
        return Err(not_permitted("properties.subnetId", "It is decided when a cache is created."));
    }
    if desired.redis_version < current.redis_version {
        let why =
            format!("A cache of version {} does not go back to {}.", current.redis_version, desired.redis_version);
        return Err(not_permitted("properties.redisVersion", &why));
    }
    if current.identity != desired.identity && current.public_network_access != desired.public_network_access {
        // "seperate" is Azure's.
        let message = "The following updates can't be processed in one single request, please send seperate request to \
                       update them: 'properties.publicNetworkAccess,identity'.";
        return Err(Rejection::bad_request("BadRequest", message).at("properties.publicNetworkAccess"));
    }
    if current.static_ip != desired.static_ip {
        return Err(not_permitted("properties.staticIP", "It is decided when a cache is created."));
    }
    Ok(())
}

pub fn not_permitted(target: &str, why: &str) -> Rejection {
    // "properties(s)" is Azure's.
    let message = format!(
        "The requested update to the resource is not permitted. The following properties(s) cannot be modified: \
         '{target}'. {why}"
    );
    Rejection::bad_request("BadRequest", message).at(target)
}
