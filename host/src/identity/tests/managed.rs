//! Managed identities.

use std::fmt::Write;

use expect_test::expect;

use super::*;

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
