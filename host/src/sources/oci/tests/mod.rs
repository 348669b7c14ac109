//! What is made of what registries say.

mod fake;

use std::fmt::Write;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;
use std::{env, thread};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE as MANIFEST};
use serde_json::json;

use self::fake::{Fake, layers};
use super::*;
use crate::sources::signature::tests::Signer;

#[tokio::test]
async fn a_component_is_pulled_by_tag_and_by_digest() {
    let fake = Fake::start();
    let digest = fake.component("1", b"component");
    for (version, shown) in [
        (":1".to_owned(), format!(":1@sha256:{digest}")),
        (format!("@sha256:{digest}"), format!("@sha256:{digest}")),
        (format!(":9@sha256:{digest}"), format!(":9@sha256:{digest}")),
    ] {
        let pulled = fake.pull(&version).await.unwrap();
        assert_eq!(pulled.bytes, "component");
        assert_eq!(pulled.image.to_string(), format!("{}/a/b{shown}", fake.address));
    }
    let old = json!([{"mediaType": OLD_COMPONENT, "digest": fake.blob(b"old"), "size": 3}]);
    fake.manifest("old", &layers(old));
    assert_eq!(fake.pull(":old").await.unwrap().bytes, "old");
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_what_was_found() {
    let fake = Fake::start();
    let layer =
        |media_type: &str, digest: &str, size: u64| json!({"mediaType": media_type, "digest": digest, "size": size});
    let digest = fake.blob(b"component");
    let (wasm, tar) = (layer(COMPONENT, &digest, 9), layer("application/vnd.oci.image.layer.v1.tar+gzip", &digest, 9));
    fake.manifest("empty", &layers(json!([])));
    fake.manifest("container", &layers(json!([tar])));
    fake.manifest("two", &layers(json!([wasm, tar])));
    let entry = layer(MANIFEST, &digest, 9);
    let index = json!({"schemaVersion": 2, "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE, "manifests": [entry, entry]});
    fake.manifest("index", &index);
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
        let _ = writeln!(table, "{version}\n    {}", fake.told(fake.pull(version).await));
    }
    expect![[r#"
        :none
            fetching the image registry:5000/a/b:none: the registry has no such image (MANIFEST_UNKNOWN). Check its name, and that it was pushed: wkg oci push registry:5000/a/b:none plugin.wasm
        :empty
            the image registry:5000/a/b:empty@sha256:f3eb2ec51a162ec62c053b2b24f178cf56be156a0d5d0822d2d351b82695f12d is none of a component: it has no layers. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :container
            the image registry:5000/a/b:container@sha256:c5253e84e45b27d90fdbc20965b6163b8daa9ec7fa719f6b9b4b02bed0b2ad5f is none of a component: it has one layer, of the media type application/vnd.oci.image.layer.v1.tar+gzip. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :two
            the image registry:5000/a/b:two@sha256:916aa215f3582ab00264f0915b9b15da746461dbfc22c9296464bfd3ca0e3c59 is none of a component: it has 2 layers (application/wasm, application/vnd.oci.image.layer.v1.tar+gzip). Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :index
            the image registry:5000/a/b:index@sha256:ed5244c9e21b0f28de5451f236b617e584d3f38db6d4b20cf93bff6baf00c90d is none of a component: it has an index of 2 images. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :layerless
            the image registry:5000/a/b:layerless@sha256:0d231a73d9d169306da4399d6b80913f575e6ba70d0ea1b6d461f96295c49bb0 is none of a component: it has a manifest of neither an image nor an index. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :text
            the image registry:5000/a/b:text@sha256:1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076 is none of a component: it has a manifest of neither an image nor an index. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :sha512
            the image registry:5000/a/b:sha512@sha256:7de3c4c9fe59cb9b305dd4077395e79ac5b3631eddd6d3d3f3be62d5ca800e08 is none of a component: it has a layer by the digest 'sha512:abababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababab', which is none of SHA-256. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :way-out
            the image registry:5000/a/b:way-out@sha256:a7e1c26c9312b4a47fba1f51490774eb0014f80b6bc4eaf0f77eb73220ebfcaa is none of a component: it has a layer by the digest 'sha256:../../x', which is none of SHA-256. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it
        :large
            the image registry:5000/a/b:large@sha256:67e2d1d65aa468d27cd1f7fc7679ae76eb2003ecfda50f88e2952a12cdcb80a0 has 67108865 bytes, and the gateway takes components of up to 67108864. Build it with --release, and without debug information (strip = true)
        :longer
            the image registry:5000/a/b:longer is not what it says it is: its layer should have 8 bytes, and what the registry sent has more. Push it again, or ask whoever runs the registry
        :shorter
            the image registry:5000/a/b:shorter is not what it says it is: its layer should have 10 bytes, and what the registry sent has 9. Push it again, or ask whoever runs the registry
        :other
            the image registry:5000/a/b:other is not what it says it is: its layer should have the digest sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa, and what the registry sent has sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa. Push it again, or ask whoever runs the registry
        :broken
            fetching the image registry:5000/a/b:broken: the answer broke off: end of file before message length reached. The registry has to answer over HTTPS, or over HTTP if it is on this machine; repeat this when it does
        :blobless
            fetching the image registry:5000/a/b:blobless: the registry has no such image (MANIFEST_UNKNOWN). Check its name, and that it was pushed: wkg oci push registry:5000/a/b:blobless plugin.wasm
        :lie
            the image registry:5000/a/b:lie is not what it says it is: its manifest should have the digest sha256:1111111111111111111111111111111111111111111111111111111111111111, and what the registry sent has sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a. Push it again, or ask whoever runs the registry
        :down
            fetching the image registry:5000/a/b:down: GET http://registry:5000/v2/a/b/manifests/down was answered 503. The registry has to answer over HTTPS, or over HTTP if it is on this machine; repeat this when it does
        :forbidden
            fetching the image registry:5000/a/b:forbidden: the registry does not give it out without a login, and Docker's config.json has none for it (DENIED). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
        @sha256:2222222222222222222222222222222222222222222222222222222222222222
            the image registry:5000/a/b@sha256:2222222222222222222222222222222222222222222222222222222222222222 is not what it says it is: its manifest should have the digest sha256:2222222222222222222222222222222222222222222222222222222222222222, and what the registry sent has sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a. Push it again, or ask whoever runs the registry
    "#]].assert_eq(&table);
    let large = fake.asked().into_iter().filter(|asked| asked.contains("/blobs/")).count();
    assert_eq!(large, 5, "no more than longer, shorter, other, broken and blobless was asked for");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_said_to_be_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let reference: Reference = format!("{free}/a/b:1").parse().unwrap();
    let pulled = pull(&reference, RegistryAuth::Anonymous, &Signatures::NotLookedAt, Patience::default()).await;
    let error = pulled.unwrap_err().to_string();
    let begin = format!("fetching the image {free}/a/b:1: GET http://{free}/v2/: Connection refused");
    assert!(error.starts_with(&begin) && error.ends_with("repeat this when it does"), "{error}");
}

#[tokio::test]
async fn a_registry_is_waited_for_as_long_as_patience_has_it() {
    const SHORT: Duration = Duration::from_millis(200);
    let silent = Fake::serve("127.0.0.1:0", |stream, _| {
        thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    let mut table = String::new();
    for patience in
        [Patience { reading: SHORT, ..Patience::default() }, Patience { whole: SHORT, ..Patience::default() }]
    {
        let pulled = pull(&silent.reference(":1"), RegistryAuth::Anonymous, &Signatures::NotLookedAt, patience).await;
        let _ = writeln!(table, "{}", silent.told(pulled));
    }
    expect![[r#"
        fetching the image registry:5000/a/b:1: GET http://registry:5000/v2/: operation timed out. The registry has to answer over HTTPS, or over HTTP if it is on this machine; repeat this when it does
        fetching the image registry:5000/a/b:1: it was not done after 200ms. The registry has to answer over HTTPS, or over HTTP if it is on this machine; repeat this when it does
    "#]].assert_eq(&table);
}

/// What certificates this machine trusts, and which proxies there are, is said by the environment; and that is one of
/// the test's own in another process.
#[tokio::test]
async fn a_registry_elsewhere_is_asked_over_https_and_one_of_this_machine_without_a_proxy() {
    const NAME: &str =
        "sources::oci::tests::a_registry_elsewhere_is_asked_over_https_and_one_of_this_machine_without_a_proxy";
    const IMAGES: &str = "FLOCI_AZ_TEST_IMAGES";
    if let Ok(images) = env::var(IMAGES) {
        for image in images.split(' ') {
            let image = image.parse().unwrap();
            let pulled = pull(&image, RegistryAuth::Anonymous, &Signatures::NotLookedAt, Patience::default()).await;
            assert_eq!(pulled.unwrap().bytes, "component");
        }
        return;
    }
    let ((elsewhere, certificate), here) = (Fake::start_elsewhere(), Fake::start());
    elsewhere.component("1", b"component");
    here.component("1", b"component");
    let told = elsewhere.told(elsewhere.pull(":1").await);
    assert!(told.contains("GET https://registry:5000/v2/: invalid peer certificate"), "{told}");
    assert_eq!(elsewhere.asked(), Vec::<String>::new());

    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, certificate).unwrap();
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env(IMAGES, format!("{} {}", elsewhere.reference(":1"), here.reference(":1")))
        .env("SSL_CERT_FILE", &trusted)
        .env_remove("SSL_CERT_DIR")
        .env("http_proxy", "http://127.0.0.1:1")
        .env("no_proxy", "0.0.0.0")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!((elsewhere.asked().is_empty(), here.asked().is_empty()), (false, false));
}

#[tokio::test]
async fn logins_and_tokens_are_given_to_who_asks_for_them() {
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
    let login = login(&fake.address, Some(&file)).await;
    let basic = format!("Basic {}", STANDARD.encode("me:secret"));
    let with_login = || fake.pull_as(":1", login.clone());
    let without = || fake.pull(":1");

    fake.guard(&basic, "Basic realm=\"r\"");
    assert_eq!(
        with_login().await.unwrap().image.to_string(),
        fake.reference(&format!(":1@sha256:{digest}")).to_string()
    );
    let mut table = String::new();
    let _ = writeln!(table, "basic, without a login: {}", fake.told(without().await));

    elsewhere.answers(
        "/token?scope=repository%3Aa%2Fb%3Apull&service=s+1",
        (200, Vec::new(), br#"{"token":"t1"}"#.to_vec()),
    );
    fake.guard("Bearer t1", &format!("Bearer realm=\"http://{}/token\",service=\"s 1\"", elsewhere.address));
    assert_eq!(without().await.unwrap().bytes, "component");
    assert_eq!(with_login().await.unwrap().bytes, "component");
    elsewhere
        .answers("/other?scope=repository%3Aa%2Fb%3Apull", (200, Vec::new(), br#"{"access_token":"t2"}"#.to_vec()));
    fake.guard("Bearer t2", &format!("Bearer realm=\"http://{}/other\"", elsewhere.address));
    assert_eq!(without().await.unwrap().bytes, "component");
    fake.guard("Bearer t3", &format!("Bearer realm=\"http://{}/other\"", elsewhere.address));
    let _ = writeln!(table, "a token that is not taken: {}", fake.told(with_login().await));
    elsewhere.answers("/none?scope=repository%3Aa%2Fb%3Apull", (200, Vec::new(), br#"{"token":"a\r\nb"}"#.to_vec()));
    fake.guard("Bearer t3", &format!("Bearer realm=\"http://{}/none\"", elsewhere.address));
    let _ = writeln!(table, "a token that is none: {}", fake.told(without().await));
    elsewhere.answers("/no?scope=repository%3Aa%2Fb%3Apull", (401, Vec::new(), Vec::new()));
    fake.guard("Bearer t3", &format!("Bearer realm=\"http://{}/no\"", elsewhere.address));
    let _ = writeln!(table, "no token: {}", fake.told(with_login().await));
    fake.guard("Bearer t3", "Negotiate");
    let _ = writeln!(table, "a scheme that is not known: {}", fake.told(without().await));
    expect![[r#"
        basic, without a login: fetching the image registry:5000/a/b:1: the registry does not give it out without a login, and Docker's config.json has none for it (401 Unauthorized). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
        a token that is not taken: fetching the image registry:5000/a/b:1: the registry does not give it out with the login that Docker's config.json has (401 Unauthorized). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
        a token that is none: fetching the image registry:5000/a/b:1: what it sent cannot be worked with. The registry has to answer over HTTPS, or over HTTP if it is on this machine; repeat this when it does
        no token: fetching the image registry:5000/a/b:1: the registry does not give it out with the login that Docker's config.json has (its server of tokens gives none). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
        a scheme that is not known: fetching the image registry:5000/a/b:1: the registry does not give it out without a login, and Docker's config.json has none for it (401 Unauthorized). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public
    "#]].assert_eq(&table.replace(&elsewhere.address, "elsewhere"));

    let told: Vec<String> = elsewhere.asked();
    assert!(told.iter().filter(|asked| asked.starts_with("/blob ")).count() == 4, "{told:?}");
    assert!(told.iter().all(|asked| !asked.starts_with("/blob ") || asked.ends_with(" -")), "{told:?}");
    let of_token: Vec<_> =
        told.iter().filter(|asked| asked.starts_with("/token")).map(|asked| asked.ends_with(&basic)).collect();
    assert_eq!(of_token, [false, true]);
}

#[tokio::test]
async fn an_image_is_signed_as_cosign_does_it_or_refused() {
    let signer = Signer::new();
    let required = Signatures::Required(signer.public_key());
    let payload = |digest: &str, kind: &str| {
        json!({"critical": {"identity": {"docker-reference": "registry/a/b"},
            "image": {"docker-manifest-digest": format!("sha256:{digest}")}, "type": kind}, "optional": null})
    };
    let mut table = String::new();
    let mut check = async |what: &str, lay: &dyn Fn(&Fake, &str)| {
        let fake = Fake::start();
        let digest = fake.component("1", b"component");
        lay(&fake, &digest);
        let result = pull(&fake.reference(":1"), RegistryAuth::Anonymous, &required, Patience::default()).await;
        let blobs = fake.asked().iter().filter(|asked| asked.contains(&Digest::of(b"component").to_string())).count();
        assert_eq!(blobs, usize::from(result.is_ok()), "{what}: what is refused is not downloaded");
        let _ = writeln!(table, "{what}\n    {}", fake.told(result));
    };
    check("signed", &|fake, digest| fake.signature(digest, &signer, &payload(digest, SIGNATURE_TYPE))).await;
    check("not signed", &|_, _| {}).await;
    check("by another key", &|fake, digest| fake.signature(digest, &Signer::new(), &payload(digest, SIGNATURE_TYPE)))
        .await;
    check("of another image", &|fake, digest| {
        fake.signature(digest, &signer, &payload(&"0".repeat(64), SIGNATURE_TYPE))
    })
    .await;
    check("of another kind", &|fake, digest| {
        fake.signature(digest, &signer, &payload(digest, "atomic container signature"))
    })
    .await;
    check("of a text", &|fake, digest| fake.signature(digest, &signer, &json!("text"))).await;
    check("no layers", &|fake, digest| drop(fake.manifest(&format!("sha256-{digest}.sig"), &layers(json!([]))))).await;
    check("no manifest", &|fake, digest| drop(fake.manifest(&format!("sha256-{digest}.sig"), &json!(1)))).await;
    check("no annotation", &|fake, digest| {
        let layer = json!({"mediaType": SIMPLE_SIGNING, "digest": fake.blob(b"x"), "size": 1});
        fake.manifest(&format!("sha256-{digest}.sig"), &layers(json!([layer])));
    })
    .await;
    check("too much", &|fake, digest| {
        let layer = json!({"mediaType": SIMPLE_SIGNING, "digest": fake.blob(b"x"), "size": LARGEST_PAYLOAD + 1,
            "annotations": {SIGNATURE: ""}});
        fake.manifest(&format!("sha256-{digest}.sig"), &layers(json!([layer])));
    })
    .await;
    check("by two keys", &|fake, digest| {
        let text = serde_json::to_vec(&payload(digest, SIGNATURE_TYPE)).unwrap();
        let layer = |signature: String| json!({"mediaType": SIMPLE_SIGNING, "digest": fake.blob(&text), "size": text.len(), "annotations": {SIGNATURE: signature}});
        let both = json!([layer(Signer::new().sign(&text)), layer(signer.sign(&text))]);
        fake.manifest(&format!("sha256-{digest}.sig"), &layers(both));
    }).await;
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
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig has no manifest of an image. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        no annotation
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: a layer of registry:5000/a/b:sha256-b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68.sig has no annotation dev.cosignproject.cosign/signature. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        too much
            the image registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 has no signature that plugins.signature-key is good for: what is signed has 65537 bytes, more than 65536. Sign it with cosign sign --key cosign.key registry:5000/a/b@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68 (cosign 3: and --new-bundle-format=false --use-signing-config=false), or set plugins.signature-key to the key that it was signed with
        by two keys
            registry:5000/a/b:1@sha256:b5fde1fe6ee533deff2c295241be56cb305b16cfacc43c5a3daeee82f5900a68
    "#]].assert_eq(&table);
}
