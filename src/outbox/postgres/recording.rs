//! Notifications kept in PostgreSQL for people to look at.

use sqlx::PgPool;

use super::database::begin;
use crate::outbox::store::{millis, timestamp};
use crate::outbox::{NewRecording, OutboxError, Recording, RecordingId};

const INSERT: &str = "
    INSERT INTO outbox_recording (received_at, title, body)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])";
/// What another replica is forgetting is left to it.
const FORGET: &str = "
    DELETE FROM outbox_recording WHERE id IN (
        SELECT id FROM outbox_recording
        WHERE id NOT IN (SELECT id FROM outbox_recording ORDER BY id DESC LIMIT $1)
        FOR UPDATE SKIP LOCKED)";
const LIST: &str = "SELECT id, title, received_at FROM outbox_recording ORDER BY id DESC";
const SHOW: &str = "SELECT id, title, received_at, body FROM outbox_recording WHERE id = $1";

/// Adds some and forgets the oldest.
pub(super) async fn keep(pool: &PgPool, new: &[NewRecording], keep: usize) -> Result<(), OutboxError> {
    let plain = |text: &str| text.replace('\0', "\u{fffd}");
    let times: Vec<i64> = new.iter().map(|one| millis(one.received_at)).collect();
    let titles: Vec<String> = new.iter().map(|one| plain(&one.title)).collect();
    let bodies: Vec<String> = new.iter().map(|one| plain(&one.body)).collect();
    let mut transaction = begin(pool).await?;
    let insert = sqlx::query(INSERT).bind(&times).bind(&titles).bind(&bodies);
    insert.execute(&mut *transaction).await?;
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    sqlx::query(FORGET).bind(keep).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// All of them, newest first.
pub(super) async fn list(pool: &PgPool) -> Result<Vec<Recording>, OutboxError> {
    let rows: Vec<(i64, String, i64)> = sqlx::query_as(LIST).fetch_all(pool).await?;
    Ok(rows.into_iter().map(recording).collect())
}

/// One of them with its body.
pub(super) async fn show(pool: &PgPool, id: RecordingId) -> Result<Option<(Recording, String)>, OutboxError> {
    let row: Option<(i64, String, i64, String)> = sqlx::query_as(SHOW).bind(id.0).fetch_optional(pool).await?;
    Ok(row.map(|(id, title, received_at, body)| (recording((id, title, received_at)), body)))
}

fn recording((id, title, received_at): (i64, String, i64)) -> Recording {
    Recording {
        id: RecordingId(id),
        title,
        received_at: timestamp(received_at),
    }
}
