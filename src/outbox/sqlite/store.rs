//! What a store does, on SQLite: writes through the writer's thread, reads on a connection of their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::super::outcome::Claims;
use super::super::prepared::PreparedAcceptance;
use super::super::store::{AskedGroup, Lead, Store};
use super::super::{
    Acceptance, Delivery, DeliveryId, DigestPolicy, Ended, Enqueued, Filter, KnownGroup, NewRecording, OutboxError,
    Outcome, OwedEdit, Recorded, Recording, RecordingId, Retried, RoomWait, Scheduled, Sign, Stats, accept, claim,
    edits, encrypted, known, operator, read, record, recording, row, run, sign, switch,
};
use super::session::{SqliteSession, done};
use super::{OWNER, PATIENCE, PROBE, Sqlite, files, soundness};
use crate::message::{RenderedMessage, RoomAddress, TxnId};

#[async_trait]
impl Store for Sqlite {
    async fn groups(&self, asked: Vec<AskedGroup>) -> Result<Vec<Option<KnownGroup>>, OutboxError> {
        // A few rows by their keys cost less than a walk to another thread and back, which every acceptance would pay. One
        // thread for requests stays out of it, because a disk that hangs holds up its readers.
        let others = tokio::runtime::Handle::current().metrics().num_workers() - 1;
        let mut lookups = self.lookups.iter().take(others);
        if let Some(lookup) = lookups.find_map(|lookup| lookup.try_lock().ok()) {
            return done(known::known(&mut SqliteSession(&lookup), &asked));
        }
        self.read(move |s| done(known::known(s, &asked))).await
    }

    async fn stopped(&self) {
        self.writer.stopped().await;
    }

    async fn enqueue(&self, acceptance: Acceptance) -> Result<Enqueued, OutboxError> {
        let acceptance = PreparedAcceptance::new(acceptance)?;
        let window = self.keep.keys;
        let files = Arc::clone(&self.files);
        let enqueue = move |s: &mut SqliteSession<'_>| {
            files.check()?;
            done(async {
                let mut rooms = accept::lock_rooms(s, acceptance.rooms()).await?;
                let enqueued = accept::accept(s, &acceptance, &mut rooms, window).await?;
                rooms.write(s).await?;
                Ok(enqueued)
            })
        };
        self.writer.run_within(PATIENCE, enqueue).await
    }

    async fn claim_due(
        &self,
        now: Timestamp,
        limit: usize,
        policy: &DigestPolicy,
        encrypted_too: bool,
    ) -> Result<Claims, OutboxError> {
        let policy = *policy;
        self.writer
            .run(move |s| done(claim::claim_due(s, OWNER, now, limit, &policy, encrypted_too)))
            .await
    }

    async fn mark_encrypted(&self, room: &RoomAddress, id: String) -> Result<(), OutboxError> {
        let room = room.clone();
        self.writer.run(move |s| done(encrypted::mark(s, &room, &id))).await
    }

    async fn encrypted_rooms(&self) -> Result<Vec<String>, OutboxError> {
        self.read(|s| done(encrypted::all(s))).await
    }

    async fn wake_encrypted(&self) -> Result<(), OutboxError> {
        self.writer.run(|s| done(encrypted::wake(s))).await
    }

    async fn lead(&self) -> Result<Option<Box<dyn Lead>>, OutboxError> {
        Ok(Some(Box::new(encrypted::Alone)))
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn renew(&self, ids: &[DeliveryId], now: Timestamp) -> Result<(), OutboxError> {
        let ids = ids.to_vec();
        self.writer.run(move |s| done(claim::renew(s, OWNER, &ids, now))).await
    }

    async fn release(&self, ids: &[DeliveryId]) -> Result<(), OutboxError> {
        let ids = ids.to_vec();
        self.writer.run(move |s| done(claim::release(s, OWNER, &ids))).await
    }

    async fn record(
        &self,
        id: DeliveryId,
        outcome: Outcome,
        now: Timestamp,
        next: Option<&DigestPolicy>,
    ) -> Result<(Recorded, Claims), OutboxError> {
        let next = next.copied();
        let record = move |s: &mut SqliteSession<'_>| done(claim::end(s, OWNER, id, &outcome, now, next.as_ref()));
        self.writer.run(record).await
    }

    async fn set_digest(&self, id: DeliveryId, message: RenderedMessage) -> Result<Recorded, OutboxError> {
        let set = move |s: &mut SqliteSession<'_>| done(run::set_digest(s, OWNER, id, &message));
        self.writer.run(set).await
    }

    async fn room_due(&self, room: &RoomAddress, now: Timestamp) -> Result<Option<RoomWait>, OutboxError> {
        let room = room.clone();
        self.read(move |s| done(read::room_due(s, &room, now))).await
    }

    async fn set_room_due(
        &self,
        room: &RoomAddress,
        wait: Option<RoomWait>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let room = room.clone();
        let set = move |s: &mut SqliteSession<'_>| done(record::set_room_due(s, &room, wait.as_ref(), now));
        self.writer.run(set).await
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, OutboxError> {
        self.read(move |s| done(read::stats(s, now))).await
    }

    async fn probe(&self) -> Result<(), OutboxError> {
        let files = Arc::clone(&self.files);
        let probe = move |s: &mut SqliteSession<'_>| {
            files.check()?;
            Ok(s.0.prepare_cached(PROBE)?.execute([]).map(drop)?)
        };
        self.writer.run_within(PATIENCE, probe).await
    }

    async fn inspect(&self) -> Result<(), OutboxError> {
        soundness::inspect(self.directory.clone()).await
    }

    async fn rebuild(&self) -> Result<(), OutboxError> {
        let directory = self.directory.clone();
        let rebuild = tokio::task::spawn_blocking(move || soundness::rebuild(&directory));
        rebuild.await.map_err(OutboxError::bug)?
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, OutboxError> {
        let keep = self.keep;
        let mut removed = 0;
        loop {
            match self
                .writer
                .run(move |s| done(operator::prune_step(s, now, keep)))
                .await?
            {
                0 => break,
                step => removed += step,
            }
        }
        while self.writer.run(|s| files::give_back(s.0)).await? {}
        Ok(removed)
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Delivery>, OutboxError> {
        self.read(move |s| done(read::list(s, &filter))).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Delivery>, OutboxError> {
        self.read(move |s| done(row::show(s, id))).await
    }

    async fn retry(&self, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
        let mut retried = Vec::with_capacity(ids.len());
        for &id in ids {
            let result = self.writer.run(move |s| done(operator::retry(s, id, now))).await?;
            retried.push(Retried { id, result });
        }
        Ok(retried)
    }

    async fn dead_of_room(&self, room: &RoomAddress) -> Result<Vec<DeliveryId>, OutboxError> {
        let room = room.clone();
        self.read(move |s| done(operator::dead_of_room(s, &room))).await
    }

    async fn edits(&self, room: Option<RoomAddress>, limit: usize) -> Result<Vec<OwedEdit>, OutboxError> {
        self.read(move |s| done(edits::list(s, room.as_ref(), limit))).await
    }

    async fn edit(&self, id: DeliveryId) -> Result<Option<OwedEdit>, OutboxError> {
        self.read(move |s| done(edits::show(s, id))).await
    }

    async fn give_up(&self, id: DeliveryId, now: Timestamp) -> Result<Ended, OutboxError> {
        self.writer.run(move |s| done(operator::give_up(s, id, now))).await
    }

    async fn delete(&self, id: DeliveryId) -> Result<Ended, OutboxError> {
        self.writer.run(move |s| done(operator::delete(s, id))).await
    }

    async fn keep_recordings(&self, new: Vec<NewRecording>, keep: usize) -> Result<(), OutboxError> {
        self.writer.run(move |s| done(recording::keep(s, &new, keep))).await
    }

    async fn recordings(&self) -> Result<Vec<Recording>, OutboxError> {
        self.read(|s| done(recording::list(s))).await
    }

    async fn recording(&self, id: RecordingId) -> Result<Option<(Recording, String)>, OutboxError> {
        self.read(move |s| done(recording::show(s, id))).await
    }

    async fn note_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<(), OutboxError> {
        self.writer
            .run_within(PATIENCE, move |s| done(sign::note(s, &names, at)))
            .await
    }

    async fn expect_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<Vec<Sign>, OutboxError> {
        self.writer.run(move |s| done(sign::expect(s, &names, at))).await
    }

    async fn scheduled(&self) -> Result<Vec<Scheduled>, OutboxError> {
        self.read(|s| done(switch::list(s))).await
    }

    async fn begin_scheduled(&self, new: Scheduled) -> Result<(), OutboxError> {
        self.writer.run(move |s| done(switch::begin(s, &new))).await
    }

    async fn write_scheduled(&self, one: Scheduled) -> Result<(), OutboxError> {
        self.writer.run(move |s| done(switch::write(s, &one))).await
    }

    async fn forget_scheduled(&self, txn_id: TxnId) -> Result<(), OutboxError> {
        self.writer.run(move |s| done(switch::forget(s, &txn_id))).await
    }
}
