//! Keeping an outbox well: how full and how sound it is, and what is removed when it is old.

use std::time::Duration;

use jiff::Timestamp;

use super::Outbox;
use super::{OutboxError, Stats};

/// How often a running outbox is looked at for damage.
pub(super) const LOOK: Duration = Duration::from_mins(10);

/// The same where damage was met that could not be looked at: nothing is accepted until it was.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Outbox {
    /// How full it is. Counts index entries, so ask it every few seconds and not on every request.
    pub async fn stats(&self, now: Timestamp) -> Result<Stats, OutboxError> {
        self.store()?.stats(now).await
    }

    /// Whether it can be written: it writes.
    pub async fn probe(&self) -> Result<(), OutboxError> {
        self.soundness.must_be_usable()?;
        self.soundness.note(self.store()?.probe().await)
    }

    /// Looks whether it is what was written; bounded in time.
    pub async fn inspect(&self) -> Result<(), OutboxError> {
        self.store()?.inspect().await
    }

    /// What somebody should know of it, though it works.
    pub fn remark(&self) -> Option<String> {
        self.soundness.remark()
    }

    /// Why nothing that waits can be claimed, if the last try to claim failed.
    pub fn unclaimed(&self) -> Option<String> {
        self.soundness.unclaimed()
    }

    /// Looks at the database for damage as soon as it is open, every few minutes, and whenever a call has met any, and rebuilds it
    /// where that helps. It has no end while all is well.
    pub async fn keep_sound(&self) {
        self.slot.opened().await;
        while let Ok(store) = self.store() {
            self.soundness.look(store).await;
            // What could not be claimed may be claimed now.
            self.work.notify_one();
            let pause = if self.soundness.is_doubted() { LOOK_AGAIN } else { LOOK };
            tokio::select! {
                () = self.soundness.doubted() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Removes what was delivered too long ago with whatever was sent as one with it, repeat keys past the window, groups of
    /// which nothing came for long and nothing is owed, and alerts that were resolved a day ago; says how many rows. What is
    /// dead stays, and its group. A group that is forgotten begins anew with its next notification.
    pub async fn prune(&self, now: Timestamp) -> Result<u64, OutboxError> {
        self.store()?.prune(now).await
    }
}
