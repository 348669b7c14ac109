//! The name of a cache is a DNS label of `redis.cache.windows.net`: bounded in form, and taken once in the world.

use floci_az_sdk::prelude::*;

use crate::manifest::RESOURCE_TYPE;
use crate::member::{invalid, shown};

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
    same.iter().find(|other| other.id != *id).map_or(Ok(()), |holder| Err(not_available(&holder.id)))
}

/// `checkNameAvailability`: nothing is said of a name that is available.
pub fn check_availability(body: &Value, host: &dyn Host) -> Result<Answer, Rejection> {
    let text = |member: &str| {
        let value = body.get(member).unwrap_or(&Value::Null);
        let found = || invalid(member, &format!("It has to be a string, and is {}.", shown(value)));
        value.as_str().ok_or_else(found)
    };
    let (name, kind) = (text("name")?, text("type")?);
    if !kind.eq_ignore_ascii_case(RESOURCE_TYPE) {
        return Err(invalid("type", &format!("It has to be {RESOURCE_TYPE}, and is {}.", shown(&kind.into()))));
    }
    check(name)?;
    let same = host.resources().named(RESOURCE_TYPE, name)?;
    same.first().map_or(Ok(Answer::empty()), |holder| Err(not_available(&holder.id)))
}

fn not_available(holder: &ResourceId) -> Rejection {
    // "occured" is Azure's; who has the name is ours to say.
    let message = format!(
        "An error occured when trying to reserve the DNS name for the cache instance. This may be a temporary issue if \
         a cache instance of this name was recently deleted. Please choose a different name or try again later. The \
         name is that of '{holder}'."
    );
    Rejection::conflict("NameNotAvailable", message)
}
