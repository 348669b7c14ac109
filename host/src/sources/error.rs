//! Why a component could not be had. Each text says what was attempted, what was found, what is supported, what to do.

use std::io;
use std::path::PathBuf;

use super::LARGEST;

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(
        "'{given}' names no image: {why}. One is written registry/repository:tag or registry/repository@sha256:digest, with or without oci:// before it, for example ghcr.io/contoso/widgets:1.2.0"
    )]
    Reference { given: String, why: &'static str },
    #[error(
        "fetching the image {image}: the registry has no such image ({found}). Check its name, and that it was pushed: wkg oci push {image} plugin.wasm"
    )]
    NotFound { image: String, found: String },
    #[error(
        "fetching the image {image}: the registry does not give it out {login} ({found}). Log in to it with `docker login`, as the user that the gateway runs as: auths in Docker's config.json are read, credential helpers are not; or make the image public"
    )]
    Unauthorised { image: String, login: &'static str, found: String },
    #[error(
        "the image {image} is none of a component: it has {found}. Supported is an image with one layer of the media type application/wasm (or application/vnd.wasm.content.layer.v1+wasm), as `wkg oci push` makes it"
    )]
    NoComponent { image: String, found: String },
    #[error(
        "the image {image} is not what it says it is: {what} should have {expected}, and what the registry sent has {found}. Push it again, or ask whoever runs the registry"
    )]
    Corrupt { image: String, what: &'static str, expected: String, found: String },
    #[error(
        "{what} has {bytes} bytes, and the gateway takes components of up to {LARGEST}. Build it with --release, and without debug information (strip = true)"
    )]
    TooLarge { what: String, bytes: u64 },
    #[error(
        "fetching the image {image}: {reason}. The registry has to answer over HTTPS, or over HTTP if it is on this machine; repeat this when it does"
    )]
    Unreachable { image: String, reason: String },
    #[error(
        "{what} is not signed: {looked_for} was looked for. The gateway takes signed components only (plugins.signature-key): {remedy}"
    )]
    NotSigned { what: String, looked_for: String, remedy: String },
    #[error(
        "{what} has no signature that plugins.signature-key is good for: {found}. {remedy}, or set plugins.signature-key to the key that it was signed with"
    )]
    BadSignature { what: String, found: String, remedy: String },
    #[error("plugins.signature-key is {}, and that is no public key that signatures are checked with: {reason}. Supported is a file in PEM (BEGIN PUBLIC KEY) with an Ed25519 or an ECDSA P-256 key, as `cosign generate-key-pair` makes them (cosign.pub)", path.display())]
    Key { path: PathBuf, reason: String },
    #[error("the file {} cannot be read: {reason}. The user that the gateway runs as has to be allowed to read it", path.display())]
    File { path: PathBuf, reason: io::Error },
    #[error("plugins.folder is {}, and that is no folder that can be read: {reason}. Make it, or set plugins.folder to one that is there", path.display())]
    Folder { path: PathBuf, reason: io::Error },
}

/// What of an error a program may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceErrorKind {
    /// What was given can never be taken as it is.
    Invalid,
    NotFound,
    Unauthorised,
    TooLarge,
    /// Another time it may work.
    Unreachable,
    /// Of the gateway's own files.
    Internal,
}

impl SourceError {
    pub fn kind(&self) -> SourceErrorKind {
        match self {
            SourceError::Reference { .. }
            | SourceError::NoComponent { .. }
            | SourceError::Corrupt { .. }
            | SourceError::NotSigned { .. }
            | SourceError::BadSignature { .. } => SourceErrorKind::Invalid,
            SourceError::NotFound { .. } => SourceErrorKind::NotFound,
            SourceError::Unauthorised { .. } => SourceErrorKind::Unauthorised,
            SourceError::TooLarge { .. } => SourceErrorKind::TooLarge,
            SourceError::Unreachable { .. } => SourceErrorKind::Unreachable,
            SourceError::Key { .. } | SourceError::File { .. } | SourceError::Folder { .. } => {
                SourceErrorKind::Internal
            }
        }
    }

    /// A PascalCase word that programs may compare.
    pub fn code(&self) -> &'static str {
        match self {
            SourceError::Reference { .. } => "InvalidImageReference",
            SourceError::NotFound { .. } => "ImageNotFound",
            SourceError::Unauthorised { .. } => "ImageNotAuthorised",
            SourceError::NoComponent { .. } => "ImageOfNoComponent",
            SourceError::Corrupt { .. } => "ImageCorrupt",
            SourceError::TooLarge { .. } => "ComponentTooLarge",
            SourceError::Unreachable { .. } => "RegistryUnreachable",
            SourceError::NotSigned { .. } => "SignatureMissing",
            SourceError::BadSignature { .. } => "SignatureInvalid",
            SourceError::Key { .. } => "SignatureKeyInvalid",
            SourceError::File { .. } => "PluginFileUnreadable",
            SourceError::Folder { .. } => "PluginsFolderUnreadable",
        }
    }
}
