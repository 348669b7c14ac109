//! What makes other programs trust the gateway's certificate, as files.
//!
//! A folder for each gateway, `~/.cache/floci-az/localhost-4577`: `ca.pem` is what the gateway has made or was given,
//! `bundle.pem` that and whatever this system trusts. Variables such as `SSL_CERT_FILE` replace the system's
//! certificates, so a program that also speaks to others needs the second. The files are written again whenever a
//! command finds that they would be different.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::local::Local;
use super::{CliError, Surroundings};
use crate::folders::{private_folder, replace};

/// Where systems keep the certificates that they trust, in one file.
const SYSTEMS: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // newer of those
    "/etc/ssl/ca-bundle.pem",                            // openSUSE
    "/etc/ssl/cert.pem",                                 // Alpine, macOS
    "/opt/homebrew/etc/ca-certificates/cert.pem",        // Homebrew
    "/usr/local/etc/ca-certificates/cert.pem",           // Homebrew on Intel
];

/// The files of one gateway.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    /// What is kept for this gateway.
    pub folder: PathBuf,
    pub ca: PathBuf,
    pub bundle: PathBuf,
    /// What is in `ca`.
    pub pem: String,
    /// Where the rest of `bundle` came from; none if this system has nothing that could be found.
    pub system: Option<PathBuf>,
}

impl Trust {
    /// Asks the gateway, and writes what is new.
    pub(super) fn in_gateway(local: &Local, surroundings: &Surroundings) -> Result<Trust, CliError> {
        let pem = local.certificate()?;
        let cache = surroundings.cache()?;
        let folder = cache.join(local.name());
        make(&folder)?;
        let system = system(surroundings, &cache);
        let trusted = match &system {
            // As bytes: some systems' files have comments that are not UTF-8.
            Some(file) => {
                fs::read(file).map_err(|reason| CliError::Trusted { path: file.display().to_string(), reason })?
            }
            None => Vec::new(),
        };
        let (ca, bundle) = (folder.join("ca.pem"), folder.join("bundle.pem"));
        keep(&ca, pem.as_bytes())?;
        keep(&bundle, &[trusted.trim_ascii_end(), b"\n", pem.as_bytes()].concat())?;
        Ok(Trust { folder, ca, bundle, pem, system })
    }
}

/// What the user has told other programs to trust, or else the system's. Never one of ours: `floci-az env` may have
/// been here before.
fn system(surroundings: &Surroundings, cache: &Path) -> Option<PathBuf> {
    let told = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"].into_iter().filter_map(|name| surroundings.get(name));
    let told = told.map(PathBuf::from).filter(|file| !file.starts_with(cache));
    told.chain(SYSTEMS.map(PathBuf::from)).find(|file| file.is_file())
}

/// For this user only: a login is kept below it, too.
pub(super) fn make(folder: &Path) -> Result<(), CliError> {
    private_folder(folder).map_err(|reason| failed("made", folder, reason))
}

/// Whole or not at all: somebody may be reading it.
pub(super) fn keep(file: &Path, content: &[u8]) -> Result<(), CliError> {
    if fs::read(file).is_ok_and(|kept| kept == content) {
        return Ok(());
    }
    replace(file, content).map_err(|reason| failed("written", file, reason))
}

pub(super) fn failed(attempt: &'static str, path: &Path, reason: io::Error) -> CliError {
    CliError::File { attempt, path: path.display().to_string(), reason }
}
