//! One acceptance after the other for one group: the second has to see what the first has changed.
//!
//! Guarantees: only within this process, to keep conflicts rare; what really protects a group is that the outbox refuses
//! what is out of date. Groups share their turns by hash, so memory does not grow with them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::message::RoomAddress;

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
    /// Waits for the turn of all these groups; it lasts as long as what is returned.
    pub(super) async fn take(&self, groups: &[(RoomAddress, String)]) -> Vec<OwnedMutexGuard<()>> {
        let mut lanes: Vec<usize> = groups.iter().map(lane).collect();
        // In one order, so that no two wait for each other.
        lanes.sort_unstable();
        lanes.dedup();
        let mut taken = Vec::with_capacity(lanes.len());
        for lane in lanes {
            taken.push(Arc::clone(&self.0[lane]).lock_owned().await);
        }
        taken
    }
}

fn lane(group: &(RoomAddress, String)) -> usize {
    let mut hasher = DefaultHasher::new();
    group.hash(&mut hasher);
    usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default()
}
