//! Keys and signatures that openssl made, and a signer of our own for tests of what is signed.

use std::fmt::Write;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use expect_test::expect;
use serde_json::json;

use super::*;

/// Signs as cosign does.
pub struct Signer(EcdsaKeyPair);

impl Signer {
    pub fn new() -> Signer {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        Signer(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref()).unwrap())
    }

    pub fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()))
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey::parse(self.public_pem().as_bytes()).unwrap()
    }

    /// In base64.
    pub fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.0.sign(&SystemRandom::new(), message).unwrap())
    }
}

/// `openssl genpkey -algorithm ed25519`; signed with `openssl pkeyutl -sign -rawin`.
const ED25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAyppUoEratUMssaBJG2ITRqIXpINqBiEuxejL5MAM5DU=\n-----END PUBLIC KEY-----";
const ED25519_SIGNATURE: &str =
    "w4oYIpZgytFP5P7afcFqs2/Jq6puu6bgLgQr99uiycHX48Uma5B9hHoOaQNEWD09m6mqPdtNbyrGfbBig9PaBQ==";
/// `openssl ecparam -name prime256v1 -genkey`; signed with `openssl dgst -sha256 -sign`.
const P256_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC36dLkBF38Kobg0mWwdZMrgGjBQL\n2KoDu4lCQGyxS3S1HvM5ifFA06bGtTUttRf8hjxVDiGvBwSt5ILlD3TaLQ==\n-----END PUBLIC KEY-----";
const P256_SIGNATURE: &str =
    "MEQCIDQ6i2pXHlpMs4yvFfz+zS8wA2xyTigC3C37Xvm7ig4QAiA4Iahq9JjFgHFBSaaEuTigGDUBNjpV5sg+kqqKpBRxVA==";
/// `openssl ecparam -name secp384r1 -genkey`
const P384_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEWPIo01QLfKQoAf1lKcapvyvKIWv9s4od\numK2mDXNFNW8NqNxZh39KM9YMELMoO9kwY7pf6M6i4dkyKQjCODW7Q0Vc+shAbaU\n0qNQ0v3Pj1D1BZuul3kO+6hm92DNYGe/\n-----END PUBLIC KEY-----";
/// `openssl genrsa 2048`
const RSA_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu10jg8I+tL/qDwBNurD0\n65mHeFh9Sum5eYDnNzZGetYFP+cOvRReFPhSmVipStE91e3gNBGalxP+HRuH4KLC\ny8b06SOApCJmOHHKQXhlsQQYqxKPcvcojf9AEptjfEtc1NKnIbdZLQzA/Nn1H5fN\nMAIXgE8THILiAc4jyZaArF1q+D0fs0gxawgYKk+jCGlXyiAZfsEm2MZ6BprkU1DR\n2QHN/JURuREKxeD9sRpGTHzzE29f4OgrH8hq4mRyr9toxmp4Q3JK+mnArKTO4Eyy\naIGeZW8DBIc6TxNmoMJ1gImgq/LCQaxN5DR/1EE5tZD/S7HjeIXmUlSIAg0bJcnU\nKQIDAQAB\n-----END PUBLIC KEY-----";
/// What both have signed.
const MESSAGE: &[u8] = b"component";

fn required(pem: &str) -> Signatures {
    Signatures::Required(PublicKey::parse(pem.as_bytes()).unwrap())
}

#[test]
fn signatures_of_openssl_are_valid_as_base64_and_as_they_are() {
    for (key, signature) in [(ED25519_PUBLIC, ED25519_SIGNATURE), (P256_PUBLIC, P256_SIGNATURE)] {
        let raw = STANDARD.decode(signature).unwrap();
        let (half, rest) = signature.split_at(40);
        for taken in
            [signature.as_bytes(), format!("{signature}\n").as_bytes(), format!("{half}\r\n{rest}").as_bytes(), &raw]
        {
            required(key).check(MESSAGE, Some(taken), "it", "here").unwrap();
        }
        let newer = json!({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {},
            "messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": ""}, "signature": signature}});
        for bundle in [newer, json!({"base64Signature": signature, "rekorBundle": null})] {
            required(key).check(MESSAGE, Some(bundle.to_string().as_bytes()), "it", "here").unwrap();
            required(key).check(b"other", Some(bundle.to_string().as_bytes()), "it", "here").unwrap_err();
        }
    }
}

#[test]
fn what_is_not_signed_by_the_key_is_refused() {
    let raw = STANDARD.decode(P256_SIGNATURE).unwrap();
    let mut changed = raw.clone();
    *changed.last_mut().unwrap() ^= 1;
    let other = Signer::new().sign(MESSAGE);
    for (what, key, message, signature) in [
        ("another key's", P256_PUBLIC, MESSAGE, other.as_bytes()),
        ("another kind of key's", ED25519_PUBLIC, MESSAGE, P256_SIGNATURE.as_bytes()),
        ("the other way about", P256_PUBLIC, MESSAGE, ED25519_SIGNATURE.as_bytes()),
        ("of other bytes", P256_PUBLIC, b"component.".as_slice(), P256_SIGNATURE.as_bytes()),
        ("of other bytes", ED25519_PUBLIC, b"", ED25519_SIGNATURE.as_bytes()),
        ("changed", P256_PUBLIC, MESSAGE, &changed),
        ("cut off", P256_PUBLIC, MESSAGE, raw.get(..60).unwrap()),
        ("longer", P256_PUBLIC, MESSAGE, &[raw.as_slice(), b"x"].concat()),
        ("zeros", ED25519_PUBLIC, MESSAGE, &[0; 64]),
        ("empty", P256_PUBLIC, MESSAGE, b""),
        ("a text", P256_PUBLIC, MESSAGE, b"no signature"),
    ] {
        let error =
            required(key).check(message, Some(signature), "the file a.wasm", "the file a.wasm.sig").unwrap_err();
        assert!(matches!(error, SourceError::BadSignature { .. }), "{what}: {error}");
    }
    let told = |signature| {
        required(P256_PUBLIC).check(MESSAGE, signature, "the file a.wasm", "the file a.wasm.sig").unwrap_err()
    };
    expect!["the file a.wasm has no signature that plugins.signature-key is good for: the file a.wasm.sig is not valid for these bytes and this key. Sign it with cosign sign-blob --key cosign.key --bundle plugin.wasm.sig plugin.wasm, or set plugins.signature-key to the key that it was signed with"].assert_eq(&told(Some(b"x")).to_string());
    expect!["the file a.wasm is not signed: the file a.wasm.sig was looked for. The gateway takes signed components only (plugins.signature-key): sign it with cosign sign-blob --key cosign.key --bundle plugin.wasm.sig plugin.wasm"].assert_eq(&told(None).to_string());
}

#[test]
fn without_a_key_signatures_are_not_looked_at() {
    Signatures::by(None).unwrap().check(MESSAGE, Some(b"x"), "it", "here").unwrap();
    Signatures::by(None).unwrap().check(MESSAGE, None, "it", "here").unwrap();
}

#[test]
fn a_key_that_is_none_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pub");
    let mut table = String::new();
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n";
    let garbage = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    for (what, pem) in
        [("empty", ""), ("private", private), ("garbage", garbage), ("P-384", P384_PUBLIC), ("RSA", RSA_PUBLIC)]
    {
        fs::write(&path, pem).unwrap();
        let told = Signatures::by(Some(&path)).unwrap_err().to_string();
        let _ = writeln!(table, "{what}: {}", told.replace(&path.display().to_string(), "key.pub"));
    }
    let _ = writeln!(table, "none: {}", Signatures::by(Some(Path::new("/nowhere/key.pub"))).unwrap_err());
    expect![[r#"
        empty: plugins.signature-key is key.pub, and that is no public key that signatures are checked with: it has no 'BEGIN PUBLIC KEY' that can be read (no items found). Supported is a file in PEM (BEGIN PUBLIC KEY) with an Ed25519 or an ECDSA P-256 key, as `cosign generate-key-pair` makes them (cosign.pub)
        private: plugins.signature-key is key.pub, and that is no public key that signatures are checked with: it has no 'BEGIN PUBLIC KEY' that can be read (no items found). Supported is a file in PEM (BEGIN PUBLIC KEY) with an Ed25519 or an ECDSA P-256 key, as `cosign generate-key-pair` makes them (cosign.pub)
        garbage: plugins.signature-key is key.pub, and that is no public key that signatures are checked with: its key cannot be read (Parsing Error: Der(UnexpectedTag { expected: Some(Tag(16)), actual: Tag(0) })). Supported is a file in PEM (BEGIN PUBLIC KEY) with an Ed25519 or an ECDSA P-256 key, as `cosign generate-key-pair` makes them (cosign.pub)
        P-384: plugins.signature-key is key.pub, and that is no public key that signatures are checked with: its key is on the curve 1.3.132.0.34. Supported is a file in PEM (BEGIN PUBLIC KEY) with an Ed25519 or an ECDSA P-256 key, as `cosign generate-key-pair` makes them (cosign.pub)
        RSA: plugins.signature-key is key.pub, and that is no public key that signatures are checked with: its key is of the kind 1.2.840.113549.1.1.1. Supported is a file in PEM (BEGIN PUBLIC KEY) with an Ed25519 or an ECDSA P-256 key, as `cosign generate-key-pair` makes them (cosign.pub)
        none: plugins.signature-key is /nowhere/key.pub, and that is no public key that signatures are checked with: No such file or directory (os error 2). Supported is a file in PEM (BEGIN PUBLIC KEY) with an Ed25519 or an ECDSA P-256 key, as `cosign generate-key-pair` makes them (cosign.pub)
    "#]].assert_eq(&table);
}
