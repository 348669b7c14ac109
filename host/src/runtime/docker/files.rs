//! A workload's folders and files as the archive that the engine extracts in the container's volume.
//!
//! The same archive goes into a new container and over a running one's files: the engine replaces a file by removing
//! it first, so for an instant it is not there; programs are told to read it after that. What an earlier spec had and
//! this one has not stays in the volume.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::io::AsyncReadExt;

use tar::{Builder, EntryType, Header};

/// Of a tar archive, and of the end of one.
const BLOCK: u64 = 512;
const END: usize = 512;
/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;

/// Entries are relative to the volume's root, and root's alone.
pub fn archive(files: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for folder in ["data/", "files/"] {
        archive.append_data(&mut header(EntryType::Directory, 0o700, 0), folder, io::empty())?;
    }
    for (name, content) in files {
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        archive.append_data(
            &mut header(EntryType::Regular, 0o600, size),
            format!("files/{name}"),
            content.as_bytes(),
        )?;
    }
    archive.into_inner()
}

/// The file `name` with this content, read while it travels. It appears under its name only when it is there to its end:
/// what comes before is another file, of which it becomes a second name.
pub fn archive_of_one(name: &str, content: File) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
    let size = content.metadata()?.len();
    let new = format!(".new-{name}");
    let mut first = header(EntryType::Regular, 0o600, size);
    first.set_path(&new)?;
    first.set_cksum();
    let mut second = header(EntryType::Link, 0o600, 0);
    second.set_path(name)?;
    second.set_link_name(&new)?;
    second.set_cksum();
    let padding = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or_default();
    let end = [vec![0; padding], second.as_bytes().to_vec(), vec![0; 2 * END]].concat();

    let middle = stream::try_unfold((tokio::fs::File::from_std(content), size), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        piece.truncate(read);
        let left = left.saturating_sub(u64::try_from(read).unwrap_or(left));
        Ok(Some((Bytes::from(piece), (file, left))))
    });
    let whole = |bytes: Vec<u8>| stream::once(async { Ok(Bytes::from(bytes)) });
    Ok(whole(first.as_bytes().to_vec()).chain(middle).chain(whole(end)))
}

/// The one file of an archive that the engine has made, as a file of its own, from its beginning. Blocks.
pub fn only_file(mut archive: File) -> io::Result<Option<File>> {
    archive.seek(SeekFrom::Start(0))?;
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() == EntryType::Regular {
            let mut content = tempfile::tempfile()?;
            io::copy(&mut entry, &mut content)?;
            content.seek(SeekFrom::Start(0))?;
            return Ok(Some(content));
        }
    }
    Ok(None)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[tokio::test]
    async fn one_file_is_there_only_with_its_last_byte() {
        for size in [0, 1, 511, 512, 513, PIECE + 1] {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, &bytes).unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            let pieces: Vec<io::Result<Bytes>> = archive_of_one("dump.rdb", file).unwrap().collect().await;
            let archive = pieces.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat();
            let folder = tempfile::tempdir().unwrap();
            tar::Archive::new(archive.as_slice()).unpack(folder.path()).unwrap();
            assert_eq!(std::fs::read(folder.path().join("dump.rdb")).unwrap(), bytes);

            let mut packed = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut packed, &archive).unwrap();
            let mut back = Vec::new();
            io::Read::read_to_end(&mut only_file(packed).unwrap().unwrap(), &mut back).unwrap();
            assert_eq!(back, bytes);

            // Cut anywhere, it is not there.
            let folder = tempfile::tempdir().unwrap();
            let _ = tar::Archive::new(&archive[..archive.len() - 3 * END]).unpack(folder.path());
            assert!(!folder.path().join("dump.rdb").exists());
        }
    }

    #[test]
    fn folders_and_files_are_roots_alone() {
        let archive = archive(&[("redis.conf".to_owned(), "port 1\n".to_owned())].into()).unwrap();
        let mut shown = String::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            shown += &format!(
                "{} {:o} {}:{} {}\n",
                entry.path().unwrap().display(),
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.size().unwrap()
            );
        }
        expect![[r#"
            data/ 700 0:0 0
            files/ 700 0:0 0
            files/redis.conf 600 0:0 7
        "#]]
        .assert_eq(&shown);
    }
}
