//! The plugins folder: what lies in it is installed, and takes the place of what was active.
//!
//! A file is read when it has not changed for a while, and only if it is the same before and after. Changes are heard of
//! at once, and looked for every few seconds besides: of some file systems nothing is heard. The same component is not
//! installed twice; one that is refused is told of once, until its file changes. A file that goes changes nothing: it may
//! have been moved, and a plugin has resources.
//!
//! What was done to a plugin by other ways (a rollback, say) stays as it is until its file changes, also after a restart:
//! a file whose component is the last one that was installed from it is left alone.

mod claims;
mod listing;
mod settling;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, sleep_until};

use self::claims::Claims;
use self::listing::{listing, see};
use self::settling::{Look, Settling, Stamp};
use super::{Installer, Intake, SourceError};
use crate::plugin::Digest;
use crate::rollout::{Origin, Package, PluginView, RevisionView, Then};

/// How soon things are done.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// For this long a file has to be the same before it is read.
    pub settle: Duration,
    /// Between looks at which nothing was heard of.
    pub rescan: Duration,
    /// Of changes that come one upon the other, one is heard of in this time.
    pub coalesce: Duration,
    /// For files that are being written when the gateway starts; after that, it starts without them.
    pub start: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            settle: Duration::from_millis(500),
            rescan: Duration::from_secs(10),
            coalesce: Duration::from_millis(50),
            start: Duration::from_secs(5),
        }
    }
}

/// A folder that is kept in step with what is installed.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    intake: Intake,
    pace: Pace,
    settling: Settling,
    /// The last component that was installed from each file.
    installed: HashMap<PathBuf, Digest>,
    claims: Claims,
    heard: Arc<Notify>,
    /// None where the system cannot tell of changes.
    watcher: Option<RecommendedWatcher>,
    readable: Readable,
}

/// Whether the folder could be read when it was looked at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readable {
    Yes,
    No,
}

enum Read {
    Whole(Package),
    Changed,
}

/// What became of a file that was due.
enum Taken {
    /// Or it was installed before.
    Installed { namespace: String },
    /// While it was read.
    Changed,
}

impl Folder {
    /// Fails if there is no such folder.
    pub fn open(path: &Path, intake: Intake, pace: Pace) -> Result<Folder, SourceError> {
        let bad = |reason: io::Error| SourceError::Folder { path: path.to_owned(), reason };
        let path = std::path::absolute(path).map_err(bad)?;
        listing(&path).map_err(bad)?;
        let mut folder = Folder {
            path,
            intake,
            pace,
            settling: Settling::new(pace.settle),
            installed: HashMap::new(),
            claims: Claims::default(),
            heard: Arc::default(),
            watcher: None,
            readable: Readable::Yes,
        };
        folder.listen();
        Ok(folder)
    }

    /// To be awaited before the gateway serves: installs what is there, in the order of names.
    pub async fn begin(&mut self, installer: &impl Installer) {
        let plugins = installer.list();
        // The newest first, so that the first one of a file is the last that was installed from it.
        for revision in plugins.into_iter().flat_map(|plugin| plugin.revisions) {
            if let Origin::File(path) = revision.origin {
                self.installed.entry(path).or_insert(revision.digest);
            }
        }
        let enough = Instant::now() + self.pace.start;
        while let Some(next) = self.step(installer).await.filter(|next| *next < enough) {
            sleep_until(next.into()).await;
        }
    }

    /// Keeps in step until `closing` is true. An install that is under way then is awaited.
    pub async fn watch(mut self, installer: impl Installer, mut closing: watch::Receiver<bool>) {
        loop {
            let rescan = Instant::now() + self.pace.rescan;
            let next = self.step(&installer).await.map_or(rescan, |next| next.min(rescan));
            let is_heard = tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                () = sleep_until(next.into()) => false,
                () = self.heard.notified() => true,
            };
            if is_heard {
                sleep(self.pace.coalesce).await;
            }
        }
    }

    /// One look. When the next one is due, if nothing is heard.
    async fn step(&mut self, installer: &impl Installer) -> Option<Instant> {
        let folder = self.path.clone();
        let listed = match spawn_blocking(move || listing(&folder)).await {
            Ok(listed) => listed,
            Err(error) => Err(io::Error::other(error)),
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                if self.readable == Readable::Yes {
                    tracing::warn!(folder = %self.path.display(), %error, "the plugins folder cannot be read; plugins stay as they are");
                    installer.failed(format!("the folder {}", self.path.display()), error.to_string());
                }
                self.readable = Readable::No;
                self.watcher = None;
                return None;
            }
        };
        if self.readable == Readable::No {
            tracing::info!(folder = %self.path.display(), "the plugins folder can be read again");
            self.readable = Readable::Yes;
            self.listen();
        }
        let Look { due, gone, mut next } = self.settling.look(Instant::now(), listed);
        let mut again = BTreeSet::new();
        for path in gone {
            if self.installed.contains_key(&path) {
                tracing::info!(file = %path.display(), "a file of the plugins folder is gone; its plugin stays until it is removed (floci-az plugin remove)");
            }
            again.extend(self.claims.release(&path));
        }
        for (path, stamp) in due {
            match self.take(&path, stamp, installer).await {
                Ok(Taken::Changed) => again.extend([path]),
                Ok(Taken::Installed { namespace }) => again.extend(self.claims.hold(&namespace, &path)),
                Err(reason) => {
                    // Whoever refused it has said why.
                    tracing::info!(file = %path.display(), "a file of the plugins folder is looked at again when it changes");
                    tracing::debug!(reason);
                }
            }
        }
        let now = Instant::now();
        for path in again {
            self.settling.again(now, &path);
            let settled = now + self.pace.settle;
            next = Some(next.map_or(settled, |earlier| earlier.min(settled)));
        }
        next
    }

    /// Installs a file that is whole. The error is why not.
    async fn take(&mut self, path: &Path, stamp: Stamp, installer: &impl Installer) -> Result<Taken, String> {
        let origin = Origin::File(path.to_owned());
        let read = self.read(path, stamp).await.map_err(|error| {
            installer.refused(&origin, error.code(), &error.to_string());
            error.to_string()
        });
        let package = match read? {
            Read::Whole(package) => package,
            Read::Changed => return Ok(Taken::Changed),
        };
        let digest = Digest::of(&package.bytes);
        if let Some(namespace) = self.installed_before(path, &digest, installer) {
            tracing::debug!(file = %path.display(), revision = digest.short(), "installed before");
            self.installed.insert(path.to_owned(), digest);
            return Ok(Taken::Installed { namespace });
        }
        // What it is of, is known when it has been loaded. What cannot be is refused by the install, which tells of it.
        if self.claims.has_others(path)
            && let Ok(checked) = installer.check(package.clone()).await
            && let Some(rival) = self.claims.rival(&checked.namespace, path)
        {
            let why = format!(
                "the files {} and {} are both plugins of {}, and a namespace has one. Remove one of the files",
                rival.display(),
                path.display(),
                checked.namespace
            );
            installer.refused(&origin, "NamespaceTaken", &why);
            return Err(why);
        }
        let outcome = installer.install(package, Then::Swap).await.map_err(|error| error.to_string())?;
        tracing::info!(
            file = %path.display(), namespace = outcome.namespace, revision = digest.short(),
            "a file of the plugins folder is installed"
        );
        self.installed.insert(path.to_owned(), digest);
        Ok(Taken::Installed { namespace: outcome.namespace })
    }

    async fn read(&self, path: &Path, stamp: Stamp) -> Result<Read, SourceError> {
        let (intake, path) = (self.intake.clone(), path.to_owned());
        let unreadable = SourceError::File { path: path.clone(), reason: io::ErrorKind::Interrupted.into() };
        let read = spawn_blocking(move || {
            let package = intake.file(&path);
            let same = see(path).is_some_and(|seen| seen.stamp == stamp);
            if same { package.map(Read::Whole) } else { Ok(Read::Changed) }
        });
        read.await.unwrap_or(Err(unreadable))
    }

    /// The namespace, if it was installed from this file, or from another that has only been given a new name, and has not
    /// been forgotten since.
    fn installed_before(&self, path: &Path, digest: &Digest, installer: &impl Installer) -> Option<String> {
        let before = match self.installed.get(path) {
            Some(last) => last == digest,
            None => self.installed.values().any(|last| last == digest),
        };
        // Of a namespace that nothing serves, the file is wanted again; so is one whose install was cut off before it
        // served.
        let has = |plugin: &PluginView| {
            let has_served = |known: &RevisionView| known.digest == *digest && known.served.is_some();
            plugin.active.is_some() && plugin.revisions.iter().any(has_served)
        };
        let plugins = if before { installer.list() } else { Vec::new() };
        plugins.into_iter().find(has).map(|plugin| plugin.namespace)
    }

    fn listen(&mut self) {
        let heard = self.heard.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_change(&event.kind)) {
                heard.notify_one();
            }
        });
        let listening = watcher.and_then(|mut watcher| {
            watcher.watch(&self.path, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        self.watcher = match listening {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(folder = %self.path.display(), %error, every = ?self.pace.rescan, "the system does not tell of changes in the plugins folder; they are looked for");
                None
            }
        };
    }
}

/// That a file is read is heard of, too; taken for a change, it would be read for ever.
fn is_change(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(kind) if *kind != AccessKind::Close(AccessMode::Write))
}
