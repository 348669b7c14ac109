//! Certificates and keys on disk.
//!
//! A file is there whole or not at all: it is written beside its place, for this user only, synced, and renamed. The
//! two files of a pair are renamed one after the other, so a crash can leave two that do not belong together; whoever
//! reads them checks that.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::issue::Pair;

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
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    replace(&folder.join(format!("{name}.key")), &pair.key)?;
    replace(&folder.join(format!("{name}.pem")), &pair.certificate)?;
    File::open(folder)?.sync_all()
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    // What a crash has left behind may have another mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

pub(super) fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {LARGEST} bytes")));
    }
    Ok(text)
}
