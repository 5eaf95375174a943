//! The last notifications as they came, for people to try templates on. Nothing that is owed depends on them.

use jiff::Timestamp;

use super::OutboxError;
use super::columns::{millis, timestamp};
use super::session::{Row, Session, values};

/// Names a recording; grows with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId(pub i64);

/// A notification that shall be kept for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecording {
    /// What it was, in a few words.
    pub title: String,
    /// The body as it was posted. Whoever keeps it has taken the secrets out.
    pub body: String,
    /// When it was accepted.
    pub received_at: Timestamp,
}

/// A notification that was kept, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its name.
    pub id: RecordingId,
    /// What it was, in a few words.
    pub title: String,
    /// When it was accepted.
    pub received_at: Timestamp,
}

const INSERT: &str = "INSERT INTO outbox_recording (received_at, title, body) VALUES (?1, ?2, ?3) /*pg RETURNING id*/";
/// What another relay is forgetting is left to it.
const FORGET: &str = "
    DELETE FROM outbox_recording WHERE id IN (
        SELECT id FROM outbox_recording
        WHERE id NOT IN (SELECT id FROM outbox_recording ORDER BY id DESC LIMIT ?1) /*pg FOR UPDATE SKIP LOCKED*/)";
const LIST: &str = "SELECT id, title, received_at FROM outbox_recording ORDER BY id DESC";
const SHOW: &str = "SELECT id, title, received_at, body FROM outbox_recording WHERE id = ?1";

/// Adds some and forgets the oldest.
pub(super) async fn keep<S: Session>(session: &mut S, new: &[NewRecording], keep: usize) -> Result<(), OutboxError> {
    let plain = |text: &str| text.replace('\0', "\u{fffd}");
    for one in new {
        let values = values![millis(one.received_at), plain(&one.title), plain(&one.body)];
        session.insert(INSERT, values).await?;
    }
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    session.run(FORGET, values![keep]).await.map(drop)
}

/// All of them, newest first.
pub(super) async fn list<S: Session>(session: &mut S) -> Result<Vec<Recording>, OutboxError> {
    let rows = session.rows(LIST, values![]).await?;
    rows.into_iter().map(|mut row| recording(&mut row)).collect()
}

/// One of them with its body.
pub(super) async fn show<S: Session>(
    session: &mut S,
    id: RecordingId,
) -> Result<Option<(Recording, String)>, OutboxError> {
    let row = session.row(SHOW, values![id.0]).await?;
    row.map(|mut row| Ok((recording(&mut row)?, row.text()?))).transpose()
}

fn recording(row: &mut Row) -> Result<Recording, OutboxError> {
    Ok(Recording {
        id: RecordingId(row.int()?),
        title: row.text()?,
        received_at: timestamp(row.int()?),
    })
}
