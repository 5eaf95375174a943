//! Edits that are owed, for people: the message of a group that is in its room and does not say yet what it should.

use super::columns::timestamp;
use super::session::{Row, Session, values};
use super::stored::unreadable;
use super::{Delivery, DeliveryId, DeliveryState, GroupMessage, OutboxError, OwedEdit, Part, failure};
use crate::message::{Relation, RenderedMessage, RoomAddress, TxnId};

/// What was tried keeps its text and its attempts; otherwise the edit will say what is wanted when it is claimed.
const EDITS: &str = "
    SELECT g.id, r.address, CASE WHEN r.owner IS NOT NULL AND r.current = -g.id THEN 1 ELSE 0 END, g.root_news,
        g.root_event, g.txn_id, CASE WHEN g.tried_rev > 0 THEN g.tried_rev ELSE g.wanted_rev END, g.changed_at,
        CASE WHEN g.tried_rev > 0 THEN g.attempts ELSE 0 END, CASE WHEN g.tried_rev > 0 THEN g.first_attempt_at END,
        CASE WHEN g.tried_rev > 0 THEN g.last_attempt_at END, CASE WHEN g.tried_rev > 0 THEN g.last_error END,
        CASE WHEN g.tried_rev > 0 THEN g.failures END, CASE WHEN g.tried_rev > 0 THEN t.tried END, t.wanted
    FROM outbox_group g JOIN outbox_room r ON r.id = g.room_id LEFT JOIN outbox_group_text t ON t.group_id = g.id
    WHERE g.owed IS NOT NULL AND (?1 = 0 OR g.id = ?1) AND (?2 = '' OR r.address = ?2)
    ORDER BY r.address, g.owed LIMIT ?3";

/// Those of a room, or of all, in the order in which each room gets them.
pub(super) async fn list<S: Session>(
    session: &mut S,
    room: Option<&RoomAddress>,
    limit: usize,
) -> Result<Vec<OwedEdit>, OutboxError> {
    let room = room.map_or("", RoomAddress::as_str);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = session.rows(EDITS, values![0, room, limit]).await?;
    rows.into_iter().map(read).collect()
}

/// One of them; `None` if there is none of that name, or not any more.
pub(super) async fn show<S: Session>(session: &mut S, id: DeliveryId) -> Result<Option<OwedEdit>, OutboxError> {
    let Some(group) = id.edited_group() else {
        return Ok(None);
    };
    let row = session.row(EDITS, values![group, "", 1]).await?;
    row.map(read).transpose()
}

fn read(mut row: Row) -> Result<OwedEdit, OutboxError> {
    let group = row.int()?;
    let id = DeliveryId::of_edit(group);
    let (address, in_flight, root) = (row.text()?, row.flag()?, row.maybe_int()?.map(DeliveryId));
    let (root_event, txn, revision) = (row.maybe_text()?, row.text()?, row.int()?);
    let (accepted_at, attempts) = (timestamp(row.int()?), row.count()?);
    let (first_attempt_at, last_attempt_at) = (row.maybe_int()?.map(timestamp), row.maybe_int()?.map(timestamp));
    let (last_error, failures) = (row.maybe_text()?, failure::read(row.maybe_text()?));
    let message = message(row.maybe_text()?, row.maybe_text()?);
    let delivery = Delivery {
        id,
        room: address.parse().unwrap_or_else(|_| RoomAddress::nowhere()),
        txn_id: TxnId::from_stored(format!("{txn}-{revision}")),
        message: message.unwrap_or_else(|error| unreadable(&error.to_string())),
        accepted_at,
        starts_at: None,
        attempts,
        first_attempt_at,
        last_attempt_at,
        last_error,
        failures,
        state: if in_flight {
            DeliveryState::InFlight
        } else {
            DeliveryState::Pending
        },
        finished_at: None,
        event_id: None,
        combined_into: None,
        members: 0,
        digest_of: None,
        part: Part::Edit,
        group: Some(group),
        relation: root_event.map(|of| Relation::Edit { of }),
    };
    Ok(OwedEdit { delivery, root })
}

fn message(tried: Option<String>, wanted: Option<String>) -> Result<RenderedMessage, OutboxError> {
    if let Some(tried) = tried {
        return Ok(serde_json::from_str(&tried)?);
    }
    let wanted = wanted.ok_or_else(|| OutboxError::damaged("the text of an edit is missing"))?;
    Ok(serde_json::from_str::<GroupMessage>(&wanted)?.as_edit())
}
