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
mod commit_status;
mod database;
mod lead;
mod session;
mod soundness;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use self::database::begin;
use self::session::PgSession;
use super::outcome::Claims;
use super::prepared::PreparedAcceptance;
use super::store::{AskedGroup, Keep, Lead, Store, within};
use super::{
    Acceptance, Delivery, DeliveryId, DigestPolicy, Ended, Enqueued, Filter, KnownGroup, NewRecording, OutboxError,
    Outcome, OwedEdit, Recorded, Recording, RecordingId, Retried, RoomWait, Scheduled, Settings, Sign, Stats,
};
use super::{claim, edits, encrypted, known, operator, read, record, recording, row, run, sign, switch};
use crate::message::{RenderedMessage, RoomAddress, TxnId};

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
    keep: Keep,
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
        let keep = Keep::of(settings);
        Self {
            accepting: batch::start(pool.clone(), keep.keys),
            pool,
            owner: uuid::Uuid::now_v7().simple().to_string(),
            keep,
        }
    }
}

/// Ends a call that takes too long.
async fn patiently<T>(call: impl Future<Output = Result<T, OutboxError>> + Send) -> Result<T, OutboxError> {
    within(PATIENCE, OutboxError::unavailable(LATE), call).await
}

/// Does this in a transaction of its own, and bounds its time.
macro_rules! transact {
    ($self:ident, $session:ident => $work:expr) => {
        patiently(async {
            let mut transaction = begin(&$self.pool).await?;
            let $session = &mut PgSession(&mut transaction);
            let done = $work.await?;
            // Also where nothing has changed: a transaction that is only dropped holds its locks a moment longer.
            transaction.commit().await?;
            Ok(done)
        })
        .await
    };
}

#[async_trait]
impl Store for PostgreSql {
    async fn groups(&self, asked: Vec<AskedGroup>) -> Result<Vec<Option<KnownGroup>>, OutboxError> {
        transact!(self, s => known::known(s, &asked))
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
        let late = OutboxError::Unknown {
            reason: LATE.to_owned(),
        };
        within(PATIENCE * 5 / 2, late, accepted).await
    }

    async fn claim_due(
        &self,
        now: Timestamp,
        limit: usize,
        policy: &DigestPolicy,
        encrypted_too: bool,
    ) -> Result<Claims, OutboxError> {
        transact!(self, s => claim::claim_due(s, &self.owner, now, limit, policy, encrypted_too))
    }

    async fn mark_encrypted(&self, room: &RoomAddress, id: String) -> Result<(), OutboxError> {
        transact!(self, s => encrypted::mark(s, room, &id))
    }

    async fn encrypted_rooms(&self) -> Result<Vec<String>, OutboxError> {
        transact!(self, s => encrypted::all(s))
    }

    async fn wake_encrypted(&self) -> Result<(), OutboxError> {
        transact!(self, s => encrypted::wake(s))
    }

    async fn lead(&self) -> Result<Option<Box<dyn Lead>>, OutboxError> {
        let lead = patiently(lead::take(&self.pool)).await?;
        Ok(lead.map(|lead| Box::new(lead) as Box<dyn Lead>))
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn renew(&self, ids: &[DeliveryId], now: Timestamp) -> Result<(), OutboxError> {
        // One by one: each locks a room.
        for id in ids {
            transact!(self, s => claim::renew(s, &self.owner, &[*id], now))?;
        }
        Ok(())
    }

    async fn release(&self, ids: &[DeliveryId]) -> Result<(), OutboxError> {
        for id in ids {
            transact!(self, s => claim::release(s, &self.owner, &[*id]))?;
        }
        Ok(())
    }

    async fn record(
        &self,
        id: DeliveryId,
        outcome: Outcome,
        now: Timestamp,
        next: Option<&DigestPolicy>,
    ) -> Result<(Recorded, Claims), OutboxError> {
        transact!(self, s => claim::end(s, &self.owner, id, &outcome, now, next))
    }

    async fn set_digest(&self, id: DeliveryId, message: RenderedMessage) -> Result<Recorded, OutboxError> {
        transact!(self, s => run::set_digest(s, &self.owner, id, &message))
    }

    async fn room_due(&self, room: &RoomAddress, now: Timestamp) -> Result<Option<RoomWait>, OutboxError> {
        transact!(self, s => read::room_due(s, room, now))
    }

    async fn set_room_due(
        &self,
        room: &RoomAddress,
        wait: Option<RoomWait>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        transact!(self, s => record::set_room_due(s, room, wait.as_ref(), now))
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, OutboxError> {
        transact!(self, s => read::stats(s, now))
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
            match transact!(self, s => operator::prune_step(s, now, self.keep))? {
                0 => return Ok(removed),
                step => removed += step,
            }
        }
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Delivery>, OutboxError> {
        transact!(self, s => read::list(s, &filter))
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Delivery>, OutboxError> {
        transact!(self, s => row::show(s, id))
    }

    async fn retry(&self, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Retried>, OutboxError> {
        let mut retried = Vec::with_capacity(ids.len());
        for &id in ids {
            let result = transact!(self, s => operator::retry(s, id, now))?;
            retried.push(Retried { id, result });
        }
        Ok(retried)
    }

    async fn dead_of_room(&self, room: &RoomAddress) -> Result<Vec<DeliveryId>, OutboxError> {
        transact!(self, s => operator::dead_of_room(s, room))
    }

    async fn edits(&self, room: Option<RoomAddress>, limit: usize) -> Result<Vec<OwedEdit>, OutboxError> {
        transact!(self, s => edits::list(s, room.as_ref(), limit))
    }

    async fn edit(&self, id: DeliveryId) -> Result<Option<OwedEdit>, OutboxError> {
        transact!(self, s => edits::show(s, id))
    }

    async fn give_up(&self, id: DeliveryId, now: Timestamp) -> Result<Ended, OutboxError> {
        transact!(self, s => operator::give_up(s, id, now))
    }

    async fn delete(&self, id: DeliveryId) -> Result<Ended, OutboxError> {
        transact!(self, s => operator::delete(s, id))
    }

    async fn keep_recordings(&self, new: Vec<NewRecording>, keep: usize) -> Result<(), OutboxError> {
        transact!(self, s => recording::keep(s, &new, keep))
    }

    async fn recordings(&self) -> Result<Vec<Recording>, OutboxError> {
        transact!(self, s => recording::list(s))
    }

    async fn recording(&self, id: RecordingId) -> Result<Option<(Recording, String)>, OutboxError> {
        transact!(self, s => recording::show(s, id))
    }

    async fn note_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<(), OutboxError> {
        transact!(self, s => sign::note(s, &names, at))
    }

    async fn expect_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<Vec<Sign>, OutboxError> {
        transact!(self, s => sign::expect(s, &names, at))
    }

    async fn scheduled(&self) -> Result<Vec<Scheduled>, OutboxError> {
        transact!(self, s => switch::list(s))
    }

    async fn begin_scheduled(&self, new: Scheduled) -> Result<(), OutboxError> {
        transact!(self, s => switch::begin(s, &new))
    }

    async fn write_scheduled(&self, one: Scheduled) -> Result<(), OutboxError> {
        transact!(self, s => switch::write(s, &one))
    }

    async fn forget_scheduled(&self, txn_id: TxnId) -> Result<(), OutboxError> {
        transact!(self, s => switch::forget(s, &txn_id))
    }
}
