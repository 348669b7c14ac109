//! When a file is whole: whoever writes it does not say so. It is taken to be when it has been the same for a while.
//!
//! A file is, in its turn, `Moving` (seen, or seen to be another than before), and `Told` (said to be due, once). The next
//! change begins again. Time is given, not asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a file was like when it was looked at. Files that differ have different ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    pub component: FileStamp,
    pub signature: Option<FileStamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    pub modified: (i64, i64),
    pub changed: (i64, i64),
}

/// A file that was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: PathBuf,
    pub stamp: Stamp,
    /// For how long it has not been written to, by its own account.
    pub quiet: Duration,
}

#[derive(Debug)]
enum State {
    Moving { since: Instant },
    Told,
}

/// What comes of a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Files that have become whole, in the order of their names.
    pub due: Vec<(PathBuf, Stamp)>,
    /// Files that are not there any more.
    pub gone: Vec<PathBuf>,
    /// When the next one may be whole, if nothing happens to it.
    pub next: Option<Instant>,
}

#[derive(Debug)]
pub struct Settling {
    /// For this long a file has to be the same.
    settle: Duration,
    files: BTreeMap<PathBuf, (Stamp, State)>,
}

impl Settling {
    pub fn new(settle: Duration) -> Settling {
        Settling { settle, files: BTreeMap::new() }
    }

    pub fn look(&mut self, now: Instant, listing: Vec<Seen>) -> Look {
        let mut before = std::mem::take(&mut self.files);
        let mut look = Look::default();
        for Seen { path, stamp, quiet } in listing {
            let state = match before.remove(&path) {
                Some((known, state)) if known == stamp => state,
                // What is new may be long whole: moved here, or here before the gateway.
                None => State::Moving { since: now.checked_sub(quiet.min(self.settle)).unwrap_or(now) },
                Some(_) => State::Moving { since: now },
            };
            self.files.insert(path, (stamp, state));
        }
        for (path, (stamp, state)) in &mut self.files {
            let State::Moving { since } = state else { continue };
            let whole = *since + self.settle;
            if whole <= now {
                *state = State::Told;
                look.due.push((path.clone(), stamp.clone()));
            } else {
                look.next = Some(look.next.map_or(whole, |next| next.min(whole)));
            }
        }
        look.gone = before.into_keys().collect();
        look
    }

    /// It was not whole after all, or it is not known whether it was: it has to be the same for a while once more.
    pub fn again(&mut self, now: Instant, path: &Path) {
        if let Some((_, state)) = self.files.get_mut(path) {
            *state = State::Moving { since: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTLE: Duration = Duration::from_millis(500);

    fn stamp(size: u64) -> Stamp {
        let component = FileStamp { device: 1, inode: 1, size, modified: (0, 0), changed: (0, 0) };
        Stamp { component, signature: None }
    }

    fn seen(name: &str, size: u64, quiet: u64) -> Seen {
        Seen { path: name.into(), stamp: stamp(size), quiet: Duration::from_millis(quiet) }
    }

    #[test]
    fn a_file_is_due_once_for_each_time_that_it_was_whole() {
        let start = Instant::now();
        let mut settling = Settling::new(SETTLE);
        let mut look = |at: u64, listing: &[Seen]| {
            let look = settling.look(start + Duration::from_millis(at), listing.to_vec());
            let names = |paths: Vec<PathBuf>| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
            let due = names(look.due.into_iter().map(|(path, _)| path).collect());
            (due, names(look.gone), look.next.map(|next| (next - start).as_millis()))
        };
        let none = Vec::<String>::new();
        assert_eq!(look(0, &[seen("a", 1, 0)]), (none.clone(), none.clone(), Some(500)));
        assert_eq!(look(499, &[seen("a", 1, 499)]), (none.clone(), none.clone(), Some(500)));
        assert_eq!(look(500, &[seen("a", 1, 500)]), (vec!["a".into()], none.clone(), None));
        assert_eq!(look(501, &[seen("a", 1, 501)]), (none.clone(), none.clone(), None));
        // Written to again, and found at rest at once by its own account: an account may be wrong.
        assert_eq!(look(600, &[seen("a", 2, 9999)]), (none.clone(), none.clone(), Some(1100)));
        assert_eq!(look(700, &[seen("a", 3, 0)]), (none.clone(), none.clone(), Some(1200)));
        assert_eq!(look(1200, &[seen("a", 3, 0)]), (vec!["a".into()], none.clone(), None));
        // Moved here when it was whole.
        assert_eq!(look(1300, &[seen("b", 1, 200), seen("a", 3, 0)]), (none.clone(), none.clone(), Some(1600)));
        assert_eq!(
            look(1301, &[seen("d", 1, 500), seen("c", 1, 9999), seen("a", 3, 0)]),
            (vec!["c".into(), "d".into()], vec!["b".into()], None)
        );
        assert_eq!(look(1302, &[]), (none.clone(), vec!["a".into(), "c".into(), "d".into()], None));
        assert_eq!(look(1303, &[]), (none.clone(), none, None));
    }

    proptest! {
        /// However writes and looks interleave: what is due has been the same for the whole time, and the last content is
        /// due, once.
        #[test]
        fn what_is_due_was_at_rest_and_the_last_content_comes_last(
            steps in proptest::collection::vec((0..900_u64, prop_oneof![Just(None), (0..5_u64).prop_map(Some)]), 1..40)
        ) {
            let start = Instant::now();
            let mut settling = Settling::new(SETTLE);
            let (mut now, mut size, mut written) = (start, 0, start);
            let mut told = Vec::new();
            let mut see = |now: Instant, size: u64, written: Instant| {
                let quiet = u64::try_from((now - written).as_millis()).unwrap();
                let due = settling.look(now, vec![seen("a", size, quiet)]).due;
                told.extend(due.into_iter().map(|(_, stamp)| (stamp.component.size, now - written)));
            };
            see(now, size, written);
            for (pause, write) in steps {
                now += Duration::from_millis(pause);
                match write {
                    Some(more) => (size, written) = (size + 1 + more, now),
                    None => see(now, size, written),
                }
            }
            see(now, size, written);
            see(now + SETTLE, size, written);
            see(now + SETTLE * 2, size, written);
            prop_assert!(told.iter().all(|(_, rest)| *rest >= SETTLE), "{:?}", told);
            prop_assert_eq!(told.last().map(|(size, _)| *size), Some(size));
            prop_assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "{:?}", told);
        }
    }
}
