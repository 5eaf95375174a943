//! An acceptance as it goes into the tables: all texts are made before any lock is taken.

use std::time::Instant;

use super::columns::{fixed_length, group_key, message_text, millis, millis_of, stored_name};
use super::delivery::Acceptance;
use super::error::OutboxError;
use super::group::{GroupUpdate, KnownAlert};
use super::store::HANGS;
use crate::message::RoomAddress;

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
pub(super) fn alerts_text(update: &GroupUpdate) -> Result<String, OutboxError> {
    let row = |alert: &KnownAlert| serde_json::json!({"name": stored_name(&alert.name), "firing": i64::from(alert.firing), "data": alert.data});
    let rows: Vec<serde_json::Value> = update.alerts.iter().map(row).collect();
    Ok(serde_json::to_string(&rows)?)
}
