//! What people ask of an outbox: to see what is in it, to try again, to give up.

use jiff::Timestamp;

use super::Outbox;
use super::{
    Delivery, DeliveryId, Ended, Filter, NewRecording, OutboxError, OwedEdit, Recording, RecordingId, Retried,
};
use crate::message::RoomAddress;

impl Outbox {
    /// Deliveries, newest first.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Delivery>, OutboxError> {
        self.store()?.list(filter).await
    }

    /// One delivery.
    pub async fn show(&self, id: DeliveryId) -> Result<Option<Delivery>, OutboxError> {
        self.store()?.show(id).await
    }

    /// Puts dead deliveries at the tail of their rooms, under their old transaction IDs, and lets the rooms try now.
    pub async fn retry(&self, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
        self.store()?.retry(ids, now).await.inspect(|_| self.work.notify_one())
    }

    /// The same for everything dead in a room, in its order.
    pub async fn retry_room(&self, room: &RoomAddress, now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
        self.retry(&self.store()?.dead_of_room(room).await?, now).await
    }

    /// The same for everything dead in all rooms: how many of each. All of these rooms are tried now.
    pub async fn retry_all(&self, now: Timestamp) -> Result<Vec<(RoomAddress, usize)>, OutboxError> {
        let mut retried = Vec::new();
        for room in self.stats(now).await?.rooms.into_iter().filter(|room| room.dead > 0) {
            let count = self.retry_room(&room.room, now).await?.len();
            self.set_room_due(&room.room, None, now).await?;
            retried.push((room.room, count));
        }
        Ok(retried)
    }

    /// The edits that are owed in a room, or in all; they are no deliveries of [`list`](Self::list).
    pub async fn edits(&self, room: Option<RoomAddress>, limit: usize) -> Result<Vec<OwedEdit>, OutboxError> {
        self.store()?.edits(room, limit).await
    }

    /// One of them.
    pub async fn edit(&self, id: DeliveryId) -> Result<Option<OwedEdit>, OutboxError> {
        self.store()?.edit(id).await
    }

    /// Gives up a delivery that waits: it is dead, and can still be read and retried. An edit is owed no more; the group's
    /// next change owes another one.
    pub async fn give_up(&self, id: DeliveryId, now: Timestamp) -> Result<Ended, OutboxError> {
        self.store()?.give_up(id, now).await
    }

    /// Deletes a dead delivery, with whatever it was sent in place of.
    pub async fn delete(&self, id: DeliveryId) -> Result<Ended, OutboxError> {
        self.store()?.delete(id).await
    }

    /// Keeps notifications for people to look at, and of all of them only the last `keep`.
    pub async fn keep_recordings(&self, new: Vec<NewRecording>, keep: usize) -> Result<(), OutboxError> {
        self.store()?.keep_recordings(new, keep).await
    }

    /// What was kept, newest first.
    pub async fn recordings(&self) -> Result<Vec<Recording>, OutboxError> {
        self.store()?.recordings().await
    }

    /// One of them, with its body.
    pub async fn recording(&self, id: RecordingId) -> Result<Option<(Recording, String)>, OutboxError> {
        self.store()?.recording(id).await
    }
}
