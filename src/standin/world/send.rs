//! Taking an event into a room, as a homeserver does: within limits, and once for each transaction.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::super::answer::Refusal;
use super::super::limit::Bucket;
use super::super::room::{Event, TxnKey};
use super::{Session, World};

/// The largest event (client-server API, "Size limits").
pub(super) const EVENT_LIMIT: usize = 65_536;

/// What hashes, signatures and references to earlier events add to an event that the homeserver stores.
pub(super) const ENVELOPE: usize = 1_000;

/// How long a transaction is remembered, in milliseconds: a day, as by a Synapse.
pub(super) const TXN_REMEMBERED: u64 = 24 * 3600 * 1000;

impl World {
    /// Stores a message, once per transaction.
    pub(in crate::standin) fn send(
        &mut self,
        room: &str,
        kind: &str,
        txn: &str,
        content: Value,
        session: &Session,
    ) -> Result<String, Refusal> {
        let key: TxnKey = (session.scope.clone(), kind.to_owned(), txn.to_owned());
        let known = self.rooms.get(room).and_then(|room| room.txns.get(&key));
        if let Some((event_id, _)) = known.filter(|(_, at)| self.now().saturating_sub(*at) < TXN_REMEMBERED) {
            return Ok(event_id.clone());
        }
        self.look(room, session)?.must_be_allowed(&session.user, kind)?;
        self.charge(&session.user)?;
        check(&content)?;
        self.check_relation(room, kind, &content, &session.user)?;
        let mut event = self.event(room, &session.user, kind, None, content);
        event.txn = Some(txn.to_owned());
        event.scope = Some(session.scope.clone());
        if is_too_large(&event) {
            return Err(Refusal::new(413, "M_TOO_LARGE", "event too large"));
        }
        let event_id = event.event_id.clone();
        if let Some(room) = self.rooms.get_mut(room) {
            room.txns.insert(key, (event_id.clone(), event.origin_server_ts));
            room.store(event);
        }
        Ok(event_id)
    }

    fn charge(&mut self, user: &str) -> Result<(), Refusal> {
        let Some(limit) = self.limit else { return Ok(()) };
        let now = if self.stands_still { self.born.1 } else { Instant::now() } + self.ahead;
        let bucket = self
            .buckets
            .entry(user.to_owned())
            .or_insert_with(|| Bucket::full(limit, now));
        bucket.take(limit, now).map_err(|wait| {
            let wait = wait.min(Duration::from_hours(24));
            Refusal::limited(u64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
        })
    }
}

/// Whether an event is larger than a homeserver takes, with what servers add to it.
pub(in crate::standin) fn is_too_large(event: &Event) -> bool {
    serde_json::to_vec(event).map_or(0, |bytes| bytes.len()) + ENVELOPE > EVENT_LIMIT
}

/// Canonical JSON has no floats, and event content is an object.
pub(super) fn check(content: &Value) -> Result<(), Refusal> {
    fn has_float(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(items) => items.iter().any(has_float),
            Value::Object(fields) => fields.values().any(has_float),
            _ => false,
        }
    }
    if !content.is_object() {
        return Err(Refusal::new(400, "M_BAD_JSON", "Content must be a JSON object"));
    }
    if has_float(content) {
        return Err(Refusal::new(400, "M_BAD_JSON", "Bad JSON value: float"));
    }
    Ok(())
}
