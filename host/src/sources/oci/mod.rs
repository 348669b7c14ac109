//! Components in registries, as `wkg oci push` puts them there: an image with one layer, which is the component.
//!
//! What was asked for is what is given out: a manifest and its layer have the digests by which they were asked for. A tag
//! is resolved once, and the digest that it meant is part of what the origin shows. Nothing larger than a component may
//! be is downloaded. With an operator's key, the signature is that of cosign: an image beside it, of the tag
//! `sha256-<digest>.sig`, whose layers each are a text that names the digest, with its signature as an annotation.

mod challenge;
mod credentials;
mod reference;
mod registry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

pub use self::credentials::{Login, file as docker_config};
pub use self::reference::Reference;
use self::registry::{Registry, Sent};
use super::signature::{PublicKey, Signatures, decode};
use super::{LARGEST, SourceError};
use crate::plugin::Digest;
use crate::sources::oci::reference::At;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Indexes and Docker's manifests are asked for so that it can be said that they are none.
const ANY_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                            application/vnd.docker.distribution.manifest.v2+json, \
                            application/vnd.docker.distribution.manifest.list.v2+json";
const COMPONENT: &str = "application/wasm";
/// Before there was `application/wasm`.
const OLD_COMPONENT: &str = "application/vnd.wasm.content.layer.v1+wasm";

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const SIGNATURE_TYPE: &str = "cosign container image signature";
/// Bytes of the text that is signed; cosign's have 250.
const LARGEST_PAYLOAD: u64 = 64 << 10;
/// Signatures of one image that are looked at.
const MOST_SIGNATURES: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// A component, and what its reference meant.
#[derive(Debug)]
pub struct Pulled {
    pub bytes: Bytes,
    pub image: Reference,
}

/// Blocks until it is done or has failed; all that it waits for has deadlines.
pub fn pull(reference: &Reference, login: Option<Login>, signatures: &Signatures) -> Result<Pulled, SourceError> {
    let mut registry = Registry::of(reference, login);
    let sent = registry.manifest(&reference.version(), ANY_MANIFEST)?;
    let digest = verified(reference, &sent)?;
    let image = reference.resolved(digest.clone());
    let layer = component(&image, &sent)?;
    if layer.size > LARGEST {
        return Err(SourceError::TooLarge { what: format!("the image {image}"), bytes: layer.size });
    }
    if let Signatures::Required(key) = signatures {
        signed(&mut registry, &image, &digest, key)?;
    }
    let bytes = checked_blob(&mut registry, &image, "its layer", &layer)?;
    Ok(Pulled { bytes, image })
}

/// The digest of a manifest that is the one that was asked for.
fn verified(reference: &Reference, sent: &Sent) -> Result<Digest, SourceError> {
    let found = Digest::of(&sent.bytes);
    let expected = match &reference.at {
        At::Digest { digest, .. } => Some(digest.to_string()),
        // Of another algorithm than ours it says nothing.
        At::Tag(_) => sent.digest.as_deref().and_then(|digest| digest.strip_prefix("sha256:")).map(str::to_owned),
    };
    match expected {
        Some(expected) if expected != found.to_string() => Err(SourceError::Corrupt {
            image: reference.to_string(),
            what: "its manifest",
            expected: format!("the digest sha256:{expected}"),
            found: format!("sha256:{found}"),
        }),
        _ => Ok(found),
    }
}

/// The layer that is the component.
fn component(image: &Reference, sent: &Sent) -> Result<Descriptor, SourceError> {
    let none = |found: String| Err(SourceError::NoComponent { image: image.to_string(), found });
    let manifest: Manifest = match serde_json::from_slice(&sent.bytes) {
        Ok(manifest) => manifest,
        Err(error) => return none(format!("a manifest that cannot be read ({}: {error})", sent.media_type)),
    };
    let mut layers = match manifest {
        Manifest { manifests: Some(images), .. } => return none(format!("an index of {} images", images.len())),
        Manifest { layers: Some(layers), .. } => layers,
        Manifest { layers: None, .. } => return none(format!("no layers ({})", sent.media_type)),
    };
    match (layers.pop(), layers.len()) {
        (Some(layer), 0) if [COMPONENT, OLD_COMPONENT].contains(&layer.media_type.as_str()) => Ok(layer),
        (Some(layer), 0) => none(format!("one layer, of the media type {}", layer.media_type)),
        (Some(layer), others) => {
            let types: Vec<_> = layers.iter().chain([&layer]).map(|layer| layer.media_type.as_str()).take(4).collect();
            none(format!("{} layers ({})", others + 1, types.join(", ")))
        }
        (None, _) => none("no layers".to_owned()),
    }
}

/// A blob that is what its descriptor says.
fn checked_blob(
    registry: &mut Registry,
    image: &Reference,
    what: &'static str,
    described: &Descriptor,
) -> Result<Bytes, SourceError> {
    let Some(expected) = described.digest.strip_prefix("sha256:").and_then(|digits| digits.parse::<Digest>().ok())
    else {
        let found = format!("a layer by the digest '{}', which is none of SHA-256", described.digest);
        return Err(SourceError::NoComponent { image: image.to_string(), found });
    };
    let bytes = registry.blob(&format!("sha256:{expected}"), described.size)?;
    let corrupt = |expected, found| Err(SourceError::Corrupt { image: image.to_string(), what, expected, found });
    let sent = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if sent != described.size {
        let found = if sent > described.size { "more".to_owned() } else { format!("{sent}") };
        return corrupt(format!("{} bytes", described.size), found);
    }
    match Digest::of(&bytes) {
        found if found == expected => Ok(bytes),
        found => corrupt(format!("the digest sha256:{expected}"), format!("sha256:{found}")),
    }
}

/// One valid signature is enough; others may be of other keys.
fn signed(registry: &mut Registry, image: &Reference, digest: &Digest, key: &PublicKey) -> Result<(), SourceError> {
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
    let sent = match registry.manifest(&beside.version(), MANIFEST) {
        Err(SourceError::NotFound { .. }) => {
            let looked_for = format!("the image {beside}");
            return Err(SourceError::NotSigned {
                what: what(),
                looked_for,
                remedy: format!("sign it with {}", remedy()),
            });
        }
        sent => sent?,
    };
    verified(&beside, &sent)?;
    let manifest: Manifest = serde_json::from_slice(&sent.bytes)
        .map_err(|error| bad(format!("the manifest of {beside} cannot be read ({error})")))?;
    let mut found = format!("{beside} has no signature of the media type {SIMPLE_SIGNING}");
    let layers = manifest.layers.unwrap_or_default().into_iter();
    for layer in layers.filter(|layer| layer.media_type == SIMPLE_SIGNING).take(MOST_SIGNATURES) {
        let Some(signature) = layer.annotations.get(SIGNATURE) else {
            found = format!("a layer of {beside} has no annotation {SIGNATURE}");
            continue;
        };
        if layer.size > LARGEST_PAYLOAD {
            found = format!("what is signed has {} bytes, more than {LARGEST_PAYLOAD}", layer.size);
            continue;
        }
        let payload = checked_blob(registry, &beside, "what is signed", &layer)?;
        if !decode(signature.as_bytes()).iter().any(|signature| key.verifies(&payload, signature)) {
            found = format!("no signature of {beside} is valid for this key");
            continue;
        }
        match vouched(&payload) {
            Some(vouched) if vouched == format!("sha256:{digest}") => return Ok(()),
            Some(vouched) => found = format!("a valid signature of {beside} is of another image, {vouched}"),
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
