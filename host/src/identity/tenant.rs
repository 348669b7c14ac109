//! Tenants: any is there. A GUID is itself; a name, or a word such as `common`, means the usual tenant.

use std::fmt;

use uuid::Uuid;

use super::refusal::Refusal;
use crate::arm::TENANT;

/// The tenant that everything belongs to unless a GUID says otherwise: that of the subscriptions.
pub const DEFAULT_TENANT: Uuid = uuid::uuid!(TENANT);

/// Characters of a name; that of a domain has at most as many.
const LONGEST: usize = 253;

/// A tenant as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tenant {
    /// In lower case; the URLs that the client is given carry it on.
    pub word: String,
    pub id: Uuid,
}

impl Tenant {
    pub(super) fn parse(word: &str) -> Result<Tenant, Refusal> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if word.is_empty() || word.len() > LONGEST || !word.chars().all(allowed) {
            return Err(Refusal::tenant());
        }
        let word = word.to_ascii_lowercase();
        // Only the form with hyphens: 32 digits may well be a name.
        let id = Some(&word).filter(|word| word.contains('-')).and_then(|word| word.parse().ok());
        Ok(Tenant { id: id.unwrap_or(DEFAULT_TENANT), word })
    }

    pub(super) fn usual() -> Tenant {
        Tenant { word: DEFAULT_TENANT.to_string(), id: DEFAULT_TENANT }
    }

    /// What tokens of this tenant have as `iss`.
    pub(super) fn issuer(&self, base: &str) -> String {
        format!("{base}/{}/v2.0", self.id)
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_itself_and_any_other_word_is_the_usual_tenant() {
        let guid = "6A1C22F1-1e0d-4b9f-8d2a-3d6c1bd5a111";
        assert_eq!(Tenant::parse(guid).unwrap().id.to_string(), guid.to_ascii_lowercase());
        for word in ["common", "organizations", "consumers", "adfs", "contoso.onmicrosoft.com", "0123456789abcdef"] {
            assert_eq!(Tenant::parse(word).unwrap().id.to_string(), "00000000-0000-0000-0000-000000000002", "{word}");
        }
        for word in ["", "a b", "a%20b", "\u{e4}", "{tenantid}", &"a".repeat(254)] {
            assert!(Tenant::parse(word).is_err(), "{word}");
        }
    }
}
