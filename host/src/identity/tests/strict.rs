//! What a gateway that asks for tokens takes and refuses.

use std::fmt::Write;

use expect_test::expect;
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::*;

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
          401 AuthenticationFailed The access token is invalid: it is not a JSON Web Token. Get one by a POST to /common/oauth2/v2.0/token of this gateway.
          "The access token is invalid."
        three parts of garbage
          401 AuthenticationFailed The access token is invalid: it is not a JSON Web Token. Get one by a POST to /common/oauth2/v2.0/token of this gateway.
          "The access token is invalid."
        no algorithm
          401 AuthenticationFailed The access token is invalid: it is not a JSON Web Token. Get one by a POST to /common/oauth2/v2.0/token of this gateway.
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
          401 AuthenticationFailed The access token is invalid: it is not a JSON Web Token. Get one by a POST to /common/oauth2/v2.0/token of this gateway.
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
          401 AuthenticationFailed The access token has been obtained for wrong audience or resource 'https://vault.azure.net'. It should exactly match with one of the allowed audiences https://localhost:4577, http://localhost:4577, https://127.0.0.1:4577, http://127.0.0.1:4577, https://[::1]:4577, http://[::1]:4577, https://management.azure.com, https://management.core.windows.net, 797f4846-ba00-4fd7-ba43-dac1f8f63013.
          "The access token has been obtained for a wrong audience or resource."
        no audience
          401 AuthenticationFailed The access token is invalid: its claim 'aud' is missing or malformed.
          "A claim of the access token is missing or malformed."
        a number as its audience
          401 AuthenticationFailed The access token is invalid: its claim 'aud' is missing or malformed.
          "A claim of the access token is missing or malformed."
        a refresh token
          401 AuthenticationFailed The access token has been obtained for wrong audience or resource 'urn:floci-az:refresh'. It should exactly match with one of the allowed audiences https://localhost:4577, http://localhost:4577, https://127.0.0.1:4577, http://127.0.0.1:4577, https://[::1]:4577, http://[::1]:4577, https://management.azure.com, https://management.core.windows.net, 797f4846-ba00-4fd7-ba43-dac1f8f63013.
          "The access token has been obtained for a wrong audience or resource."
        another issuer
          401 AuthenticationFailed The access token is from the wrong issuer 'https://sts.windows.net/x/'. It must be one of this gateway: https://localhost:4577, http://localhost:4577, https://127.0.0.1:4577, http://127.0.0.1:4577, https://[::1]:4577, http://[::1]:4577, each with '/<tenant>/v2.0'.
          "The access token is from the wrong issuer."
        another port
          401 AuthenticationFailed The access token is from the wrong issuer 'https://localhost:4578/x/v2.0'. It must be one of this gateway: https://localhost:4577, http://localhost:4577, https://127.0.0.1:4577, http://127.0.0.1:4577, https://[::1]:4577, http://[::1]:4577, each with '/<tenant>/v2.0'.
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
        ("over TLS or without", ours(json!({"iss": "http://localhost:4577/x/v2.0", "aud": "http://localhost:4577"}))),
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
