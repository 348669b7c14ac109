//! A workload's folders and files as the archive that the engine extracts in the container's volume.
//!
//! The same archive goes into a new container and over a running one's files: the engine replaces a file by removing
//! it first, so for an instant it is not there; programs are told to read it after that. What an earlier spec had and
//! this one has not stays in the volume.

use std::collections::BTreeMap;
use std::io;

use tar::{Builder, EntryType, Header};

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
