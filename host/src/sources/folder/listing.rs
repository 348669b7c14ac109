//! Which files of a folder are components, and what they are like now.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::settling::{FileStamp, Seen, Stamp};
use crate::sources::intake::signature_of;

/// In the order of their names. Links are followed: Kubernetes mounts files as links, and moves what they lead to.
pub fn listing(folder: &Path) -> io::Result<Vec<Seen>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_component(&entry.file_name().to_string_lossy()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths.into_iter().filter_map(see).collect())
}

/// None if it has gone, or is no file.
pub fn see(path: PathBuf) -> Option<Seen> {
    let file = fs::metadata(&path).ok().filter(Metadata::is_file)?;
    let signature = fs::metadata(signature_of(&path)).ok();
    let latest = signature.iter().chain([&file]).filter_map(|file| file.modified().ok()).max();
    // A time that is yet to come says nothing.
    let quiet = latest.and_then(|latest| SystemTime::now().duration_since(latest).ok()).unwrap_or(Duration::ZERO);
    let stamp = Stamp { component: stamp(&file), signature: signature.as_ref().map(stamp) };
    Some(Seen { path, stamp, quiet })
}

fn stamp(file: &Metadata) -> FileStamp {
    FileStamp {
        device: file.dev(),
        inode: file.ino(),
        size: file.size(),
        modified: (file.mtime(), file.mtime_nsec()),
        changed: (file.ctime(), file.ctime_nsec()),
    }
}

/// Names that editors, copies and downloads use on their way are none.
fn is_component(name: &str) -> bool {
    name.ends_with(".wasm") && !name.starts_with(['.', '~', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_their_way_are_no_components() {
        let names = [
            ("widgets.wasm", true),
            ("widgets-1.2.wasm", true),
            (".wasm", false),
            (".widgets.wasm", false),
            (".widgets.wasm.swp", false),
            ("~widgets.wasm", false),
            ("#widgets.wasm#", false),
            ("widgets.wasm~", false),
            ("widgets.wasm.tmp", false),
            ("widgets.wasm.part", false),
            ("widgets.wasm.sig", false),
            ("widgets.WASM", false),
            ("..data", false),
        ];
        for (name, expected) in names {
            assert_eq!(is_component(name), expected, "{name}");
        }
    }
}
