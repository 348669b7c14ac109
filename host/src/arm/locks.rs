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
//! Groups and subscriptions have a write lock, too. What is put into something holds the **presence** of what it is put
//! into, which is the write lock taken together with others of its kind: so a group takes in many at once, and none
//! while it is being removed. A creation takes, in this order: the write lock of its own, the presence of its parent, its
//! name (which may have to be unique beyond its group), and, only to be stored, when its plugin has been asked: the
//! presence of its group and of its subscription, and the birth of a group that is not there yet. Nobody takes any two of
//! them in another order. A change of a child whose life is its parent's takes the first two of these; the step
//! of its parent, under the parent's effects lock, takes the write locks of several children in the order of their ids, and
//! not while it holds the parent's.
//!
//! Others are not slowed: a lock exists only while somebody holds or awaits it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::id::Key;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Effects,
    Write,
    Name,
    Birth,
    Plugin,
}

/// Locks that somebody holds or awaits, and some that are forgotten.
type Table = HashMap<(Kind, Key), Weak<RwLock<()>>>;

#[derive(Debug, Default)]
pub struct Locks {
    held: Mutex<Table>,
}

/// Unlocks when dropped.
#[derive(Debug)]
pub struct Held {
    _guard: OwnedRwLockWriteGuard<()>,
}

/// What it is of stays when this is held, and goes when the last one is dropped.
#[derive(Debug)]
pub struct Presence {
    _guard: OwnedRwLockReadGuard<()>,
}

impl Locks {
    pub async fn effects(&self, key: &Key) -> Held {
        Held { _guard: self.lock(Kind::Effects, key).write_owned().await }
    }

    pub async fn write(&self, key: &Key) -> Held {
        Held { _guard: self.lock(Kind::Write, key).write_owned().await }
    }

    pub async fn presence(&self, key: &Key) -> Presence {
        Presence { _guard: self.lock(Kind::Write, key).read_owned().await }
    }

    /// Of all resources of a type, whatever their group, one at a time is given this name.
    pub async fn name(&self, full_type: &str, name: &str) -> Held {
        let key = Key::folded(&format!("{full_type}/{name}"));
        Held { _guard: self.lock(Kind::Name, &key).write_owned().await }
    }

    /// Of those who put something into a group that is not there yet, one at a time looks whether it still is not, and
    /// stores it. Held for a commit, after everything else.
    pub async fn birth(&self, key: &Key) -> Held {
        Held { _guard: self.lock(Kind::Birth, key).write_owned().await }
    }

    /// One change at a time of which revision of a plugin serves a namespace. Taken before any of the others.
    pub async fn plugin(&self, namespace: &str) -> Held {
        Held { _guard: self.lock(Kind::Plugin, &Key::folded(namespace)).write_owned().await }
    }

    fn lock(&self, kind: Kind, key: &Key) -> Arc<RwLock<()>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgotten locks are swept when the table would grow, so the sweep costs little per lock.
        if held.len() == held.capacity() {
            held.retain(|_, lock| lock.strong_count() > 0);
        }
        let slot = held.entry((kind, key.clone())).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let lock = Arc::new(RwLock::new(()));
            *slot = Arc::downgrade(&lock);
            lock
        })
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
    async fn many_are_put_into_a_group_at_once_and_none_while_it_is_removed() {
        use futures_util::FutureExt;

        let (locks, group) = (Locks::default(), Key::folded("/g"));
        let (first, second) = (locks.presence(&group).await, locks.presence(&group).await);
        let mut removal = Box::pin(locks.write(&group));
        assert!(removal.as_mut().now_or_never().is_none(), "something is being put into it");
        drop((first, second));
        let removal = removal.await;
        assert!(locks.presence(&group).now_or_never().is_none(), "it is being removed");
        drop(removal);
        locks.presence(&group).await;
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
