//! Access keys: 32 random bytes in base64, 44 characters, as Azure's.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use floci_az_sdk::Fault;
use floci_az_sdk::json;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What Azure's own keys have at [`SIGNATURE_AT`]: secret scanners know it, and a key from here is no secret of Azure.
const SIGNATURE: &str = "AzCa";
const SIGNATURE_AT: usize = 33;

/// The two keys of a cache. Either one logs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    pub primary: String,
    pub secondary: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    Primary,
    Secondary,
}

impl Keys {
    /// Fails with `NoRandomness`.
    pub fn generate() -> Result<Keys, Fault> {
        Ok(Keys { primary: new_key()?, secondary: new_key()? })
    }

    pub fn get(&self, which: KeyType) -> &str {
        match which {
            KeyType::Primary => &self.primary,
            KeyType::Secondary => &self.secondary,
        }
    }

    /// With a new key in the place of this one. Fails with `NoRandomness`.
    pub fn with_new(&self, which: KeyType) -> Result<Keys, Fault> {
        let new = new_key()?;
        Ok(match which {
            KeyType::Primary => Keys { primary: new, ..self.clone() },
            KeyType::Secondary => Keys { secondary: new, ..self.clone() },
        })
    }

    pub fn to_json(&self) -> floci_az_sdk::Value {
        json!({ "primaryKey": self.primary, "secondaryKey": self.secondary })
    }
}

/// Without the keys: what is printed ends in a log.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys { .. }")
    }
}

/// Fails with `NoRandomness`.
pub fn new_key() -> Result<String, Fault> {
    loop {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| {
            Fault::new("NoRandomness", format!("a key needs random bytes, and there are none: {error}"))
        })?;
        let key = STANDARD.encode(bytes);
        // One key in 17 million.
        if key.get(SIGNATURE_AT..SIGNATURE_AT + SIGNATURE.len()) != Some(SIGNATURE) {
            return Ok(key);
        }
    }
}

/// SHA-256 in hexadecimal, as ACL rules take it in the place of a password.
pub fn digest(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_form_of_azures_but_not_its_signature() {
        let keys: Vec<String> = (0..100).map(|_| new_key().unwrap()).collect();
        for key in &keys {
            assert_eq!((key.len(), STANDARD.decode(key).unwrap().len()), (44, 32), "{key}");
            assert_ne!(&key[33..37], "AzCa");
        }
        let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn a_digest_is_what_the_server_computes() {
        // `ACL SETUSER x >foobared` shows this.
        assert_eq!(digest("foobared"), "1b58ee375b42e41f0e48ef2ff27d10a5b1f6924a9acdcdba7cae868e7adce6bf");
    }

    #[test]
    fn only_the_named_key_changes() {
        let old = Keys::generate().unwrap();
        let new = old.with_new(KeyType::Secondary).unwrap();
        assert_eq!(old.primary, new.primary);
        assert_ne!(old.secondary, new.secondary);
        assert_eq!(format!("{new:?}"), "Keys { .. }");
    }
}
