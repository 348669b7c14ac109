//! The name of a cache is a DNS label of `redis.cache.windows.net`: bounded in form, and taken once in the world.

use floci_az_sdk::{Host, Rejection, ResourceId};

use crate::manifest::RESOURCE_TYPE;
use crate::member::invalid;

/// Characters.
const LONGEST: usize = 63;

pub fn check(name: &str) -> Result<(), Rejection> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let edges = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    if name.is_empty() || name.len() > LONGEST || !name.chars().all(allowed) || edges {
        let why = "The name of a cache has 1 to 63 letters, digits and hyphens; it begins and ends with a letter or a \
                   digit, and has no two hyphens in a row.";
        return Err(invalid("name", why));
    }
    Ok(())
}

/// Whether another cache, in any subscription, has the name.
pub fn check_free(id: &ResourceId, host: &dyn Host) -> Result<(), Rejection> {
    let same = host.resources().named(RESOURCE_TYPE, id.name())?;
    if same.iter().all(|other| other.id == *id) {
        return Ok(());
    }
    // "occured" is Azure's.
    Err(Rejection::conflict(
        "NameNotAvailable",
        "An error occured when trying to reserve the DNS name for the cache instance. This may be a temporary issue if \
         a cache instance of this name was recently deleted. Please choose a different name or try again later.",
    ))
}
