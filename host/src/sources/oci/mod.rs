//! Components in registries, as `wkg oci push` puts them there: an image with one layer, which is the component.
//!
//! What was asked for is what is given out: a manifest and its layer have the digests by which they were asked for. A tag
//! is resolved once, and the digest that it meant is part of what the origin shows. Nothing larger than a component may
//! be is downloaded as one. With an operator's key, the signature is that of cosign: an image beside it, of the tag
//! `sha256-<digest>.sig`, whose layers each are a text that names the digest, with its signature as an annotation.
//! With registries speaks `oci-client`, see [`registry`].

mod credentials;
mod reference;
mod registry;
#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::FutureExt;
use oci_client::manifest::{OciDescriptor, OciManifest, WASM_LAYER_MEDIA_TYPE};
use oci_client::secrets::RegistryAuth;
use serde_json::Value;
use tokio::time::timeout;

pub use self::credentials::{file as docker_config, login};
pub use self::reference::Reference;
pub use self::registry::Patience;
use self::registry::Registry;
use super::signature::{PublicKey, Signatures, decode};
use super::{LARGEST, SourceError};
use crate::plugin::Digest;

const COMPONENT: &str = "application/wasm";
/// Before there was `application/wasm`.
const OLD_COMPONENT: &str = WASM_LAYER_MEDIA_TYPE;

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const SIGNATURE_TYPE: &str = "cosign container image signature";
/// Bytes of the text that is signed; cosign's have 250.
const LARGEST_PAYLOAD: i64 = 64 << 10;
/// Signatures of one image that are looked at.
const MOST_SIGNATURES: usize = 32;

/// A component, and what its reference meant.
#[derive(Debug)]
pub struct Pulled {
    pub bytes: Bytes,
    pub image: Reference,
}

/// The component that a reference means. Bounded by `patience`; may be dropped at any time.
pub async fn pull(
    reference: &Reference,
    login: RegistryAuth,
    signatures: &Signatures,
    patience: Patience,
) -> Result<Pulled, SourceError> {
    let unreachable = |reason| Err(SourceError::Unreachable { image: reference.to_string(), reason });
    // The library panics over a token that is no header.
    let pulling = AssertUnwindSafe(pull_whole(reference, login, signatures, patience)).catch_unwind();
    match timeout(patience.whole, pulling).await {
        Ok(Ok(pulled)) => pulled,
        Ok(Err(_)) => unreachable("what it sent cannot be worked with".to_owned()),
        Err(_) => unreachable(format!("it was not done after {:?}", patience.whole)),
    }
}

async fn pull_whole(
    reference: &Reference,
    login: RegistryAuth,
    signatures: &Signatures,
    patience: Patience,
) -> Result<Pulled, SourceError> {
    let registry = Registry::open(reference, login, patience).await?;
    let (manifest, digest) = registry.manifest(reference, "its manifest").await?;
    let image = reference.resolved(digest.clone());
    let layer = component(&image, &manifest)?;
    if let Ok(bytes) = u64::try_from(layer.size)
        && bytes > LARGEST
    {
        return Err(SourceError::TooLarge { what: format!("the image {image}"), bytes });
    }
    if let Signatures::Required(key) = signatures {
        signed(&registry, &image, &digest, key).await?;
    }
    let bytes = registry.blob(&image, "its layer", &layer).await?;
    Ok(Pulled { bytes, image })
}

/// The layer that is the component.
fn component(image: &Reference, manifest: &[u8]) -> Result<OciDescriptor, SourceError> {
    let none = |found: String| Err(SourceError::NoComponent { image: image.to_string(), found });
    let mut layers = match serde_json::from_slice(manifest) {
        Ok(OciManifest::Image(manifest)) => manifest.layers,
        Ok(OciManifest::ImageIndex(index)) => return none(format!("an index of {} images", index.manifests.len())),
        Err(_) => return none("a manifest of neither an image nor an index".to_owned()),
    };
    match (layers.pop(), layers.len()) {
        (Some(layer), 0) if [COMPONENT, OLD_COMPONENT].contains(&layer.media_type.as_str()) => Ok(layer),
        (Some(layer), 0) => none(format!("one layer, of the media type {}", shown(&layer.media_type))),
        (Some(layer), others) => {
            let types: Vec<_> = layers.iter().chain([&layer]).map(|layer| shown(&layer.media_type)).take(4).collect();
            none(format!("{} layers ({})", others + 1, types.join(", ")))
        }
        (None, _) => none("no layers".to_owned()),
    }
}

/// As much as helps of a text that is the registry's.
fn shown(text: &str) -> String {
    const MOST: usize = 150;
    text.escape_debug().take(MOST).collect()
}

/// One valid signature is enough; others may be of other keys.
async fn signed(registry: &Registry, image: &Reference, digest: &Digest, key: &PublicKey) -> Result<(), SourceError> {
    let beside = image.beside(format!("sha256-{digest}.sig"));
    let remedy = || {
        let name = format!("{}/{}@sha256:{digest}", image.registry, image.repository);
        format!(
            "cosign sign --key cosign.key {name} (cosign 3: and --new-bundle-format=false --use-signing-config=false)"
        )
    };
    let what = || format!("the image {image}");
    let bad =
        |found: String| SourceError::BadSignature { what: what(), found, remedy: format!("Sign it with {}", remedy()) };
    let (manifest, _) = match registry.manifest(&beside, "the manifest of its signatures").await {
        Err(SourceError::NotFound { .. }) => {
            let looked_for = format!("the image {beside}");
            return Err(SourceError::NotSigned {
                what: what(),
                looked_for,
                remedy: format!("sign it with {}", remedy()),
            });
        }
        manifest => manifest?,
    };
    let layers = match serde_json::from_slice(&manifest) {
        Ok(OciManifest::Image(manifest)) => manifest.layers,
        Ok(OciManifest::ImageIndex(_)) | Err(_) => return Err(bad(format!("{beside} has no manifest of an image"))),
    };
    let mut found = format!("{beside} has no signature of the media type {SIMPLE_SIGNING}");
    for layer in layers.iter().filter(|layer| layer.media_type == SIMPLE_SIGNING).take(MOST_SIGNATURES) {
        let Some(signature) = layer.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE)) else {
            found = format!("a layer of {beside} has no annotation {SIGNATURE}");
            continue;
        };
        if layer.size > LARGEST_PAYLOAD {
            found = format!("what is signed has {} bytes, more than {LARGEST_PAYLOAD}", layer.size);
            continue;
        }
        let payload = registry.blob(&beside, "what is signed", layer).await?;
        if !decode(signature.as_bytes()).iter().any(|signature| key.verifies(&payload, signature)) {
            found = format!("no signature of {beside} is valid for this key");
            continue;
        }
        match vouched(&payload) {
            Some(vouched) if vouched == format!("sha256:{digest}") => return Ok(()),
            Some(vouched) => found = format!("a valid signature of {beside} is of another image, {}", shown(&vouched)),
            None => found = format!("a valid signature of {beside} is of a text that names no image"),
        }
    }
    Err(bad(found))
}

/// The digest that a signed text vouches for.
fn vouched(payload: &[u8]) -> Option<String> {
    let payload: Value = serde_json::from_slice(payload).ok()?;
    let critical = payload.get("critical")?;
    let is_of_image = critical.get("type").and_then(Value::as_str) == Some(SIGNATURE_TYPE);
    let digest = critical.pointer("/image/docker-manifest-digest")?.as_str()?;
    is_of_image.then(|| digest.to_owned())
}
