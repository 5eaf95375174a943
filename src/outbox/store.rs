//! The seam between the outbox and its two databases, and what both of them share.
//!
//! [`Store`] is what a database has to do; `tests/it/outbox` is one suite that runs against both. The rulings here are
//! pure, so that the two cannot come to differ.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::columns::{group_key, millis_of, stored_name};
use super::delivery::{Acceptance, Delivery, DeliveryId, Enqueued};
use super::digest::DigestPolicy;
use super::error::OutboxError;
use super::group::KnownGroup;
use super::outcome::{Claims, Outcome, Recorded};
use super::recording::{NewRecording, Recording, RecordingId};
use super::report::{Ended, Filter, OwedEdit, Retried, RoomWait, Stats};
use super::sign::Sign;
use super::switch::Scheduled;
use super::{GroupQuery, Settings};
use crate::message::{RenderedMessage, RoomAddress, TxnId};

/// A commit that takes so long hangs.
pub(super) const HANGS: Duration = Duration::from_secs(1);

/// How many rows a step of pruning removes, so that acceptance never waits long behind it.
pub(super) const PRUNE_STEP: i64 = 500;

/// What a delivery that the operator gave up says of its end.
pub(super) const GIVEN_UP: &str = "the operator gave it up";

/// A group that is to be read: its stored key, and the names of alerts.
pub(super) struct AskedGroup {
    pub(super) key: String,
    /// A list in JSON.
    pub(super) names: String,
    /// Whether those that fire are read too.
    pub(super) others: bool,
}

impl AskedGroup {
    pub(super) fn new(query: &GroupQuery<'_>) -> Result<Self, OutboxError> {
        let name = |name: &String| serde_json::json!({"name": stored_name(name)});
        let names: Vec<serde_json::Value> = query.alerts.iter().map(name).collect();
        Ok(Self {
            key: group_key(query.room, query.key),
            names: serde_json::to_string(&names)?,
            others: query.others,
        })
    }
}

/// How long what is kept, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    pub(super) delivered: i64,
    pub(super) keys: i64,
    pub(super) groups: i64,
}

impl Keep {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            delivered: millis_of(settings.keep_delivered),
            keys: millis_of(settings.repeat_window),
            groups: millis_of(settings.keep_groups),
        }
    }
}

/// Ends a call that takes too long, with this error.
pub(super) async fn within<T>(
    patience: Duration,
    late: OutboxError,
    call: impl Future<Output = Result<T, OutboxError>> + Send,
) -> Result<T, OutboxError> {
    tokio::time::timeout(patience, call).await.unwrap_or(Err(late))
}

/// The lock of the one process that encrypts, until it is dropped or lost.
#[async_trait]
pub trait Lead: Send {
    /// Whether it is still held. If this fails it may be another's by now.
    async fn confirm(&mut self) -> Result<(), OutboxError>;
}

/// One database.
#[async_trait]
pub(super) trait Store: Send + Sync {
    async fn groups(&self, asked: Vec<AskedGroup>) -> Result<Vec<Option<KnownGroup>>, OutboxError>;
    /// Ends only when what writes has failed, and nothing can be accepted any more.
    async fn stopped(&self);
    async fn enqueue(&self, acceptance: Acceptance) -> Result<Enqueued, OutboxError>;
    async fn claim_due(
        &self,
        now: Timestamp,
        limit: usize,
        policy: &DigestPolicy,
        encrypted_too: bool,
    ) -> Result<Claims, OutboxError>;
    /// Notes that a room was seen encrypted, under this ID.
    async fn mark_encrypted(&self, room: &RoomAddress, id: String) -> Result<(), OutboxError>;
    /// The IDs under which rooms were ever seen encrypted.
    async fn encrypted_rooms(&self) -> Result<Vec<String>, OutboxError>;
    /// Lets all of them try now.
    async fn wake_encrypted(&self) -> Result<(), OutboxError>;
    /// The lock of the one process that encrypts; `None` if another one has it.
    async fn lead(&self) -> Result<Option<Box<dyn Lead>>, OutboxError>;
    /// Whether other relays may be on it.
    fn is_shared(&self) -> bool;
    async fn renew(&self, ids: &[DeliveryId], now: Timestamp) -> Result<(), OutboxError>;
    async fn release(&self, ids: &[DeliveryId]) -> Result<(), OutboxError>;
    /// Records, and with a policy claims what the room sends next.
    async fn record(
        &self,
        id: DeliveryId,
        outcome: Outcome,
        now: Timestamp,
        next: Option<&DigestPolicy>,
    ) -> Result<(Recorded, Claims), OutboxError>;
    async fn set_digest(&self, id: DeliveryId, message: RenderedMessage) -> Result<Recorded, OutboxError>;
    async fn room_due(&self, room: &RoomAddress, now: Timestamp) -> Result<Option<RoomWait>, OutboxError>;
    async fn set_room_due(&self, room: &RoomAddress, wait: Option<RoomWait>, now: Timestamp)
    -> Result<(), OutboxError>;
    async fn stats(&self, now: Timestamp) -> Result<Stats, OutboxError>;
    async fn probe(&self) -> Result<(), OutboxError>;
    /// Looks whether it is what was written: [`OutboxError::Corrupt`] where it is not.
    async fn inspect(&self) -> Result<(), OutboxError>;
    /// Makes anew what can be made of the rest, such as indexes.
    async fn rebuild(&self) -> Result<(), OutboxError>;
    async fn prune(&self, now: Timestamp) -> Result<u64, OutboxError>;
    async fn list(&self, filter: Filter) -> Result<Vec<Delivery>, OutboxError>;
    async fn show(&self, id: DeliveryId) -> Result<Option<Delivery>, OutboxError>;
    async fn retry(&self, ids: &[DeliveryId], now: Timestamp) -> Result<Vec<Retried>, OutboxError>;
    async fn dead_of_room(&self, room: &RoomAddress) -> Result<Vec<DeliveryId>, OutboxError>;
    async fn edits(&self, room: Option<RoomAddress>, limit: usize) -> Result<Vec<OwedEdit>, OutboxError>;
    async fn edit(&self, id: DeliveryId) -> Result<Option<OwedEdit>, OutboxError>;
    async fn give_up(&self, id: DeliveryId, now: Timestamp) -> Result<Ended, OutboxError>;
    async fn delete(&self, id: DeliveryId) -> Result<Ended, OutboxError>;
    async fn keep_recordings(&self, new: Vec<NewRecording>, keep: usize) -> Result<(), OutboxError>;
    async fn recordings(&self) -> Result<Vec<Recording>, OutboxError>;
    async fn recording(&self, id: RecordingId) -> Result<Option<(Recording, String)>, OutboxError>;
    async fn note_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<(), OutboxError>;
    async fn expect_signs(&self, names: BTreeSet<String>, at: Timestamp) -> Result<Vec<Sign>, OutboxError>;
    async fn scheduled(&self) -> Result<Vec<Scheduled>, OutboxError>;
    async fn begin_scheduled(&self, new: Scheduled) -> Result<(), OutboxError>;
    async fn write_scheduled(&self, one: Scheduled) -> Result<(), OutboxError>;
    async fn forget_scheduled(&self, txn_id: TxnId) -> Result<(), OutboxError>;
}
