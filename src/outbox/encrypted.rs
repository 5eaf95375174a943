//! Which rooms were ever seen encrypted, and who encrypts.
//!
//! Guarantees: what is noted of a room is never taken back; it is there for every relay on the same database, and where the
//! folder of a relay's keys is lost.

use async_trait::async_trait;

use super::OutboxError;
use super::session::{Session, values};
use super::store::Lead;
use crate::message::RoomAddress;

const MARK: &str = "
    UPDATE outbox_room SET encrypted = ?2 WHERE address = ?1 AND (encrypted IS NULL OR encrypted <> ?2)";
/// What such rooms waited for was perhaps only that another relay encrypts.
const WAKE: &str = "
    UPDATE outbox_room SET due_at = 0, waits_since = 0, reason = NULL WHERE encrypted IS NOT NULL AND reason IS NOT NULL";
const ALL: &str = "SELECT DISTINCT encrypted FROM outbox_room WHERE encrypted IS NOT NULL";

pub(super) async fn mark<S: Session>(session: &mut S, room: &RoomAddress, id: &str) -> Result<(), OutboxError> {
    session.run(MARK, values![room.as_str(), id]).await.map(drop)
}

pub(super) async fn wake<S: Session>(session: &mut S) -> Result<(), OutboxError> {
    session.run(WAKE, values![]).await.map(drop)
}

pub(super) async fn all<S: Session>(session: &mut S) -> Result<Vec<String>, OutboxError> {
    let rows = session.rows(ALL, values![]).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}

/// Of an outbox that only one relay can open.
pub(super) struct Alone;

#[async_trait]
impl Lead for Alone {
    async fn confirm(&mut self) -> Result<(), OutboxError> {
        Ok(())
    }
}
