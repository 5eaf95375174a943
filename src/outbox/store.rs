//! The seam between the outbox and its two databases, and what both of them share.
//!
//! [`Store`] is what a database has to do; `tests/it/outbox` is one suite that runs against both. The rulings here are
//! pure, so that the two cannot come to differ.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;

use super::delivery::{Acceptance, Claims, Delivery, DeliveryId, DeliveryState, Enqueued, Outcome, Receipt, Recorded};
use super::digest::DigestPolicy;
use super::error::OutboxError;
use super::group::{GroupUpdate, KnownAlert, KnownGroup};
use super::recording::{NewRecording, Recording, RecordingId};
use super::report::{Ended, Filter, OwedEdit, Retried, RoomWait, Stats};
use super::sign::Sign;
use super::switch::Scheduled;
use super::{GroupQuery, Settings};
use crate::message::{Mentions, MsgType, RenderedMessage, RoomAddress, TxnId};
use crate::text;

/// How far a clock may lie behind another, or be set back, before a room's wait is no longer believed.
pub(super) const CLOCK_SLACK_MS: i64 = 30_000;

/// A longer pause between two attempts of a delivery is none that the worker makes while it retries: the relay was off, the
/// machine slept, a clock was set, or everything waited for another reason. Such time does not count towards giving up.
pub(super) const UNTRIED_MS: i64 = 15 * 60 * 1_000;

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

/// What people see of a message that cannot be read.
pub(super) fn unreadable(error: &impl std::fmt::Display) -> RenderedMessage {
    let text = format!("(cannot read it: {error})");
    RenderedMessage {
        body: text.clone(),
        formatted_body: String::new(),
        msgtype: MsgType::Notice,
        mentions: Mentions::default(),
        headline: text,
        ..RenderedMessage::default()
    }
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

/// A message as it goes into a table: texts made before any lock is taken.
pub(super) struct Prepared {
    pub(super) room: RoomAddress,
    pub(super) text: String,
    pub(super) starts_at: Option<i64>,
}

/// A group as it goes into the tables.
pub(super) struct PreparedGroup {
    /// The stored key.
    pub(super) key: String,
    pub(super) update: GroupUpdate,
    /// JSON.
    pub(super) alerts: String,
}

/// An acceptance as it goes into the tables.
pub(super) struct PreparedAcceptance {
    pub(super) deliveries: Vec<Prepared>,
    pub(super) groups: Vec<PreparedGroup>,
    pub(super) repeat_key: Option<String>,
    pub(super) request_key: Option<String>,
    pub(super) at: i64,
    arrived: Instant,
}

impl PreparedAcceptance {
    pub(super) fn new(acceptance: Acceptance) -> Result<Self, OutboxError> {
        let prepare = |new: super::NewDelivery| {
            Ok(Prepared {
                text: message_text(&new.message)?,
                starts_at: new.starts_at.map(millis),
                room: new.room,
            })
        };
        let group = |update: GroupUpdate| {
            Ok(PreparedGroup {
                key: group_key(&update.room, &update.key),
                alerts: alerts_text(&update)?,
                update,
            })
        };
        let (deliveries, groups) = (acceptance.deliveries.into_iter(), acceptance.groups.into_iter());
        Ok(Self {
            deliveries: deliveries.map(prepare).collect::<Result<_, OutboxError>>()?,
            groups: groups.map(group).collect::<Result<_, OutboxError>>()?,
            repeat_key: acceptance.repeat_key.map(|key| fixed_length(&key)),
            request_key: acceptance
                .request_key
                .map(|key| fixed_length(&format!("request\n{key}"))),
            at: millis(acceptance.at),
            arrived: Instant::now(),
        })
    }

    /// Both keys that a repetition is recognised by, that of the request first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = [self.request_key.as_deref(), self.repeat_key.as_deref()];
        keys.into_iter().flatten()
    }

    /// Every room that it has to do with.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &RoomAddress> {
        let deliveries = self.deliveries.iter().map(|delivery| &delivery.room);
        deliveries.chain(self.groups.iter().map(|group| &group.update.room))
    }

    /// The time by now, if it has waited for a disk that hung: then it is accepted when it is written, not when it came.
    pub(super) fn written_at(&self) -> i64 {
        let waited = Some(self.arrived.elapsed()).filter(|waited| *waited >= HANGS);
        self.at.saturating_add(waited.map_or(0, millis_of))
    }
}

/// Alerts as they go into the table: a list in JSON, whose texts hold no NUL.
fn alerts_text(update: &GroupUpdate) -> Result<String, OutboxError> {
    let row = |alert: &KnownAlert| serde_json::json!({"name": stored_name(&alert.name), "firing": i64::from(alert.firing), "data": alert.data});
    let rows: Vec<serde_json::Value> = update.alerts.iter().map(row).collect();
    Ok(serde_json::to_string(&rows)?)
}

/// The name of an alert as it is stored: PostgreSQL has no place for NUL.
pub(super) fn stored_name(name: &str) -> String {
    name.replace('\0', "\u{fffd}")
}

/// Where a row stands in the table. In flight is not written there: the room says which of its rows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Waiting,
    Delivered,
    Dead,
    Combined,
}

impl Stored {
    pub(super) fn parse(text: &str) -> Result<Self, OutboxError> {
        match text {
            "waiting" => Ok(Self::Waiting),
            "delivered" => Ok(Self::Delivered),
            "dead" => Ok(Self::Dead),
            "combined" => Ok(Self::Combined),
            other => Err(OutboxError::bug(format!("`{other}` is not a stored state"))),
        }
    }

    pub(super) fn seen(self, in_flight: bool) -> DeliveryState {
        match self {
            Self::Waiting if in_flight => DeliveryState::InFlight,
            Self::Waiting => DeliveryState::Pending,
            Self::Delivered => DeliveryState::Delivered,
            Self::Dead => DeliveryState::Dead,
            Self::Combined => DeliveryState::Combined,
        }
    }
}

/// Whether an outcome counts. That a message is in the room is true whoever says so, and however late; anything else
/// only the holder of the claim may say, because somebody else may be sending the row by now.
pub(super) fn is_counted(outcome: &Outcome, state: Stored, claim_held: bool) -> bool {
    match (outcome, state) {
        (Outcome::Delivered { .. }, Stored::Waiting | Stored::Dead) => true,
        (_, Stored::Waiting) => claim_held,
        (_, Stored::Delivered | Stored::Dead | Stored::Combined) => false,
    }
}

/// The wait of a room, if it is one: over when its time has come, and when the clock stands before the moment at which
/// it was set, because then the clock was set back and the time may not come for a year.
pub(super) fn wait_of(due_at: i64, waits_since: i64, reason: Option<String>, now: Timestamp) -> Option<RoomWait> {
    let over = due_at <= millis(now) || waits_since > millis(now) + CLOCK_SLACK_MS;
    (!over).then(|| RoomWait {
        until: timestamp(due_at),
        reason: reason.unwrap_or_default(),
    })
}

/// Milliseconds since 1970: what both tables hold.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// A duration in the same.
pub(super) fn millis_of(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The reverse. A number that is no time can only come from a hand in the table; it reads as 1970.
pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// Text that any database takes: PostgreSQL has no place for NUL. A whole error page is of use to nobody.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(2_000).collect()
}

/// A repeat key as it is stored: an index refuses long ones, and no database has to take what a caller sends.
fn fixed_length(key: &str) -> String {
    text::hash([key])
}

/// A group as it is stored: the same in two rooms is two.
pub(super) fn group_key(room: &RoomAddress, key: &str) -> String {
    fixed_length(&format!("{room}\n{key}"))
}

/// The message as JSON, where NUL is escaped.
pub(super) fn message_text(message: &RenderedMessage) -> Result<String, OutboxError> {
    Ok(serde_json::to_string(message)?)
}

/// Receipts as they lie beside a repeat key, so that they outlive the rows that they name.
pub(super) fn receipts_text(receipts: &[Receipt]) -> Result<String, OutboxError> {
    let pairs: Vec<(i64, &str)> = receipts
        .iter()
        .map(|receipt| (receipt.id.0, receipt.room.as_str()))
        .collect();
    Ok(serde_json::to_string(&pairs)?)
}

/// The reverse of [`receipts_text`].
pub(super) fn receipts_from(text: &str) -> Result<Vec<Receipt>, OutboxError> {
    let pairs: Vec<(i64, RoomAddress)> = serde_json::from_str(text)?;
    Ok(pairs
        .into_iter()
        .map(|(id, room)| Receipt {
            id: DeliveryId(id),
            room,
        })
        .collect())
}
