//! What a client may ask for: a body, checked, with defaults filled in.
//!
//! Read-only members (`hostName`, `accessKeys`, ...) and members that Azure does not know are passed over. A document
//! made from a [`Cache`] reads as the same [`Cache`], so clients may send back what they were given.

use std::collections::BTreeMap;

use floci_az_sdk::{Rejection, Value};

use crate::configuration::{Authentication, Configuration};
use crate::identity::Identity;
use crate::member::{Members, invalid};
use crate::sku::{Sku, Tier};
use crate::zones::Zones;

#[derive(Debug, Clone, PartialEq)]
pub struct Cache {
    pub sku: Sku,
    pub configuration: Configuration,
    /// `major.minor`
    pub redis_version: String,
    pub enable_non_ssl_port: bool,
    pub public_network_access: &'static str,
    pub update_channel: &'static str,
    pub disable_access_key_authentication: bool,
    /// Shown only if it was sent, as the next five.
    pub minimum_tls_version: Option<&'static str>,
    pub tenant_settings: Option<BTreeMap<String, String>>,
    pub shard_count: Option<u8>,
    pub replicas: Option<u8>,
    pub subnet_id: Option<String>,
    pub static_ip: Option<String>,
    pub zones: Zones,
    pub identity: Option<Identity>,
}

impl Cache {
    /// From a body or a stored document. `before` is the cache as it is now, if there is one.
    pub fn read(document: &Value, before: Option<&Cache>) -> Result<Cache, Rejection> {
        let missing = |target: &str| invalid(target, "It has to be an object.");
        let body = Members::of(document, "")?.ok_or_else(|| missing("properties"))?;
        let properties = body.get("properties").ok_or_else(|| missing("properties"))?;
        let properties = Members::of(properties, "properties")?.ok_or_else(|| missing("properties"))?;

        let sku = Sku::read(&properties)?;
        let cache = Cache {
            sku,
            configuration: Configuration::read(
                &properties,
                sku,
                before.map(|cache| (&cache.configuration, cache.sku)),
            )?,
            redis_version: redis_version(&properties)?,
            enable_non_ssl_port: properties.boolean("enableNonSslPort")?.unwrap_or(false),
            public_network_access: properties
                .one_of("publicNetworkAccess", &["Enabled", "Disabled"])?
                .unwrap_or("Enabled"),
            update_channel: properties.one_of("updateChannel", &["Stable", "Preview"])?.unwrap_or("Stable"),
            disable_access_key_authentication: properties.boolean("disableAccessKeyAuthentication")?.unwrap_or(false),
            minimum_tls_version: properties.one_of("minimumTlsVersion", &["1.0", "1.1", "1.2"])?,
            tenant_settings: properties.texts("tenantSettings")?,
            shard_count: properties.integer("shardCount", 1..=30)?,
            replicas: replicas(&properties, before)?,
            // Decided at creation, so a PUT that does not repeat them changes nothing.
            subnet_id: subnet_id(&properties)?.or_else(|| before.and_then(|cache| cache.subnet_id.clone())),
            static_ip: static_ip(&properties)?.or_else(|| before.and_then(|cache| cache.static_ip.clone())),
            zones: Zones::read(&body, &properties, sku, before.map(|cache| &cache.zones))?,
            identity: Identity::read(&body)?,
        };
        cache.check_tier(&properties)?;
        Ok(cache)
    }

    fn check_tier(&self, properties: &Members<'_>) -> Result<(), Rejection> {
        let premium = [
            ("shardCount", self.shard_count.is_some()),
            ("replicasPerPrimary", self.replicas.is_some()),
            ("subnetId", self.subnet_id.is_some()),
            ("staticIP", self.static_ip.is_some()),
        ];
        if let Some((name, _)) = premium.into_iter().find(|(_, sent)| *sent && self.sku.tier != Tier::Premium) {
            let why = format!("It needs a Premium cache; this one is {}.", self.sku.tier.as_str());
            return Err(properties.invalid(name, &why));
        }
        if self.configuration.authentication() == Authentication::NotRequired && self.subnet_id.is_none() {
            let why = "Authentication can be switched off only for a cache in a virtual network ('subnetId').";
            return Err(properties.invalid("redisConfiguration.authnotrequired", why));
        }
        Ok(())
    }

    pub fn shards(&self) -> u8 {
        self.shard_count.unwrap_or(1)
    }

    /// Nodes of each shard: the primary and its replicas.
    pub fn nodes_per_shard(&self) -> u8 {
        match self.sku.tier {
            Tier::Basic => 1,
            Tier::Standard => 2,
            Tier::Premium => 1 + self.replicas.unwrap_or(1),
        }
    }
}

/// `major[.minor]` or `latest`. Azure has had 4.0 and 6.0 under this API; the server here is what `default-image` is.
fn redis_version(properties: &Members<'_>) -> Result<String, Rejection> {
    let text = properties.text("redisVersion")?.unwrap_or("latest");
    let number = |part: &str| !part.is_empty() && part.len() <= 3 && part.chars().all(|c| c.is_ascii_digit());
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    match major {
        "4" | "6" if number(minor) => Ok(format!("{major}.0")),
        _ if text.eq_ignore_ascii_case("latest") => Ok("6.0".to_owned()),
        _ => Err(properties.invalid("redisVersion", "It has to be 4, 4.0, 6, 6.0 or latest.")),
    }
}

/// Two names for one number: `replicasPerMaster` is the older.
fn replicas(properties: &Members<'_>, before: Option<&Cache>) -> Result<Option<u8>, Rejection> {
    let primary = properties.integer("replicasPerPrimary", 1..=3)?;
    let master = properties.integer("replicasPerMaster", 1..=3)?;
    match (primary, master) {
        (Some(primary), Some(master)) if primary != master => {
            // A PATCH of one of them comes merged with the other as it was: the one that differs is meant.
            match before.and_then(|cache| cache.replicas) {
                Some(old) if old == master => Ok(Some(primary)),
                Some(old) if old == primary => Ok(Some(master)),
                _ => Err(properties
                    .invalid("replicasPerMaster", "It is another name of replicasPerPrimary, and has to be equal.")),
            }
        }
        (primary, master) => Ok(primary.or(master)),
    }
}

fn subnet_id(properties: &Members<'_>) -> Result<Option<String>, Rejection> {
    let Some(text) = properties.text("subnetId")? else { return Ok(None) };
    let segments: Vec<String> = text.split('/').map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["", "subscriptions", _, "resourcegroups", _, "providers", namespace, "virtualnetworks", _, "subnets", _]
            if matches!(*namespace, "microsoft.network" | "microsoft.classicnetwork") =>
        {
            Ok(Some(text.to_owned()))
        }
        _ => Err(properties.invalid("subnetId", "It has to be the resource id of a subnet of a virtual network.")),
    }
}

fn static_ip(properties: &Members<'_>) -> Result<Option<String>, Rejection> {
    let Some(text) = properties.text("staticIP")? else { return Ok(None) };
    match text.parse::<std::net::Ipv4Addr>() {
        Ok(address) => Ok(Some(address.to_string())),
        Err(_) => Err(properties.invalid("staticIP", "It has to be an IPv4 address, such as 192.168.0.5.")),
    }
}
