//! The check of a request's token, as Azure Resource Manager makes it.
//!
//! A token is refused for one reason, the first of: it is not there, it is no bearer token, it has not the form of one,
//! it is not signed with RS256 by this gateway's key, it has expired or is not valid yet, somebody else has issued it,
//! it is for somebody else. The key alone decides who may pass; the algorithm that a token claims for itself decides
//! nothing. No message repeats the token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::Value;

use super::key::SigningKey;
use super::metadata::authority;
use crate::arm::short;

/// Seconds by which the clocks of client and gateway may differ, as in Azure.
const LEEWAY: u64 = 300;
/// Beside the gateway itself, what Azure Resource Manager is known by: its URLs, and its app id.
const RESOURCE_MANAGER: [&str; 3] =
    ["https://management.azure.com", "https://management.core.windows.net", "797f4846-ba00-4fd7-ba43-dac1f8f63013"];

/// Why a request may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub message: String,
    /// For the header `WWW-Authenticate`: without quotes, and with nothing of the client's.
    pub summary: &'static str,
}

fn refused(message: impl Into<String>, summary: &'static str) -> Refused {
    Refused { message: message.into(), summary }
}

/// By which names this gateway is called: the one of this request, and those of the machine itself, each over TLS and
/// without.
#[derive(Debug)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    pub(super) fn new(base: &str, port: u16) -> Origins {
        let mut authorities = vec![authority(base).to_ascii_lowercase()];
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let local = format!("{host}:{port}");
            if !authorities.contains(&local) {
                authorities.push(local);
            }
        }
        let both =
            authorities.iter().flat_map(|authority| ["https", "http"].map(|scheme| format!("{scheme}://{authority}")));
        Origins(both.collect())
    }

    fn contain(&self, origin: &str) -> bool {
        self.0.iter().any(|known| known == origin)
    }

    /// `{origin}/{tenant}/v2.0`
    fn issue(&self, issuer: &str) -> bool {
        let origin = issuer.strip_suffix("/v2.0").and_then(|rest| rest.rsplit_once('/'));
        origin.is_some_and(|(origin, tenant)| !tenant.is_empty() && self.contain(&canonical(origin)))
    }

    fn are_meant_by(&self, audience: &str) -> bool {
        let audience = canonical(audience);
        self.contain(&audience) || RESOURCE_MANAGER.contains(&audience.as_str())
    }
}

fn canonical(url: &str) -> String {
    url.trim_end_matches('/').to_ascii_lowercase()
}

/// The token of a request.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let invalid = || {
        let text = "Authentication failed. The 'Authorization' header is provided in an invalid format. Supported: 'Bearer' and an access token, once.";
        refused(text, "The 'Authorization' header is provided in an invalid format.")
    };
    match (values.next(), values.next()) {
        (None, _) => Err(refused(
            "Authentication failed. The 'Authorization' header is missing.",
            "The authentication failed because of missing 'Authorization' header.",
        )),
        (Some(value), None) => {
            let (scheme, token) =
                value.to_str().ok().and_then(|text| text.trim().split_once(' ')).ok_or_else(invalid)?;
            let token = token.trim();
            let fits = scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty() && !token.contains(' ');
            if fits { Ok(token) } else { Err(invalid()) }
        }
        (Some(_), Some(_)) => Err(invalid()),
    }
}

pub(super) fn verify(token: &str, key: &SigningKey, origins: &Origins) -> Result<(), Refused> {
    check_form(token)?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.leeway = LEEWAY;
    rules.validate_nbf = true;
    // Trailing slashes and case mean nothing in an audience, so it is compared below; so is the issuer.
    rules.validate_aud = false;
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    let claims = match jsonwebtoken::decode::<Value>(token, key.verifies(), &rules) {
        Ok(decoded) => decoded.claims,
        Err(error) => return Err(reason(error.kind())),
    };
    check_issuer(&claims, origins)?;
    check_audience(&claims, origins)
}

fn malformed() -> Refused {
    let text = "The access token is invalid: it is not a JSON Web Token. Get one by a POST to /common/oauth2/v2.0/token of this gateway.";
    refused(text, "The access token is invalid.")
}

/// Three parts, of which the first is a header that names the one algorithm there is.
fn check_form(token: &str) -> Result<(), Refused> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, _, _] = parts.as_slice() else { return Err(malformed()) };
    let header = URL_SAFE_NO_PAD.decode(header).ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    match header.as_ref().and_then(|header| header.get("alg")).and_then(Value::as_str) {
        Some("RS256") => Ok(()),
        Some(_) => {
            let text = "The access token is invalid: it is signed with an algorithm that is not supported, or not at all. Supported: RS256.";
            Err(refused(text, "The access token is signed with an algorithm that is not supported."))
        }
        None => Err(malformed()),
    }
}

fn reason(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidSignature => refused(
            "The access token is invalid: its signature is not of this gateway's key. Log in to this gateway again; a gateway that keeps no state has a new key after each start.",
            "The signature of the access token is invalid.",
        ),
        ErrorKind::ExpiredSignature => {
            refused("The access token has expired. Get a new one.", "The access token has expired.")
        }
        ErrorKind::ImmatureSignature => refused(
            "The access token is not valid yet: its time (nbf) is more than 5 minutes ahead. Check the clocks.",
            "The access token is not valid yet.",
        ),
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => refused(
            format!("The access token is invalid: its claim '{claim}' is missing or malformed."),
            "A claim of the access token is missing or malformed.",
        ),
        _ => malformed(),
    }
}

fn check_issuer(claims: &Value, origins: &Origins) -> Result<(), Refused> {
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    if origins.issue(issuer) {
        return Ok(());
    }
    let text = format!(
        "The access token is from the wrong issuer '{}'. It must be one of this gateway: {}, each with '/<tenant>/v2.0'.",
        short(issuer),
        origins.0.join(", ")
    );
    Err(refused(text, "The access token is from the wrong issuer."))
}

fn check_audience(claims: &Value, origins: &Origins) -> Result<(), Refused> {
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if audiences.iter().any(|audience| origins.are_meant_by(audience)) {
        return Ok(());
    }
    let text = format!(
        "The access token has been obtained for wrong audience or resource '{}'. It should exactly match with one of the allowed audiences {}, {}.",
        short(&audiences.join(", ")),
        origins.0.join(", "),
        RESOURCE_MANAGER.join(", ")
    );
    Err(refused(text, "The access token has been obtained for a wrong audience or resource."))
}
