//! Files below the folder that the operator allows. No link is followed on the way, so there is no way out.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, open, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::place::Place;
use super::{LARGEST, TransferError};

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);
const NO_LINK: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

/// The file appears whole, in one step; folders on its way are made.
pub fn put(folder: &Path, path: &[String], mut content: File, place: &Place) -> Result<(), TransferError> {
    let (parent, name) = parent(folder, path, Missing::Made).map_err(|error| failed("writing", place, error))?;
    // Each its own, so that a slow one cannot rename what another is writing.
    let new = format!(".{}.new", uuid::Uuid::new_v4());
    let mut written = || -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | NO_LINK;
        let mut file = File::from(openat(&parent, &new, flags, Mode::RUSR | Mode::WUSR)?);
        io::copy(&mut content, &mut file)?;
        file.sync_all()?;
        Ok(renameat(&parent, &new, &parent, name)?)
    };
    written().map_err(|error| {
        let _ = unlinkat(&parent, &new, AtFlags::empty());
        failed("writing", place, error)
    })
}

pub fn get(folder: &Path, path: &[String], place: &Place) -> Result<(File, u64), TransferError> {
    let copy = || -> io::Result<(File, u64)> {
        let (parent, name) = parent(folder, path, Missing::Error)?;
        // Without NONBLOCK a pipe of that name would be waited for.
        let file = File::from(openat(&parent, name, OFlags::RDONLY | OFlags::NONBLOCK | NO_LINK, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        let mut content = tempfile::tempfile()?;
        let bytes = io::copy(&mut file.take(LARGEST + 1), &mut content)?;
        content.seek(SeekFrom::Start(0))?;
        Ok((content, bytes))
    };
    match copy() {
        Ok((_, bytes)) if bytes > LARGEST => {
            Err(TransferError::Refused(format!("{place} has more than {LARGEST} bytes")))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(failed("reading", place, error)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Made,
    Error,
}

/// The folder that a file is in, and the file's name.
fn parent<'a>(folder: &Path, path: &'a [String], missing: Missing) -> io::Result<(OwnedFd, &'a str)> {
    let (name, folders) = path.split_last().ok_or(Errno::NOENT)?;
    // The operator's own folder may be a link.
    let mut parent = open(folder, FOLDER, Mode::empty())?;
    for folder in folders {
        if missing == Missing::Made {
            match mkdirat(&parent, folder, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        parent = openat(&parent, folder, FOLDER | NO_LINK, Mode::empty())?;
    }
    Ok((parent, name))
}

fn failed(what: &str, place: &Place, error: io::Error) -> TransferError {
    let message = format!("{what} {place}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory => TransferError::Refused(message),
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => TransferError::Refused(message),
        _ => TransferError::Failed(message),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn place(root: &Path, path: &[String]) -> Place {
        Place::Below { folder: root.to_owned(), path: path.to_vec() }
    }

    fn content(text: &str) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    }

    #[test]
    fn what_is_written_can_be_read_and_links_lead_nowhere() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        let write = |path: &str, text: &str| {
            let path = names(path);
            put(root.path(), &path, content(text), &place(root.path(), &path))
        };
        let read = |path: &str| {
            let path = names(path);
            let (mut file, bytes) = get(root.path(), &path, &place(root.path(), &path))?;
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(u64::try_from(text.len()).unwrap(), bytes);
            Ok::<_, TransferError>(text)
        };
        write("a/b/c.rdb", "one").unwrap();
        write("a/b/c.rdb", "two").unwrap();
        assert_eq!(read("a/b/c.rdb").unwrap(), "two");
        assert_eq!(fs::read_dir(root.path().join("a/b")).unwrap().count(), 1, "nothing is left beside it");

        fs::write(outside.path().join("secret"), "secret").unwrap();
        symlink(outside.path(), root.path().join("way-out")).unwrap();
        symlink(outside.path().join("secret"), root.path().join("link")).unwrap();
        for path in ["way-out/secret", "link", "none", "none/none", "a/b"] {
            assert!(matches!(read(path), Err(TransferError::Refused(_))), "{path}");
        }
        assert!(matches!(write("way-out/new", "x"), Err(TransferError::Refused(_))));
        // A link in the place of the file is replaced, not followed.
        write("link", "x").unwrap();
        assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }
}
