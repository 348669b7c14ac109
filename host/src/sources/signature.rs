//! Signatures by the operator's key.
//!
//! Of a file and of what is sent, the component's bytes are signed: ECDSA on P-256 with SHA-256 as `cosign sign-blob`
//! does it, or Ed25519. A signature is taken as the bundle or the base64 that cosign writes, or as the bytes that openssl
//! writes. Of a bundle nothing else is looked at: the key says who has signed, and no log is asked when.
//! Images have signatures of their own kind, see [`super::oci`].

use std::fs;
use std::path::Path;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::SourceError;

/// RFC 5480 and RFC 8410.
const EC_KEY: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const ED25519_KEY: &str = "1.3.101.112";

/// Where bundles have the signature: Sigstore's, which cosign writes from version 3 on, and cosign's own before that.
const BUNDLED: [&str; 2] = ["/messageSignature/signature", "/base64Signature"];

/// Whether components have to be signed.
#[derive(Debug)]
pub enum Signatures {
    NotLookedAt,
    Required(PublicKey),
}

pub struct PublicKey {
    algorithm: &'static dyn VerificationAlgorithm,
    key: Vec<u8>,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Signatures {
    /// By the file that the operator has named, if one is.
    pub fn by(key: Option<&Path>) -> Result<Signatures, SourceError> {
        let Some(path) = key else { return Ok(Signatures::NotLookedAt) };
        let bad = |reason| SourceError::Key { path: path.to_owned(), reason };
        let pem = fs::read(path).map_err(|error| bad(error.to_string()))?;
        PublicKey::parse(&pem).map(Signatures::Required).map_err(bad)
    }

    /// `signature` is that of exactly these bytes. `beside` says where a signature was looked for.
    pub fn check(&self, bytes: &[u8], signature: Option<&[u8]>, what: &str, beside: &str) -> Result<(), SourceError> {
        const REMEDY: &str = "cosign sign-blob --key cosign.key --bundle plugin.wasm.sig plugin.wasm";
        let Signatures::Required(key) = self else { return Ok(()) };
        let what = what.to_owned();
        let Some(signature) = signature else {
            let remedy = format!("sign it with {REMEDY}");
            return Err(SourceError::NotSigned { what, looked_for: beside.to_owned(), remedy });
        };
        if decode(signature).iter().any(|signature| key.verifies(bytes, signature)) {
            return Ok(());
        }
        let found = format!("{beside} is not valid for these bytes and this key");
        Err(SourceError::BadSignature { what, found, remedy: format!("Sign it with {REMEDY}") })
    }
}

impl PublicKey {
    /// The error is a reason.
    fn parse(pem: &[u8]) -> Result<PublicKey, String> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem)
            .map_err(|error| format!("it has no 'BEGIN PUBLIC KEY' that can be read ({error})"))?;
        let (_, info) =
            SubjectPublicKeyInfo::from_der(&der).map_err(|error| format!("its key cannot be read ({error})"))?;
        let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        let kind = info.algorithm.algorithm.to_id_string();
        let algorithm: &'static dyn VerificationAlgorithm =
            match (kind.as_str(), curve.map(|curve| curve.to_id_string())) {
                (EC_KEY, Some(curve)) if curve == P256 => &ECDSA_P256_SHA256_ASN1,
                (EC_KEY, curve) => return Err(format!("its key is on the curve {}", curve.unwrap_or_default())),
                (ED25519_KEY, _) => &ED25519,
                (other, _) => return Err(format!("its key is of the kind {other}")),
            };
        Ok(PublicKey { algorithm, key: info.subject_public_key.data.to_vec() })
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm, &self.key).verify(message, signature).is_ok()
    }
}

/// What a signature may stand for: the bytes that base64 says, by itself or in a bundle, or the bytes that it is.
pub fn decode(signature: &[u8]) -> Vec<Vec<u8>> {
    let bundle: Option<Value> = serde_json::from_slice(signature).ok();
    let bundled = bundle.as_ref().and_then(|bundle| BUNDLED.iter().find_map(|at| bundle.pointer(at)?.as_str()));
    let text = bundled.map_or(signature, str::as_bytes);
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = STANDARD.decode(text).ok();
    decoded.into_iter().chain([signature.to_vec()]).collect()
}

#[cfg(test)]
pub mod tests;
