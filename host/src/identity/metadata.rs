//! The description of this cloud: where its endpoints are and whom its tokens are for.
//!
//! Clients of different ages ask for different shapes, and each looks for its own members, so there are four. All URLs
//! are on the host that the client used. What is not served here (a gallery, a graph) has a URL here all the same: a
//! client that tries it is told so by this gateway, and does not end up in the real cloud.

use serde_json::{Value, json};

use crate::arm;

/// `az` and Terraform want one that is not `AzureCloud`, for which they know better.
const NAME: &str = "floci-az";

pub(super) fn document(base: &str, version: Option<&str>) -> Value {
    match version {
        Some("2015-01-01") => first(base),
        Some("2018-01-01") => with_regions(base),
        Some("2019-05-01" | "2020-06-01") => json!([cloud(base)]),
        // One object since 2022-09-01; without a version, or with a newer one, as well.
        _ => cloud(base),
    }
}

fn first(base: &str) -> Value {
    json!({
        "galleryEndpoint": base,
        "graphEndpoint": base,
        "portalEndpoint": base,
        "authentication": { "loginEndpoint": base, "audiences": audiences(base) },
    })
}

/// Terraform looks for the cloud whose endpoint it is talking to, and takes its regions for all that there are.
fn with_regions(base: &str) -> Value {
    let regions: Vec<String> = arm::regions().collect();
    let mut document = first(base);
    if let Some(members) = document.as_object_mut() {
        members.insert("graphAudience".to_owned(), json!(base));
        members.insert(
            "cloudEndpoint".to_owned(),
            json!({ "public": { "endpoint": authority(base), "locations": regions } }),
        );
    }
    document
}

fn cloud(base: &str) -> Value {
    json!({
        "name": NAME,
        "portal": base,
        "authentication": {
            "loginEndpoint": base,
            "audiences": audiences(base),
            // Another tenant or provider makes Terraform believe that this is an Azure Stack.
            "tenant": "common",
            "identityProvider": "AAD",
        },
        // Without a slash at the end: clients append paths that begin with one.
        "resourceManager": base,
        "microsoftGraphResourceId": base,
        "graph": base,
        "graphAudience": base,
        "sqlManagement": base,
        "gallery": base,
        "batch": base,
        "media": base,
        "activeDirectoryDataLake": base,
        "vmImageAliasDoc": base,
        // Names that lead to this machine; Terraform does not start without the first two.
        "suffixes": {
            "storage": "core.localhost",
            "keyVaultDns": "vault.localhost",
            "acrLoginServer": "azurecr.localhost",
            "sqlServerHostname": "database.localhost",
        },
    })
}

/// Of tokens for Azure Resource Manager. Clients ask for the first one, and expect Azure's own to be good too.
fn audiences(base: &str) -> Value {
    json!([base, "https://management.core.windows.net/", "https://management.azure.com/"])
}

/// `localhost:4577` of `https://localhost:4577`.
pub(super) fn authority(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_, authority)| authority)
}
