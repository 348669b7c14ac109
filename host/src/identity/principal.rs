//! Who a token is for, and what it says.
//!
//! There is no directory: a principal is what its name makes of it. Its object id is derived from its tenant and its
//! name, so it is the same in every token of every gateway, and role assignments or tests may rely on it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// Seconds that a token is good for: an hour, less the second that Entra takes off.
pub(super) const LIFETIME: i64 = 3599;
/// Seconds that a refresh token is good for: 90 days, as Entra's.
const REFRESH_LIFETIME: i64 = 90 * 24 * 3600;
/// What refresh tokens are for; no service takes it for its own.
pub(super) const REFRESH_AUDIENCE: &str = "urn:floci-az:refresh";
/// Bytes of a GUID.
const GUID: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Principal {
    pub tenant: Uuid,
    /// The client id (`appid`) of the app, or of the app that the user logs in to.
    pub client: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    App(Credential),
    Managed {
        /// The object id, if the identity was named by it.
        object: Option<String>,
        /// The identity's own resource id, if it was named by it.
        resource: Option<String>,
    },
    User {
        name: String,
    },
}

/// What an app has proved itself with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    Secret,
    Assertion,
}

impl Principal {
    pub(super) fn object_id(&self) -> String {
        let tenant = self.tenant.to_string();
        match &self.kind {
            Kind::App(_) => derived(&[&tenant, "app", &self.client]),
            Kind::Managed { object: Some(object), .. } => object.clone(),
            Kind::Managed { object: None, .. } => derived(&[&tenant, "managed identity", &self.client]),
            Kind::User { name } => derived(&[&tenant, "user", &name.to_lowercase()]),
        }
    }

    /// Of an access token. `now` is in seconds since 1970.
    pub(super) fn claims(&self, issuer: &str, audience: &str, now: i64) -> Value {
        let object = self.object_id();
        let mut claims = json!({
            "aud": audience,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "appid": self.client,
            "azp": self.client,
            "idp": issuer,
            "oid": object,
            "sub": object,
            "tid": self.tenant,
            "uti": unique(),
            "ver": "2.0",
        });
        let (kind, own) = match &self.kind {
            // 1 is a secret, 2 a certificate or what stands for one.
            Kind::App(Credential::Secret) => ("app", json!({ "appidacr": "1", "azpacr": "1" })),
            Kind::App(Credential::Assertion) => ("app", json!({ "appidacr": "2", "azpacr": "2" })),
            Kind::Managed { resource: None, .. } => ("app", json!({})),
            Kind::Managed { resource: Some(resource), .. } => ("app", json!({ "xms_mirid": resource })),
            Kind::User { name } => (
                "user",
                json!({ "name": name, "preferred_username": name, "scp": "user_impersonation", "unique_name": name, "upn": name }),
            ),
        };
        if let (Some(claims), Value::Object(own)) = (claims.as_object_mut(), own) {
            claims.insert("idtyp".to_owned(), json!(kind));
            claims.extend(own);
        }
        claims
    }

    /// What a client learns of the user who has logged in to it; none for what is no user.
    pub(super) fn id_claims(&self, issuer: &str, now: i64) -> Option<Value> {
        let Kind::User { name } = &self.kind else { return None };
        Some(json!({
            "aud": self.client,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "name": name,
            "oid": self.object_id(),
            "preferred_username": name,
            "sub": derived(&[&self.tenant.to_string(), "user of", &self.client, &name.to_lowercase()]),
            "tid": self.tenant,
            "uti": unique(),
            "ver": "2.0",
        }))
    }

    /// By which the user gets another token later; none for what is no user.
    pub(super) fn refresh_claims(&self, issuer: &str, now: i64) -> Option<Value> {
        let Kind::User { name } = &self.kind else { return None };
        Some(json!({
            "aud": REFRESH_AUDIENCE,
            "iss": issuer,
            "iat": now,
            "exp": now + REFRESH_LIFETIME,
            "appid": self.client,
            "tid": self.tenant,
            "upn": name,
        }))
    }

    /// By which MSAL tells accounts apart.
    pub(super) fn client_info(&self) -> String {
        URL_SAFE_NO_PAD.encode(json!({ "uid": self.object_id(), "utid": self.tenant }).to_string())
    }
}

/// The same id for the same parts, and another one for any others.
pub(super) fn derived(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        // The length before each part, so that no two lists of parts are one text.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let first = digest.finalize().first_chunk::<GUID>().copied().unwrap_or_default();
    Builder::from_custom_bytes(first).into_uuid().to_string()
}

/// An id of one token.
fn unique() -> String {
    URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes())
}
