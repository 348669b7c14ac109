//! The operator's own certificate: read once, when the gateway starts, and refused if no client could use it.

use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use super::issue::{Pair, Unusable, certified, end};
use super::{CertificateError, files};

/// Characters in a line of PEM (RFC 7468).
const PEM_LINE: usize = 64;

/// The pair as it is served, and the chain in PEM.
pub(super) fn read(
    certificate: &Path,
    key: &Path,
    now: SystemTime,
) -> Result<(CertifiedKey, String), CertificateError> {
    let text = |path: &Path, setting| {
        let failed = |reason| CertificateError::Unreadable { path: path.to_owned(), setting, reason };
        files::text(path).map_err(failed)
    };
    let pair = Pair { certificate: text(certificate, "tls.cert-path")?, key: text(key, "tls.key-path")? };

    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pair.certificate.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| CertificateError::NoCertificate { path: certificate.to_owned() })?;
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
        // Certificates only: some keep the key in the same file, and what comes of this is shown to anybody.
        _ => Ok((served, chain.iter().map(pem).collect())),
    }
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let lines = text.as_bytes().chunks(PEM_LINE).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines.collect::<String>())
}
