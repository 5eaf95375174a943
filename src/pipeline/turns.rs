//! One acceptance after the other for one group of a sender, in whichever rooms: the second has to see what the first has
//! changed.
//!
//! Guarantees: only within this process, to keep conflicts rare; what really protects a group is that the outbox refuses
//! what is out of date. Groups share their turns by hash, so memory does not grow with them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// How many groups can take their turns at the same time.
const LANES: usize = 512;

/// See the module.
pub(super) struct Turns(Vec<Arc<Mutex<()>>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..LANES).map(|_| Arc::default()).collect())
    }
}

impl Turns {
    /// Waits for the turn of this group; it lasts as long as what is returned.
    pub(super) async fn take(&self, group: &impl Hash) -> OwnedMutexGuard<()> {
        let mut hasher = DefaultHasher::new();
        group.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
        Arc::clone(&self.0[lane]).lock_owned().await
    }
}
