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
    if same.iter().all(|other| other.id == *id) { Ok(()) } else { Err(not_available()) }
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
    match host.resources().named(RESOURCE_TYPE, name)?.is_empty() {
        true => Ok(Answer::empty()),
        false => Err(not_available()),
    }
}

fn not_available() -> Rejection {
    // "occured" is Azure's.
    Rejection::conflict(
        "NameNotAvailable",
        "An error occured when trying to reserve the DNS name for the cache instance. This may be a temporary issue if \
         a cache instance of this name was recently deleted. Please choose a different name or try again later.",
    )
}
