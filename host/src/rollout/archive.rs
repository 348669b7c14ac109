//! The components of all known revisions, by digest: what a rollback and the next start load.
//!
//! A file is named by its digest, written once (temporary name, sync, rename), never changed, and checked against its
//! name whenever it is read. The folder is this user's alone. Without persistent state they are in memory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::folders;
use crate::plugin::Digest;

#[derive(Debug)]
pub enum Archive {
    Folder(PathBuf),
    Memory(Mutex<BTreeMap<Digest, Bytes>>),
}

/// Why a component cannot be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the component {} cannot be written to {}: {reason}. Make room, or let this user write there", digest.short(), file.display())]
    Write { digest: Digest, file: PathBuf, reason: io::Error },
    #[error("the component {} cannot be read from {}: {reason}. Install it again", digest.short(), file.display())]
    Read { digest: Digest, file: PathBuf, reason: io::Error },
    #[error("the file {} has the digest {}, which is not its name: it was changed. Install the component again", file.display(), found.short())]
    Changed { file: PathBuf, found: Digest },
    #[error("the component {} is not kept any more. Install it again", digest.short())]
    Gone { digest: Digest },
}

impl Archive {
    pub fn in_memory() -> Archive {
        Archive::Memory(Mutex::default())
    }

    pub fn keep(&self, digest: &Digest, bytes: &Bytes) -> Result<(), ArchiveError> {
        match self {
            Archive::Memory(kept) => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone(), bytes.clone());
                Ok(())
            }
            Archive::Folder(folder) => {
                let file = file(folder, digest);
                // What is there was written whole; if it was changed since, it is written again.
                if fs::read(&file).is_ok_and(|found| Digest::of(&found) == *digest) {
                    return Ok(());
                }
                let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
                let written = made.and_then(|()| folders::replace(&file, bytes));
                written.map_err(|reason| ArchiveError::Write { digest: digest.clone(), file, reason })
            }
        }
    }

    pub fn take(&self, digest: &Digest) -> Result<Bytes, ArchiveError> {
        match self {
            Archive::Memory(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.get(digest).cloned().ok_or_else(|| ArchiveError::Gone { digest: digest.clone() })
            }
            Archive::Folder(folder) => {
                let file = file(folder, digest);
                let bytes = fs::read(&file).map_err(|reason| match reason.kind() {
                    io::ErrorKind::NotFound => ArchiveError::Gone { digest: digest.clone() },
                    _ => ArchiveError::Read { digest: digest.clone(), file: file.clone(), reason },
                })?;
                match Digest::of(&bytes) {
                    found if found == *digest => Ok(bytes.into()),
                    found => Err(ArchiveError::Changed { file, found }),
                }
            }
        }
    }

    /// What cannot be removed costs room, and nothing else.
    pub fn forget(&self, digest: &Digest) {
        match self {
            Archive::Memory(kept) => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
            }
            Archive::Folder(folder) => {
                let file = file(folder, digest);
                if let Err(error) = fs::remove_file(&file)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    tracing::warn!(file = %file.display(), %error, "a component that is not needed any more is still there");
                }
            }
        }
    }
}

fn file(folder: &std::path::Path, digest: &Digest) -> PathBuf {
    folder.join(format!("{digest}.wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_had_again_and_what_was_changed_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("plugins");
        for archive in [Archive::in_memory(), Archive::Folder(inside.clone())] {
            let bytes = Bytes::from_static(b"a component");
            let digest = Digest::of(&bytes);
            assert!(matches!(archive.take(&digest), Err(ArchiveError::Gone { .. })));
            archive.keep(&digest, &bytes).unwrap();
            assert_eq!(archive.take(&digest).unwrap(), bytes);
            if let Archive::Folder(_) = archive {
                fs::write(file(&inside, &digest), b"something else").unwrap();
                assert!(matches!(archive.take(&digest), Err(ArchiveError::Changed { .. })));
                archive.keep(&digest, &bytes).unwrap();
                assert_eq!(archive.take(&digest).unwrap(), bytes);
            }
            archive.forget(&digest);
            assert!(matches!(archive.take(&digest), Err(ArchiveError::Gone { .. })));
            archive.forget(&digest);
        }
    }
}
