//! Nothing that a client sends breaks the login, and no token but ours passes.

use std::sync::Arc;

use hyper::header::AUTHORIZATION;
use proptest::prelude::*;

use super::*;

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
