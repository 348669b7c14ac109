//! Compiled code on disk, so that a start does not compile what an earlier one has.
//!
//! A file is named by what it was made of: the component's digest and everything of the engine that code depends on.
//! It is written once (to a temporary name, synced, renamed) and never changed. The folder belongs to this user alone
//! (0700): code is taken from nowhere else, and never from a plugin's package. A file that cannot be read is compiled
//! anew; a cache that cannot be written costs the next start its time, and nothing else.
#![expect(unsafe_code, reason = "wasmtime cannot tell a forged code file from its own; see the safety comment")]

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use wasmtime::component::Component;

use super::digest::Digest;
use crate::folders;

/// Where compiled code is kept.
#[derive(Debug, Clone)]
pub enum Compiled {
    Folder(PathBuf),
    Nowhere,
}

impl Compiled {
    /// Code of a component that is not needed any more. What cannot be removed costs room, and nothing else.
    pub fn forget(&self, digest: &Digest) {
        let Compiled::Folder(folder) = self else { return };
        let beginning = format!("{digest}-");
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&beginning) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    pub(super) fn component(
        &self,
        engine: &wasmtime::Engine,
        digest: &Digest,
        bytes: &[u8],
    ) -> wasmtime::Result<Component> {
        let started = Instant::now();
        let file = match self {
            Compiled::Folder(folder) => file_in(folder, engine, digest).ok(),
            Compiled::Nowhere => None,
        };
        if let Some(component) = file.as_deref().and_then(|file| read(engine, file)) {
            tracing::debug!(%digest, elapsed = ?started.elapsed(), "compiled code loaded");
            return Ok(component);
        }
        let component = Component::from_binary(engine, bytes)?;
        tracing::debug!(%digest, elapsed = ?started.elapsed(), "component compiled");
        if let Some(file) = file
            && let Err(error) = write(&component, &file)
        {
            tracing::warn!(file = %file.display(), %error, "compiled code cannot be kept; the next start compiles it again");
        }
        Ok(component)
    }
}

/// The file's name, in a folder that is there and that no other user can write to.
fn file_in(folder: &Path, engine: &wasmtime::Engine, digest: &Digest) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::symlink_metadata(folder)?;
    let ours =
        metadata.is_dir() && metadata.mode() & 0o077 == 0 && metadata.uid() == rustix::process::geteuid().as_raw();
    if !ours {
        tracing::warn!(folder = %folder.display(), "not used for compiled code: it has to be a folder of this user with mode 0700");
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    Ok(folder.join(format!("{digest}-{:016x}.cwasm", hasher.finish())))
}

/// Beside the code: its digest. Code that a disk has damaged would be run.
fn sum_of(file: &Path) -> PathBuf {
    file.with_extension("sum")
}

fn read(engine: &wasmtime::Engine, file: &Path) -> Option<Component> {
    let code = fs::read(file).ok()?;
    let is_whole = fs::read_to_string(sum_of(file)).is_ok_and(|sum| sum == Digest::of(&code).to_string());
    if !is_whole {
        tracing::warn!(file = %file.display(), "compiled code is not what was written; compiling anew");
        return None;
    }
    // SAFETY: wasmtime checks that the file was made by the same version, for the same target and settings; what it
    // cannot check is that the file was not forged or changed while it is mapped. `file_in` has just checked that only
    // this user can write into the folder; this module alone writes there, and never changes a file that is in place.
    let component = unsafe { Component::deserialize_file(engine, file) };
    component
        .inspect_err(
            |error| tracing::warn!(file = %file.display(), %error, "compiled code cannot be read; compiling anew"),
        )
        .ok()
}

fn write(component: &Component, file: &Path) -> io::Result<()> {
    let code = component.serialize().map_err(io::Error::other)?;
    folders::replace(&sum_of(file), Digest::of(&code).to_string().as_bytes())?;
    folders::replace(file, &code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    /// Whether the component was had without its bytes, which are wrong.
    fn is_kept(compiled: &Compiled, engine: &wasmtime::Engine, digest: &Digest) -> bool {
        compiled.component(engine, digest, b"no component").is_ok()
    }

    /// Each way in which a disk, a crash or somebody else can have spoiled what is kept; it is compiled anew then, and
    /// kept again.
    #[test]
    fn what_was_damaged_is_compiled_anew() {
        let engine = wasmtime::Engine::default();
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("compiled");
        let (compiled, digest) = (Compiled::Folder(inside.clone()), Digest::of(COMPONENT));
        assert!(!is_kept(&compiled, &engine, &digest));
        compiled.component(&engine, &digest, COMPONENT).unwrap();
        assert!(is_kept(&compiled, &engine, &digest));
        let code = file_in(&inside, &engine, &digest).unwrap();
        let whole = fs::read(&code).unwrap();
        let middle = whole.len() / 2;
        let flipped: Vec<u8> =
            whole.iter().enumerate().map(|(at, byte)| if at == middle { !byte } else { *byte }).collect();
        for (what, file, content) in [
            ("one byte", &code, Some(flipped.as_slice())),
            ("its end is missing", &code, whole.get(..middle)),
            ("nothing in it", &code, Some(&[])),
            ("no file", &code, None),
            ("another sum", &sum_of(&code), Some(b"0".as_slice())),
            ("no sum", &sum_of(&code), None),
        ] {
            match content {
                Some(content) => fs::write(file, content).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
            assert!(!is_kept(&compiled, &engine, &digest), "{what}");
            compiled.component(&engine, &digest, COMPONENT).unwrap();
            assert!(is_kept(&compiled, &engine, &digest), "{what}");
            assert!(fs::read(&code).unwrap() == whole, "{what}");
        }
        compiled.forget(&digest);
        assert_eq!(fs::read_dir(&inside).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        use std::os::unix::fs::PermissionsExt;

        let engine = wasmtime::Engine::default();
        let folder = tempfile::tempdir().unwrap();
        let (compiled, digest) = (Compiled::Folder(folder.path().to_owned()), Digest::of(COMPONENT));
        for mode in [0o777, 0o750, 0o701] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            compiled.component(&engine, &digest, COMPONENT).unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{mode:o}");
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        compiled.component(&engine, &digest, COMPONENT).unwrap();
        assert!(is_kept(&compiled, &engine, &digest));
    }
}
