//! What a token request asks for, and by which right. Any credential will do, but there has to be one, and a form that
//! Entra would not understand is not understood here either.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Validation};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::audience;
use super::key::SigningKey;
use super::parameters::{Parameters, is_bounded};
use super::path::Version;
use super::principal::{Credential, Kind, Principal, REFRESH_AUDIENCE};
use super::refusal::Refusal;
use super::tenant::Tenant;
use crate::arm::Request;

/// A request for a token that is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub principal: Principal,
    pub audience: String,
    /// As it was asked for; empty if it was not.
    pub scope: String,
    /// Whether MSAL wants to know whose account this is.
    pub account: Account,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    Told,
    NotAsked,
}

pub(super) fn of(request: &Request, tenant: &Tenant, version: Version, key: &SigningKey) -> Result<Grant, Refusal> {
    let form = Parameters::parse(&request.body)?;
    let header = basic(request)?;
    let principal = match form.get("grant_type").ok_or_else(|| Refusal::missing("grant_type"))? {
        "client_credentials" => {
            let client = client(&form, header.as_ref())?;
            let has_secret =
                header.is_some_and(|header| !header.secret.is_empty()) || form.get("client_secret").is_some();
            let credential = match (form.get("client_assertion"), has_secret) {
                (Some(_), _) => Credential::Assertion,
                (None, true) => Credential::Secret,
                (None, false) => return Err(Refusal::no_credential()),
            };
            Principal { tenant: tenant.id, client, kind: Kind::App(credential) }
        }
        "password" => {
            let client = client(&form, header.as_ref())?;
            let name = form.required("username")?.to_owned();
            form.get("password").ok_or_else(|| Refusal::missing("password"))?;
            Principal { tenant: tenant.id, client, kind: Kind::User { name } }
        }
        "refresh_token" => {
            let client = client(&form, header.as_ref())?;
            let token = form.get("refresh_token").ok_or_else(|| Refusal::missing("refresh_token"))?;
            returning(token, client, key)?
        }
        other => return Err(Refusal::unsupported_grant(&other.chars().take(100).collect::<String>())),
    };
    let scope = form.bounded("scope")?.unwrap_or_default().to_owned();
    Ok(Grant {
        audience: audience(&form, version, &principal.kind)?,
        account: if form.get("client_info") == Some("1") { Account::Told } else { Account::NotAsked },
        principal,
        scope,
    })
}

/// The endpoint without a version names a resource, the other a scope. Each takes the other's too, since AD FS, which
/// clients may take this gateway for, has only the first endpoint and takes scopes.
fn audience(form: &Parameters, version: Version, kind: &Kind) -> Result<String, Refusal> {
    let of_scope = |scope| match kind {
        Kind::User { .. } => audience::of_user(scope),
        Kind::App(_) | Kind::Managed { .. } => audience::of_client(scope),
    };
    let (resource, scope) = (form.bounded("resource")?, form.bounded("scope")?);
    let audience = match (version, resource, scope) {
        (Version::V1, Some(resource), _) | (Version::V2, Some(resource), None) => resource,
        (_, _, Some(scope)) => of_scope(scope)?,
        (Version::V1, None, None) => return Err(Refusal::missing("resource")),
        (Version::V2, None, None) => return Err(Refusal::missing("scope")),
    };
    Ok(audience.to_owned())
}

/// A client that names itself in the header `Authorization` (RFC 6749, section 2.3.1).
struct Basic {
    client: String,
    secret: String,
}

fn basic(request: &Request) -> Result<Option<Basic>, Refusal> {
    let Some(value) = request.headers.get(AUTHORIZATION) else { return Ok(None) };
    let (scheme, encoded) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(Refusal::basic)?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        // A token that a client sends along with everything says nothing here.
        return Ok(None);
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (client, secret) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(Refusal::basic)?;
    let plain = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    Ok(Some(Basic { client: plain(client), secret: plain(secret) }))
}

fn client(form: &Parameters, header: Option<&Basic>) -> Result<String, Refusal> {
    let named = header.map(|header| header.client.as_str()).filter(|client| !client.is_empty());
    match (form.bounded("client_id")?, named) {
        (Some(form), Some(header)) if form != header => Err(Refusal::two_clients()),
        (None, Some(header)) if !is_bounded(header) => Err(Refusal::basic()),
        (Some(client), _) | (None, Some(client)) => Ok(client.to_owned()),
        (None, None) => Err(Refusal::missing("client_id")),
    }
}

/// The user that a refresh token of this gateway is for.
fn returning(token: &str, client: String, key: &SigningKey) -> Result<Principal, Refusal> {
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[REFRESH_AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "aud"]);
    let claims = jsonwebtoken::decode::<Value>(token, key.verifies(), &rules).map_err(|_| Refusal::refresh_token())?;
    let text = |name: &str| claims.claims.get(name).and_then(Value::as_str).ok_or_else(Refusal::refresh_token);
    let (tenant, name) = (text("tid")?.parse().map_err(|_| Refusal::refresh_token())?, text("upn")?.to_owned());
    if text("appid")? != client {
        return Err(Refusal::refresh_token());
    }
    Ok(Principal { tenant, client, kind: Kind::User { name } })
}
