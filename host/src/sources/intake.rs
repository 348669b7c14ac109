//! The one way in for components that are not part of the binary.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::oci::{self, Patience, Reference};
use super::signature::Signatures;
use super::{LARGEST, SourceError};
use crate::config;
use crate::plugin::Digest;
use crate::rollout::{Origin, Package};

/// Bytes of a file with a signature; bundles have some thousand.
const LARGEST_SIGNATURE: u64 = 64 << 10;
/// What the file with the signature of `plugin.wasm` has after that name.
pub const SIGNATURE_SUFFIX: &str = ".sig";

/// Takes components in. Packages that it gives out are signed, if the operator wants that.
#[derive(Debug, Clone)]
pub struct Intake {
    signatures: Arc<Signatures>,
    /// Where logins to registries are kept.
    logins: Option<PathBuf>,
}

impl Intake {
    /// Reads the operator's key.
    pub fn new(files: &config::PluginFiles) -> Result<Intake, SourceError> {
        let signatures = Arc::new(Signatures::by(files.signature_key.as_deref())?);
        Ok(Intake { signatures, logins: oci::docker_config(|name| std::env::var_os(name)) })
    }

    /// The same with logins from another file.
    pub fn with_logins(self, file: PathBuf) -> Intake {
        Intake { logins: Some(file), ..self }
    }

    /// What was sent, with what was sent as its signature. Blocks for as long as it takes to look through the bytes.
    pub fn upload(
        &self,
        bytes: Bytes,
        signature: Option<Vec<u8>>,
        pin: Option<Digest>,
    ) -> Result<Package, SourceError> {
        let what = "the component that was sent";
        fits(bytes.len(), what)?;
        self.signatures.check(
            &bytes,
            signature.as_deref(),
            what,
            "the signature that is sent with it (--signature FILE, or the header x-floci-signature)",
        )?;
        Ok(Package { bytes, origin: Origin::Upload, pin, signature })
    }

    /// An image of a registry. `pin` is of the component, not of the image.
    pub async fn image(&self, reference: &str, pin: Option<Digest>) -> Result<Package, SourceError> {
        let reference: Reference = reference.parse()?;
        let login = oci::login(&reference.registry, self.logins.as_deref()).await;
        let pulled = oci::pull(&reference, login, &self.signatures, Patience::default()).await?;
        Ok(Package { bytes: pulled.bytes, origin: Origin::Image(pulled.image.to_string()), pin, signature: None })
    }

    /// A file, with the signature that stands beside it. Blocks.
    pub fn file(&self, path: &Path) -> Result<Package, SourceError> {
        let unreadable = |path: &Path, reason| SourceError::File { path: path.to_owned(), reason };
        let what = format!("the file {}", path.display());
        let bytes = read(path, LARGEST).map_err(|error| unreadable(path, error))?;
        fits(bytes.len(), &what)?;
        let beside = signature_of(path);
        let signature = match read(&beside, LARGEST_SIGNATURE) {
            Ok(signature) => Some(signature),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&beside, error)),
        };
        self.signatures.check(&bytes, signature.as_deref(), &what, &format!("the file {}", beside.display()))?;
        Ok(Package { bytes: bytes.into(), origin: Origin::File(path.to_owned()), pin: None, signature })
    }
}

/// `plugin.wasm` → `plugin.wasm.sig`
pub fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIGNATURE_SUFFIX);
    name.into()
}

/// At most `limit` bytes and one more.
fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn fits(bytes: usize, what: &str) -> Result<(), SourceError> {
    match u64::try_from(bytes) {
        Ok(bytes) if bytes > LARGEST => Err(SourceError::TooLarge { what: what.to_owned(), bytes }),
        _ => Ok(()),
    }
}
