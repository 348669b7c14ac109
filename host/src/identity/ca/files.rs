//! Certificates and keys on disk.
//!
//! Each file is there whole or not at all. The two files of a pair are written one after the other, so a crash can leave
//! two that do not belong together; whoever reads them checks that. What cannot be read is not the same as what is not
//! there: a disk that fails, or a limit on open files, passes, and is no reason to write another pair over this one.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::CertificateError;
use super::issue::Pair;
use crate::folders::{private_folder, replace};

/// Bytes; a hundred times a long chain. Bounds what a wrong path (a log, a device) costs.
const LARGEST: u64 = 1 << 20;

pub(super) fn certificate(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.pem"))
}

fn key(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.key"))
}

/// None if there is no such pair: nothing, half of it, or what is no text.
pub(super) fn read(folder: &Path, name: &str) -> Result<Option<Pair>, CertificateError> {
    let half = |path: PathBuf| match text(&path) {
        Ok(text) => Ok(Some(text)),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) if matches!(reason.kind(), io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge) => {
            tracing::warn!(%reason, file = %path.display(), "it holds no PEM");
            Ok(None)
        }
        Err(reason) => Err(CertificateError::Unread { path, reason }),
    };
    let (certificate, key) = (half(certificate(folder, name))?, half(key(folder, name))?);
    if certificate.is_some() != key.is_some() {
        tracing::warn!(folder = %folder.display(), "of {name}.pem and {name}.key only one is there");
    }
    Ok(certificate.zip(key).map(|(certificate, key)| Pair { certificate, key }))
}

pub(super) fn write(folder: &Path, name: &str, pair: &Pair) -> io::Result<()> {
    private_folder(folder)?;
    replace(&key(folder, name), pair.key.as_bytes())?;
    replace(&certificate(folder, name), pair.certificate.as_bytes())
}

pub(super) fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {LARGEST} bytes")));
    }
    Ok(text)
}
