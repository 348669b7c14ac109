//! The operator's own certificate: read once, when the gateway starts, and refused if no client could use it.

use std::path::Path;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use super::issue::{Pair, Unusable, certified, end};
use super::{CertificateError, files};
use crate::identity::pem::pem;

/// The pair as it is served, and the chain in PEM.
pub(super) fn read(
    certificate: &Path,
    key: &Path,
    now: SystemTime,
) -> Result<(CertifiedKey, String), CertificateError> {
    let pair = Pair { certificate: text(certificate, "tls.cert-path")?, key: text(key, "tls.key-path")? };
    let chain = chain_in(&pair.certificate, certificate)?;
    let served = certified(&pair).map_err(|reason| CertificateError::Unfit {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        reason: match reason {
            Unusable::Broken(reason) => reason,
            other => other.to_string(),
        },
    })?;
    match end(&pair.certificate) {
        Some(ended) if ended <= now => {
            let ended = jiff::Timestamp::try_from(ended).map(|at| at.to_string()).unwrap_or_default();
            Err(CertificateError::Expired { path: certificate.to_owned(), ended })
        }
        _ => Ok((served, chain)),
    }
}

/// The chain in the operator's file, in PEM: what a client of a gateway that serves it has to trust.
pub fn chain(certificate: &Path) -> Result<String, CertificateError> {
    chain_in(&text(certificate, "tls.cert-path")?, certificate)
}

/// Certificates only: some keep the key in the same file, and what comes of this is shown to anybody.
fn chain_in(text: &str, certificate: &Path) -> Result<String, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| CertificateError::NoCertificate { path: certificate.to_owned() })?;
    Ok(chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect())
}

fn text(path: &Path, setting: &'static str) -> Result<String, CertificateError> {
    files::text(path).map_err(|reason| CertificateError::Unreadable { path: path.to_owned(), setting, reason })
}
