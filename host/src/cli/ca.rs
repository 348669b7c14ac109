//! `floci-az ca`: the certificate to trust.

use std::fs;

use super::CliError;
use super::local::Local;
use crate::config::{Gateway, Storage};

/// Where a gateway that keeps its state leaves its certificate.
const KEPT: &str = "tls/ca.pem";

/// In PEM: from the gateway that runs, else from the folder of one that did.
pub fn ca(gateway: &Gateway) -> Result<String, CliError> {
    let local = Local::of(gateway);
    let (silent, folder) = match (local.certificate(), &gateway.storage) {
        (Err(silent @ CliError::NoAnswer { .. }), Storage::Persistent(folder)) => (silent, folder),
        (asked, _) => return asked,
    };
    let file = folder.join(KEPT);
    match fs::read_to_string(&file) {
        Ok(pem) => Ok(pem),
        Err(_) if !folder.exists() => Err(silent),
        Err(_) => Err(CliError::NoCertificate { url: local.http(), file: file.display().to_string() }),
    }
}
