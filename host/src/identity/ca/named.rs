//! Certificates for one name each, made by the authority when a client first asks for it.
//!
//! Strict verifiers take no wildcard right below a top-level name (`*.localhost`), so such names need certificates of
//! their own. They are not kept on disk: one costs less than a handshake.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::sign::CertifiedKey;

use super::Names;
use super::issue::{self, Pair};

/// After which one is made anew: long before it ends.
const SERVED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Default)]
pub(super) struct Named(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    made: HashMap<String, Made>,
    /// How often the authority was replaced.
    forgotten: u64,
}

struct Made {
    at: SystemTime,
    key: Arc<CertifiedKey>,
}

impl Kept {
    fn served(&self, name: &str, now: SystemTime) -> Option<Arc<CertifiedKey>> {
        let made = self.made.get(name)?;
        now.duration_since(made.at).is_ok_and(|age| age < SERVED_FOR).then(|| made.key.clone())
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named").finish_non_exhaustive()
    }
}

impl Named {
    /// None if no certificate can be made for the name.
    pub(super) fn get(
        &self,
        name: &str,
        authority: impl FnOnce() -> Pair,
        now: SystemTime,
    ) -> Option<Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let (served, forgotten) = {
            let kept = self.kept();
            (kept.served(&name, now), kept.forgotten)
        };
        if served.is_some() {
            return served;
        }
        // Without the lock: a renewal may have to be waited for.
        let authority = authority();
        let mut kept = self.kept();
        if let Some(served) = kept.served(&name, now) {
            return Some(served);
        }
        let pair = issue::leaf(&authority, &Names::one(&name), now);
        let key = match pair
            .map_err(|error| error.to_string())
            .and_then(|pair| issue::certified(&pair).map_err(|error| error.to_string()))
        {
            Ok(key) => Arc::new(key),
            Err(error) => {
                tracing::warn!(name, error, "a certificate could not be made");
                return None;
            }
        };
        if kept.forgotten == forgotten {
            kept.made.insert(name, Made { at: now, key: key.clone() });
        }
        Some(key)
    }

    pub(super) fn keep(&self, kept: impl Fn(&str) -> bool) {
        self.kept().made.retain(|name, _| kept(name));
    }

    /// For another authority.
    pub(super) fn forget(&self) {
        let mut kept = self.kept();
        kept.made.clear();
        kept.forgotten += 1;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
