//! Certificates and keys on disk.
//!
//! Each file is there whole or not at all. The two files of a pair are written one after the other, so a crash can leave
//! two that do not belong together; whoever reads them checks that.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::issue::Pair;
use crate::folders::{private_folder, replace};

/// Bytes; a hundred times a long chain. Bounds what a wrong path (a log, a device) costs.
const LARGEST: u64 = 1 << 20;

/// None if neither the certificate nor the key is there.
pub(super) fn read(folder: &Path, name: &str) -> io::Result<Option<Pair>> {
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    if !fs::exists(&certificate)? && !fs::exists(&key)? {
        return Ok(None);
    }
    Ok(Some(Pair { certificate: text(&certificate)?, key: text(&key)? }))
}

pub(super) fn write(folder: &Path, name: &str, pair: &Pair) -> io::Result<()> {
    private_folder(folder)?;
    replace(&folder.join(format!("{name}.key")), pair.key.as_bytes())?;
    replace(&folder.join(format!("{name}.pem")), pair.certificate.as_bytes())
}

pub(super) fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {LARGEST} bytes")));
    }
    Ok(text)
}
