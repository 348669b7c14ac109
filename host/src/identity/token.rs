//! The token endpoint: a form in, a signed token out.
//!
//! Entra's first endpoint answers numbers as texts and repeats the resource, its second one answers numbers; clients
//! depend on both.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::grant::{self, Account, Grant};
use super::key::SigningKey;
use super::path::Version;
use super::principal::{Kind, LIFETIME};
use super::refusal::Refusal;
use super::tenant::Tenant;
use crate::arm::Request;

pub(super) fn answer(
    request: &Request,
    tenant: &str,
    version: Version,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let tenant = Tenant::parse(tenant)?;
    let grant = grant::of(request, &tenant, version, key)?;
    let now = now.as_second();
    // A user who comes back stays in the tenant of the first login.
    let issuer = issuer(&request.base, grant.principal.tenant);
    let access = grant.principal.claims(&issuer, &grant.audience, now);
    let mut body = match version {
        Version::V1 => json!({
            "token_type": "Bearer",
            "expires_in": LIFETIME.to_string(),
            "ext_expires_in": LIFETIME.to_string(),
            "expires_on": (now + LIFETIME).to_string(),
            "not_before": now.to_string(),
            "resource": grant.audience,
        }),
        Version::V2 => json!({ "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME }),
    };
    let members = of_user(&grant, version, &issuer, key, now)?;
    if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
        body.insert("access_token".to_owned(), json!(key.sign(&access).map_err(Refusal::failed)?));
        body.extend(members);
    }
    Ok(body)
}

fn issuer(base: &str, tenant: Uuid) -> String {
    Tenant { word: tenant.to_string(), id: tenant }.issuer(base)
}

/// What a client gets beside the access token when a user logs in.
fn of_user(grant: &Grant, version: Version, issuer: &str, key: &SigningKey, now: i64) -> Result<Value, Refusal> {
    let Kind::User { .. } = grant.principal.kind else { return Ok(json!({})) };
    let asked = |word| version == Version::V1 || grant.scope.split_whitespace().any(|scope| scope == word);
    let sign = |claims: Option<Value>| claims.map(|claims| key.sign(&claims)).transpose().map_err(Refusal::failed);
    let mut members = json!({ "scope": grant.scope });
    let wanted = [
        ("id_token", asked("openid").then(|| grant.principal.id_claims(issuer, now)).flatten()),
        ("refresh_token", asked("offline_access").then(|| grant.principal.refresh_claims(issuer, now)).flatten()),
    ];
    if let Some(members) = members.as_object_mut() {
        for (name, claims) in wanted {
            members.extend(sign(claims)?.map(|token| (name.to_owned(), json!(token))));
        }
        if grant.account == Account::Told {
            members.insert("client_info".to_owned(), json!(grant.principal.client_info()));
        }
    }
    Ok(members)
}
