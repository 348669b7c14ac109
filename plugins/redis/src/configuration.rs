//! `redisConfiguration`: an object of strings, of which some are known.
//!
//! Known keys are checked; others are kept and shown, and have no effect. `maxclients` is read-only: it follows the
//! size. Reserved memory follows the size too, as long as nobody has chosen it.

use std::collections::{BTreeMap, BTreeSet};

use floci_az_sdk::Rejection;

use crate::member::{Members, invalid_parameter};
use crate::sku::{Sku, Tier, not_allowed};

/// Text by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration(BTreeMap<String, String>);

/// MiB. Only shown: all of `maxmemory` is for data here.
const RESERVED: [&str; 3] = ["maxfragmentationmemory-reserved", "maxmemory-delta", "maxmemory-reserved"];
const STORAGE: [&str; 3] =
    ["aof-storage-connection-string-0", "aof-storage-connection-string-1", "rdb-storage-connection-string"];
const POLICIES: [&str; 8] = [
    "allkeys-lfu",
    "allkeys-lru",
    "allkeys-random",
    "noeviction",
    "volatile-lfu",
    "volatile-lru",
    "volatile-random",
    "volatile-ttl",
];
/// Minutes.
const BACKUP_FREQUENCIES: [&str; 6] = ["15", "30", "60", "360", "720", "1440"];
/// The flags of `notify-keyspace-events`, as the server documents them.
const KEYSPACE_EVENTS: &str = "KEg$lshzxetdmnA";
/// What `A` stands for.
const ALL_EVENTS: &str = "g$lshzxetd";

impl Configuration {
    /// `before` is the current configuration, and the size it belongs to.
    pub fn read(
        properties: &Members<'_>,
        sku: Sku,
        before: Option<(&Configuration, Sku)>,
    ) -> Result<Configuration, Rejection> {
        let mut texts = properties.texts("redisConfiguration")?.unwrap_or_default();
        for (key, value) in &mut texts {
            let target = format!("{}.{key}", properties.target("redisConfiguration"));
            check(key, value, sku).map_err(|why| invalid_parameter(key, &target, &why))?;
            if STORAGE.contains(&key.as_str()) {
                *value = without_account_key(value);
            }
        }
        for key in RESERVED {
            // What still has the old size's default was not chosen, but echoed or merged.
            if before.is_some_and(|(_, old)| texts.get(key) == Some(&old.reserved().to_string())) {
                texts.remove(key);
            }
            let usual = sku.reserved().to_string();
            match texts.get(key) {
                Some(chosen) if sku.tier == Tier::Basic && *chosen != usual => {
                    let why = format!("It is {usual} MB there.");
                    let target = format!("{}.{key}", properties.target("redisConfiguration"));
                    return Err(not_allowed(key, sku.tier, &why).at(target));
                }
                Some(_) => {}
                None => {
                    texts.insert(key.to_owned(), usual);
                }
            }
        }
        texts.insert("maxclients".to_owned(), sku.max_clients().to_string());
        Ok(Configuration(texts))
    }

    pub fn texts(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Azure's default is `volatile-lru`, the servers' own is `noeviction`.
    pub fn eviction_policy(&self) -> &str {
        self.get("maxmemory-policy").unwrap_or("volatile-lru")
    }

    pub fn keyspace_events(&self) -> &str {
        self.get("notify-keyspace-events").unwrap_or_default()
    }

    /// Seconds after which an idle client is disconnected; 0 for never.
    pub fn timeout(&self) -> &str {
        self.get("timeout").unwrap_or("0")
    }

    pub fn tokens(&self) -> Tokens {
        match self.get("aad-enabled") {
            Some(word) if word.eq_ignore_ascii_case("true") => Tokens::Admitted,
            _ => Tokens::Refused,
        }
    }

    pub fn authentication(&self) -> Authentication {
        match self.get("authnotrequired") {
            Some(word) if word.eq_ignore_ascii_case("yes") => Authentication::NotRequired,
            _ => Authentication::Required,
        }
    }
}

/// Whether users with an access policy are admitted, by Microsoft Entra's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    Admitted,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    Required,
    NotRequired,
}

/// Why a known key does not take this value.
fn check(key: &str, value: &str, sku: Sku) -> Result<(), String> {
    let supported = |is: bool, what: &str| if is { Ok(()) } else { Err(format!("It has to be {what}.")) };
    let word = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    match key {
        "maxmemory-policy" => supported(POLICIES.contains(&value), &POLICIES.join(", ")),
        "notify-keyspace-events" => {
            let known = value.chars().all(|flag| KEYSPACE_EVENTS.contains(flag));
            supported(known, &format!("a combination of the flags {KEYSPACE_EVENTS}"))
        }
        "timeout" => {
            supported(value.parse::<u32>().is_ok_and(|_| digits(value)), "a number of seconds, such as \"300\"")
        }
        "rdb-backup-enabled" | "aof-backup-enabled"
            if value.eq_ignore_ascii_case("true") && sku.tier != Tier::Premium =>
        {
            Err(format!("Persistence needs a Premium cache; this one is {}.", sku.tier.as_str()))
        }
        "rdb-backup-enabled" | "aof-backup-enabled" | "aad-enabled" => {
            supported(word(&["true", "false"]), "\"true\" or \"false\"")
        }
        "rdb-backup-frequency" => {
            supported(BACKUP_FREQUENCIES.contains(&value), &format!("{} minutes", BACKUP_FREQUENCIES.join(", ")))
        }
        "rdb-backup-max-snapshot-count" => supported(
            value.parse::<u32>().is_ok_and(|count| count > 0 && digits(value)),
            "a number of snapshots, such as \"1\"",
        ),
        // Terraform sends the empty text.
        "preferred-data-persistence-auth-method" => {
            supported(word(&["", "SAS", "ManagedIdentity"]), "\"SAS\" or \"ManagedIdentity\"")
        }
        "authnotrequired" => supported(word(&["yes", "no"]), "\"yes\" or \"no\""),
        key if RESERVED.contains(&key) => {
            supported(value.parse::<u32>().is_ok_and(|_| digits(value)), "a number of megabytes, such as \"50\"")
        }
        _ => Ok(()),
    }
}

/// `u32` would parse `+5`.
fn digits(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_digit())
}

/// A storage account's key is not shown again: `...;AccountKey=[key hidden];...`
fn without_account_key(connection: &str) -> String {
    let hidden = |part: &str| match part.split_once('=') {
        Some((name, _)) if name.trim().eq_ignore_ascii_case("AccountKey") => format!("{name}=[key hidden]"),
        _ => part.to_owned(),
    };
    connection.split(';').map(hidden).collect::<Vec<_>>().join(";")
}

/// The flags of `notify-keyspace-events` as a set: a server shows them in its own order, and `A` for all.
pub fn events(flags: &str) -> BTreeSet<char> {
    let expand = |flag: char| if flag == 'A' { ALL_EVENTS.to_owned() } else { flag.to_string() };
    flags.chars().map(expand).collect::<String>().chars().collect()
}
