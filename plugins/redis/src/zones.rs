//! Availability zones. Shown as Azure does; one server has no zone.

use floci_az_sdk::Rejection;

use crate::member::Members;
use crate::sku::{Sku, Tier};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zones {
    pub names: Vec<String>,
    pub policy: Policy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    Automatic,
    NoZones,
    UserDefined,
}

const POLICIES: [Policy; 3] = [Policy::Automatic, Policy::NoZones, Policy::UserDefined];

impl Policy {
    pub fn as_str(self) -> &'static str {
        match self {
            Policy::Automatic => "Automatic",
            Policy::NoZones => "NoZones",
            Policy::UserDefined => "UserDefined",
        }
    }
}

impl Zones {
    /// `zones` of the body and `zonalAllocationPolicy` of its properties.
    ///
    /// Zones make the policy UserDefined. Without both, a Basic cache (one node) has no zones, and the others are
    /// spread automatically: every region counts as one that has zones.
    pub fn read(
        body: &Members<'_>,
        properties: &Members<'_>,
        sku: Sku,
        before: Option<&Zones>,
    ) -> Result<Zones, Rejection> {
        let names = body.list("zones")?;
        let word = properties.one_of("zonalAllocationPolicy", &POLICIES.map(Policy::as_str))?;
        let sent = word.and_then(|word| POLICIES.into_iter().find(|policy| policy.as_str() == word));
        // A PATCH comes merged and many clients echo what they have read: what is as before was not asked for.
        let asked = sent.filter(|policy| before.is_none_or(|before| before.policy != *policy));
        let kept = before.map(|before| before.policy).filter(|policy| sent == Some(*policy));

        if names.is_empty() {
            return match asked {
                Some(Policy::UserDefined) => {
                    Err(properties
                        .invalid("zonalAllocationPolicy", "UserDefined needs 'zones', such as [\"1\", \"2\"]."))
                }
                Some(policy) => Ok(Zones { names, policy }),
                None => Ok(Zones { names, policy: kept.filter(|p| *p != Policy::UserDefined).unwrap_or(usual(sku)) }),
            };
        }
        if sku.tier != Tier::Premium {
            let why = format!("Zones can be chosen for Premium caches; this one is {}.", sku.tier.as_str());
            return Err(body.invalid("zones", &why));
        }
        match asked {
            None | Some(Policy::UserDefined) => Ok(Zones { names, policy: Policy::UserDefined }),
            Some(other) => {
                let why =
                    format!("{} leaves the choice to Azure; with 'zones' it has to be UserDefined.", other.as_str());
                Err(properties.invalid("zonalAllocationPolicy", &why))
            }
        }
    }
}

fn usual(sku: Sku) -> Policy {
    match sku.tier {
        Tier::Basic => Policy::NoZones,
        Tier::Standard | Tier::Premium => Policy::Automatic,
    }
}
