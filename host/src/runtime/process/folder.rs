//! One workload on disk: `<root>/<digest of the key>-<name>/`.
//!
//! | entry           | what it is                                                                          |
//! | --------------- | ----------------------------------------------------------------------------------- |
//! | `workload.json` | the [`Record`]: whose it is and what it runs                                        |
//! | `files/`        | the spec's files, 0600                                                              |
//! | `data/`         | the program's working folder                                                        |
//! | `log`           | its output, appended; emptied at a start if larger than [`LARGEST_LOG`]             |
//! | `lock`          | locked by the program and all it has started, see `exec`                            |
//! | `pid`           | the program's, locked by it; written at its start                                   |
//!
//! A folder appears with its record in it and disappears in one step, by renaming; what a crash leaves behind has a name
//! that starts with a dot and is [swept](sweep) at the next start of the gateway. Calls are for small files and block.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Flock, FlockOffsetType, FlockType, Pid};
use serde::{Deserialize, Serialize};

use super::super::output::{self, MOST_BYTES};
use super::super::{WorkloadKey, names};

pub const LOCK: &str = "lock";
pub const PID: &str = "pid";
const RECORD: &str = "workload.json";
const FILES: &str = "files";
const DATA: &str = "data";
const LOG: &str = "log";

/// Bytes. Some weeks of a quiet server; a server that writes more between two starts is not bounded.
const LARGEST_LOG: u64 = 10 * 1024 * 1024;

/// What has to be known about a workload to find it again, to tell whether it is still what is wanted, and to start it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub owner: String,
    pub name: String,
    /// Digest of the plan that it runs.
    pub plan: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// Where clients reach it, by name.
    pub ports: BTreeMap<String, u16>,
}

impl Record {
    pub fn key(&self) -> WorkloadKey {
        WorkloadKey { owner: self.owner.clone(), name: self.name.clone() }
    }
}

/// Who holds the locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Something that has not yet become the program.
    Starting,
    Running(Pid),
    /// What the program has started and left behind, in the process group that it led. Its pid is given to nobody else
    /// while that group lives.
    Orphans {
        leader: Pid,
    },
    /// Nobody.
    Ended,
}

#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    name: String,
}

impl Folder {
    pub fn of(root: &Path, key: &WorkloadKey) -> Folder {
        Folder { root: root.to_owned(), name: names::short("", key) }
    }

    pub fn path(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    pub fn files(&self) -> PathBuf {
        self.path().join(FILES)
    }

    pub fn data(&self) -> PathBuf {
        self.path().join(DATA)
    }

    /// None without a folder, and for a record that cannot be read: then the folder is as good as new.
    pub fn record(&self) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.path().join(RECORD)).ok()?).ok()
    }

    /// Makes the folder if need be; what is in it stays.
    pub fn set_record(&self, record: &Record) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(record)?;
        if self.path().exists() {
            return self.replace(&self.path().join(RECORD), &text);
        }
        let new = self.root.join(format!(".new-{}", self.name));
        remove_all(&new)?;
        for folder in [new.clone(), new.join(FILES), new.join(DATA)] {
            private_folder(&folder)?;
        }
        private_file(&new.join(RECORD), &text)?;
        fs::rename(new, self.path())
    }

    /// Makes `files/` hold exactly these. Each is replaced in one step, and only if its content is another.
    pub fn set_files(&self, files: &BTreeMap<String, String>) -> io::Result<()> {
        private_folder(&self.files())?;
        private_folder(&self.data())?;
        for entry in fs::read_dir(self.files())? {
            let entry = entry?;
            if entry.file_name().to_str().is_none_or(|name| !files.contains_key(name)) {
                remove_all(&entry.path())?;
            }
        }
        for (name, content) in files {
            let path = self.files().join(name);
            if fs::read(&path).is_ok_and(|there| there == content.as_bytes()) {
                continue;
            }
            self.replace(&path, content.as_bytes())?;
        }
        Ok(())
    }

    /// A file of the program's. Not through a link: the program is not to be trusted with what it points at.
    pub fn open_data(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(self.data().join(name), flags, Mode::empty())?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("'{name}' is no file"))),
        }
    }

    /// There whole or not at all. Takes as long as it is large.
    pub fn set_data(&self, name: &str, mut content: File) -> io::Result<()> {
        // Each its own, so that a slow one cannot rename what another is writing.
        let new = self.data().join(format!(".new-{}", uuid::Uuid::new_v4()));
        let mut written = || {
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
            io::copy(&mut content, &mut file)?;
            file.sync_all()?;
            fs::rename(&new, self.data().join(name))
        };
        written().inspect_err(|_| _ = remove_all(&new))
    }

    pub fn life(&self) -> io::Result<Life> {
        let lock = match File::open(self.path().join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Life::Ended),
            Err(error) => return Err(error),
        };
        match lock.try_lock_shared() {
            Ok(()) => return Ok(Life::Ended),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let Ok(mut pid) = File::open(self.path().join(PID)) else { return Ok(Life::Starting) };
        let mut leader = String::new();
        pid.read_to_string(&mut leader)?;
        let Some(leader) = leader.parse().ok().and_then(Pid::from_raw) else { return Ok(Life::Starting) };
        let whole =
            Flock { start: 0, length: 0, pid: None, typ: FlockType::WriteLock, offset_type: FlockOffsetType::Set };
        let holder = rustix::process::fcntl_getlk(&pid, &whole)?.and_then(|held| held.pid);
        Ok(holder.map_or(Life::Orphans { leader }, Life::Running))
    }

    /// How long the program has been running, if it is.
    pub fn uptime(&self) -> Duration {
        let started = fs::metadata(self.path().join(PID)).and_then(|metadata| metadata.modified());
        started.ok().and_then(|started| started.elapsed().ok()).unwrap_or_default()
    }

    /// For a program that is about to start. None while another one has it, or somebody takes a look at it.
    pub fn lock(&self) -> io::Result<Option<File>> {
        let lock = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path().join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        remove_all(&self.path().join(PID))?;
        Ok(Some(lock))
    }

    /// Where the program writes its output.
    pub fn log(&self) -> io::Result<File> {
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(self.path().join(LOG))?;
        if log.metadata()?.len() > LARGEST_LOG {
            log.set_len(0)?;
        }
        Ok(log)
    }

    /// The last lines of the output.
    pub fn tail(&self, lines: u32) -> io::Result<String> {
        let mut log = match File::open(self.path().join(LOG)) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error),
        };
        let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
        let skipped = log.metadata()?.len().saturating_sub(most);
        log.seek(SeekFrom::Start(skipped))?;
        let mut end = Vec::new();
        log.take(most).read_to_end(&mut end)?;
        Ok(output::tail(&end, lines))
    }

    /// Takes as long as its data is large.
    pub fn remove(&self) -> io::Result<()> {
        let removed = self.root.join(format!(".removed-{}", self.name));
        remove_all(&removed)?;
        match fs::rename(self.path(), &removed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => remove_all(&removed),
        }
    }

    /// By renaming, so that whoever opens the file sees the old or the new content, whole.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let new = self.path().join(".new");
        remove_all(&new)?;
        private_file(&new, content)?;
        fs::rename(new, path)
    }
}

/// Every workload in `root`, with its record. A folder that has none that can be read is passed over.
pub fn all(root: &Path) -> io::Result<Vec<(Folder, Record)>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(|name| !name.starts_with('.'));
    let folders = names.map(|name| Folder { root: root.to_owned(), name });
    Ok(folders.filter_map(|folder| folder.record().map(|record| (folder, record))).collect())
}

/// Makes `root`, and removes from it what an interrupted creation or removal has left.
pub fn sweep(root: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(root)?;
    fs::set_permissions(root, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(".new-") || name.starts_with(".removed-")) {
            remove_all(&entry.path())?;
        }
    }
    Ok(())
}

fn private_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn private_file(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?.write_all(content)
}

/// Whatever it is, and if it is.
fn remove_all(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(root: &Path) -> (Folder, Record) {
        let key = WorkloadKey { owner: "/s/cache".to_owned(), name: "redis".to_owned() };
        let record = Record {
            owner: key.owner.clone(),
            name: key.name.clone(),
            plan: "p".to_owned(),
            program: "/bin/x".into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            ports: BTreeMap::new(),
        };
        (Folder::of(root, &key), record)
    }

    fn files<const N: usize>(files: [(&str, &str); N]) -> BTreeMap<String, String> {
        files.map(|(name, content)| (name.to_owned(), content.to_owned())).into()
    }

    #[test]
    fn files_are_exactly_those_of_the_spec_and_private() {
        let root = tempfile::tempdir().unwrap();
        let (folder, record) = folder(root.path());
        folder.set_record(&record).unwrap();
        folder.set_files(&files([("a", "1"), ("b", "2")])).unwrap();
        folder.set_files(&files([("b", "3"), ("c", "4")])).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.files()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(fs::read_to_string(folder.files().join("b")).unwrap(), "3");
        for (path, mode) in [(folder.path(), 0o700), (folder.files(), 0o700), (folder.files().join("b"), 0o600)] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
        }
    }

    #[test]
    fn an_interrupted_creation_or_removal_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let (folder, record) = folder(root.path());
        for leftover in [".new-x/data", ".removed-y/data"] {
            fs::create_dir_all(root.path().join(leftover)).unwrap();
        }
        fs::create_dir_all(root.path().join("no-record/files")).unwrap();
        folder.set_record(&record).unwrap();
        sweep(root.path()).unwrap();
        assert!(!root.path().join(".new-x").exists() && !root.path().join(".removed-y").exists());
        let found: Vec<_> = all(root.path()).unwrap().into_iter().map(|(_, record)| record).collect();
        assert_eq!(found, [record]);
        folder.remove().unwrap();
        folder.remove().unwrap();
        assert!(all(root.path()).unwrap().is_empty() && !folder.path().exists());
    }

    #[test]
    fn a_large_log_is_emptied_at_a_start_and_a_small_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let (folder, record) = folder(root.path());
        folder.set_record(&record).unwrap();
        folder.log().unwrap().write_all(b"a\nb\n").unwrap();
        assert_eq!((folder.log().unwrap().metadata().unwrap().len(), folder.tail(1).unwrap().as_str()), (4, "b"));
        folder.log().unwrap().set_len(LARGEST_LOG + 1).unwrap();
        assert_eq!(folder.log().unwrap().metadata().unwrap().len(), 0);
    }

    #[test]
    fn what_lives_is_told_by_the_locks_and_never_by_the_pid_alone() {
        let root = tempfile::tempdir().unwrap();
        let (folder, record) = folder(root.path());
        assert_eq!(folder.life().unwrap(), Life::Ended);
        folder.set_record(&record).unwrap();
        fs::write(folder.path().join(PID), "1").unwrap();
        assert_eq!(folder.life().unwrap(), Life::Ended);
        let lock = folder.lock().unwrap();
        assert!(lock.is_some() && folder.lock().unwrap().is_none());
        assert_eq!(folder.life().unwrap(), Life::Starting);
        fs::write(folder.path().join(PID), "7").unwrap();
        assert_eq!(folder.life().unwrap(), Life::Orphans { leader: Pid::from_raw(7).unwrap() });
        drop(lock);
        assert_eq!(folder.life().unwrap(), Life::Ended);
    }
}
