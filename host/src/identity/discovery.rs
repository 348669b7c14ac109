//! OpenID discovery: what a client asks before it logs in.

use serde_json::{Value, json};

use super::metadata::authority;
use super::refusal::Refusal;
use super::tenant::Tenant;

/// For any tenant, and for AD FS, which a client takes this gateway for if the tenant is `adfs`.
pub(super) fn configuration(base: &str, tenant: &str) -> Result<Value, Refusal> {
    let tenant = Tenant::parse(tenant)?;
    Ok(json!({
        "issuer": tenant.issuer(base),
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        // Clients do not start without the first of these two. What they lead to says what is supported instead.
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "grant_types_supported": ["client_credentials", "password", "refresh_token"],
        "response_types_supported": ["code", "id_token", "code id_token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "nbf", "name", "preferred_username", "oid", "tid", "ver",
        ],
        "tenant_region_scope": "NA",
        "cloud_instance_name": authority(base),
        "msgraph_host": authority(base),
    }))
}

/// Whether the authority that a client means to use is known: here it is, as the tenant that its URL names.
pub(super) fn instance(base: &str, authorization_endpoint: Option<&str>) -> Value {
    let path = authorization_endpoint.and_then(|url| url.split_once("://")).and_then(|(_, rest)| rest.split_once('/'));
    let tenant = path.and_then(|(_, path)| path.split('/').find(|segment| !segment.is_empty()));
    let tenant = tenant.and_then(|word| Tenant::parse(word).ok()).unwrap_or_else(Tenant::usual);
    let host = authority(base);
    json!({
        "tenant_discovery_endpoint": format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    })
}
