//! What a PUT of `/_floci/plugins` brings: a component's bytes, or where to get them; what they are checked against; and
//! what is to follow.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use crate::arm::{ArmError, Request};
use crate::plugin::Digest;
use crate::rollout::Then;

const WASM: &str = "application/wasm";
const JSON: &str = "application/json";
const SIGNATURE: &str = "x-floci-signature";
/// The scheme of an image's reference.
const IMAGE: &str = "oci://";

/// What is to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Everything is looked at, nothing is changed.
    Check,
    Install(Then),
}

/// Where it is.
#[derive(Debug)]
pub(super) enum Brought {
    Here {
        bytes: Bytes,
        signature: Option<Vec<u8>>,
        pin: Option<Digest>,
    },
    /// The reference of an image, without its scheme, and the digest that its component has to have.
    Image {
        reference: String,
        pin: Option<Digest>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    source: String,
}

/// Whether the body is a component, by what the head says of it.
pub(super) fn is_component(head: &Request) -> bool {
    media_type(head).is_some_and(|kind| kind.eq_ignore_ascii_case(WASM))
}

pub(super) fn wish(request: &Request) -> Result<Wish, ArmError> {
    const SUPPORTED: [&str; 3] = ["check", "digest", "swap"];
    let mut unknown: Vec<&str> = request.query_names().filter(|name| !SUPPORTED.contains(name)).collect();
    unknown.sort_unstable();
    if let Some(name) = unknown.first() {
        return Err(ArmError::invalid_administration("Parameter", name, "check, digest and swap"));
    }
    let is_set = |name| match request.query(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(found) => Err(ArmError::invalid_administration(name, found, "true or false")),
    };
    match (is_set("check")?, is_set("swap")?) {
        (true, _) => Ok(Wish::Check),
        (false, true) => Ok(Wish::Install(Then::Swap)),
        (false, false) => Ok(Wish::Install(Then::Keep)),
    }
}

pub(super) fn brought(request: &Request) -> Result<Brought, ArmError> {
    let pin = request.query("digest").map(str::parse::<Digest>).transpose();
    let pin = pin.map_err(|error| ArmError::plugin_invalid("InvalidDigest", format!("{error}.")))?;
    let kind = media_type(request);
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some(WASM) => Ok(Brought::Here { bytes: request.body.clone(), signature: signature(request)?, pin }),
        Some(JSON) => Ok(Brought::Image { reference: image(request)?, pin }),
        _ => Err(ArmError::unsupported_media_type(kind)),
    }
}

fn media_type(request: &Request) -> Option<&str> {
    request.header("content-type").map(|value| value.split(';').next().unwrap_or_default().trim())
}

fn signature(request: &Request) -> Result<Option<Vec<u8>>, ArmError> {
    let Some(value) = request.headers.get(SIGNATURE) else { return Ok(None) };
    let decoded = BASE64_STANDARD.decode(value.as_bytes().trim_ascii()).ok().filter(|bytes| !bytes.is_empty());
    let found = || String::from_utf8_lossy(value.as_bytes()).into_owned();
    let invalid = || ArmError::invalid_administration(SIGNATURE, &found(), "the signature's bytes in base64");
    decoded.map(Some).ok_or_else(invalid)
}

fn image(request: &Request) -> Result<String, ArmError> {
    const SUPPORTED: &str =
        "{\"source\": \"oci://registry/repository:tag\"} or {\"source\": \"oci://registry/repository@sha256:digest\"}";
    let invalid = |found: &str| ArmError::invalid_administration("Source", found, SUPPORTED);
    let Elsewhere { source } = serde_json::from_value(request.object()?.into())
        .map_err(|error| ArmError::invalid_administration("Body", &error.to_string(), SUPPORTED))?;
    let reference = source.strip_prefix(IMAGE).filter(|rest| !rest.is_empty()).ok_or_else(|| invalid(&source))?;
    if request.headers.contains_key(SIGNATURE) {
        let supported = "a signature beside the image in its registry, as `cosign sign` puts it there";
        return Err(ArmError::invalid_administration(SIGNATURE, "of an image", supported));
    }
    Ok(reference.to_owned())
}
