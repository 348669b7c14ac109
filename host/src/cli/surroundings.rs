//! The variables that a command was started with, read once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::CliError;

/// The environment of a command. An empty variable is one that is not set.
#[derive(Debug, Clone, Default)]
pub struct Surroundings(BTreeMap<OsString, OsString>);

impl FromIterator<(OsString, OsString)> for Surroundings {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Surroundings {
        Surroundings(variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }
}

impl Surroundings {
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Ours, for what is worth keeping but not worth carrying along: none if there is no such folder.
    pub(super) fn state(&self) -> Option<PathBuf> {
        let absolute = |name| self.get(name).map(Path::new).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").map(Path::to_owned);
        Some(state.or_else(|| Some(absolute("HOME")?.join(".local/state")))?.join("floci-az"))
    }

    /// Ours, in the user's cache (XDG Base Directory Specification).
    pub(super) fn cache(&self) -> Result<PathBuf, CliError> {
        let absolute = |name| self.get(name).map(Path::new).filter(|path| path.is_absolute());
        let cache = match (absolute("XDG_CACHE_HOME"), absolute("HOME")) {
            (Some(cache), _) => cache.to_owned(),
            (None, Some(home)) => home.join(".cache"),
            (None, None) => return Err(CliError::NoHome),
        };
        Ok(cache.join("floci-az"))
    }
}
