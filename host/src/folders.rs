//! Where the gateway keeps things, and how: folders and files that are this user's only, because state holds keys, and
//! files that are there whole or not at all.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::Storage;

/// Why the gateway has no place for its state.
#[derive(Debug, thiserror::Error)]
#[error(
    "the folder {path} for the state cannot be made: {reason}. Set another one (FLOCI_AZ_STORAGE_PERSISTENT_PATH), or FLOCI_AZ_STORAGE_MODE=memory"
)]
pub struct FolderError {
    path: String,
    reason: io::Error,
}

/// Where this gateway keeps things.
#[derive(Debug)]
pub struct Folders {
    /// The state folder; none if nothing is kept.
    pub state: Option<PathBuf>,
    pub workloads: PathBuf,
    /// What this gateway's workloads are labelled with: another gateway's are not touched, and those of one that was
    /// killed are found by the next one of the same name.
    pub instance: String,
}

impl Folders {
    pub fn make(storage: &Storage, address: SocketAddr) -> Result<Folders, FolderError> {
        match storage {
            Storage::Persistent(path) => {
                let state = make(path)?;
                let workloads = make(&state.join("workloads"))?;
                Ok(Folders { instance: instance(&state)?, workloads, state: Some(state) })
            }
            Storage::Memory => {
                let user = rustix::process::geteuid().as_raw();
                let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
                let name = format!("floci-az-{user}-{}-{}", address.ip(), address.port()).replace(':', "-");
                let workloads = make(&std::env::temp_dir().join(name))?;
                Ok(Folders { instance: format!("memory:{host}:{address}"), workloads, state: None })
            }
        }
    }
}

impl Folders {
    /// What is kept nowhere leaves nothing behind, but for workloads that could not be removed.
    pub fn end(&self) {
        if self.state.is_none() {
            let _ = fs::remove_dir(&self.workloads);
        }
    }
}

/// A folder of this user that others can look into is closed to them.
fn make(path: &Path) -> Result<PathBuf, FolderError> {
    let failed = |reason| FolderError { path: path.display().to_string(), reason };
    private_folder(path).map_err(failed)?;
    let path = fs::canonicalize(path).map_err(failed)?;
    let metadata = fs::metadata(&path).map_err(failed)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user")));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(path)
}

/// A name that no other state folder has, on this machine or another one that uses the same engine.
fn instance(state: &Path) -> Result<String, FolderError> {
    let file = state.join("instance");
    let failed = |reason| FolderError { path: file.display().to_string(), reason };
    if !fs::exists(&file).map_err(failed)? {
        replace(&file, format!("{}\n", uuid::Uuid::new_v4()).as_bytes()).map_err(failed)?;
    }
    Ok(fs::read_to_string(&file).map_err(failed)?.trim().to_owned())
}

/// The file of a state folder that holds the token of its gateway's administration.
pub fn admin_token(state: &Path) -> PathBuf {
    state.join("admin-token")
}

/// Makes a folder that only this user can look into, and those above it; one that is there stays as it is.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes what was being written into a folder when a gateway was killed.
pub fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            let _ = fs::remove_file(path);
        }
    }
}

/// Puts a file, for this user only, in the place of the one that may be there. Whoever reads it sees the old one or the
/// new one, whole, also after a crash.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // A name that nobody else writes to at the same time.
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
    let written = write_new(Path::new(&new), content).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_for_this_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&file, b"new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(replace(&folder.path().join("missing/file"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
