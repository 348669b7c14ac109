//! A registry, asked by `oci-client`, and what its failures are called here.
//!
//! Requests go over HTTPS, to registries of this machine over HTTP. A login is sent to the registry, or to the server of
//! tokens that it names, and not along with redirections to others. Of a blob no more is read than its descriptor says.
//!
//! A registry that somebody names is trusted further than the library can be bounded: a manifest and a token are read
//! whole, whatever their size, for as long as [`Patience`] has it; and redirections, and the server of tokens, may be of
//! HTTP.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{DigestError, OciDistributionError, OciEnvelope};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    OciDescriptor,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use rustls::crypto::aws_lc_rs;
use serde_json::Value;

use super::reference::Reference;
use super::shown;
use crate::plugin::Digest;
use crate::sources::SourceError;

/// Indexes and Docker's manifests are asked for so that it can be said that they are none.
const MANIFESTS: [&str; 4] =
    [OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE];
/// Names and addresses that no proxy is used for.
const EVERYBODY: &str = "*, 0.0.0.0/0, ::/0";
/// Bytes of a code of an error; the specification's have up to 21.
const LONGEST_CODE: usize = 64;

/// For how long a registry is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub connecting: Duration,
    /// Until an answer begins, and between any two parts of it.
    pub reading: Duration,
    /// For all requests of a pull together.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connecting: Duration::from_secs(10),
            reading: Duration::from_secs(30),
            // 64 MiB at 4 Mbit/s.
            whole: Duration::from_secs(150),
        }
    }
}

pub struct Registry {
    client: Client,
    login: RegistryAuth,
    /// What errors call the image.
    image: String,
}

impl Registry {
    /// Gets a token, if it takes one to pull from the repository.
    pub async fn open(reference: &Reference, login: RegistryAuth, patience: Patience) -> Result<Registry, SourceError> {
        let image = reference.to_string();
        let unusable = |error| SourceError::Unreachable { image: image.clone(), reason: cause(&error) };
        let client = client(reference, patience).map_err(unusable)?;
        let registry = Registry { client, login, image };
        // Each request would ask for one, too, and not tell why there is none.
        let token = registry.client.auth(&reference.into(), &registry.login, RegistryOperation::Pull).await;
        token.map_err(|error| registry.failed("its token", error))?;
        Ok(registry)
    }

    /// A manifest that has the digest that it was asked for by, or that the registry says.
    pub async fn manifest(&self, image: &Reference, what: &'static str) -> Result<(Bytes, Digest), SourceError> {
        let pulled = self.client.pull_manifest_raw(&image.into(), &self.login, &MANIFESTS).await;
        let (bytes, _) = pulled.map_err(|error| self.failed(what, error))?;
        let digest = Digest::of(&bytes);
        Ok((bytes, digest))
    }

    /// A blob that is what its descriptor says, which the caller finds small enough.
    pub async fn blob(
        &self,
        image: &Reference,
        what: &'static str,
        described: &OciDescriptor,
    ) -> Result<Bytes, SourceError> {
        let Some(digest) = described.digest.strip_prefix("sha256:").and_then(|digits| digits.parse::<Digest>().ok())
        else {
            let found = format!("a layer by the digest '{}', which is none of SHA-256", shown(&described.digest));
            return Err(SourceError::NoComponent { image: image.to_string(), found });
        };
        let failed = |error| self.failed(what, error);
        // By its digest alone: a descriptor may name other places, which nobody has chosen.
        let digest = format!("sha256:{digest}");
        let mut parts = self.client.pull_blob_stream(&image.into(), digest.as_str()).await.map_err(failed)?;
        let size = usize::try_from(described.size).unwrap_or_default();
        let mut bytes = Vec::with_capacity(size);
        while bytes.len() <= size {
            match parts.try_next().await.map_err(|error| failed(broken(error)))? {
                Some(part) => bytes.extend_from_slice(&part),
                None if bytes.len() == size => return Ok(bytes.into()),
                None => break,
            }
        }
        let found = if bytes.len() > size { "more".to_owned() } else { bytes.len().to_string() };
        let expected = format!("{} bytes", described.size);
        Err(SourceError::Corrupt { image: self.image.clone(), what, expected, found })
    }

    /// The one place that says in our words what the library says of a failure.
    fn failed(&self, what: &'static str, error: OciDistributionError) -> SourceError {
        let image = self.image.clone();
        let login = match self.login {
            RegistryAuth::Anonymous => "without a login, and Docker's config.json has none for it",
            RegistryAuth::Basic(..) | RegistryAuth::Bearer(_) => "with the login that Docker's config.json has",
        };
        let (found, url) = match error {
            OciDistributionError::UnauthorizedError { .. } => {
                return SourceError::Unauthorised { image, login, found: "401 Unauthorized".to_owned() };
            }
            OciDistributionError::AuthenticationFailure(_) => {
                return SourceError::Unauthorised { image, login, found: "its server of tokens gives none".to_owned() };
            }
            OciDistributionError::DigestError(DigestError::VerificationError { expected, actual }) => {
                let expected = format!("the digest {expected}");
                return SourceError::Corrupt { image, what, expected, found: actual };
            }
            OciDistributionError::ServerError { code, url, .. } => (code.to_string(), url),
            OciDistributionError::RegistryError { envelope, url } => (code(&envelope), url),
            OciDistributionError::RequestError(error) => {
                let url = error.url().map(|url| format!("GET {}: ", plain(url.as_str()))).unwrap_or_default();
                return SourceError::Unreachable { image, reason: url + &cause(&error.without_url()) };
            }
            OciDistributionError::IoError(error) => {
                return SourceError::Unreachable { image, reason: format!("the answer broke off: {}", cause(&error)) };
            }
            other => return SourceError::Unreachable { image, reason: format!("{what} cannot be had: {other}") },
        };
        match found.as_str() {
            "403" | "UNAUTHORIZED" | "DENIED" => SourceError::Unauthorised { image, login, found },
            "404" | "BLOB_UNKNOWN" | "MANIFEST_BLOB_UNKNOWN" | "MANIFEST_UNKNOWN" | "NAME_UNKNOWN" | "NOT_FOUND" => {
                SourceError::NotFound { image, found }
            }
            _ => SourceError::Unreachable { image, reason: format!("GET {} was answered {found}", plain(&url)) },
        }
    }
}

fn client(reference: &Reference, patience: Patience) -> Result<Client, OciDistributionError> {
    // The library takes the process's provider. That there is one by now is as good.
    let _ = aws_lc_rs::default_provider().install_default();
    let config = ClientConfig {
        connect_timeout: Some(patience.connecting),
        read_timeout: Some(patience.reading),
        user_agent: concat!("floci-az/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(if reference.is_local() {
        // A proxy is for what is elsewhere: with one that is for nobody, none of the environment is looked for.
        ClientConfig {
            protocol: ClientProtocol::Http,
            http_proxy: Some("http://localhost".to_owned()),
            no_proxy: Some(EVERYBODY.to_owned()),
            ..config
        }
    } else {
        ClientConfig { protocol: ClientProtocol::Https, ..config }
    })
}

/// What ended a stream that the library compares with its digest.
fn broken(error: io::Error) -> OciDistributionError {
    error.downcast().map_or_else(OciDistributionError::IoError, OciDistributionError::DigestError)
}

/// The code that the specification has errors say, if it is one that can be shown.
fn code(envelope: &OciEnvelope) -> String {
    let code = envelope.errors.first().and_then(|error| serde_json::to_value(&error.code).ok());
    let shown = |code: &&str| code.len() <= LONGEST_CODE && code.bytes().all(|byte| byte.is_ascii_graphic());
    code.as_ref().and_then(Value::as_str).filter(shown).unwrap_or("an error without a code").to_owned()
}

/// Redirections have signatures in their queries.
fn plain(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

/// What went wrong at the bottom: "error sending request" helps nobody, "Connection refused" does.
fn cause(error: &dyn Error) -> String {
    let mut bottom = error;
    while let Some(below) = bottom.source() {
        bottom = below;
    }
    bottom.to_string()
}
