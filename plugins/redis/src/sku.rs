//! Sizes and tiers, and what follows from them.
//!
//! Sources: sizes and client limits are those of Azure's pricing and planning pages; the reserved memory of C0, C1 and
//! P1 was seen in real traffic (Redis 6.0), and is about a tenth of the size for the others.

use floci_az_sdk::{Rejection, Value, json};

use crate::member::{Members, invalid};

/// In the order in which a cache may be scaled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    Basic,
    Standard,
    Premium,
}

/// `{"name": "Basic", "family": "C", "capacity": 0}`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sku {
    pub tier: Tier,
    pub capacity: u8,
}

const TIERS: [Tier; 3] = [Tier::Basic, Tier::Standard, Tier::Premium];
const SMALLEST: &str = r#"A cache needs one, such as {"name": "Basic", "family": "C", "capacity": 0}."#;

impl Tier {
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Basic => "Basic",
            Tier::Standard => "Standard",
            Tier::Premium => "Premium",
        }
    }

    pub fn family(self) -> &'static str {
        match self {
            Tier::Basic | Tier::Standard => "C",
            Tier::Premium => "P",
        }
    }
}

impl Sku {
    /// From the member `sku` of the properties.
    pub fn read(properties: &Members<'_>) -> Result<Sku, Rejection> {
        let target = properties.target("sku");
        let missing = || invalid(&target, SMALLEST);
        let sku = Members::of(properties.get("sku").ok_or_else(missing)?, &target)?.ok_or_else(missing)?;
        let needed = |name: &str| sku.invalid(name, SMALLEST);

        let name = sku.one_of("name", &TIERS.map(Tier::as_str))?.ok_or_else(|| needed("name"))?;
        let tier = TIERS.into_iter().find(|tier| tier.as_str() == name).ok_or_else(|| needed("name"))?;
        let family = sku.one_of("family", &["C", "P"])?.ok_or_else(|| needed("family"))?;
        if family != tier.family() {
            return Err(family_not_supported(&format!("The family of {name} is {}, not {family}.", tier.family()))
                .at(sku.target("family")));
        }
        let capacities = match tier {
            Tier::Basic | Tier::Standard => 0..=6,
            Tier::Premium => 1..=5,
        };
        let capacity = sku.integer("capacity", capacities)?.ok_or_else(|| needed("capacity"))?;
        Ok(Sku { tier, capacity })
    }

    pub fn to_json(self) -> Value {
        json!({ "name": self.tier.as_str(), "family": self.tier.family(), "capacity": self.capacity })
    }

    /// `C0` or `P1`.
    pub fn size(self) -> String {
        format!("{}{}", self.tier.family(), self.capacity)
    }

    /// MiB of data that Azure sells under this size.
    fn mebibytes(self) -> u64 {
        match (self.tier.family(), self.capacity) {
            ("C", 0) => 250,
            ("C", 1) => 1 << 10,
            ("C", 2) => 2_560,
            ("C", 3) | ("P", 1) => 6 << 10,
            ("C", 4) | ("P", 2) => 13 << 10,
            ("C", 5) | ("P", 3) => 26 << 10,
            ("C", _) | ("P", 4) => 53 << 10,
            _ => 120 << 10,
        }
    }

    /// Bytes of data that Azure sells under this size.
    pub fn bytes(self) -> u64 {
        self.mebibytes() << 20
    }

    /// Most clients that may be connected.
    pub fn max_clients(self) -> u32 {
        match (self.tier.family(), self.capacity) {
            ("C", 0) => 256,
            ("C", 1) => 1_000,
            ("C", 2) => 2_000,
            ("C", 3) => 5_000,
            ("C", 4) => 10_000,
            ("C", 5) | ("P", 2) => 15_000,
            ("C", _) => 20_000,
            ("P", 1) => 7_500,
            ("P", 3) => 30_000,
            _ => 40_000,
        }
    }

    /// MiB that are reserved for other uses than data, unless the client says otherwise.
    pub fn reserved(self) -> u64 {
        match self.mebibytes() {
            250 => 30,
            1_024 => 125,
            6_144 => 642,
            size => size / 10,
        }
    }
}

/// What Azure answers to what a tier does not have.
pub fn not_allowed(setting: &str, tier: Tier, why: &str) -> Rejection {
    let message = format!("The setting '{setting}' is not allowed on '{}' cache instances. {why}", tier.as_str());
    Rejection::bad_request("InvalidRequestBody", message)
}

/// What Azure answers, with what it means.
pub fn family_not_supported(why: &str) -> Rejection {
    let message = format!("Exception of type 'AzCacheRP.Exceptions.SkuFamilyNotSupportedException' was thrown. {why}");
    Rejection::bad_request("InvalidRequestBody", message)
}
