//! What is answered to whoever may ask.

use expect_test::expect;
use hyper::Method;

use super::*;
use crate::arm::Body;

const NEAR: &str = "127.0.0.1";

async fn told(front: &Front, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    let reply = front.answer(request(NEAR, method.clone(), target, headers, body)).await;
    let text = match &reply.body {
        Body::Nothing => String::new(),
        Body::Json(body) => match body["error"].as_object() {
            Some(error) => format!("{}: {}", error["code"].as_str().unwrap(), error["message"].as_str().unwrap()),
            None => body.to_string(),
        },
        _ => "not JSON".to_owned(),
    };
    let shown: String = body.chars().take(60).collect();
    format!("{method} {target} {headers:?} {shown}\n  {} {text}\n", reply.status.as_u16())
}

#[tokio::test]
async fn a_plugin_is_installed_swapped_rolled_back_and_removed() {
    let front = Front::new(AdminToken::open(None).unwrap());
    let wasm = [("content-type", "application/wasm")];
    let json = [("content-type", "application/json")];
    let (one, two) = ("Contoso.Widgets 1.0.0", "Contoso.Widgets 1.1.0");
    let second = crate::plugin::Digest::of(two.as_bytes()).to_string();
    let short = &second[..8];
    let image = "{\"source\": \"oci://contoso.gadgets:2.0.0\"}";
    let mut table = String::new();
    for (method, target, headers, body) in [
        (Method::GET, "/_floci/plugins", &[][..], ""),
        (Method::PUT, "/_floci/plugins?check=true", &wasm, one),
        (Method::GET, "/_floci/plugins", &[], ""),
        (Method::PUT, "/_floci/plugins", &wasm, one),
        (Method::PUT, &format!("/_floci/plugins?digest=sha256:{second}&swap=false"), &wasm, two),
        (
            Method::POST,
            "/_floci/plugins/contoso.WIDGETS/swap",
            &json,
            &format!("{{\"to\": \"sha256:{}\"}}", short.to_uppercase()),
        ),
        (Method::POST, "/_floci/plugins/contoso.WIDGETS/rollback", &[], ""),
        (Method::POST, "/_floci/plugins/contoso.WIDGETS/rollback", &json, &format!("{{\"to\": \"{short}\"}}")),
        (Method::GET, "/_floci/plugins/Contoso%2EWidgets", &[], ""),
        (Method::DELETE, "/_floci/plugins/Contoso.Widgets/revisions/sha256%3A0000", &[], ""),
        (Method::DELETE, &format!("/_floci/plugins/Contoso.Widgets/revisions/{second}"), &[], ""),
        (Method::PUT, "/_floci/plugins?swap=true", &json, image),
        (Method::DELETE, "/_floci/plugins/contoso.widgets", &[], ""),
        (Method::GET, "/_floci/plugins/contoso.widgets", &[], ""),
    ] {
        table += &told(&front, method, target, headers, body).await;
    }
    expect![[r#""#]].assert_eq(&table);
}

#[tokio::test]
async fn what_makes_no_sense_is_told_and_changes_nothing() {
    let front = Front::new(AdminToken::open(None).unwrap());
    let wasm = [("content-type", "application/wasm")];
    let json = [("content-type", "application/json")];
    let one = "Contoso.Widgets 1.0.0";
    assert!(told(&front, Method::PUT, "/_floci/plugins", &wasm, one).await.contains("\n  200 "));
    let before = front.fake.asked();
    let mut table = String::new();
    for (method, target, headers, body) in [
        (Method::PUT, "/_floci/plugins", &[][..], one),
        (Method::PUT, "/_floci/plugins", &[("content-type", "application/x-www-form-urlencoded")], one),
        (Method::PUT, "/_floci/plugins?swp=true", &wasm, one),
        (Method::PUT, "/_floci/plugins?swap=yes", &wasm, one),
        (Method::PUT, "/_floci/plugins?swap", &wasm, one),
        (Method::PUT, "/_floci/plugins?digest=latest", &wasm, one),
        (Method::PUT, "/_floci/plugins?digest=sha512:00", &wasm, one),
        (Method::PUT, "/_floci/plugins", &[wasm[0], ("x-floci-signature", "-----BEGIN")], one),
        (Method::PUT, "/_floci/plugins", &[wasm[0], ("x-floci-signature", "")], one),
        (Method::PUT, "/_floci/plugins", &json, ""),
        (Method::PUT, "/_floci/plugins", &json, "[]"),
        (Method::PUT, "/_floci/plugins", &json, "{"),
        (Method::PUT, "/_floci/plugins", &json, "{}"),
        (Method::PUT, "/_floci/plugins", &json, "{\"source\": 1}"),
        (Method::PUT, "/_floci/plugins", &json, "{\"source\": \"oci://\"}"),
        (Method::PUT, "/_floci/plugins", &json, "{\"source\": \"file:///etc/passwd\"}"),
        (Method::PUT, "/_floci/plugins", &json, "{\"source\": \"oci://a/b:1\", \"swap\": true}"),
        (Method::PUT, "/_floci/plugins", &[json[0], ("x-floci-signature", "aGk=")], "{\"source\": \"oci://a/b:1\"}"),
        (Method::POST, "/_floci/plugins", &wasm, one),
        (Method::DELETE, "/_floci/plugins", &[], ""),
        (Method::PATCH, "/_floci/plugins/contoso.widgets", &json, "{}"),
        (Method::GET, "/_floci/plugins/contoso.widgets/swap", &[], ""),
        (Method::POST, "/_floci/plugins/contoso.widgets/swap", &json, ""),
        (Method::POST, "/_floci/plugins/contoso.widgets/swap", &json, "{}"),
        (Method::POST, "/_floci/plugins/contoso.widgets/swap", &json, "{\"to\": \"abc\"}"),
        (Method::POST, "/_floci/plugins/contoso.widgets/swap", &json, "{\"to\": \"../../x\"}"),
        (Method::POST, "/_floci/plugins/contoso.widgets/swap", &json, "{\"to\": \"abcd\", \"at\": 1}"),
        (Method::POST, "/_floci/plugins/contoso.widgets/rollback", &json, "{\"two\": \"abcd\"}"),
        (Method::GET, "/_floci/plugins/contoso.widgets/revisions/abcd", &[], ""),
        (Method::DELETE, "/_floci/plugins/contoso.widgets/revisions/abc", &[], ""),
        (Method::DELETE, "/_floci/plugins/..%2fplugins", &[], ""),
        (Method::GET, "/_floci/plugins/Contoso.Gadgets", &[], ""),
        (Method::GET, "/_floci/plugins/Contoso.Widgets/history", &[], ""),
    ] {
        table += &told(&front, method, target, headers, body).await;
    }
    expect![[r#""#]].assert_eq(&table);
    assert_eq!(front.fake.asked(), before, "nobody was asked");
}

#[tokio::test]
async fn a_signature_travels_with_its_component() {
    let front = Front::new(AdminToken::open(None).unwrap());
    let headers = [("content-type", "application/wasm"), ("x-floci-signature", " aGVsbG8= ")];
    told(&front, Method::PUT, "/_floci/plugins", &headers, "Contoso.Widgets 1.0.0").await;
    assert_eq!(*front.fake.signatures.lock().unwrap(), [b"hello".to_vec()]);
}
