//! Locks of groups: one acceptance after the other for one group of a sender, in whichever rooms: the second has to see what the first has
//! changed.
//!
//! Guarantees: only within this process, to keep conflicts rare; what really protects a group is that the outbox refuses
//! what is out of date. Groups share locks by hash, so memory does not grow with them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// How many groups can be locked at the same time.
const LOCKS: usize = 512;

/// See the module.
pub(super) struct GroupLocks(Vec<Arc<Mutex<()>>>);

impl Default for GroupLocks {
    fn default() -> Self {
        Self((0..LOCKS).map(|_| Arc::default()).collect())
    }
}

impl GroupLocks {
    /// Waits for the lock of this group; it is held as long as what is returned.
    pub(super) async fn lock(&self, group: &impl Hash) -> OwnedMutexGuard<()> {
        let mut hasher = DefaultHasher::new();
        group.hash(&mut hasher);
        let lock = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
        Arc::clone(&self.0[lock]).lock_owned().await
    }
}
