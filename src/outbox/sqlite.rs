//! The outbox in one SQLite file: nothing to set up, for one relay.
//!
//! Guarantees: one thread writes, and what is asked while it commits shares its next fsync; readers never wait for it.
//! No request waits for a disk that hangs, and what a storm took of the disk is given back when its rows are pruned.
//! The directory is locked, so a claim that is found at the start belongs to a process that is dead. Several relays
//! cannot share it: that is what PostgreSQL is for.

mod claim;
mod enqueue;
mod files;
mod fold;
mod group;
mod identity;
mod operator;
mod read;
mod record;
mod recording;
mod soundness;
mod writer;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

use self::identity::Identity;
use self::writer::Writer;
use super::store::{PreparedAcceptance, Store, within};
use super::{
    Acceptance, Delivery, DeliveryId, Dropped, Enqueued, Filter, FoldPolicy, KnownGroup, NewRecording, OutboxError,
    Outcome, Recorded, Recording, RecordingId, Retried, RoomWait, Settings, Stats,
};
use crate::message::RoomAddress;

const VOID_CLAIMS: &str = "UPDATE room SET in_flight = NULL, lease_until = 0 WHERE in_flight IS NOT NULL";
const PROBE: &str = "UPDATE probe SET count = count + 1";

/// How long an acceptance, a probe or a look may take before the disk counts as gone; one that hangs says nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// The store.
pub(super) struct Sqlite {
    /// For what each acceptance asks: it waits for no long read, nor for another one where there are threads for both.
    lookups: [Mutex<Connection>; 2],
    reader: Arc<Mutex<Connection>>,
    /// Closed last: whoever writes and is alone moves the log into the file then.
    writer: Writer,
    directory: PathBuf,
    files: Arc<Identity>,
    repeat_window: Duration,
    keep_delivered: Duration,
    keep_groups: Duration,
}

impl Sqlite {
    /// For the relay: takes the directory, migrates, voids the claims of whoever was there before.
    pub(super) fn open(settings: &Settings) -> Result<Self, OutboxError> {
        let lock = files::take_directory(&settings.data_dir)?;
        let mut connection = files::open_writer(&settings.data_dir)?;
        files::migrate(&mut connection)?;
        connection.execute(VOID_CLAIMS, [])?;
        Self::start(connection, lock, settings)
    }

    /// For a command, beside a relay that may be running.
    pub(super) fn open_for_operator(settings: &Settings) -> Result<Self, OutboxError> {
        let file = settings.data_dir.join(files::FILE);
        if !file.exists() {
            return Err(OutboxError::Missing(file));
        }
        let connection = files::open_writer(&settings.data_dir)?;
        files::check_version(&connection)?;
        Self::start(connection, (), settings)
    }

    fn start(connection: Connection, guard: impl Send + 'static, settings: &Settings) -> Result<Self, OutboxError> {
        Ok(Self {
            lookups: [
                Mutex::new(files::open_lookup(&settings.data_dir)?),
                Mutex::new(files::open_lookup(&settings.data_dir)?),
            ],
            reader: Arc::new(Mutex::new(files::open_reader(&settings.data_dir)?)),
            writer: Writer::start(connection, guard)?,
            files: Arc::new(Identity::of(&settings.data_dir)),
            directory: settings.data_dir.clone(),
            repeat_window: settings.repeat_window,
            keep_delivered: settings.keep_delivered,
            keep_groups: settings.keep_groups,
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let reader = Arc::clone(&self.reader);
        let read = move || work(&reader.lock().unwrap_or_else(PoisonError::into_inner));
        let read = async { tokio::task::spawn_blocking(read).await.map_err(OutboxError::bug)? };
        within(PATIENCE, "the disk did not answer in time", read).await
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn groups(&self, keys: Vec<String>) -> Result<HashMap<String, KnownGroup>, OutboxError> {
        // A few rows by their keys cost less than a walk to another thread and back, which every acceptance would pay. One
        // thread for requests stays out of it, because a disk that hangs holds up whoever reads.
        let others = tokio::runtime::Handle::current().metrics().num_workers() - 1;
        let mut lookups = self.lookups.iter().take(others);
        if let Some(lookup) = lookups.find_map(|lookup| lookup.try_lock().ok()) {
            return group::known(&lookup, &keys);
        }
        self.read(move |c| group::known(c, &keys)).await
    }

    async fn stopped(&self) {
        self.writer.stopped().await;
    }

    async fn enqueue(&self, acceptance: Acceptance) -> Result<Enqueued, OutboxError> {
        let acceptance = PreparedAcceptance::new(acceptance)?;
        let window = self.repeat_window;
        let files = Arc::clone(&self.files);
        let enqueue = move |c: &Connection| {
            files.check()?;
            enqueue::enqueue(c, &acceptance, window)
        };
        self.writer.run_within(PATIENCE, enqueue).await
    }

    async fn claim_due(&self, now: Timestamp, limit: usize, fold: &FoldPolicy) -> Result<Vec<Delivery>, OutboxError> {
        let fold = fold.clone();
        self.writer.run(move |c| claim::claim_due(c, now, limit, &fold)).await
    }

    async fn renew(&self, ids: &[DeliveryId], now: Timestamp) -> Result<(), OutboxError> {
        let ids = ids.to_vec();
        self.writer.run(move |c| claim::renew(c, &ids, now)).await
    }

    async fn release(&self, ids: &[DeliveryId]) -> Result<(), OutboxError> {
        let ids = ids.to_vec();
        self.writer.run(move |c| claim::release(c, &ids)).await
    }

    async fn record(&self, id: DeliveryId, outcome: Outcome, now: Timestamp) -> Result<Recorded, OutboxError> {
        self.writer.run(move |c| record::record(c, id, &outcome, now)).await
    }

    async fn room_due(&self, room: &RoomAddress, now: Timestamp) -> Result<Option<RoomWait>, OutboxError> {
        let room = room.clone();
        self.read(move |c| read::room_due(c, &room, now)).await
    }

    async fn set_room_due(
        &self,
        room: &RoomAddress,
        wait: Option<RoomWait>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let room = room.clone();
        self.writer
            .run(move |c| record::set_room_due(c, &room, wait.as_ref(), now))
            .await
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, OutboxError> {
        self.read(move |c| read::stats(c, now)).await
    }

    async fn probe(&self) -> Result<(), OutboxError> {
        let files = Arc::clone(&self.files);
        let probe = move |c: &Connection| {
            files.check()?;
            Ok(c.prepare_cached(PROBE)?.execute([]).map(drop)?)
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
        let keep = operator::Keep {
            delivered: self.keep_delivered,
            keys: self.repeat_window,
            groups: self.keep_groups,
        };
        let mut removed = 0;
        loop {
            match self.writer.run(move |c| operator::prune_step(c, now, keep)).await? {
                0 => break,
                step => removed += step,
            }
        }
        while self.writer.run(files::give_back).await? {}
        Ok(removed)
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Delivery>, OutboxError> {
        self.read(move |c| read::list(c, &filter)).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Delivery>, OutboxError> {
        self.read(move |c| read::show(c, id)).await
    }

    async fn retry(&self, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
        let ids = ids.to_vec();
        self.writer.run(move |c| operator::retry(c, &ids, now)).await
    }

    async fn retry_room(&self, room: &RoomAddress, now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
        let room = room.clone();
        let retry = move |c: &Connection| operator::retry(c, &operator::dead_of_room(c, &room)?, now);
        self.writer.run(retry).await
    }

    async fn discard(&self, id: DeliveryId, now: Timestamp) -> Result<Dropped, OutboxError> {
        self.writer.run(move |c| operator::discard(c, id, now)).await
    }

    async fn keep_recordings(&self, new: Vec<NewRecording>, keep: usize) -> Result<(), OutboxError> {
        self.writer.run(move |c| recording::keep(c, &new, keep)).await
    }

    async fn recordings(&self) -> Result<Vec<Recording>, OutboxError> {
        self.read(recording::list).await
    }

    async fn recording(&self, id: RecordingId) -> Result<Option<(Recording, String)>, OutboxError> {
        self.read(move |c| recording::show(c, id)).await
    }
}

/// What passes by itself or when an operator makes room is told apart from what is wrong.
impl From<rusqlite::Error> for OutboxError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationAborted,
            ) => Self::unavailable(&error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => soundness::corrupt(&error),
            _ => Self::bug(error),
        }
    }
}
