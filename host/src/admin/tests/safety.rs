//! Nothing is changed by who has no right to it.

use std::sync::LazyLock;

use hyper::Method;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::*;
use crate::arm::Body;

const NEAR: &str = "127.0.0.1";
const FAR: &str = "172.17.0.1";
const WASM: (&str, &str) = ("content-type", "application/wasm");

/// The state folder is only needed to make the token.
fn kept() -> (Front, String) {
    let folder = tempfile::tempdir().unwrap();
    let token = AdminToken::open(Some(folder.path())).unwrap();
    let text = std::fs::read_to_string(folder.path().join("admin-token")).unwrap();
    (Front::new(token), format!("Bearer {}", text.trim()))
}

fn in_memory() -> Front {
    Front::new(AdminToken::open(None).unwrap())
}

async fn status(front: &Front, request: Request) -> (u16, String) {
    let reply = front.answer(request).await;
    let code = match &reply.body {
        Body::Json(body) => body["error"]["code"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    (reply.status.as_u16(), code)
}

#[tokio::test]
async fn a_change_takes_a_right() {
    let (front, token) = kept();
    let memory = in_memory();
    let changes = [
        (Method::PUT, "/_floci/plugins", "Contoso.Widgets 1"),
        (Method::PUT, "/_floci/plugins?check=true", "Contoso.Widgets 1"),
        (Method::POST, "/_floci/plugins/contoso.widgets/swap", "{\"to\":\"0000\"}"),
        (Method::POST, "/_floci/plugins/contoso.widgets/rollback", ""),
        (Method::DELETE, "/_floci/plugins/contoso.widgets/revisions/0000", ""),
        (Method::DELETE, "/_floci/plugins/contoso.widgets", ""),
    ];
    for (method, path, body) in &changes {
        let ask = |peer: &str, headers: &[(&str, &str)]| request(peer, method.clone(), path, headers, body);
        for headers in [&[WASM][..], &[WASM, ("authorization", "Bearer wrong")]] {
            let refused = (401, "AdminTokenRequired".to_owned());
            assert_eq!(status(&front, ask(FAR, headers)).await, refused, "{method} {path}");
            let refused = (403, "AdministrationIsLocal".to_owned());
            assert_eq!(status(&memory, ask(FAR, headers)).await, refused, "{method} {path}");
        }
        for origin in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            for (peer, front) in [(NEAR, &front), (NEAR, &memory), (FAR, &front)] {
                let headers = [WASM, origin, ("authorization", &token)];
                let refused = (403, "CrossOriginRequestRefused".to_owned());
                assert_eq!(status(front, ask(peer, &headers)).await, refused, "{method} {path}");
            }
        }
    }
    assert_eq!((front.fake.asked(), memory.fake.asked()), (0, 0));
    for (at, (method, path, body)) in changes.iter().enumerate() {
        let ask = |peer: &str, headers: &[(&str, &str)]| request(peer, method.clone(), path, headers, body);
        let _ = status(&front, ask(FAR, &[WASM, ("authorization", &token)])).await;
        assert_eq!(front.fake.asked(), 2 * at + 1, "{method} {path} with the token");
        let _ = status(&front, ask(NEAR, &[WASM])).await;
        assert_eq!(front.fake.asked(), 2 * at + 2, "{method} {path} from this machine");
    }
}

#[tokio::test]
async fn reading_takes_none_but_an_own_origin() {
    let front = in_memory();
    for path in ["/_floci/plugins", "/_floci/plugins/Contoso.Widgets"] {
        for method in [Method::GET, Method::HEAD] {
            let found = status(&front, request(FAR, method.clone(), path, &[], "")).await.0;
            assert!([200, 404].contains(&found), "{method} {path}: {found}");
            let found = status(&front, request(NEAR, method, path, &[("origin", "null")], "")).await.0;
            assert_eq!(found, 403, "{path}");
        }
    }
}

#[test]
fn a_component_may_be_large_for_who_may_send_it() {
    let (front, token) = kept();
    const USUAL: usize = 4 << 20;
    const LARGE: usize = 64 << 20;
    for (peer, method, path, headers, admitted) in [
        (NEAR, Method::PUT, "/_floci/plugins", &[WASM][..], Ok(LARGE)),
        (NEAR, Method::PUT, "/_floci/plugins?swap=true", &[("content-type", "Application/WASM; x=y")], Ok(LARGE)),
        (FAR, Method::PUT, "/_floci/plugins", &[WASM, ("authorization", &token)], Ok(LARGE)),
        (FAR, Method::PUT, "/_floci/plugins", &[WASM], Err(401)),
        (NEAR, Method::PUT, "/_floci/plugins", &[WASM, ("origin", "null")], Err(403)),
        (NEAR, Method::PUT, "/_floci/plugins", &[("content-type", "application/json")], Ok(USUAL)),
        (NEAR, Method::PUT, "/_floci/plugins", &[], Ok(USUAL)),
        (NEAR, Method::POST, "/_floci/plugins", &[WASM], Err(405)),
        (NEAR, Method::GET, "/_floci/plugins", &[WASM], Ok(USUAL)),
        (NEAR, Method::PUT, "/_floci/plugins/a", &[WASM], Err(405)),
        (NEAR, Method::PUT, "/_floci/plugins/", &[WASM], Err(400)),
        (NEAR, Method::PUT, "/_floci/pluginsx", &[WASM], Ok(USUAL)),
        (NEAR, Method::PUT, "/subscriptions/a", &[WASM], Ok(USUAL)),
        (NEAR, Method::POST, "/_floci/plugins/a/swap", &[WASM], Ok(USUAL)),
    ] {
        let found = front.admit(&request(peer, method.clone(), path, headers, ""), USUAL);
        assert_eq!(found.map_err(|error| error.status.as_u16()), admitted, "{peer} {method} {path} {headers:?}");
    }
}

fn method() -> impl Strategy<Value = Method> {
    let known = select(vec!["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "put", "MOVE"]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => "[A-Za-z]{1,8}"].prop_map(|name| name.parse().unwrap())
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => select(vec![
            "_floci", "plugins", "contoso.widgets", "swap", "rollback", "revisions", "0000", "..", ".", "%2e%2e", "%2f",
            "", "%5f", "plugins%2fcontoso.widgets", "PLUGINS", "_floci%2fplugins",
        ])
        .prop_map(str::to_owned),
        1 => "[ -~&&[^?#]]{0,8}",
    ];
    let any = proptest::collection::vec(part.clone(), 0..6).prop_map(|parts| format!("/{}", parts.join("/")));
    let below = proptest::collection::vec(part, 0..4).prop_map(|parts| format!("/_floci/plugins/{}", parts.join("/")));
    let query = select(vec!["", "?swap=true", "?check=true", "?swap=true&digest=0", "?api-version=2024-11-01"]);
    (prop_oneof![any, below, Just("/_floci/plugins".to_owned())], query).prop_map(|(path, query)| path + query)
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let one = select(vec![
        ("content-type", "application/wasm"),
        ("content-type", "application/json"),
        ("authorization", "Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("authorization", "Basic YWRtaW46YWRtaW4="),
        ("authorization", "Bearer"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1;host=localhost"),
        ("x-real-ip", "::1"),
        ("x-http-method-override", "PUT"),
        ("x-original-url", "/_floci/plugins"),
        ("origin", "http://localhost:4577"),
        ("sec-fetch-site", "same-origin"),
        ("host", "localhost"),
    ]);
    proptest::collection::vec(one, 0..5)
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn no_path_and_no_method_changes_anything_without_a_right(
        (method, path, headers) in (method(), path(), headers()),
        peer in select(vec![FAR, "::ffff:10.0.0.1", "2001:db8::1", "0.0.0.0", "169.254.1.1"]),
        body in select(vec!["Contoso.Widgets 2", "{\"to\":\"0000\"}", "{\"source\":\"oci://contoso.widgets:1\"}", ""]),
        is_kept in any::<bool>(),
    ) {
        let front = if is_kept { kept().0 } else { in_memory() };
        RUNTIME.block_on(async {
            let install = request(NEAR, Method::PUT, "/_floci/plugins", &[WASM], "Contoso.Widgets 1");
            assert_eq!(status(&front, install).await.0, 200);
            let before = serde_json::to_value(&*front.fake.plugins.lock().unwrap()).unwrap();
            let request = request(peer, method.clone(), &path, &headers, body);
            let reply = front.answer(request).await;
            let reads = [Method::GET, Method::HEAD].contains(&method);
            assert!(reads || reply.status.is_client_error(), "{method} {path}: {}", reply.status);
            let after: Value = serde_json::to_value(&*front.fake.plugins.lock().unwrap()).unwrap();
            assert_eq!((front.fake.asked(), after), (1, before), "{peer} {method} {path} {headers:?}");
        });
    }
}
