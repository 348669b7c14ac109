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
    expect![[r#"
        GET /_floci/plugins [] 
          200 {"value":[]}
        PUT /_floci/plugins?check=true [("content-type", "application/wasm")] Contoso.Widgets 1.0.0
          200 {"namespace":"Contoso.Widgets","service":"widgets","revision":{"digest":"369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9","state":"Ready","version":"1.0.0","contract":"0.1.0","origin":{"kind":"upload"},"installed":"2026-01-02T03:04:05Z","served":null,"note":null,"schemas":[["widgets",1]],"asks":["resp"],"allowed":[]},"replaced":null,"converted":0,"notes":[]}
        GET /_floci/plugins [] 
          200 {"value":[]}
        PUT /_floci/plugins [("content-type", "application/wasm")] Contoso.Widgets 1.0.0
          200 {"namespace":"Contoso.Widgets","service":"widgets","revision":{"digest":"369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9","state":"Active","version":"1.0.0","contract":"0.1.0","origin":{"kind":"upload"},"installed":"2026-01-02T03:04:05Z","served":null,"note":null,"schemas":[["widgets",1]],"asks":["resp"],"allowed":[]},"replaced":null,"converted":0,"notes":[]}
        PUT /_floci/plugins?digest=sha256:041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd&swap=false [("content-type", "application/wasm")] Contoso.Widgets 1.1.0
          200 {"namespace":"Contoso.Widgets","service":"widgets","revision":{"digest":"041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd","state":"Ready","version":"1.1.0","contract":"0.1.0","origin":{"kind":"upload"},"installed":"2026-01-02T03:04:05Z","served":null,"note":null,"schemas":[["widgets",1]],"asks":["resp"],"allowed":[]},"replaced":null,"converted":0,"notes":[]}
        POST /_floci/plugins/contoso.WIDGETS/swap [("content-type", "application/json")] {"to": "sha256:04132663"}
          200 {"namespace":"Contoso.Widgets","service":"widgets","revision":{"digest":"041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd","state":"Active","version":"1.1.0","contract":"0.1.0","origin":{"kind":"upload"},"installed":"2026-01-02T03:04:05Z","served":null,"note":null,"schemas":[["widgets",1]],"asks":["resp"],"allowed":[]},"replaced":"369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9","converted":0,"notes":[]}
        POST /_floci/plugins/contoso.WIDGETS/rollback [] 
          200 {"namespace":"Contoso.Widgets","service":"widgets","revision":{"digest":"369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9","state":"Active","version":"1.0.0","contract":"0.1.0","origin":{"kind":"upload"},"installed":"2026-01-02T03:04:05Z","served":null,"note":null,"schemas":[["widgets",1]],"asks":["resp"],"allowed":[]},"replaced":"041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd","converted":0,"notes":[]}
        POST /_floci/plugins/contoso.WIDGETS/rollback [("content-type", "application/json")] {"to": "04132663"}
          200 {"namespace":"Contoso.Widgets","service":"widgets","revision":{"digest":"041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd","state":"Active","version":"1.1.0","contract":"0.1.0","origin":{"kind":"upload"},"installed":"2026-01-02T03:04:05Z","served":null,"note":null,"schemas":[["widgets",1]],"asks":["resp"],"allowed":[]},"replaced":"369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9","converted":0,"notes":[]}
        GET /_floci/plugins/Contoso%2EWidgets [] 
          200 {"namespace":"Contoso.Widgets","service":"widgets","active":"041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd","revisions":[{"digest":"041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd","state":"Active","version":"1.1.0","contract":"0.1.0","origin":{"kind":"upload"},"installed":"2026-01-02T03:04:05Z","served":null,"note":null,"schemas":[["widgets",1]],"asks":["resp"],"allowed":[]},{"digest":"369e6e421631cfb5baa82ad742146983f4e003fa9118e1a173fa2880464a24e9","state":"Ready","version":"1.0.0","contract":"0.1.0","origin":{"kind":"upload"},"installed":"2026-01-02T03:04:05Z","served":null,"note":null,"schemas":[["widgets",1]],"asks":["resp"],"allowed":[]}],"resources":0,"settings":[]}
        DELETE /_floci/plugins/Contoso.Widgets/revisions/sha256%3A0000 [] 
          404 RevisionNotFound: no revision begins with 0000
        DELETE /_floci/plugins/Contoso.Widgets/revisions/041326639e17dc047a747b357824f0424b99a16f4870cbcf3ff7f2d1265be0bd [] 
          409 RevisionInUse: it serves
        PUT /_floci/plugins?swap=true [("content-type", "application/json")] {"source": "oci://contoso.gadgets:2.0.0"}
          200 {"namespace":"contoso.gadgets","service":"gadgets","revision":{"digest":"8e631a61934676012b9cd4150bf2c9ded7199eb413f1462956894e97ed55d61f","state":"Active","version":"2.0.0","contract":"0.1.0","origin":{"kind":"image","place":"contoso.gadgets:2.0.0"},"installed":"2026-01-02T03:04:05Z","served":null,"note":null,"schemas":[["gadgets",1]],"asks":["resp"],"allowed":[]},"replaced":null,"converted":0,"notes":[]}
        DELETE /_floci/plugins/contoso.widgets [] 
          204 
        GET /_floci/plugins/contoso.widgets [] 
          404 PluginNotFound: There is no plugin for the provider namespace 'contoso.widgets'. This gateway has plugins for: contoso.gadgets. PUT /_floci/plugins installs one.
    "#]].assert_eq(&table);
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
    expect![[r#"
        PUT /_floci/plugins [] Contoso.Widgets 1.0.0
          415 UnsupportedMediaType: The request's content type is not supported: none was sent. Supported: application/wasm for the bytes of a component (`curl -T plugin.wasm -H 'Content-Type: application/wasm'`), application/json for {"source": "oci://registry/repository:tag"}.
        PUT /_floci/plugins [("content-type", "application/x-www-form-urlencoded")] Contoso.Widgets 1.0.0
          415 UnsupportedMediaType: The request's content type is not supported: found 'application/x-www-form-urlencoded'. Supported: application/wasm for the bytes of a component (`curl -T plugin.wasm -H 'Content-Type: application/wasm'`), application/json for {"source": "oci://registry/repository:tag"}.
        PUT /_floci/plugins?swp=true [("content-type", "application/wasm")] Contoso.Widgets 1.0.0
          400 InvalidRequest: Parameter 'swp' is invalid. Supported: check, digest and swap.
        PUT /_floci/plugins?swap=yes [("content-type", "application/wasm")] Contoso.Widgets 1.0.0
          400 InvalidRequest: swap 'yes' is invalid. Supported: true or false.
        PUT /_floci/plugins?swap [("content-type", "application/wasm")] Contoso.Widgets 1.0.0
          400 InvalidRequest: swap '' is invalid. Supported: true or false.
        PUT /_floci/plugins?digest=latest [("content-type", "application/wasm")] Contoso.Widgets 1.0.0
          400 InvalidDigest: 'latest' is no digest. A digest is 64 hexadecimal digits, with or without 'sha256:' before them.
        PUT /_floci/plugins?digest=sha512:00 [("content-type", "application/wasm")] Contoso.Widgets 1.0.0
          400 InvalidDigest: 'sha512:00' is no digest. A digest is 64 hexadecimal digits, with or without 'sha256:' before them.
        PUT /_floci/plugins [("content-type", "application/wasm"), ("x-floci-signature", "-----BEGIN")] Contoso.Widgets 1.0.0
          400 InvalidRequest: x-floci-signature '-----BEGIN' is invalid. Supported: the signature's bytes in base64.
        PUT /_floci/plugins [("content-type", "application/wasm"), ("x-floci-signature", "")] Contoso.Widgets 1.0.0
          400 InvalidRequest: x-floci-signature '' is invalid. Supported: the signature's bytes in base64.
        PUT /_floci/plugins [("content-type", "application/json")] 
          400 InvalidRequestContent: The request content was invalid and could not be deserialized: 'a JSON object is required, the body is empty'.
        PUT /_floci/plugins [("content-type", "application/json")] []
          400 InvalidRequestContent: The request content was invalid and could not be deserialized: 'a JSON object is required, found an array'.
        PUT /_floci/plugins [("content-type", "application/json")] {
          400 InvalidRequestContent: The request content was invalid and could not be deserialized: 'EOF while parsing an object at line 1 column 1'.
        PUT /_floci/plugins [("content-type", "application/json")] {}
          400 InvalidRequest: Body 'missing field `source`' is invalid. Supported: {"source": "oci://registry/repository:tag"} or {"source": "oci://registry/repository@sha256:digest"}.
        PUT /_floci/plugins [("content-type", "application/json")] {"source": 1}
          400 InvalidRequest: Body 'invalid type: integer `1`, expected a string' is invalid. Supported: {"source": "oci://registry/repository:tag"} or {"source": "oci://registry/repository@sha256:digest"}.
        PUT /_floci/plugins [("content-type", "application/json")] {"source": "oci://"}
          400 InvalidRequest: Source 'oci://' is invalid. Supported: {"source": "oci://registry/repository:tag"} or {"source": "oci://registry/repository@sha256:digest"}.
        PUT /_floci/plugins [("content-type", "application/json")] {"source": "file:///etc/passwd"}
          400 InvalidRequest: Source 'file:///etc/passwd' is invalid. Supported: {"source": "oci://registry/repository:tag"} or {"source": "oci://registry/repository@sha256:digest"}.
        PUT /_floci/plugins [("content-type", "application/json")] {"source": "oci://a/b:1", "swap": true}
          400 InvalidRequest: Body 'unknown field `swap`, expected `source`' is invalid. Supported: {"source": "oci://registry/repository:tag"} or {"source": "oci://registry/repository@sha256:digest"}.
        PUT /_floci/plugins [("content-type", "application/json"), ("x-floci-signature", "aGk=")] {"source": "oci://a/b:1"}
          400 InvalidRequest: x-floci-signature 'of an image' is invalid. Supported: a signature beside the image in its registry, as `cosign sign` puts it there.
        POST /_floci/plugins [("content-type", "application/wasm")] Contoso.Widgets 1.0.0
          405 HttpMethodNotAllowed: The HTTP method 'POST' is not supported at this URL. Supported: GET, HEAD, PUT.
        DELETE /_floci/plugins [] 
          405 HttpMethodNotAllowed: The HTTP method 'DELETE' is not supported at this URL. Supported: GET, HEAD, PUT.
        PATCH /_floci/plugins/contoso.widgets [("content-type", "application/json")] {}
          405 HttpMethodNotAllowed: The HTTP method 'PATCH' is not supported at this URL. Supported: GET, HEAD, DELETE.
        GET /_floci/plugins/contoso.widgets/swap [] 
          405 HttpMethodNotAllowed: The HTTP method 'GET' is not supported at this URL. Supported: POST.
        POST /_floci/plugins/contoso.widgets/swap [("content-type", "application/json")] 
          400 InvalidRequestContent: The request content was invalid and could not be deserialized: 'a JSON object is required, the body is empty'.
        POST /_floci/plugins/contoso.widgets/swap [("content-type", "application/json")] {}
          400 InvalidRequest: Body 'missing field `to`' is invalid. Supported: {"to": "digest of a revision"}.
        POST /_floci/plugins/contoso.widgets/swap [("content-type", "application/json")] {"to": "abc"}
          400 InvalidRequest: Digest 'abc' is invalid. Supported: a digest (64 hexadecimal digits, with or without 'sha256:' before them), or at least its first 4 digits.
        POST /_floci/plugins/contoso.widgets/swap [("content-type", "application/json")] {"to": "../../x"}
          400 InvalidRequest: Digest '../../x' is invalid. Supported: a digest (64 hexadecimal digits, with or without 'sha256:' before them), or at least its first 4 digits.
        POST /_floci/plugins/contoso.widgets/swap [("content-type", "application/json")] {"to": "abcd", "at": 1}
          400 InvalidRequest: Body 'unknown field `at`, expected `to`' is invalid. Supported: {"to": "digest of a revision"}.
        POST /_floci/plugins/contoso.widgets/rollback [("content-type", "application/json")] {"two": "abcd"}
          400 InvalidRequest: Body 'unknown field `two`, expected `to`' is invalid. Supported: {"to": "digest of a revision"}, {} or no body.
        GET /_floci/plugins/contoso.widgets/revisions/abcd [] 
          405 HttpMethodNotAllowed: The HTTP method 'GET' is not supported at this URL. Supported: DELETE.
        DELETE /_floci/plugins/contoso.widgets/revisions/abc [] 
          400 InvalidRequest: Digest 'abc' is invalid. Supported: a digest (64 hexadecimal digits, with or without 'sha256:' before them), or at least its first 4 digits.
        DELETE /_floci/plugins/..%2fplugins [] 
          400 InvalidRequestUri: The path '/_floci/plugins/..%2fplugins' is malformed: a segment is empty or not valid percent-encoded UTF-8, or holds a '/' or a control character.
        GET /_floci/plugins/Contoso.Gadgets [] 
          404 PluginNotFound: There is no plugin for the provider namespace 'Contoso.Gadgets'. This gateway has plugins for: Contoso.Widgets. PUT /_floci/plugins installs one.
        GET /_floci/plugins/Contoso.Widgets/history [] 
          404 NotFound: No such path: '/_floci/plugins/Contoso.Widgets/history'. Plugins are at /_floci/plugins, /_floci/plugins/{namespace}, /_floci/plugins/{namespace}/swap, /_floci/plugins/{namespace}/rollback and /_floci/plugins/{namespace}/revisions/{digest}.
    "#]].assert_eq(&table);
    assert_eq!(front.fake.asked(), before, "nobody was asked");
}

#[tokio::test]
async fn a_signature_travels_with_its_component() {
    let front = Front::new(AdminToken::open(None).unwrap());
    let headers = [("content-type", "application/wasm"), ("x-floci-signature", " aGVsbG8= ")];
    told(&front, Method::PUT, "/_floci/plugins", &headers, "Contoso.Widgets 1.0.0").await;
    assert_eq!(*front.fake.signatures.lock().unwrap(), [b"hello".to_vec()]);
}
