//! Which file of the folder has which namespace. Two that want one are a mistake: whichever came last would win, and after
//! a restart perhaps the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Default)]
pub struct Claims {
    /// Namespaces are in lower case.
    held: BTreeMap<String, PathBuf>,
    /// Files that were refused because of another one.
    waiting: BTreeSet<PathBuf>,
}

impl Claims {
    /// The other file that has the namespace; this one then waits for its end.
    pub fn rival(&mut self, namespace: &str, path: &Path) -> Option<PathBuf> {
        let rival = self.held.get(&namespace.to_ascii_lowercase()).filter(|holder| *holder != path)?.clone();
        self.waiting.insert(path.to_owned());
        Some(rival)
    }

    pub fn has_others(&self, path: &Path) -> bool {
        self.held.values().any(|holder| holder != path)
    }

    /// From now on the file has this namespace, and no other. Gives back the files that are to be looked at again.
    pub fn hold(&mut self, namespace: &str, path: &Path) -> BTreeSet<PathBuf> {
        let namespace = namespace.to_ascii_lowercase();
        let freed = self.held.iter().any(|(held, holder)| holder == path && *held != namespace);
        self.held.retain(|_, holder| holder != path);
        self.held.insert(namespace, path.to_owned());
        self.waiting.remove(path);
        if freed { std::mem::take(&mut self.waiting) } else { BTreeSet::new() }
    }

    /// The file is gone. Gives back those that are to be looked at again.
    pub fn release(&mut self, path: &Path) -> BTreeSet<PathBuf> {
        let before = self.held.len();
        self.held.retain(|_, holder| holder != path);
        self.waiting.remove(path);
        if self.held.len() < before { std::mem::take(&mut self.waiting) } else { BTreeSet::new() }
    }
}
