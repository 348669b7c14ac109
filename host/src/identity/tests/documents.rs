//! What a client reads before it logs in.

use expect_test::expect;

use super::*;

#[test]
fn the_metadata_has_four_shapes() {
    check_document(
        get("/metadata/endpoints?api-version=2015-01-01"),
        expect![[r#"
            200 {
              "galleryEndpoint": "https://localhost:4577",
              "graphEndpoint": "https://localhost:4577",
              "portalEndpoint": "https://localhost:4577",
              "authentication": {
                "loginEndpoint": "https://localhost:4577",
                "audiences": [
                  "https://localhost:4577",
                  "https://management.core.windows.net/",
                  "https://management.azure.com/"
                ]
              }
            }
        "#]],
    );
    check_document(
        get("/metadata/endpoints?api-version=2022-09-01"),
        expect![[r#"
            200 {
              "name": "floci-az",
              "portal": "https://localhost:4577",
              "authentication": {
                "loginEndpoint": "https://localhost:4577",
                "audiences": [
                  "https://localhost:4577",
                  "https://management.core.windows.net/",
                  "https://management.azure.com/"
                ],
                "tenant": "common",
                "identityProvider": "AAD"
              },
              "resourceManager": "https://localhost:4577",
              "microsoftGraphResourceId": "https://localhost:4577",
              "graph": "https://localhost:4577",
              "graphAudience": "https://localhost:4577",
              "sqlManagement": "https://localhost:4577",
              "gallery": "https://localhost:4577",
              "batch": "https://localhost:4577",
              "media": "https://localhost:4577",
              "activeDirectoryDataLake": "https://localhost:4577",
              "vmImageAliasDoc": "https://localhost:4577",
              "suffixes": {
                "storage": "core.localhost",
                "keyVaultDns": "vault.localhost",
                "acrLoginServer": "azurecr.localhost",
                "sqlServerHostname": "database.localhost"
              }
            }
        "#]],
    );
    let newest = get("/metadata/endpoints?api-version=2022-09-01").1;
    for url in ["/metadata/endpoints", "/metadata/endpoints?api-version=2030-01-01", "//Metadata/Endpoints"] {
        assert_eq!(get(url), (200, newest.clone()), "{url}");
    }
    assert_eq!(get("/metadata/endpoints?api-version=2019-05-01"), (200, json!([newest])));

    let regions = get("//metadata/endpoints?api-version=2018-01-01").1;
    let public = &regions["cloudEndpoint"]["public"];
    assert_eq!(public["endpoint"], "localhost:4577");
    assert!(public["locations"].as_array().unwrap().contains(&json!("eastus")));
    assert_eq!(regions["authentication"]["loginEndpoint"], BASE);
}

#[test]
fn discovery_leads_to_the_token_endpoint_of_the_tenant() {
    let (status, document) = get("/Contoso/v2.0/.well-known/openid-configuration");
    let members = ["issuer", "token_endpoint", "authorization_endpoint", "jwks_uri"].map(|name| document[name].clone());
    let told = format!("{status}\n{}\n", members.map(|value| value.to_string()).join("\n"));
    expect![[r#"
        200
        "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0"
        "https://localhost:4577/contoso/oauth2/v2.0/token"
        "https://localhost:4577/contoso/oauth2/v2.0/authorize"
        "https://localhost:4577/contoso/discovery/v2.0/keys"
    "#]]
    .assert_eq(&told);
    for (url, endpoint) in [
        ("/adfs/.well-known/openid-configuration", "https://localhost:4577/adfs/oauth2/v2.0/token"),
        ("/adfs/adfs/v2.0/.well-known/openid-configuration", "https://localhost:4577/adfs/oauth2/v2.0/token"),
        ("/common/.well-known/openid-configuration", "https://localhost:4577/common/oauth2/v2.0/token"),
    ] {
        assert_eq!(get(url).1["token_endpoint"], endpoint, "{url}");
    }
    let asked = "authorization_endpoint=https://localhost:4577/contoso/oauth2/v2.0/authorize";
    assert_eq!(
        get(&format!("/common/discovery/instance?api-version=1.1&{asked}")).1["tenant_discovery_endpoint"],
        "https://localhost:4577/contoso/v2.0/.well-known/openid-configuration"
    );
    let keys = get("/common/discovery/v2.0/keys").1;
    assert_eq!(keys, get("/discovery/keys").1);
    let names: Vec<&String> = keys["keys"][0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["kty", "use", "alg", "kid", "n", "e"]);
}

#[test]
fn an_arm_path_is_not_of_the_login() {
    for url in ["/subscriptions", "/subscriptions/s/resourceGroups/g", "/", "/tenants"] {
        assert!(RUNTIME.block_on(DEV.answer(&request(Method::GET, url, &[], ""))).is_none(), "{url}");
    }
}
