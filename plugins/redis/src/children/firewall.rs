//! `firewallRules`: ranges of IPv4 addresses that may connect. Without rules everybody may.

use std::net::Ipv4Addr;

use floci_az_sdk::prelude::*;

use super::{needed, properties};
use crate::member::{Members, invalid, shown};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub name: String,
    pub first: Ipv4Addr,
    /// Not before `first`.
    pub last: Ipv4Addr,
}

/// Characters.
const LONGEST: usize = 256;

impl Rule {
    pub fn of(resource: &Resource) -> Result<Rule, Rejection> {
        let properties = properties(&resource.state.document)?;
        let (first, last) = (address(&properties, "startIP")?, address(&properties, "endIP")?);
        if last < first {
            let why = format!("The range ends at {last}, before it begins at {first} ('startIP').");
            return Err(properties.invalid("endIP", &why));
        }
        Ok(Rule { name: resource.name().to_owned(), first, last })
    }

    fn document(&self) -> Value {
        json!({ "properties": { "startIP": self.first.to_string(), "endIP": self.last.to_string() } })
    }
}

fn address(properties: &Members<'_>, name: &str) -> Result<Ipv4Addr, Rejection> {
    let text = needed(properties, name)?;
    text.parse().map_err(|_| {
        let why = format!("It has to be an IPv4 address, such as 192.168.1.4, and is {}.", shown(&text.into()));
        properties.invalid(name, &why)
    })
}

pub fn validate(change: &Change) -> Result<Accepted, Rejection> {
    let name = change.desired.name();
    let word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if name.len() > LONGEST || !word {
        return Err(invalid("name", "The name of a firewall rule has 1 to 256 letters, digits and underscores."));
    }
    let rule = Rule::of(&change.desired)?;
    Ok(Accepted::reconcile(State::new(rule.document())))
}
