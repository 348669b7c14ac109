//! The login as clients drive it: requests in, documents out; tokens of every kind, good and bad.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use expect_test::{Expect, expect};
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::arm::Body;
use crate::config::AuthMode;

const BASE: &str = "https://localhost:4577";
const PORT: u16 = 4577;

/// Making a key takes long in a debug build: one gateway for all tests, and one beside it with another key.
static DEV: LazyLock<Identity> = LazyLock::new(|| Identity::new(AuthMode::Dev, None, PORT));
static STRICT: LazyLock<Identity> = LazyLock::new(|| Identity::new(AuthMode::Strict, None, PORT));
static OTHER: LazyLock<Identity> = LazyLock::new(|| Identity::new(AuthMode::Strict, None, PORT));

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().build().unwrap());

fn request(method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    Request::new(method, path, query, map, BASE.to_owned(), body.into())
}

fn answer(identity: &Identity, request: &Request) -> (u16, Value) {
    let reply = RUNTIME.block_on(identity.answer(request)).expect("a path of the login");
    match reply.body {
        Body::Json(body) => (reply.status.as_u16(), body),
        _ => panic!("no JSON"),
    }
}

fn get(url: &str) -> (u16, Value) {
    answer(&DEV, &request(Method::GET, url, &[], ""))
}

fn post(url: &str, form: &str) -> (u16, Value) {
    answer(&DEV, &request(Method::POST, url, &[], form.to_owned()))
}

/// The claims of a token.
fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A document without what differs from one run to the next.
fn steady(mut document: Value) -> Value {
    if let Value::Object(members) = &mut document {
        for (name, value) in members {
            match name.as_str() {
                "access_token" | "id_token" | "refresh_token" => *value = steady(claims(value)),
                "iat" | "nbf" | "exp" | "uti" | "expires_on" | "not_before" => *value = json!("..."),
                _ => {}
            }
        }
    }
    document
}

fn check_document((status, document): (u16, Value), expected: Expect) {
    expected.assert_eq(&format!("{status} {:#}\n", steady(document)));
}

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
fn a_client_gets_a_token_for_any_secret() {
    check_document(
        post(
            "/common/oauth2/v2.0/token",
            "grant_type=client_credentials&client_id=my-app&client_secret=x&client_info=1&scope=https%3A%2F%2Flocalhost%3A4577%2F.default",
        ),
        expect![[r#"
            200 {
              "token_type": "Bearer",
              "expires_in": 3599,
              "ext_expires_in": 3599,
              "access_token": {
                "aud": "https://localhost:4577",
                "iss": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "iat": "...",
                "nbf": "...",
                "exp": "...",
                "appid": "my-app",
                "azp": "my-app",
                "idp": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "oid": "c821ebd0-fe87-843c-b8cd-205d08f591d6",
                "sub": "c821ebd0-fe87-843c-b8cd-205d08f591d6",
                "tid": "00000000-0000-0000-0000-000000000002",
                "uti": "...",
                "ver": "2.0",
                "idtyp": "app",
                "appidacr": "1",
                "azpacr": "1"
              }
            }
        "#]],
    );
    check_document(
        post(
            "/6a1c22f1-1e0d-4b9f-8d2a-3d6c1bd5a111/oauth2/token",
            "grant_type=client_credentials&client_id=my-app&client_assertion=x&resource=https%3A%2F%2Fmanagement.azure.com%2F",
        ),
        expect![[r#"
            200 {
              "token_type": "Bearer",
              "expires_in": "3599",
              "ext_expires_in": "3599",
              "expires_on": "...",
              "not_before": "...",
              "resource": "https://management.azure.com/",
              "access_token": {
                "aud": "https://management.azure.com/",
                "iss": "https://localhost:4577/6a1c22f1-1e0d-4b9f-8d2a-3d6c1bd5a111/v2.0",
                "iat": "...",
                "nbf": "...",
                "exp": "...",
                "appid": "my-app",
                "azp": "my-app",
                "idp": "https://localhost:4577/6a1c22f1-1e0d-4b9f-8d2a-3d6c1bd5a111/v2.0",
                "oid": "7b72f7b3-1b17-8c2a-8b53-bd5b4b9077f1",
                "sub": "7b72f7b3-1b17-8c2a-8b53-bd5b4b9077f1",
                "tid": "6a1c22f1-1e0d-4b9f-8d2a-3d6c1bd5a111",
                "uti": "...",
                "ver": "2.0",
                "idtyp": "app",
                "appidacr": "2",
                "azpacr": "2"
              }
            }
        "#]],
    );
    let basic = format!("Basic {}", STANDARD.encode("my%2Dapp:s%3A"));
    let form = "grant_type=client_credentials&scope=https://localhost:4577/.default";
    let with_header = request(Method::POST, "/common/oauth2/v2.0/token", &[("authorization", &basic)], form);
    assert_eq!(claims(&answer(&DEV, &with_header).1["access_token"])["appid"], "my-app");
}

#[test]
fn a_user_gets_what_msal_keeps_of_an_account_and_comes_back_with_it() {
    let url = "/common/oauth2/v2.0/token";
    let (status, first) = post(
        url,
        "grant_type=password&client_id=cli&username=Ada@contoso.com&password=x&client_info=1&scope=https://localhost:4577/.default+openid+profile+offline_access",
    );
    check_document(
        (status, first.clone()),
        expect![[r#"
            200 {
              "token_type": "Bearer",
              "expires_in": 3599,
              "ext_expires_in": 3599,
              "access_token": {
                "aud": "https://localhost:4577",
                "iss": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "iat": "...",
                "nbf": "...",
                "exp": "...",
                "appid": "cli",
                "azp": "cli",
                "idp": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "oid": "660f4710-2390-86d4-ab1b-dc096495ae6e",
                "sub": "660f4710-2390-86d4-ab1b-dc096495ae6e",
                "tid": "00000000-0000-0000-0000-000000000002",
                "uti": "...",
                "ver": "2.0",
                "idtyp": "user",
                "name": "Ada@contoso.com",
                "preferred_username": "Ada@contoso.com",
                "scp": "user_impersonation",
                "unique_name": "Ada@contoso.com",
                "upn": "Ada@contoso.com"
              },
              "scope": "https://localhost:4577/.default openid profile offline_access",
              "id_token": {
                "aud": "cli",
                "iss": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "iat": "...",
                "nbf": "...",
                "exp": "...",
                "name": "Ada@contoso.com",
                "oid": "660f4710-2390-86d4-ab1b-dc096495ae6e",
                "preferred_username": "Ada@contoso.com",
                "sub": "d8927989-387b-836a-8084-9449ba0fc919",
                "tid": "00000000-0000-0000-0000-000000000002",
                "uti": "...",
                "ver": "2.0"
              },
              "refresh_token": {
                "aud": "urn:floci-az:refresh",
                "iss": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "iat": "...",
                "exp": "...",
                "appid": "cli",
                "tid": "00000000-0000-0000-0000-000000000002",
                "upn": "Ada@contoso.com"
              },
              "client_info": "eyJ1aWQiOiI2NjBmNDcxMC0yMzkwLTg2ZDQtYWIxYi1kYzA5NjQ5NWFlNmUiLCJ1dGlkIjoiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAyIn0"
            }
        "#]],
    );
    let account: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(first["client_info"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(account["uid"], claims(&first["access_token"])["oid"]);

    let refresh = first["refresh_token"].as_str().unwrap();
    let again = |client: &str, token: &str| {
        let form = format!("grant_type=refresh_token&client_id={client}&refresh_token={token}");
        post(url, &format!("{form}&scope=https://localhost:4577/.default+openid+offline_access"))
    };
    let (status, second) = again("cli", refresh);
    assert_eq!(status, 200, "{second}");
    for member in ["oid", "upn", "tid", "aud"] {
        assert_eq!(claims(&second["access_token"])[member], claims(&first["access_token"])[member], "{member}");
    }
    let access = first["access_token"].as_str().unwrap();
    for (client, token) in [("other", refresh), ("cli", access), ("cli", "garbage"), ("cli", &refresh[..9])] {
        let (status, refused) = again(client, token);
        assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")), "{client} {token}");
    }
}

#[test]
fn what_the_token_endpoint_refuses_it_explains() {
    let v2 = "/common/oauth2/v2.0/token";
    let v1 = "/common/oauth2/token";
    let long = format!("grant_type=client_credentials&client_secret=x&scope=a/.default&client_id={}", "a".repeat(1025));
    let table = [
        (v2, ""),
        (v2, "{\"grant_type\":\"client_credentials\"}"),
        (v2, "grant_type=authorization_code&client_id=a"),
        (v2, "grant_type=client_credentials"),
        (v2, "grant_type=client_credentials&client_id=a"),
        (v2, "grant_type=client_credentials&client_id=a&client_secret=x"),
        (v1, "grant_type=client_credentials&client_id=a&client_secret=x"),
        (v2, "grant_type=client_credentials&client_id=a&client_secret=x&scope=https://a/read"),
        (v2, "grant_type=client_credentials&client_id=a&client_secret=x&scope=https://a/.default+https://b/.default"),
        (v2, "grant_type=client_credentials&client_id=a&client_id=a&client_secret=x"),
        (v2, "grant_type=password&client_id=a&scope=openid"),
        (v2, "grant_type=password&client_id=a&scope=openid&username=u"),
        (v2, "grant_type=refresh_token&client_id=a&scope=openid"),
        (v2, &long),
        ("/a%20b/oauth2/v2.0/token", "grant_type=client_credentials&client_id=a&client_secret=x&scope=a/.default"),
    ];
    let mut told = String::new();
    for (url, form) in table {
        let (status, body) = post(url, form);
        let text = body["error_description"].as_str().unwrap().split(" Trace ID: ").next().unwrap().to_owned();
        let form: String = form.chars().take(90).collect();
        writeln!(told, "{form}\n  {status} {} {text}", body["error"].as_str().unwrap()).unwrap();
    }
    expect![[r#"

          400 invalid_request AADSTS900144: The request body must contain the following parameter: 'grant_type'. The body is a form (application/x-www-form-urlencoded).
        {"grant_type":"client_credentials"}
          400 invalid_request AADSTS900144: The request body must contain the following parameter: 'grant_type'. The body is a form (application/x-www-form-urlencoded).
        grant_type=authorization_code&client_id=a
          400 unsupported_grant_type AADSTS70003: The app requested an unsupported grant type 'authorization_code'. Supported: client_credentials, password, refresh_token.
        grant_type=client_credentials
          400 invalid_request AADSTS900144: The request body must contain the following parameter: 'client_id'. The body is a form (application/x-www-form-urlencoded).
        grant_type=client_credentials&client_id=a
          401 invalid_client AADSTS7000216: 'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type. Any value is accepted.
        grant_type=client_credentials&client_id=a&client_secret=x
          400 invalid_request AADSTS900144: The request body must contain the following parameter: 'scope'. The body is a form (application/x-www-form-urlencoded).
        grant_type=client_credentials&client_id=a&client_secret=x
          400 invalid_request AADSTS900144: The request body must contain the following parameter: 'resource'. The body is a form (application/x-www-form-urlencoded).
        grant_type=client_credentials&client_id=a&client_secret=x&scope=https://a/read
          400 invalid_scope AADSTS1002012: The provided value for scope https://a/read is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).
        grant_type=client_credentials&client_id=a&client_secret=x&scope=https://a/.default+https:/
          400 invalid_scope AADSTS28000: Provided value for the input parameter scope is not valid because it contains more than one resource. Scope https://a/.default https://b/.default is not valid.
        grant_type=client_credentials&client_id=a&client_id=a&client_secret=x
          400 invalid_request AADSTS9000411: The request is not properly formatted. The parameter 'client_id' is duplicated.
        grant_type=password&client_id=a&scope=openid
          400 invalid_request AADSTS900144: The request body must contain the following parameter: 'username'. The body is a form (application/x-www-form-urlencoded).
        grant_type=password&client_id=a&scope=openid&username=u
          400 invalid_request AADSTS900144: The request body must contain the following parameter: 'password'. The body is a form (application/x-www-form-urlencoded).
        grant_type=refresh_token&client_id=a&scope=openid
          400 invalid_request AADSTS900144: The request body must contain the following parameter: 'refresh_token'. The body is a form (application/x-www-form-urlencoded).
        grant_type=client_credentials&client_secret=x&scope=a/.default&client_id=aaaaaaaaaaaaaaaaa
          400 invalid_request AADSTS90013: Invalid input received from the user. The parameter 'client_id' is longer than 1024 characters, which is the most that is accepted.
        grant_type=client_credentials&client_id=a&client_secret=x&scope=a/.default
          400 invalid_request AADSTS900023: Specified tenant identifier is neither a valid DNS name, nor a valid external domain. Use a GUID, a name of letters, digits, '.', '-' and '_', or 'common'.
    "#]]
    .assert_eq(&told);

    let form = "grant_type=client_credentials&client_id=a&scope=https://a/.default";
    for (header, status) in [("Basic !", 401), ("Basic", 401), ("Basic Yjp4", 400), ("Basic YTp4", 200)] {
        let request = request(Method::POST, v2, &[("authorization", header)], form);
        assert_eq!(answer(&DEV, &request).0, status, "{header}");
    }
}

#[test]
fn an_oauth_error_has_the_members_of_entras() {
    let reply = Refusal::missing("scope").reply(Timestamp::UNIX_EPOCH, Some("6a1c22f1-1e0d-4b9f-8d2a-3d6c1bd5a111"));
    let Body::Json(mut body) = reply.body else { panic!("no JSON") };
    let trace = body["trace_id"].as_str().unwrap().to_owned();
    body["trace_id"] = json!("...");
    expect![[r#"
        {
          "error": "invalid_request",
          "error_description": "AADSTS900144: The request body must contain the following parameter: 'scope'. The body is a form (application/x-www-form-urlencoded). Trace ID: ... Correlation ID: 6a1c22f1-1e0d-4b9f-8d2a-3d6c1bd5a111 Timestamp: 1970-01-01 00:00:00Z",
          "error_codes": [
            900144
          ],
          "timestamp": "1970-01-01 00:00:00Z",
          "trace_id": "...",
          "correlation_id": "6a1c22f1-1e0d-4b9f-8d2a-3d6c1bd5a111"
        }
    "#]]
    .assert_eq(&format!("{:#}\n", body).replace(&trace, "..."));
    let interactive = get("/organizations/oauth2/v2.0/authorize?client_id=x");
    assert_eq!((interactive.0, interactive.1["error"].as_str()), (400, Some("unsupported_response_type")));
    let (status, body) = get("/common/oauth2/v2.0/token");
    assert_eq!((status, body["error"]["code"].as_str()), (405, Some("HttpMethodNotAllowed")));
}

#[test]
fn managed_identities_are_those_that_are_asked_for() {
    let machine = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/";
    let app = "/msi/token?api-version=2019-08-01&resource=https://localhost:4577";
    let ask = |url: &str, headers: &[(&str, &str)]| answer(&DEV, &request(Method::GET, url, headers, ""));
    check_document(
        ask(machine, &[("Metadata", "true")]),
        expect![[r#"
            200 {
              "access_token": {
                "aud": "https://management.azure.com/",
                "iss": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "iat": "...",
                "nbf": "...",
                "exp": "...",
                "appid": "3b99d9f8-9e12-803f-9216-9315dd7b5ebe",
                "azp": "3b99d9f8-9e12-803f-9216-9315dd7b5ebe",
                "idp": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "oid": "7cba122d-93c7-82ef-a55d-7cb79c0adff0",
                "sub": "7cba122d-93c7-82ef-a55d-7cb79c0adff0",
                "tid": "00000000-0000-0000-0000-000000000002",
                "uti": "...",
                "ver": "2.0",
                "idtyp": "app"
              },
              "client_id": "3b99d9f8-9e12-803f-9216-9315dd7b5ebe",
              "expires_on": "...",
              "resource": "https://management.azure.com/",
              "token_type": "Bearer",
              "expires_in": "3599",
              "ext_expires_in": "3599",
              "not_before": "..."
            }
        "#]],
    );
    check_document(
        ask(&format!("{app}&mi_res_id=/subscriptions/s/id"), &[("X-IDENTITY-HEADER", "x")]),
        expect![[r#"
            200 {
              "access_token": {
                "aud": "https://localhost:4577",
                "iss": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "iat": "...",
                "nbf": "...",
                "exp": "...",
                "appid": "2361433c-1d07-8c53-8efb-fa5d62124fa6",
                "azp": "2361433c-1d07-8c53-8efb-fa5d62124fa6",
                "idp": "https://localhost:4577/00000000-0000-0000-0000-000000000002/v2.0",
                "oid": "d52dcf02-8b35-8b25-b23d-29a2c9838ef7",
                "sub": "d52dcf02-8b35-8b25-b23d-29a2c9838ef7",
                "tid": "00000000-0000-0000-0000-000000000002",
                "uti": "...",
                "ver": "2.0",
                "idtyp": "app",
                "xms_mirid": "/subscriptions/s/id"
              },
              "client_id": "2361433c-1d07-8c53-8efb-fa5d62124fa6",
              "expires_on": "...",
              "resource": "https://localhost:4577",
              "token_type": "Bearer"
            }
        "#]],
    );
    for (url, headers, expected) in [
        (format!("{app}&client_id=mine"), [("secret", "x")], json!(["mine", "appid"])),
        (
            "/msi/token?api-version=2017-09-01&resource=r&clientid=mine".to_owned(),
            [("secret", "x")],
            json!(["mine", "appid"]),
        ),
        (format!("{machine}&object_id=mine"), [("metadata", "True")], json!(["mine", "oid"])),
    ] {
        let (status, body) = ask(&url, &headers);
        let claim = claims(&body["access_token"])[expected[1].as_str().unwrap()].clone();
        assert_eq!((status, claim), (200, expected[0].clone()), "{url}");
    }
    let mut told = String::new();
    for (url, headers) in [
        (machine.to_owned(), vec![]),
        (machine.to_owned(), vec![("metadata", "false")]),
        ("/metadata/identity/oauth2/token?resource=r".to_owned(), vec![("metadata", "true")]),
        ("/metadata/identity/oauth2/token?api-version=2018-02-01".to_owned(), vec![("metadata", "true")]),
        (format!("{machine}&client_id=a&object_id=b"), vec![("metadata", "true")]),
        (format!("{machine}{}", "a".repeat(1025)), vec![("metadata", "true")]),
        (app.to_owned(), vec![]),
        (app.to_owned(), vec![("x-identity-header", "")]),
        ("/msi/token?api-version=2019-08-01".to_owned(), vec![("x-identity-header", "x")]),
    ] {
        let (status, body) = ask(&url, &headers);
        writeln!(told, "{status} {body}").unwrap();
    }
    expect![[r#"
        400 {"error":"invalid_request","error_description":"Required metadata header not specified. Send 'Metadata: true'."}
        400 {"error":"invalid_request","error_description":"Required metadata header not specified. Send 'Metadata: true'."}
        400 {"error":"invalid_request","error_description":"Required query variable 'api-version' is missing. The usual one is 2018-02-01."}
        400 {"error":"invalid_request","error_description":"Required query variable 'resource' is missing."}
        400 {"error":"invalid_request","error_description":"Several identities are named. Keep one of client_id, object_id and mi_res_id."}
        400 {"error":"invalid_request","error_description":"The query variable 'resource' is too long."}
        400 {"statusCode":400,"message":"Required identity header not specified. Send X-IDENTITY-HEADER (api-version 2019-08-01) or secret (2017-09-01), with any value."}
        400 {"statusCode":400,"message":"Required identity header not specified. Send X-IDENTITY-HEADER (api-version 2019-08-01) or secret (2017-09-01), with any value."}
        400 {"statusCode":400,"message":"Required query variable 'resource' is missing."}
    "#]]
    .assert_eq(&told);
}

/// Every kind of token, and what is said of it.
#[test]
fn a_strict_gateway_takes_its_own_tokens_and_no_others() {
    let key = RUNTIME.block_on(STRICT.keys.get()).unwrap();
    let other = RUNTIME.block_on(OTHER.keys.get()).unwrap();
    let now = Timestamp::now().as_second();
    let fine = |changes: Value| {
        let mut claims = json!({
            "aud": BASE,
            "iss": format!("{BASE}/{DEFAULT_TENANT}/v2.0"),
            "nbf": now,
            "exp": now + 3599,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().shift_remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    };
    let ours = |changes: Value| format!("Bearer {}", key.sign(&fine(changes)).unwrap());
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none =
        |signature: &str| format!("Bearer {}.{}.{signature}", part(json!({"alg": "none"})), part(fine(json!({}))));
    // The public key is no secret: a verifier that lets the token choose the algorithm takes it for one.
    let public = key.published()["keys"][0]["n"].as_str().unwrap().to_owned();
    let hmac = |secret: &[u8]| {
        let secret = EncodingKey::from_secret(secret);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &fine(json!({})), &secret).unwrap();
        format!("Bearer {token}")
    };
    let good = ours(json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let swapped = format!("{}.{}.{signature}", signed.split('.').next().unwrap(), part(fine(json!({"aud": "x"}))));

    let table: Vec<(&str, Vec<String>)> = vec![
        ("none", vec![]),
        ("empty", vec![String::new()]),
        ("only the scheme", vec!["Bearer ".to_owned()]),
        ("Basic", vec!["Basic YTpi".to_owned()]),
        ("two headers", vec![good.clone(), good.clone()]),
        ("two tokens", vec![format!("{good} {good}")]),
        ("not ASCII", vec!["Bearer \u{e4}".to_owned()]),
        ("garbage", vec!["Bearer garbage".to_owned()]),
        ("three parts of garbage", vec!["Bearer a.b.c".to_owned()]),
        ("no algorithm", vec![format!("Bearer {}.e30.x", part(json!({})))]),
        ("alg none", vec![none("")]),
        ("alg none with a signature", vec![none(signature)]),
        ("HS256 with the public key", vec![hmac(public.as_bytes())]),
        ("HS256 with the public key's bytes", vec![hmac(&URL_SAFE_NO_PAD.decode(&public).unwrap())]),
        ("another key", vec![format!("Bearer {}", other.sign(&fine(json!({}))).unwrap())]),
        ("other claims below its signature", vec![swapped]),
        ("cut off", vec![good[..good.len() - 4].to_owned()]),
        ("expired", vec![ours(json!({"exp": now - 400}))]),
        ("not yet valid", vec![ours(json!({"nbf": now + 400}))]),
        ("without an end", vec![ours(json!({"exp": null}))]),
        ("with a text as its end", vec![ours(json!({"exp": "never"}))]),
        ("another audience", vec![ours(json!({"aud": "https://vault.azure.net"}))]),
        ("no audience", vec![ours(json!({"aud": null}))]),
        ("a number as its audience", vec![ours(json!({"aud": [1]}))]),
        ("a refresh token", vec![ours(json!({"aud": "urn:floci-az:refresh"}))]),
        ("another issuer", vec![ours(json!({"iss": "https://sts.windows.net/x/"}))]),
        ("another port", vec![ours(json!({"iss": "https://localhost:4578/x/v2.0"}))]),
        ("no issuer", vec![ours(json!({"iss": null}))]),
    ];
    let mut told = String::new();
    for (what, values) in &table {
        let headers: Vec<(&str, &str)> = values.iter().map(|value| ("authorization", value.as_str())).collect();
        let request = request(Method::GET, "/subscriptions", &headers, "");
        let error = RUNTIME.block_on(STRICT.check(&request)).expect_err(what);
        for part in values.iter().flat_map(|value| value.split(['.', ' '])).filter(|part| part.len() > 20) {
            assert!(!format!("{error:?}").contains(part), "{what}: the token is repeated");
        }
        let description = error.challenge.as_deref().unwrap().rsplit_once("error_description=").unwrap().1;
        writeln!(told, "{what}\n  {} {} {}\n  {description}", error.status.as_u16(), error.code, error.message)
            .unwrap();
        assert_eq!(RUNTIME.block_on(DEV.check(&request)), Ok(()), "{what}: a gateway that does not ask");
    }
    expect![[r#"
        none
          401 AuthenticationFailed Authentication failed. The 'Authorization' header is missing.
          "The authentication failed because of missing 'Authorization' header."
        empty
          401 AuthenticationFailed Authentication failed. The 'Authorization' header is provided in an invalid format. Supported: 'Bearer' and an access token, once.
          "The 'Authorization' header is provided in an invalid format."
        only the scheme
          401 AuthenticationFailed Authentication failed. The 'Authorization' header is provided in an invalid format. Supported: 'Bearer' and an access token, once.
          "The 'Authorization' header is provided in an invalid format."
        Basic
          401 AuthenticationFailed Authentication failed. The 'Authorization' header is provided in an invalid format. Supported: 'Bearer' and an access token, once.
          "The 'Authorization' header is provided in an invalid format."
        two headers
          401 AuthenticationFailed Authentication failed. The 'Authorization' header is provided in an invalid format. Supported: 'Bearer' and an access token, once.
          "The 'Authorization' header is provided in an invalid format."
        two tokens
          401 AuthenticationFailed Authentication failed. The 'Authorization' header is provided in an invalid format. Supported: 'Bearer' and an access token, once.
          "The 'Authorization' header is provided in an invalid format."
        not ASCII
          401 AuthenticationFailed Authentication failed. The 'Authorization' header is provided in an invalid format. Supported: 'Bearer' and an access token, once.
          "The 'Authorization' header is provided in an invalid format."
        garbage
          401 AuthenticationFailed The access token is invalid: it is not a JSON Web Token. Get one at this gateway's token endpoint.
          "The access token is invalid."
        three parts of garbage
          401 AuthenticationFailed The access token is invalid: it is not a JSON Web Token. Get one at this gateway's token endpoint.
          "The access token is invalid."
        no algorithm
          401 AuthenticationFailed The access token is invalid: it is not a JSON Web Token. Get one at this gateway's token endpoint.
          "The access token is invalid."
        alg none
          401 AuthenticationFailed The access token is invalid: it is signed with an algorithm that is not supported, or not at all. Supported: RS256.
          "The access token is signed with an algorithm that is not supported."
        alg none with a signature
          401 AuthenticationFailed The access token is invalid: it is signed with an algorithm that is not supported, or not at all. Supported: RS256.
          "The access token is signed with an algorithm that is not supported."
        HS256 with the public key
          401 AuthenticationFailed The access token is invalid: it is signed with an algorithm that is not supported, or not at all. Supported: RS256.
          "The access token is signed with an algorithm that is not supported."
        HS256 with the public key's bytes
          401 AuthenticationFailed The access token is invalid: it is signed with an algorithm that is not supported, or not at all. Supported: RS256.
          "The access token is signed with an algorithm that is not supported."
        another key
          401 AuthenticationFailed The access token is invalid: its signature is not of this gateway's key. Log in to this gateway again; a gateway that keeps no state has a new key after each start.
          "The signature of the access token is invalid."
        other claims below its signature
          401 AuthenticationFailed The access token is invalid: its signature is not of this gateway's key. Log in to this gateway again; a gateway that keeps no state has a new key after each start.
          "The signature of the access token is invalid."
        cut off
          401 AuthenticationFailed The access token is invalid: it is not a JSON Web Token. Get one at this gateway's token endpoint.
          "The access token is invalid."
        expired
          401 AuthenticationFailed The access token has expired. Get a new one.
          "The access token has expired."
        not yet valid
          401 AuthenticationFailed The access token is not valid yet: its time (nbf) is more than 5 minutes ahead. Check the clocks.
          "The access token is not valid yet."
        without an end
          401 AuthenticationFailed The access token is invalid: its claim 'exp' is missing or malformed.
          "A claim of the access token is missing or malformed."
        with a text as its end
          401 AuthenticationFailed The access token is invalid: its claim 'exp' is missing or malformed.
          "A claim of the access token is missing or malformed."
        another audience
          401 AuthenticationFailed The access token has been obtained for wrong audience or resource 'https://vault.azure.net'. It should exactly match with one of the allowed audiences https://localhost:4577, https://localhost:4577, http://localhost:4577, https://127.0.0.1:4577, http://127.0.0.1:4577, https://[::1]:4577, http://[::1]:4577, https://management.azure.com, https://management.core.windows.net, 797f4846-ba00-4fd7-ba43-dac1f8f63013.
          "The access token has been obtained for a wrong audience or resource."
        no audience
          401 AuthenticationFailed The access token is invalid: its claim 'aud' is missing or malformed.
          "A claim of the access token is missing or malformed."
        a number as its audience
          401 AuthenticationFailed The access token is invalid: its claim 'aud' is missing or malformed.
          "A claim of the access token is missing or malformed."
        a refresh token
          401 AuthenticationFailed The access token has been obtained for wrong audience or resource 'urn:floci-az:refresh'. It should exactly match with one of the allowed audiences https://localhost:4577, https://localhost:4577, http://localhost:4577, https://127.0.0.1:4577, http://127.0.0.1:4577, https://[::1]:4577, http://[::1]:4577, https://management.azure.com, https://management.core.windows.net, 797f4846-ba00-4fd7-ba43-dac1f8f63013.
          "The access token has been obtained for a wrong audience or resource."
        another issuer
          401 AuthenticationFailed The access token is from the wrong issuer 'https://sts.windows.net/x/'. It must be one of this gateway: https://localhost:4577, https://localhost:4577, http://localhost:4577, https://127.0.0.1:4577, http://127.0.0.1:4577, https://[::1]:4577, http://[::1]:4577, each with '/<tenant>/v2.0'.
          "The access token is from the wrong issuer."
        another port
          401 AuthenticationFailed The access token is from the wrong issuer 'https://localhost:4578/x/v2.0'. It must be one of this gateway: https://localhost:4577, https://localhost:4577, http://localhost:4577, https://127.0.0.1:4577, http://127.0.0.1:4577, https://[::1]:4577, http://[::1]:4577, each with '/<tenant>/v2.0'.
          "The access token is from the wrong issuer."
        no issuer
          401 AuthenticationFailed The access token is invalid: its claim 'iss' is missing or malformed.
          "A claim of the access token is missing or malformed."
    "#]]
    .assert_eq(&told);

    for (what, value) in [
        ("as issued", good.clone()),
        ("in lower case", good.replacen("Bearer", "bearer", 1)),
        ("a slash at the end", ours(json!({"aud": format!("{BASE}/")}))),
        ("the resource manager", ours(json!({"aud": "https://management.azure.com/"}))),
        ("the classic one", ours(json!({"aud": "https://management.core.windows.net/"}))),
        ("its app id", ours(json!({"aud": "797f4846-ba00-4fd7-ba43-dac1f8f63013"}))),
        ("several audiences", ours(json!({"aud": ["https://vault.azure.net", BASE]}))),
        (
            "from another name of this machine",
            ours(json!({"iss": "http://127.0.0.1:4577/x/v2.0", "aud": "http://127.0.0.1:4577"})),
        ),
        ("clocks that differ", ours(json!({"nbf": now + 200, "exp": now - 200}))),
        ("without a beginning", ours(json!({"nbf": null}))),
    ] {
        let request = request(Method::GET, "/subscriptions", &[("authorization", &value)], "");
        assert_eq!(RUNTIME.block_on(STRICT.check(&request)), Ok(()), "{what}");
    }
}

#[test]
fn what_the_endpoints_issue_is_what_the_check_takes() {
    let scope = "scope=https://localhost:4577/.default";
    let form = format!("grant_type=client_credentials&client_id=a&client_secret=x&{scope}");
    let issued = [
        request(Method::POST, "/common/oauth2/v2.0/token", &[], form),
        request(
            Method::GET,
            "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/",
            &[("metadata", "true")],
            "",
        ),
        request(
            Method::GET,
            "/msi/token?api-version=2019-08-01&resource=https://localhost:4577",
            &[("secret", "x")],
            "",
        ),
    ];
    for ask in issued {
        let token = answer(&STRICT, &ask).1["access_token"].as_str().unwrap().to_owned();
        let value = format!("Bearer {token}");
        let request = request(Method::PUT, "/subscriptions", &[("authorization", &value)], "");
        assert_eq!(RUNTIME.block_on(STRICT.check(&request)), Ok(()), "{ask:?}");
    }
}

#[test]
fn a_challenge_says_where_tokens_are() {
    let reply: Reply = RUNTIME.block_on(STRICT.check(&request(Method::GET, "/", &[], ""))).unwrap_err().into();
    expect![[r#"
        401 [("www-authenticate", "Bearer authorization_uri=\"https://localhost:4577/00000000-0000-0000-0000-000000000002\", error=\"invalid_token\", error_description=\"The authentication failed because of missing 'Authorization' header.\"")]
    "#]]
    .assert_eq(&format!("{} {:?}\n", reply.status.as_u16(), reply.headers));
}

#[test]
fn an_arm_path_is_not_of_the_login() {
    for url in ["/subscriptions", "/subscriptions/s/resourceGroups/g", "/", "/tenants"] {
        assert!(RUNTIME.block_on(DEV.answer(&request(Method::GET, url, &[], ""))).is_none(), "{url}");
    }
}

fn any_path() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("metadata"),
        Just("endpoints"),
        Just("identity"),
        Just("oauth2"),
        Just("v2.0"),
        Just("token"),
        Just("msi"),
        Just("adfs"),
        Just("common"),
        Just(".well-known"),
        Just("openid-configuration"),
        Just("discovery"),
        Just("keys"),
        Just("instance"),
        Just("authorize"),
        Just(""),
        Just("\u{e4}%"),
    ];
    prop::collection::vec(word, 0..7).prop_map(|words| format!("/{}", words.join("/")))
}

fn any_form() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        Just("grant_type"),
        Just("client_id"),
        Just("client_secret"),
        Just("scope"),
        Just("resource"),
        Just("username"),
        Just("password"),
        Just("refresh_token"),
        Just("client_info"),
        Just("x"),
    ];
    let value = prop_oneof![
        Just("client_credentials".to_owned()),
        Just("password".to_owned()),
        Just("refresh_token".to_owned()),
        Just("a/.default".to_owned()),
        Just("1".to_owned()),
        "[ -~]{0,30}",
        "\\PC{0,8}",
    ];
    let form = prop::collection::vec((name, value), 0..7).prop_map(|pairs| {
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&").into_bytes()
    });
    prop_oneof![form, prop::collection::vec(any::<u8>(), 0..200)]
}

fn any_authorization() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#)),
        Just("e30".to_owned()),
        "[A-Za-z0-9_-]{0,20}",
        "\\PC{0,5}",
    ];
    let bearer = prop::collection::vec(part, 0..5).prop_map(|parts| format!("Bearer {}", parts.join(".")).into_bytes());
    prop_oneof![
        bearer,
        prop::collection::vec(0x20_u8..=0xff, 0..60),
        "Basic [A-Za-z0-9+/=]{0,40}".prop_map(String::into_bytes)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Nothing that a client sends breaks the login, and no token that is not ours passes.
    #[test]
    fn anything_may_be_sent(path in any_path(), query in "\\PC{0,40}", form in any_form(), authorization in any_authorization(), get in any::<bool>()) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&authorization) {
            headers.insert(AUTHORIZATION, value);
        }
        let method = if get { Method::GET } else { Method::POST };
        let request = Request::new(method, &path, Some(&query), headers, BASE.to_owned(), Bytes::from(form));
        if let Some(reply) = RUNTIME.block_on(STRICT.answer(&request)) {
            prop_assert!(!reply.status.is_server_error(), "{}", reply.status);
        }
        prop_assert!(RUNTIME.block_on(STRICT.check(&request)).is_err());
    }

    /// A token that is changed in one place is refused.
    #[test]
    fn a_changed_token_is_refused(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.-]") {
        static GOOD: LazyLock<Arc<str>> = LazyLock::new(|| {
            let key = RUNTIME.block_on(STRICT.keys.get()).unwrap();
            let claims = json!({ "aud": BASE, "iss": format!("{BASE}/x/v2.0"), "exp": Timestamp::now().as_second() + 3599 });
            key.sign(&claims).unwrap().into()
        });
        let mut token = GOOD.to_string();
        let at = at.index(token.len());
        token.replace_range(at..=at, &with);
        // The last character of a part has bits that decode to nothing.
        prop_assume!(token != **GOOD && decoded(&token) != decoded(&GOOD));
        let value = format!("Bearer {token}");
        prop_assert!(RUNTIME.block_on(STRICT.check(&request(Method::GET, "/", &[("authorization", &value)], ""))).is_err());
    }
}

fn decoded(token: &str) -> Vec<Option<Vec<u8>>> {
    token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok()).collect()
}
