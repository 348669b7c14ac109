//! PEM (RFC 7468) as it is written: keys into files, certificates for clients.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Characters of a line (RFC 7468, section 2).
const LINE: usize = 64;

/// `label` says what the bytes are: `PRIVATE KEY`, `CERTIFICATE`.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines = text.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("-----BEGIN {label}-----\n{}-----END {label}-----\n", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn bytes_of_any_length_are_read_back_and_lines_are_no_longer_than_allowed() {
        for length in [0, 1, 47, 48, 49, 96, 1000] {
            let bytes: Vec<u8> = (0..length).map(|number| number as u8).collect();
            let text = pem("CERTIFICATE", &bytes);
            assert_eq!(CertificateDer::from_pem_slice(text.as_bytes()).unwrap().as_ref(), bytes, "{text}");
            assert!(text.lines().all(|line| (1..=LINE).contains(&line.len())), "{text}");
        }
    }
}
