//! The outbox on PostgreSQL: several relays behind a load balancer share one database.
//!
//! Each room is worked by one relay at a time. The claim is a lease in the room's row, not a session lock: a lease also
//! ends when a relay's machine vanishes without closing its connection, and it occupies no connection. It
//! lasts ten seconds and is renewed while a delivery is in flight, all by the database's clock, so the relays' clocks do
//! not matter. A relay that stalls for longer than its lease may send a message that another one sends too: under the
//! same transaction ID, which the homeserver merges.
//!
//! Guarantees: as in SQLite, and over all relays. It needs no extension and no superuser, only the right to create
//! tables in its own database.

mod batch;
mod claim;
mod database;
mod doubt;
mod enqueue;
mod fold;
mod group;
mod operator;
mod read;
mod record;
mod recording;
mod soundness;

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use super::store::{PreparedAcceptance, Store, within};
use super::{
    Acceptance, Delivery, DeliveryId, Dropped, Enqueued, Filter, FoldPolicy, KnownGroup, NewRecording, OutboxError,
    Outcome, Recorded, Recording, RecordingId, Retried, RoomWait, Settings, Stats,
};
use crate::message::RoomAddress;

const PROBE: &str = "UPDATE outbox_probe SET count = count + 1";

/// How long one call may take before the database counts as gone; a broken network may not say so for minutes.
const PATIENCE: Duration = Duration::from_secs(10);
const LATE: &str = "the database did not answer in time";

/// The store.
pub(super) struct PostgreSql {
    pool: PgPool,
    accepting: mpsc::Sender<batch::Request>,
    /// This process, for the claims that it holds.
    owner: String,
    keep: operator::Keep,
}

impl PostgreSql {
    /// For a relay: migrates. Other relays' claims are left to their leases.
    pub(super) async fn open(url: &SecretString, settings: &Settings) -> Result<Self, OutboxError> {
        let pool = patiently(database::connect(url)).await?;
        database::migrate(&pool).await?;
        Ok(Self::start(pool, settings))
    }

    /// For a command: makes and migrates nothing.
    pub(super) async fn open_for_operator(url: &SecretString, settings: &Settings) -> Result<Self, OutboxError> {
        let pool = patiently(database::connect(url)).await?;
        database::check_version(&pool).await?;
        Ok(Self::start(pool, settings))
    }

    fn start(pool: PgPool, settings: &Settings) -> Self {
        let in_millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let window_ms = in_millis(settings.repeat_window);
        Self {
            accepting: batch::start(pool.clone(), window_ms),
            pool,
            owner: uuid::Uuid::now_v7().simple().to_string(),
            keep: operator::Keep {
                delivered: in_millis(settings.keep_delivered),
                keys: window_ms,
                groups: in_millis(settings.keep_groups),
            },
        }
    }
}

/// Ends a call that takes too long.
async fn patiently<T>(call: impl Future<Output = Result<T, OutboxError>> + Send) -> Result<T, OutboxError> {
    within(PATIENCE, LATE, call).await
}

#[async_trait]
impl Store for PostgreSql {
    async fn groups(&self, keys: Vec<String>) -> Result<HashMap<String, KnownGroup>, OutboxError> {
        patiently(group::known(&self.pool, &keys)).await
    }

    async fn stopped(&self) {
        self.accepting.closed().await;
    }

    async fn enqueue(&self, acceptance: Acceptance) -> Result<Enqueued, OutboxError> {
        let gone = || OutboxError::unavailable("its writer has stopped");
        let (answer, answered) = oneshot::channel();
        let acceptance = PreparedAcceptance::new(acceptance)?;
        let request = batch::Request { acceptance, answer };
        let accepted = async {
            self.accepting.send(request).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        };
        // The task bounds its calls itself; it may have to look what became of one.
        within(PATIENCE * 5 / 2, LATE, accepted).await
    }

    async fn claim_due(&self, now: Timestamp, limit: usize, fold: &FoldPolicy) -> Result<Vec<Delivery>, OutboxError> {
        patiently(claim::claim_due(&self.pool, &self.owner, now, limit, fold)).await
    }

    async fn renew(&self, ids: &[DeliveryId], _now: Timestamp) -> Result<(), OutboxError> {
        patiently(claim::renew(&self.pool, &self.owner, ids)).await
    }

    async fn release(&self, ids: &[DeliveryId]) -> Result<(), OutboxError> {
        patiently(claim::release(&self.pool, &self.owner, ids)).await
    }

    async fn record(&self, id: DeliveryId, outcome: Outcome, now: Timestamp) -> Result<Recorded, OutboxError> {
        patiently(record::record(&self.pool, &self.owner, id, &outcome, now)).await
    }

    async fn room_due(&self, room: &RoomAddress, now: Timestamp) -> Result<Option<RoomWait>, OutboxError> {
        patiently(read::room_due(&self.pool, room, now)).await
    }

    async fn set_room_due(
        &self,
        room: &RoomAddress,
        wait: Option<RoomWait>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        patiently(record::set_room_due(&self.pool, room, wait.as_ref(), now)).await
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, OutboxError> {
        patiently(read::stats(&self.pool, now)).await
    }

    async fn probe(&self) -> Result<(), OutboxError> {
        patiently(async { Ok(sqlx::query(PROBE).execute(&self.pool).await.map(drop)?) }).await
    }

    async fn inspect(&self) -> Result<(), OutboxError> {
        soundness::inspect(&self.pool).await
    }

    async fn rebuild(&self) -> Result<(), OutboxError> {
        soundness::rebuild(&self.pool).await
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, OutboxError> {
        let mut removed = 0;
        loop {
            match patiently(operator::prune_step(&self.pool, now, self.keep)).await? {
                0 => return Ok(removed),
                step => removed += step,
            }
        }
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Delivery>, OutboxError> {
        patiently(read::list(&self.pool, &filter)).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Delivery>, OutboxError> {
        patiently(read::show(&self.pool, id)).await
    }

    async fn retry(&self, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
        operator::retry(&self.pool, ids, now).await
    }

    async fn retry_room(&self, room: &RoomAddress, now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
        let ids = operator::dead_of_room(&self.pool, room).await?;
        operator::retry(&self.pool, &ids, now).await
    }

    async fn discard(&self, id: DeliveryId, now: Timestamp) -> Result<Dropped, OutboxError> {
        patiently(operator::discard(&self.pool, id, now)).await
    }

    async fn keep_recordings(&self, new: Vec<NewRecording>, keep: usize) -> Result<(), OutboxError> {
        patiently(recording::keep(&self.pool, &new, keep)).await
    }

    async fn recordings(&self) -> Result<Vec<Recording>, OutboxError> {
        patiently(recording::list(&self.pool)).await
    }

    async fn recording(&self, id: RecordingId) -> Result<Option<(Recording, String)>, OutboxError> {
        patiently(recording::show(&self.pool, id)).await
    }
}

/// What passes by itself or when an operator acts on the server is told apart from what is wrong here.
impl From<sqlx::Error> for OutboxError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error
            && database.code().is_some_and(|code| soundness::is_corrupt(&code))
        {
            return soundness::corrupt(&error);
        }
        let passes = match &error {
            sqlx::Error::Database(database) => database.code().is_some_and(|code| passes(&code)),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        };
        if passes {
            Self::unavailable(&error)
        } else {
            Self::bug(error)
        }
    }
}

/// SQLSTATE classes: connection, authorisation, read-only after a failover, rolled back by a deadlock, no resources
/// (a full disk is 53100), an administrator's intervention, an error of the system under the database.
fn passes(code: &str) -> bool {
    code == "25006"
        || ["08", "28", "3D", "40", "53", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class))
}
