//! Managed identities: a token for whoever runs on this machine, without a login.
//!
//! Two hosts of Azure hand them out, each in its own way: a virtual machine's metadata service, which wants the header
//! `Metadata: true` (which no browser can be made to send along), and App Service, which wants the secret that it put
//! into the app's environment; here any secret is right. Every identity that is named is there; if none is, it is the
//! system's.

use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::key::SigningKey;
use super::parameters::is_bounded;
use super::principal::{Kind, LIFETIME, Principal, derived};
use super::tenant::{DEFAULT_TENANT, Tenant};
use crate::arm::{Reply, Request};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    Machine,
    App,
}

pub(super) fn answer(host: Host, request: &Request, key: &SigningKey, now: Timestamp) -> Reply {
    let token = check(host, request).and_then(|resource| {
        let principal = identity(request)?;
        let issuer = Tenant::usual().issuer(&request.base);
        let claims = principal.claims(&issuer, resource, now.as_second());
        Ok((resource, principal, key.sign(&claims).map_err(|error| error.to_string())?))
    });
    match token {
        Ok((resource, principal, token)) => {
            Reply::json(StatusCode::OK, granted(host, resource, &principal, &token, now.as_second()))
        }
        Err(reason) => Reply::json(StatusCode::BAD_REQUEST, refused(host, &reason)),
    }
}

/// All texts, as there.
fn granted(host: Host, resource: &str, principal: &Principal, token: &str, now: i64) -> Value {
    let mut body = json!({
        "access_token": token,
        "client_id": principal.client,
        "expires_on": (now + LIFETIME).to_string(),
        "resource": resource,
        "token_type": "Bearer",
    });
    if let (Host::Machine, Some(members)) = (host, body.as_object_mut()) {
        members.insert("expires_in".to_owned(), json!(LIFETIME.to_string()));
        members.insert("ext_expires_in".to_owned(), json!(LIFETIME.to_string()));
        members.insert("not_before".to_owned(), json!(now.to_string()));
    }
    body
}

fn refused(host: Host, reason: &str) -> Value {
    match host {
        Host::Machine => json!({ "error": "invalid_request", "error_description": reason }),
        Host::App => json!({ "statusCode": StatusCode::BAD_REQUEST.as_u16(), "message": reason }),
    }
}

/// What the token is to be for.
fn check(host: Host, request: &Request) -> Result<&str, String> {
    let has = |name| request.header(name).is_some_and(|value| !value.is_empty());
    match host {
        Host::Machine if !request.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) => {
            return Err("Required metadata header not specified. Send 'Metadata: true'.".to_owned());
        }
        Host::App if !has("x-identity-header") && !has("secret") => {
            return Err("Required identity header not specified. Send X-IDENTITY-HEADER (api-version 2019-08-01) or secret (2017-09-01), with any value.".to_owned());
        }
        Host::Machine | Host::App => {}
    }
    if request.api_version().is_none() {
        let usual = match host {
            Host::Machine => "2018-02-01",
            Host::App => "2019-08-01",
        };
        return Err(format!("Required query variable 'api-version' is missing. The usual one is {usual}."));
    }
    let resource = request.query("resource").filter(|resource| !resource.is_empty());
    let resource = resource.ok_or("Required query variable 'resource' is missing.")?;
    if is_bounded(resource) { Ok(resource) } else { Err("The query variable 'resource' is too long.".to_owned()) }
}

/// The parameters that name an identity: by what it is named, and in how many spellings.
const BY_CLIENT: [&str; 2] = ["client_id", "clientid"];
const BY_OBJECT: [&str; 2] = ["object_id", "principal_id"];
const BY_RESOURCE: [&str; 2] = ["mi_res_id", "msi_res_id"];

fn identity(request: &Request) -> Result<Principal, String> {
    let named = |names: [&str; 2]| {
        let values = names.iter().filter_map(|name| request.query(name));
        values.map(str::to_owned).find(|value| !value.is_empty())
    };
    let (client, object, resource) = (named(BY_CLIENT), named(BY_OBJECT), named(BY_RESOURCE));
    let given: Vec<&String> = [&client, &object, &resource].into_iter().flatten().collect();
    if given.iter().any(|name| !is_bounded(name)) {
        return Err("The name of the identity is too long.".to_owned());
    }
    // Its client id, if it is named by something else, follows from that.
    let client = match (&client, given.as_slice()) {
        (_, [_, _, ..]) => {
            return Err("Several identities are named. Keep one of client_id, object_id and mi_res_id.".to_owned());
        }
        (Some(client), _) => client.clone(),
        (None, [name]) => derived(&["client", name]),
        (None, []) => derived(&["client", "system-assigned"]),
    };
    Ok(Principal { tenant: DEFAULT_TENANT, client, kind: Kind::Managed { object, resource } })
}
