//! One writer per resource.
//!
//! Two locks belong to a resource, taken in this order:
//!
//! - **effects**: whoever has side effects on the resource (a reconcile step, a finalize step, an action that writes)
//!   holds it for as long as they take, which may be seconds;
//! - **write**: whoever changes the stored record holds it from reading the record to having stored the new one. A
//!   PUT, PATCH or DELETE takes this one alone, so it never waits for a container to start; a step that finds the
//!   record's generation changed when it comes back throws its outcome away and runs again.
//!
//! Other resources are not slowed: a lock exists only while somebody holds or awaits it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::id::Key;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Effects,
    Write,
}

/// Locks that somebody holds or awaits, and some that are forgotten.
type Table = HashMap<(Kind, Key), Weak<AsyncMutex<()>>>;

#[derive(Debug, Default)]
pub struct Locks {
    held: Mutex<Table>,
}

/// Unlocks when dropped.
#[derive(Debug)]
pub struct Held {
    _guard: OwnedMutexGuard<()>,
}

impl Locks {
    pub async fn effects(&self, key: &Key) -> Held {
        self.lock(Kind::Effects, key).await
    }

    pub async fn write(&self, key: &Key) -> Held {
        self.lock(Kind::Write, key).await
    }

    async fn lock(&self, kind: Kind, key: &Key) -> Held {
        let lock = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            // Forgotten locks are swept when the table would grow, so the sweep costs little per lock.
            if held.len() == held.capacity() {
                held.retain(|_, lock| lock.strong_count() > 0);
            }
            let slot = held.entry((kind, key.clone())).or_default();
            match slot.upgrade() {
                Some(lock) => lock,
                None => {
                    let lock = Arc::new(AsyncMutex::new(()));
                    *slot = Arc::downgrade(&lock);
                    lock
                }
            }
        };
        Held { _guard: lock.lock_owned().await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(flavor = "multi_thread")]
    async fn one_writer_per_resource_and_others_are_not_slowed() {
        let locks = Arc::new(Locks::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = (0..200)
            .map(|_| {
                let (locks, inside) = (locks.clone(), inside.clone());
                tokio::spawn(async move {
                    let _held = locks.write(&Key::folded("/a")).await;
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two writers at once");
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        // Held throughout, and in nobody's way.
        let _other = locks.write(&Key::folded("/b")).await;
        let _effects = locks.effects(&Key::folded("/a")).await;
        for writer in writers {
            writer.await.unwrap();
        }
    }

    #[tokio::test]
    async fn locks_that_nobody_holds_are_forgotten() {
        let locks = Locks::default();
        for n in 0..10_000 {
            drop(locks.write(&Key::folded(&format!("/{n}"))).await);
        }
        assert!(locks.held.lock().unwrap().len() < 100);
    }
}
