//! A registry that says what the test has it say, and what is made of that.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use serde_json::json;

use super::*;
use crate::sources::signature::tests::Signer;

/// Status, headers, body.
type Answer = (u16, Vec<(String, String)>, Vec<u8>);

/// Paths that are not known are answered with 404, all of them with 401 if `guard` says so of a request's authorization.
#[derive(Default)]
struct Said {
    answers: HashMap<String, Answer>,
    guard: Option<(String, String)>,
    /// `path authorization`
    asked: Vec<String>,
}

#[derive(Clone)]
struct Fake {
    address: String,
    said: Arc<Mutex<Said>>,
}

impl Fake {
    fn start() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Fake { address: listener.local_addr().unwrap().to_string(), said: Arc::default() };
        let said = fake.said.clone();
        // Ends with the program of the tests.
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &said);
            }
        });
        fake
    }

    fn answers(&self, path: &str, answer: Answer) {
        self.said.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    fn asked(&self) -> Vec<String> {
        self.said.lock().unwrap().asked.clone()
    }

    fn blob(&self, bytes: &[u8]) -> String {
        let digest = format!("sha256:{}", Digest::of(bytes));
        self.answers(&format!("/v2/a/b/blobs/{digest}"), (200, Vec::new(), bytes.to_vec()));
        digest
    }

    /// The digest, without its algorithm.
    fn manifest(&self, tag: &str, manifest: &Value) -> String {
        let bytes = serde_json::to_vec(manifest).unwrap();
        let digest = Digest::of(&bytes).to_string();
        let headers = vec![
            ("Content-Type".to_owned(), MANIFEST.to_owned()),
            ("Docker-Content-Digest".to_owned(), format!("sha256:{digest}")),
        ];
        for version in [tag.to_owned(), format!("sha256:{digest}")] {
            self.answers(&format!("/v2/a/b/manifests/{version}"), (200, headers.clone(), bytes.clone()));
        }
        digest
    }

    /// As wkg lays it out.
    fn component(&self, tag: &str, bytes: &[u8]) -> String {
        let digest = self.blob(bytes);
        self.manifest(tag, &layers(json!([{"mediaType": COMPONENT, "digest": digest, "size": bytes.len()}])))
    }

    fn signature(&self, of: &str, signer: &Signer, payload: &Value) {
        let payload = serde_json::to_vec(payload).unwrap();
        let signature = signer.sign(&payload);
        let layer = json!({"mediaType": SIMPLE_SIGNING, "digest": self.blob(&payload), "size": payload.len(),
            "annotations": {SIGNATURE: signature}});
        self.manifest(&format!("sha256-{of}.sig"), &layers(json!([layer])));
    }

    fn reference(&self, version: &str) -> Reference {
        format!("{}/a/b{version}", self.address).parse().unwrap()
    }

    fn pull(&self, version: &str) -> Result<Pulled, SourceError> {
        pull(&self.reference(version), None, &Signatures::NotLookedAt)
    }

    /// Without what is another one in each run.
    fn told(&self, result: Result<Pulled, SourceError>) -> String {
        let text = result.map(|pulled| pulled.image.to_string()).unwrap_or_else(|error| error.to_string());
        text.replace(&self.address, "registry:5000")
    }
}

fn answer(stream: TcpStream, said: &Mutex<Said>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let authorization = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    let mut said = said.lock().unwrap();
    said.asked.push(format!("{path} {}", authorization.as_deref().unwrap_or("-")));
    let not_found = || (404, Vec::new(), br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.to_vec());
    let (status, headers, body) = match &said.guard {
        Some((wanted, challenge)) if authorization.as_ref() != Some(wanted) && path.starts_with("/v2/") => (
            401,
            vec![("WWW-Authenticate".to_owned(), challenge.clone())],
            br#"{"errors":[{"code":"UNAUTHORIZED"}]}"#.to_vec(),
        ),
        _ => said.answers.get(&path).cloned().unwrap_or_else(not_found),
    };
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    // What is said to be longer than it is breaks off.
    if !headers.iter().any(|(name, _)| name == "Content-Length") {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let mut stream = stream;
    // The client may have heard enough.
    let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(&body));
}

fn layers(layers: Value) -> Value {
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": "application/vnd.wasm.config.v0+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "size": 2}, "layers": layers})
}

#[test]
fn a_component_is_pulled_by_tag_and_by_digest() {
    let fake = Fake::start();
    let digest = fake.component("1", b"component");
    for (version, shown) in [
        (":1".to_owned(), format!(":1@sha256:{digest}")),
        (format!("@sha256:{digest}"), format!("@sha256:{digest}")),
        (format!(":9@sha256:{digest}"), format!(":9@sha256:{digest}")),
    ] {
        let pulled = fake.pull(&version).unwrap();
        assert_eq!(pulled.bytes, "component");
        assert_eq!(pulled.image.to_string(), format!("{}/a/b{shown}", fake.address));
    }
    let old = json!([{"mediaType": OLD_COMPONENT, "digest": fake.blob(b"old"), "size": 3}]);
    fake.manifest("old", &layers(old));
    assert_eq!(fake.pull(":old").unwrap().bytes, "old");
}

#[test]
fn what_is_no_component_is_refused_with_what_was_found() {
    let fake = Fake::start();
    let layer =
        |media_type: &str, digest: &str, size: u64| json!({"mediaType": media_type, "digest": digest, "size": size});
    let digest = fake.blob(b"component");
    let (wasm, tar) = (layer(COMPONENT, &digest, 9), layer("application/vnd.oci.image.layer.v1.tar+gzip", &digest, 9));
    fake.manifest("empty", &layers(json!([])));
    fake.manifest("container", &layers(json!([tar])));
    fake.manifest("two", &layers(json!([wasm, tar])));
    fake.manifest("index", &json!({"schemaVersion": 2, "manifests": [{}, {}]}));
    fake.manifest("layerless", &json!({"schemaVersion": 2, "fsLayers": []}));
    fake.manifest("text", &json!("text"));
    fake.manifest("sha512", &layers(json!([layer(COMPONENT, &format!("sha512:{}", "ab".repeat(64)), 9)])));
    fake.manifest("way-out", &layers(json!([layer(COMPONENT, "sha256:../../x", 9)])));
    fake.manifest("large", &layers(json!([layer(COMPONENT, &digest, LARGEST + 1)])));
    // The registry sends more, less and other bytes than it says.
    fake.manifest("longer", &layers(json!([layer(COMPONENT, &digest, 8)])));
    fake.manifest("shorter", &layers(json!([layer(COMPONENT, &digest, 10)])));
    let other = Digest::of(b"other").to_string();
    fake.answers(&format!("/v2/a/b/blobs/sha256:{other}"), (200, Vec::new(), b"component".to_vec()));
    fake.manifest("other", &layers(json!([layer(COMPONENT, &format!("sha256:{other}"), 9)])));
    let half = vec![("Content-Length".to_owned(), "100".to_owned())];
    let broken = Digest::of(b"broken").to_string();
    fake.answers(&format!("/v2/a/b/blobs/sha256:{broken}"), (200, half, b"brok".to_vec()));
    fake.manifest("broken", &layers(json!([layer(COMPONENT, &format!("sha256:{broken}"), 6)])));
    fake.manifest("blobless", &layers(json!([layer(COMPONENT, &format!("sha256:{}", "0".repeat(64)), 9)])));
    let lie = vec![("Docker-Content-Digest".to_owned(), format!("sha256:{}", "1".repeat(64)))];
    fake.answers("/v2/a/b/manifests/lie", (200, lie, b"{}".to_vec()));
    fake.answers(&format!("/v2/a/b/manifests/sha256:{}", "2".repeat(64)), (200, Vec::new(), b"{}".to_vec()));
    fake.answers("/v2/a/b/manifests/down", (503, Vec::new(), Vec::new()));
    fake.answers("/v2/a/b/manifests/forbidden", (403, Vec::new(), br#"{"errors":[{"code":"DENIED"}]}"#.to_vec()));

    let mut table = String::new();
    let versions = [
        ":none",
        ":empty",
        ":container",
        ":two",
        ":index",
        ":layerless",
        ":text",
        ":sha512",
        ":way-out",
        ":large",
        ":longer",
        ":shorter",
        ":other",
        ":broken",
        ":blobless",
        ":lie",
        ":down",
        ":forbidden",
    ];
    let by_digest = format!("@sha256:{}", "2".repeat(64));
    for version in versions.into_iter().chain([by_digest.as_str()]) {
        let _ = writeln!(table, "{version}\n    {}", fake.told(fake.pull(version)));
    }
    expect![[r#"
        :none
            fetching the image registry:5000/a/b:none: the registry has no such image (404 Not Found: MANIFEST_UNKNOWN). Check its name, and that it was pushed: wkg oci push registry:5000/a/b:none plugin.wasm
        :empty
            the image registry:5000/a/b:empty@sha256:f3eb2ec51a162ec62c053b2b24f178cf56be156a0d5d0822d2d351b82695f12d is none of a component: it has no layers. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :container
            the image registry:5000/a/b:container@sha256:c5253e84e45b27d90fdbc20965b6163b8daa9ec7fa719f6b9b4b02bed0b2ad5f is none of a component: it has one layer, of the media type application/vnd.oci.image.layer.v1.tar+gzip. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :two
            the image registry:5000/a/b:two@sha256:916aa215f3582ab00264f0915b9b15da746461dbfc22c9296464bfd3ca0e3c59 is none of a component: it has 2 layers (application/wasm, application/vnd.oci.image.layer.v1.tar+gzip). Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :index
            the image registry:5000/a/b:index@sha256:6c7716a06f44bde30d79785f2165a1cf34acfce8f12769ddcf5ca66d4912e68f is none of a component: it has an index of 2 images. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :layerless
            the image registry:5000/a/b:layerless@sha256:0d231a73d9d169306da4399d6b80913f575e6ba70d0ea1b6d461f96295c49bb0 is none of a component: it has no layers (application/vnd.oci.image.manifest.v1+json). Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :text
            the image registry:5000/a/b:text@sha256:1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076 is none of a component: it has a manifest that cannot be read (application/vnd.oci.image.manifest.v1+json: invalid type: string "text", expected struct Manifest at line 1 column 6). Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :sha512
            the image registry:5000/a/b:sha512@sha256:7de3c4c9fe59cb9b305dd4077395e79ac5b3631eddd6d3d3f3be62d5ca800e08 is none of a component: it has a layer by the digest 'sha512:abababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababab', which is none of SHA-256. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :way-out
            the image registry:5000/a/b:way-out@sha256:a7e1c26c9312b4a47fba1f51490774eb0014f80b6bc4eaf0f77eb73220ebfcaa is none of a component: it has a layer by the digest 'sha256:../../x', which is none of SHA-256. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :large
            the image registry:5000/a/b:large@sha256:67e2d1d65aa468d27cd1f7fc7679ae76eb2003ecfda50f88e2952a12cdcb80a0 has 67108865 bytes, and the gateway takes components of up to 67108864. Build it with --release, and without debug information (strip = true)
        :longer
            the image registry:5000/a/b:longer@sha256:c58a7ad3a9c31d22b4efde6f1cc994bd3173b2e1f242937de3634df3e88d8599 is not what it says it is: its layer should have 8 bytes, and what the registry sent has more. Push it again, or ask whoever runs the registry
        :shorter
            the image registry:5000/a/b:shorter@sha256:6cdb4289b0569557ff0219fcbb26a767e5ad6209431b05557dee808fb2584ad9 is not what it says it is: its layer should have 10 bytes, and what the registry sent has 9. Push it again, or ask whoever runs the registry
        :other
            the image registry:5000/a/b:other@sha256:95f29bc354e0ccc3021f7c9069c6bbb7d36d840539662c8b59087ce2ad707b9f is not what it says it is: its layer should have the digest sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa, and what the registry sent has sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa. Push it again, or ask whoever runs the registry
        :broken
            fetching the image registry:5000/a/b:broken: the answer broke off: Peer disconnected. The registry has to answer over HTTPS, or over HTTP if it is on this machine; repeat this when it does
        :blobless
            fetching the image registry:5000/a/b:blobless: the registry has no such image (404 Not Found: MANIFEST_UNKNOWN). Check its name, and that it was pushed: wkg oci push registry:5000/a/b:blobless plugin.wasm
        :lie
            the image registry:5000/a/b:lie is not what it says it is: its manifest should have the digest sha256:1111111111111111111111111111111111111111111111111111111111111111, and what the registry sent has sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a. Push it again, or ask whoever runs the registry
        :down
            fetching the image registry:5000/a/b:down: GET http://registry:5000/v2/a/b/manifests/down was answered 503 Service Unavailable. The registry has to answer over HTTPS, or over HTTP if it is on this machine; repeat this when it does
        :forbidden
            fetching the image registry:5000/a/b:forbidden: the registry does not give it out without a login, and Docker's config.json has none for it (403 Forbidden: DENIED). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
        @sha256:2222222222222222222222222222222222222222222222222222222222222222
            the image registry:5000/a/b@sha256:2222222222222222222222222222222222222222222222222222222222222222 is not what it says it is: its manifest should have the digest sha256:2222222222222222222222222222222222222222222222222222222222222222, and what the registry sent has sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a. Push it again, or ask whoever runs the registry
    "#]].assert_eq(&table);
    let large = fake.asked().into_iter().filter(|asked| asked.contains("/blobs/")).count();
    assert_eq!(large, 5, "no more than longer, shorter, other, broken and blobless was asked for");
}

#[test]
fn a_registry_that_is_not_there_is_said_to_be_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let reference: Reference = format!("{free}/a/b:1").parse().unwrap();
    let error = pull(&reference, None, &Signatures::NotLookedAt).unwrap_err().to_string();
    let begin = format!("fetching the image {free}/a/b:1: GET http://{free}/v2/a/b/manifests/1: ");
    assert!(error.starts_with(&begin) && error.ends_with("repeat this when it does"), "{error}");
}

#[test]
fn logins_and_tokens_are_given_to_who_asks_for_them() {
    let (fake, elsewhere) = (Fake::start(), Fake::start());
    let digest = fake.component("1", b"component");
    // The blob is elsewhere, and who is there is told nothing.
    let blob = Digest::of(b"component");
    elsewhere.answers("/blob", (200, Vec::new(), b"component".to_vec()));
    let to = vec![("Location".to_owned(), format!("http://{}/blob", elsewhere.address))];
    fake.answers(&format!("/v2/a/b/blobs/sha256:{blob}"), (307, to, Vec::new()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let config = json!({"auths": {fake.address.as_str(): {"auth": STANDARD.encode("me:secret")}}});
    std::fs::write(&file, config.to_string()).unwrap();
    let login = || Login::of(&fake.address, Some(&file));
    let basic = format!("Basic {}", STANDARD.encode("me:secret"));
    let guard = |wanted: &str, challenge: &str| {
        fake.said.lock().unwrap().guard = Some((wanted.to_owned(), challenge.to_owned()));
    };
    let with = |login| pull(&fake.reference(":1"), login, &Signatures::NotLookedAt);

    guard(&basic, "Basic realm=\"r\"");
    assert_eq!(with(login()).unwrap().image.to_string(), fake.reference(&format!(":1@sha256:{digest}")).to_string());
    let mut table = String::new();
    let _ = writeln!(table, "basic, without a login: {}", fake.told(with(None)));

    elsewhere.answers(
        "/token?service=s+1&scope=repository%3Aa%2Fb%3Apull",
        (200, Vec::new(), br#"{"token":"t1"}"#.to_vec()),
    );
    guard("Bearer t1", &format!("Bearer realm=\"http://{}/token\",service=\"s 1\"", elsewhere.address));
    assert_eq!(with(None).unwrap().bytes, "component");
    assert_eq!(with(login()).unwrap().bytes, "component");
    elsewhere
        .answers("/other?scope=repository%3Aa%2Fb%3Apull", (200, Vec::new(), br#"{"access_token":"t2"}"#.to_vec()));
    guard("Bearer t2", &format!("Bearer realm=\"http://{}/other\"", elsewhere.address));
    assert_eq!(with(None).unwrap().bytes, "component");
    guard("Bearer t3", &format!("Bearer realm=\"http://{}/other\"", elsewhere.address));
    let _ = writeln!(table, "a token that is not taken: {}", fake.told(with(login())));
    elsewhere.answers("/none?scope=repository%3Aa%2Fb%3Apull", (200, Vec::new(), br#"{"token":"a\r\nb"}"#.to_vec()));
    guard("Bearer t3", &format!("Bearer realm=\"http://{}/none\"", elsewhere.address));
    let _ = writeln!(table, "a token that is none: {}", fake.told(with(None)));
    elsewhere.answers("/no?scope=repository%3Aa%2Fb%3Apull", (401, Vec::new(), Vec::new()));
    guard("Bearer t3", &format!("Bearer realm=\"http://{}/no\"", elsewhere.address));
    let _ = writeln!(table, "no token: {}", fake.told(with(login())));
    guard("Bearer t3", "Negotiate");
    let _ = writeln!(table, "a scheme that is not known: {}", fake.told(with(None)));
    expect![[r#"
        basic, without a login: fetching the image registry:5000/a/b:1: the registry does not give it out without a login, and Docker's config.json has none for it (401 Unauthorized: UNAUTHORIZED). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
        a token that is not taken: fetching the image registry:5000/a/b:1: the registry does not give it out with the login that Docker's config.json has (401 Unauthorized: UNAUTHORIZED). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
        a token that is none: fetching the image registry:5000/a/b:1: http://elsewhere/none was asked for a token, and answered 200 OK without one. The registry has to answer over HTTPS, or over HTTP if it is on this machine; repeat this when it does
        no token: fetching the image registry:5000/a/b:1: the registry does not give it out with the login that Docker's config.json has (http://elsewhere/no: 401 Unauthorized). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
        a scheme that is not known: fetching the image registry:5000/a/b:1: the registry does not give it out without a login, and Docker's config.json has none for it (401 Unauthorized: UNAUTHORIZED). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
    "#]].assert_eq(&table.replace(&elsewhere.address, "elsewhere"));

    let told: Vec<String> = elsewhere.asked();
    assert!(told.iter().filter(|asked| asked.starts_with("/blob ")).count() == 4, "{told:?}");
    assert!(told.iter().all(|asked| !asked.starts_with("/blob ") || asked.ends_with(" -")), "{told:?}");
    let of_token: Vec<_> =
        told.iter().filter(|asked| asked.starts_with("/token")).map(|asked| asked.ends_with(&basic)).collect();
    assert_eq!(of_token, [false, true]);
}

#[test]
fn an_image_is_signed_as_cosign_does_it_or_refused() {
    let signer = Signer::new();
    let required = Signatures::Required(signer.public_key());
    let payload = |digest: &str, kind: &str| {
        json!({"critical": {"identity": {"docker-reference": "registry/a/b"},
            "image": {"docker-manifest-digest": format!("sha256:{digest}")}, "type": kind}, "optional": null})
    };
    let mut table = String::new();
    let mut check = |what: &str, lay: &dyn Fn(&Fake, &str)| {
        let fake = Fake::start();
        let digest = fake.component("1", b"component");
        lay(&fake, &digest);
        let result = pull(&fake.reference(":1"), None, &required);
        let blobs = fake.asked().iter().filter(|asked| asked.contains(&Digest::of(b"component").to_string())).count();
        assert_eq!(blobs, usize::from(result.is_ok()), "{what}: what is refused is not downloaded");
        let _ = writeln!(table, "{what}\n    {}", fake.told(result));
    };
    check("signed", &|fake, digest| fake.signature(digest, &signer, &payload(digest, SIGNATURE_TYPE)));
    check("not signed", &|_, _| {});
    check("by another key", &|fake, digest| fake.signature(digest, &Signer::new(), &payload(digest, SIGNATURE_TYPE)));
    check("of another image", &|fake, digest| {
        fake.signature(digest, &signer, &payload(&"0".repeat(64), SIGNATURE_TYPE))
    });
    check("of another kind", &|fake, digest| {
        fake.signature(digest, &signer, &payload(digest, "atomic container signature"))
    });
    check("of a text", &|fake, digest| fake.signature(digest, &signer, &json!("text")));
    check("no layers", &|fake, digest| drop(fake.manifest(&format!("sha256-{digest}.sig"), &layers(json!([])))));
    check("no manifest", &|fake, digest| drop(fake.manifest(&format!("sha256-{digest}.sig"), &json!(1))));
    check("no annotation", &|fake, digest| {
        let layer = json!({"mediaType": SIMPLE_SIGNING, "digest": fake.blob(b"x"), "size": 1});
        fake.manifest(&format!("sha256-{digest}.sig"), &layers(json!([layer])));
    });
    check("too much", &|fake, digest| {
        let layer = json!({"mediaType": SIMPLE_SIGNING, "digest": fake.blob(b"x"), "size": LARGEST_PAYLOAD + 1,
            "annotations": {SIGNATURE: ""}});
        fake.manifest(&format!("sha256-{digest}.sig"), &layers(json!([layer])));
    });
    check("by two keys", &|fake, digest| {
        let text = serde_json::to_vec(&payload(digest, SIGNATURE_TYPE)).unwrap();
        let layer = |signature: String| json!({"mediaType": SIMPLE_SIGNING, "digest": fake.blob(&text), "size": text.len(), "annotations": {SIGNATURE: signature}});
        let both = json!([layer(Signer::new().sign(&text)), layer(signer.sign(&text))]);
        fake.manifest(&format!("sha256-{digest}.sig"), &layers(both));
    });
    expect![[r#"
        signed
            registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68
        not signed
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 is not signed: the image registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig was looked for. The gateway takes signed components only (plugins.signature-key): sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false)
        by another key
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: no signature of registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig is valid for this key. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        of another image
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: a valid signature of registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig is of another image, sha256:0000000000000000000000000000000000000000000000000000000000000000. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        of another kind
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: a valid signature of registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig is of a text that names no image. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        of a text
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: a valid signature of registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig is of a text that names no image. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        no layers
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig has no signature of the media type application/vnd.dev.cosign.simplesigning.v1+json. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        no manifest
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: the manifest of registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig cannot be read (invalid type: integer `1`, expected struct Manifest at line 1 column 1). Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        no annotation
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: a layer of registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig has no annotation dev.cosignproject.cosign/signature. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        too much
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: what is signed has 65537 bytes, more than 65536. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        by two keys
            registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68
    "#]].assert_eq(&table);
}
