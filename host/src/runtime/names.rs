//! Names that are derived: the same key gives the same name after every restart, and no two keys give one name.

use sha2::{Digest, Sha256};

use super::WorkloadKey;

/// 48 bits: with a million workloads a collision is as likely as 1 in 500.
const DIGITS: usize = 12;
/// With the longest prefix (`floci-az-` and the digits) a name stays below 63, DNS's limit for a label.
const LONGEST_LABEL: usize = 40;

/// `0123456789ab-mycache-redis`: a digest of `scope` and the key, then for people the last name of the owner and the
/// workload's.
pub fn short(scope: &str, key: &WorkloadKey) -> String {
    let owner = key.owner.rsplit('/').next().unwrap_or_default();
    let label: String = format!("{owner}-{}", key.name)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(LONGEST_LABEL)
        .collect();
    format!("{}-{}", hex(&[scope, &key.owner, &key.name], DIGITS), label.trim_matches('-'))
}

/// The first `digits` hexadecimal digits of the SHA-256 of the parts, each with its length before it.
pub fn hex(parts: &[&str], digits: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .take(digits)
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(scope: &str, owner: &str, name: &str, expected: Expect) {
        expected.assert_eq(&short(scope, &WorkloadKey { owner: owner.to_owned(), name: name.to_owned() }));
    }

    #[test]
    fn names_are_stable_and_distinct() {
        check(
            "a",
            "/subscriptions/s/resourcegroups/g/providers/microsoft.cache/redis/mycache",
            "redis",
            expect!["579518f14f35-mycache-redis"],
        );
        check(
            "b",
            "/subscriptions/s/resourcegroups/g/providers/microsoft.cache/redis/mycache",
            "redis",
            expect!["d9019b2fc607-mycache-redis"],
        );
        check("a", "/x/My_Cache", &"n".repeat(40), expect!["9cf69ff90b93-my-cache-nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"]);
        check("a", "", "-", expect!["2f3ba8054e37-"]);
        assert_ne!(hex(&["a", "bc"], 12), hex(&["ab", "c"], 12));
    }
}
