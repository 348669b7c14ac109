//! `floci-az ca`: the certificate to trust.

use std::fs;
use std::io;

use super::CliError;
use super::local::Local;
use crate::config::{Gateway, Storage, Tls};
use crate::identity::ca::{CertificateError, authority_file, chain};

/// In PEM: from the gateway that runs, else what one with these settings would serve, as far as it is there already.
pub fn ca(gateway: &Gateway) -> Result<String, CliError> {
    let local = Local::of(gateway);
    let silent = match local.certificate() {
        Err(silent @ CliError::NoAnswer { .. }) => silent,
        asked => return asked,
    };
    match (&gateway.tls, &gateway.storage) {
        (Tls::Off, _) => Err(CliError::NoTls { url: local.http(), found: "tls.enabled is false".to_owned() }),
        (Tls::Given { certificate, .. }, _) => Ok(chain(certificate)?),
        (Tls::Made, Storage::Memory) => Err(silent),
        (Tls::Made, Storage::Persistent(state)) => {
            let path = authority_file(state);
            match fs::read_to_string(&path) {
                Ok(pem) => Ok(pem),
                Err(reason) if reason.kind() != io::ErrorKind::NotFound => {
                    Err(CertificateError::Unread { path, reason }.into())
                }
                Err(_) if !state.exists() => Err(silent),
                Err(_) => Err(CliError::NoCertificate { url: local.http(), file: path.display().to_string() }),
            }
        }
    }
}
