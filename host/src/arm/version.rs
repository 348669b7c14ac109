//! The `api-version` of a request: required, unless the operator said otherwise, and one that the type has.

use floci_az_contract::{Manifest, ResourceType};

use super::error::ArmError;
use super::request::Request;

/// What the front door does about a missing `api-version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// It is refused, as Azure does.
    Strict,
    /// The newest one that is no preview is taken.
    Lenient,
}

/// The api-version that a request for a provider's type is answered in.
pub fn of_type<'a>(
    request: &'a Request,
    namespace: &str,
    kind: &'a ResourceType,
    strictness: Strictness,
) -> Result<&'a str, ArmError> {
    let Some(asked) = request.api_version() else {
        return match (strictness, kind.newest_version()) {
            (Strictness::Lenient, Some(newest)) => Ok(newest),
            _ => Err(ArmError::missing_api_version()),
        };
    };
    let known = kind.api_versions.iter().find(|version| version.eq_ignore_ascii_case(asked));
    known.map(String::as_str).ok_or_else(|| {
        // As Azure does, the refusal names the region, if the body has one.
        let body = request.object().unwrap_or_default();
        let location = body.get("location").and_then(|location| location.as_str()).unwrap_or_default();
        ArmError::no_registered_provider(namespace, kind, location, asked)
    })
}

/// The api-version that an action of a provider is answered in: any of its types' versions.
pub fn of_provider<'a>(
    request: &'a Request,
    manifest: &'a Manifest,
    strictness: Strictness,
) -> Result<&'a str, ArmError> {
    let mut answers = manifest.types.iter().map(|kind| of_type(request, &manifest.namespace, kind, strictness));
    let first = answers.next().unwrap_or_else(|| Err(ArmError::missing_api_version()));
    first.or_else(|refused| answers.find_map(Result::ok).ok_or(refused))
}

/// The api-version of a request for what ARM itself owns: any that is well-formed.
pub fn of_arm(asked: Option<&str>, strictness: Strictness) -> Result<(), ArmError> {
    match asked {
        None if strictness == Strictness::Strict => Err(ArmError::missing_api_version()),
        Some(version) if !is_well_formed(version) => Err(ArmError::invalid_api_version(version)),
        _ => Ok(()),
    }
}

/// `2024-11-01`, or with a suffix: `2023-05-01-preview`.
fn is_well_formed(version: &str) -> bool {
    let mut parts = version.splitn(4, '-');
    let mut number = |digits: usize| {
        parts.next().is_some_and(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_suffix = |suffix: &str| !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    number(4) && number(2) && number(2) && parts.next().is_none_or(is_suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_versions_are_dates_with_an_optional_suffix() {
        for version in ["2024-11-01", "2023-05-01-preview", "2016-02-01"] {
            assert!(is_well_formed(version), "{version}");
        }
        for version in
            ["", "2024", "2024-11", "24-11-01", "2024-11-01-", "2024-1-01", "latest", "2024-11-0x", "2024-11-01-a&b"]
        {
            assert!(!is_well_formed(version), "{version}");
        }
    }
}
