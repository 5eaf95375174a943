//! What is only read: rows for people, counts for metrics.

use jiff::Timestamp;

use super::columns::timestamp;
use super::row::{news, shown};
use super::session::{Session, values};
use super::stored::wait_of;
use super::{Delivery, DeliveryState, Filter, OutboxError, RoomStats, RoomWait, Stats};
use crate::message::RoomAddress;

const LIST: &str = news!(
    "WHERE (?1 = '' OR ?1 = CASE WHEN r.owner IS NOT NULL AND r.current = n.id THEN 'in-flight'
            WHEN n.state = 'waiting' THEN 'pending' ELSE n.state END)
        AND (?2 = '' OR r.address = ?2) AND (?3 = 0 OR n.combined_into = ?3) AND n.id < ?4
        AND (?6 = 0 OR n.group_id = ?6)
    ORDER BY n.id DESC LIMIT ?5"
);

const ROOMS: &str = "
    SELECT * FROM (
        SELECT r.address, r.due_at, r.waits_since, r.reason, CASE WHEN r.owner IS NULL THEN 0 ELSE 1 END,
            (SELECT count(*) FROM outbox_news w WHERE w.room_id = r.id AND w.state = 'waiting')
                + (SELECT count(*) FROM outbox_group g WHERE g.room_id = r.id AND g.owed IS NOT NULL) AS waiting,
            (SELECT count(*) FROM outbox_news d WHERE d.room_id = r.id AND d.state = 'dead') AS dead,
            (SELECT accepted_at FROM outbox_news w WHERE w.room_id = r.id AND w.state = 'waiting'
                ORDER BY position LIMIT 1) AS oldest
        FROM outbox_room r) AS rooms
    WHERE waiting > 0 OR dead > 0 ORDER BY address /*pg COLLATE \"C\"*/";
const FINISHED: &str = "
    SELECT (SELECT count(*) FROM outbox_news WHERE state = 'delivered'),
        (SELECT count(*) FROM outbox_news WHERE combined_into IS NOT NULL)";
const ROOM_WAIT: &str = "SELECT due_at, waits_since, reason FROM outbox_room WHERE address = ?1";

/// Rows, newest first.
pub(super) async fn list<S: Session>(session: &mut S, filter: &Filter) -> Result<Vec<Delivery>, OutboxError> {
    let values = values![
        filter.state.map_or("", DeliveryState::as_str),
        filter.room.as_ref().map_or("", RoomAddress::as_str),
        filter.combined_into.map_or(0, |id| id.0),
        filter.before.map_or(i64::MAX, |id| id.0),
        i64::try_from(filter.limit).unwrap_or(i64::MAX),
        filter.group.unwrap_or(0),
    ];
    let rows = session.rows(LIST, values).await?;
    rows.into_iter().map(shown).collect()
}

/// Counts, by room and in all.
pub(super) async fn stats<S: Session>(session: &mut S, now: Timestamp) -> Result<Stats, OutboxError> {
    let mut stats = Stats::default();
    for mut row in session.rows(ROOMS, values![]).await? {
        let (address, due_at, waits_since, reason) = (row.text()?, row.int()?, row.int()?, row.maybe_text()?);
        let in_flight = row.count::<u64>()?;
        let (waiting, dead) = (row.count::<u64>()?, row.count::<u64>()?);
        stats.pending += waiting.saturating_sub(in_flight);
        stats.in_flight += in_flight;
        stats.dead += dead;
        // What has no address that can be read is counted all the same.
        let Ok(room) = address.parse() else { continue };
        stats.rooms.push(RoomStats {
            room,
            waiting,
            dead,
            oldest: row.maybe_int()?.map(timestamp),
            wait: wait_of(due_at, waits_since, reason.clone(), now),
            trouble: reason,
        });
    }
    if let Some(mut row) = session.row(FINISHED, values![]).await? {
        (stats.delivered, stats.combined) = (row.count()?, row.count()?);
    }
    Ok(stats)
}

/// What a room waits for.
pub(super) async fn room_due<S: Session>(
    session: &mut S,
    room: &RoomAddress,
    now: Timestamp,
) -> Result<Option<RoomWait>, OutboxError> {
    let Some(mut row) = session.row(ROOM_WAIT, values![room.as_str()]).await? else {
        return Ok(None);
    };
    Ok(wait_of(row.int()?, row.int()?, row.maybe_text()?, now))
}
