//! Components in a real registry: pushed as `wkg oci push` lays them out, and pulled by the gateway's own client.
//!
//! The module `registries` needs Docker's registry on PATH (scripts/registry.sh). Every test has one of its own, on a port
//! that is free; it ends with the test, also if that fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "tests"
)]

mod registry;

mod registries {
    use std::fs;

    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use floci_az::config::PluginFiles;
    use floci_az::plugin::{Digest, bundled};
    use floci_az::rollout::{Origin, Package};
    use floci_az::sources::{Intake, SourceError, SourceErrorKind};
    use serde_json::json;

    use crate::registry::{Access, Registry, WASM};

    fn unsigned() -> Intake {
        Intake::new(&PluginFiles::default()).unwrap()
    }

    /// A component that a plugin is, of some megabytes.
    fn component() -> Vec<u8> {
        bundled().first().unwrap().to_vec()
    }

    fn image(package: &Package) -> String {
        match &package.origin {
            Origin::Image(image) => image.clone(),
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn a_component_is_pulled_as_it_was_pushed() {
        let registry = Registry::start(Access::Open);
        let bytes = component();
        let digest = registry.push("contoso/widgets", "1.0", WASM, &bytes);
        let name = format!("{}/contoso/widgets", registry.address);
        for reference in [format!("{name}:1.0"), format!("oci://{name}:1.0")] {
            let package = unsigned().image(&reference, None).await.unwrap();
            assert_eq!(package.bytes, bytes);
            assert_eq!(image(&package), format!("{name}:1.0@sha256:{digest}"));
        }
        let pin = Some(Digest::of(&bytes));
        let package = unsigned().image(&format!("{name}@sha256:{digest}"), pin.clone()).await.unwrap();
        assert_eq!((image(&package), package.pin), (format!("{name}@sha256:{digest}"), pin));
        // The tag moves on, the digest stays.
        let second = registry.push("contoso/widgets", "1.0", WASM, b"another");
        assert_ne!(second, digest);
        assert_eq!(unsigned().image(&format!("{name}:1.0"), None).await.unwrap().bytes, "another");
        assert_eq!(unsigned().image(&format!("{name}:1.0@sha256:{digest}"), None).await.unwrap().bytes, bytes);
    }

    #[tokio::test]
    async fn what_the_registry_has_not_or_is_no_component_is_refused() {
        let registry = Registry::start(Access::Open);
        registry.push("contoso/image", "1", "application/vnd.oci.image.layer.v1.tar+gzip", b"layer");
        let name = |rest: &str| format!("{}/contoso/{rest}", registry.address);
        for (reference, kind, said) in [
            (name("none:1"), SourceErrorKind::NotFound, "(MANIFEST_UNKNOWN)"),
            (name("image:2"), SourceErrorKind::NotFound, "(MANIFEST_UNKNOWN)"),
            (name(&format!("image@sha256:{}", "0".repeat(64))), SourceErrorKind::NotFound, "(MANIFEST_UNKNOWN)"),
            (name("image:1"), SourceErrorKind::Invalid, "one layer, of the media type application/vnd.oci.image.layer"),
            (name("image"), SourceErrorKind::Invalid, "it has neither a tag nor a digest"),
        ] {
            let error = unsigned().image(&reference, None).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[tokio::test]
    async fn a_login_of_docker_opens_its_registry() {
        let registry = Registry::start(Access::Login);
        registry.push("contoso/widgets", "1", WASM, b"component");
        let reference = format!("{}/contoso/widgets:1", registry.address);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        let intake = unsigned().with_logins(file.clone());
        let refused = |error: SourceError, said: &str| {
            assert_eq!(error.kind(), SourceErrorKind::Unauthorised, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        };
        refused(intake.image(&reference, None).await.unwrap_err(), "without a login");
        let auths = |address: &str, login: &str| {
            let config = json!({"auths": {address: {"auth": STANDARD.encode(login)}}});
            fs::write(&file, config.to_string()).unwrap();
        };
        auths(&registry.address, "tester:wrong");
        refused(intake.image(&reference, None).await.unwrap_err(), "with the login that Docker's config.json has");
        auths("127.0.0.1", "tester:secret");
        refused(intake.image(&reference, None).await.unwrap_err(), "without a login");
        auths(&registry.address, "tester:secret");
        assert_eq!(intake.image(&reference, None).await.unwrap().bytes, "component");
    }

    #[tokio::test]
    async fn an_operators_key_asks_for_signed_images() {
        let registry = Registry::start(Access::Open);
        let key = Ed25519KeyPair::generate().unwrap();
        let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pem = folder.path().join("cosign.pub");
        let lines =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
        fs::write(&pem, lines).unwrap();
        let intake = Intake::new(&PluginFiles { folder: None, signature_key: Some(pem) }).unwrap();

        let digest = registry.push("contoso/widgets", "1", WASM, b"component");
        let reference = format!("{}/contoso/widgets:1", registry.address);
        let error = intake.image(&reference, None).await.unwrap_err();
        assert!(matches!(error, SourceError::NotSigned { .. }), "{error}");
        let payload = |digest: &str| {
            let critical = json!({"identity": {"docker-reference": ""}, "type": "cosign container image signature",
                "image": {"docker-manifest-digest": format!("sha256:{digest}")}});
            serde_json::to_vec(&json!({"critical": critical, "optional": null})).unwrap()
        };
        let tag = format!("sha256-{digest}.sig");
        let sign = |payload: &[u8]| STANDARD.encode(key.sign(payload));
        let other = payload(&"0".repeat(64));
        registry.push_signature("contoso/widgets", &tag, &other, &sign(&other));
        let error = intake.image(&reference, None).await.unwrap_err();
        assert!(matches!(error, SourceError::BadSignature { .. }), "{error}");
        let ours = payload(&digest);
        registry.push_signature("contoso/widgets", &tag, &ours, &sign(&ours));
        assert_eq!(intake.image(&reference, None).await.unwrap().bytes, "component");
    }
}
