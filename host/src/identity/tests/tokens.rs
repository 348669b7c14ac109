//! The token endpoints.

use std::fmt::Write;

use base64::engine::general_purpose::STANDARD;
use expect_test::expect;

use super::*;

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
