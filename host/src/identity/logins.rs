//! The check of tokens that clients of workloads log in with, in the place of passwords.
//!
//! As for requests, the gateway's own key decides who may pass. By which of its names the gateway was asked for the
//! token is not known here, so the issuer only has to have the form of ours, for the token's own tenant.

use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::Value;

use super::key::SigningKey;

/// Seconds by which a token may be early: clocks of clients are not asked, only that of who has signed it.
const EARLY: i64 = 300;

/// Checks tokens, with the key that they are signed with.
#[derive(Debug, Clone)]
pub struct TokenLogins {
    key: Arc<SigningKey>,
}

impl TokenLogins {
    pub(super) fn new(key: Arc<SigningKey>) -> TokenLogins {
        TokenLogins { key }
    }

    /// When the token ends, if it is `user`'s (an object id) and for one of `audiences`. The error is for the client,
    /// and repeats nothing of the token.
    pub fn check(&self, token: &str, user: &str, audiences: &[&str], now: Timestamp) -> Result<Timestamp, String> {
        let mut rules = Validation::new(Algorithm::RS256);
        // Times are compared below, with a clock that can be chosen; audiences without regard to what ends them.
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        let claims = jsonwebtoken::decode::<Value>(token, self.key.verifies(), &rules).map_err(|error| {
            match error.kind() {
                ErrorKind::InvalidSignature => "the token is not signed by this gateway",
                ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim: exp, iss and aud are needed",
                _ => "the password of this user has to be an access token (a JSON Web Token, RS256) of this gateway",
            }
            .to_owned()
        })?;
        let claims = claims.claims;
        let time = |name| {
            let seconds = claims.get(name).and_then(Value::as_f64)?;
            // Beyond what a clock can show, and so for ever.
            #[expect(clippy::cast_possible_truncation, reason = "saturates")]
            Some(Timestamp::from_second(seconds as i64).unwrap_or(Timestamp::MAX))
        };
        let ends = time("exp").ok_or("the token's time (exp) is no number")?;
        if ends <= now {
            return Err("the token has expired. Get a new one".to_owned());
        }
        if time("nbf").is_some_and(|begins| begins.as_second() > now.as_second().saturating_add(EARLY)) {
            return Err("the token is not valid yet (nbf)".to_owned());
        }
        let text = |name| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let issuer = text("iss").strip_suffix("/v2.0").and_then(|issuer| issuer.rsplit_once('/'));
        if !issuer.is_some_and(|(_, tenant)| !tenant.is_empty() && tenant == text("tid")) {
            return Err("the token is from the wrong issuer".to_owned());
        }
        let meant = |audience: &str| {
            let audience = audience.strip_suffix("/.default").unwrap_or(audience).trim_end_matches('/');
            audiences.iter().any(|known| known.eq_ignore_ascii_case(audience))
        };
        let is_meant = match claims.get("aud") {
            Some(Value::String(one)) => meant(one),
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(meant),
            _ => false,
        };
        if !is_meant {
            return Err(format!("the token is for another audience. Supported: {}", audiences.join(", ")));
        }
        if !text("oid").eq_ignore_ascii_case(user) {
            return Err("the token is another user's: its object id (oid) has to be the user name".to_owned());
        }
        Ok(ends)
    }

    #[cfg(test)]
    pub(crate) fn signed(&self, claims: &Value) -> String {
        self.key.sign(claims).unwrap()
    }
}
