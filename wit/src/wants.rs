//! What a plugin asks to be lent beside `resources`, `settings` and `log`, which every plugin has.
//!
//! The operator allows it, all or in part: the gateway hands out what is allowed, whatever is asked for. Where a
//! setting decides what is asked for, `${key}` stands for its value.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The interfaces that a plugin uses, and how much of what they give.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Wants {
    pub workloads: Option<WantedWorkloads>,
    /// Ports and ranges of them: `6379-6399`, `${base-port}-${max-port}`.
    pub ports: Option<Vec<String>>,
    pub resp: bool,
    pub ingress: bool,
    pub transfers: bool,
}

/// The workloads of all resources of a plugin. Their programs are the manifest's `programs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WantedWorkloads {
    /// As a workload spec names them; a `*` at the end stands for anything: `valkey/valkey:*`, `${default-image}`.
    pub images: Vec<String>,
    /// The most of them at once. None for as many as there is place for.
    pub count: Option<u32>,
    /// The most of one, as a size: `2gb`. None for as much as there is.
    pub memory: Option<String>,
}

/// A text with the values of the settings that it names. The key of one that is not among them is the error.
pub fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (key, after) = after.split_once('}').ok_or_else(|| after.to_owned())?;
        filled.push_str(before);
        filled.push_str(values.get(key).ok_or_else(|| key.to_owned())?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Ports of the machine, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

impl PortRange {
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Of texts with commas between them. None if one is no range.
    pub fn parse_all(text: &str) -> Option<Vec<PortRange>> {
        text.split(',').map(|one| one.parse().ok()).collect()
    }
}

/// `6379-6399` or `6379`; not 0, and not backwards.
impl FromStr for PortRange {
    type Err = ();

    fn from_str(text: &str) -> Result<PortRange, ()> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or(());
        let (first, last) = (port(first)?, port(last)?);
        if first <= last { Ok(PortRange { first, last }) } else { Err(()) }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_stand_for_their_values() {
        let values = BTreeMap::from([("base".to_owned(), "1".to_owned()), ("none".to_owned(), String::new())]);
        for (text, expected) in [
            ("", Ok("")),
            ("plain", Ok("plain")),
            ("${base}-${base}9", Ok("1-19")),
            ("a${none}b", Ok("ab")),
            ("${other}", Err("other")),
            ("${base", Err("base")),
            ("$base}", Ok("$base}")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(fill(text, &values), expected, "{text}");
        }
    }

    #[test]
    fn a_range_has_two_ends_in_order() {
        for (text, expected) in [
            ("6379-6399", Some("6379-6399")),
            ("6379", Some("6379")),
            (" 1 - 65535 ", Some("1-65535")),
            ("7-7", Some("7")),
            ("9-7", None),
            ("0-7", None),
            ("7-65536", None),
            ("7-", None),
            ("-", None),
            ("", None),
            ("a", None),
        ] {
            let range = text.parse::<PortRange>().ok().map(|range| range.to_string());
            assert_eq!(range.as_deref(), expected, "{text}");
        }
    }
}
