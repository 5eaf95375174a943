//! What is sent of a group's message: a root takes its text when it is first tried, and so does an edit, and both keep it.
//!
//! Guarantees: what was tried is sent again unchanged, because a homeserver takes a transaction for the first text that it
//! heard under it; what one event does not hold follows as quiet lines.

use jiff::Timestamp;

use super::accept::{NewRow, insert, lock_rooms};
use super::claim::Room;
use super::group::GroupMessage;
use super::session::{Row, Session, Value, values};
use super::store::{message_text, timestamp};
use super::{Delivery, DeliveryId, DeliveryState, OutboxError, Part};
use crate::message::{Relation, RenderedMessage, TxnId};

const GROUP: &str = "
    SELECT root_news, root_event, tried_rev, txn_id, attempts, tried_at, first_attempt_at, last_attempt_at,
        last_error, (SELECT wanted FROM outbox_group_text WHERE group_id = id),
        (SELECT tried FROM outbox_group_text WHERE group_id = id)
    FROM outbox_group WHERE id = ?1 /*pg FOR NO KEY UPDATE*/";
const TAKE_ROOT: &str = "UPDATE outbox_group SET tried_rev = wanted_rev WHERE id = ?1 AND root_news = ?2";
const ROOT_TEXT: &str = "
    UPDATE outbox_news SET message = ?2, rev = (SELECT wanted_rev FROM outbox_group WHERE id = ?3) WHERE id = ?1";
const TAKE_EDIT: &str = "
    UPDATE outbox_group SET tried_rev = wanted_rev, attempts = 0, tried_at = NULL, first_attempt_at = NULL,
        last_attempt_at = NULL, last_error = NULL
    WHERE id = ?1";
const EDIT_TEXT: &str = "UPDATE outbox_group_text SET tried = ?2 WHERE group_id = ?1";
const BEGIN_EDIT: &str = "
    UPDATE outbox_group SET attempts = attempts + 1, last_attempt_at = ?2, tried_at = coalesce(tried_at, ?2),
        first_attempt_at = CASE WHEN last_attempt_at BETWEEN ?3 AND ?4 THEN coalesce(first_attempt_at, ?2) ELSE ?2 END
    WHERE id = ?1";
const UNTOLD: &str = "SELECT group_id FROM outbox_news WHERE id = ?1 AND kind = 'root' AND message IS NULL";

/// Gives a root that is tried for the first time the text that it keeps.
pub(super) async fn take_wanted<S: Session>(
    session: &mut S,
    room: &Room,
    id: DeliveryId,
    now: i64,
) -> Result<Result<(), String>, OutboxError> {
    let Some(mut row) = session.row(UNTOLD, values![id.0]).await? else {
        return Ok(Ok(()));
    };
    let Some(group) = row.maybe_int()? else {
        return Ok(Err("it belongs to no group".to_owned()));
    };
    let group_row = Group::of(session, group).await?;
    let wanted = match group_row.map(|group| group.wanted) {
        Some(Ok(wanted)) => wanted,
        Some(Err(reason)) => return Ok(Err(reason)),
        None => return Ok(Err("its group is gone".to_owned())),
    };
    session
        .run(ROOT_TEXT, values![id.0, message_text(&wanted.as_root())?, group])
        .await?;
    session.run(TAKE_ROOT, values![group, id.0]).await?;
    follow(session, room, (group, Some(id)), wanted.rest, now).await?;
    Ok(Ok(()))
}

/// The rest of a text that one event does not hold follows in its thread.
async fn follow<S: Session>(
    session: &mut S,
    room: &Room,
    (group, root): (i64, Option<DeliveryId>),
    rest: Vec<RenderedMessage>,
    now: i64,
) -> Result<(), OutboxError> {
    if rest.is_empty() {
        return Ok(());
    }
    let mut rooms = lock_rooms(session, std::iter::once(&room.address)).await?;
    for message in rest {
        let row = NewRow {
            group: Some(group),
            root,
            message: Some(message_text(&message)?),
            ..rooms.append(&room.address, Part::Line, now)?
        };
        insert(session, row).await?;
    }
    rooms.write(session).await
}

/// The message of a group as it is brought up to date: as it was tried before, or as it should be now. `None`: it is not in the
/// room.
pub(super) async fn edit<S: Session>(
    session: &mut S,
    room: &Room,
    id: i64,
    lately: impl Fn(i64) -> Vec<Value>,
    now: i64,
) -> Result<Option<Result<Delivery, String>>, OutboxError> {
    let Some(group) = Group::of(session, id).await?.filter(|group| group.root_event.is_some()) else {
        return Ok(None);
    };
    if group.tried_rev == 0 {
        let wanted = match group.wanted {
            Ok(wanted) => wanted,
            Err(reason) => return Ok(Some(Err(reason))),
        };
        let text = message_text(&wanted.as_edit())?;
        session.run(TAKE_EDIT, values![id]).await?;
        session.run(EDIT_TEXT, values![id, text]).await?;
        follow(session, room, (id, group.root_news), wanted.rest, now).await?;
    }
    session.run(BEGIN_EDIT, lately(id)).await?;
    let Some(group) = Group::of(session, id).await? else {
        return Ok(None);
    };
    let (message, of) = match (group.tried, group.root_event) {
        (Ok(message), Some(of)) => (message, of),
        (Err(reason), _) => return Ok(Some(Err(reason))),
        (_, None) => return Ok(None),
    };
    Ok(Some(Ok(Delivery {
        id: DeliveryId::of_edit(id),
        room: room.address.clone(),
        txn_id: TxnId::from_stored(format!("{}-{}", group.txn_id, group.tried_rev)),
        message,
        digest_of: None,
        accepted_at: group.tried_at,
        starts_at: None,
        attempts: group.attempts,
        first_attempt_at: group.first_attempt_at,
        last_attempt_at: group.last_attempt_at,
        last_error: group.last_error,
        state: DeliveryState::InFlight,
        finished_at: None,
        event_id: None,
        combined_into: None,
        members: 0,
        part: Part::Edit,
        relation: Some(Relation::Edit { of }),
    })))
}

/// A group whose message is sent.
pub(super) struct Group {
    pub(super) root_news: Option<DeliveryId>,
    root_event: Option<String>,
    tried_rev: i64,
    txn_id: String,
    attempts: u32,
    tried_at: Timestamp,
    first_attempt_at: Option<Timestamp>,
    last_attempt_at: Option<Timestamp>,
    last_error: Option<String>,
    wanted: Result<GroupMessage, String>,
    tried: Result<RenderedMessage, String>,
}

impl Group {
    /// Locks it, and reads it.
    pub(super) async fn of<S: Session>(session: &mut S, id: i64) -> Result<Option<Self>, OutboxError> {
        session.row(GROUP, values![id]).await?.map(Self::read).transpose()
    }

    fn read(mut row: Row) -> Result<Self, OutboxError> {
        let (root_news, root_event) = (row.maybe_int()?.map(DeliveryId), row.maybe_text()?);
        Ok(Self {
            root_news,
            root_event,
            tried_rev: row.int()?,
            txn_id: row.text()?,
            attempts: row.count()?,
            tried_at: timestamp(row.maybe_int()?.unwrap_or_default()),
            first_attempt_at: row.maybe_int()?.map(timestamp),
            last_attempt_at: row.maybe_int()?.map(timestamp),
            last_error: row.maybe_text()?,
            wanted: parsed(row.maybe_text()?),
            tried: parsed(row.maybe_text()?),
        })
    }
}

fn parsed<T: serde::de::DeserializeOwned>(text: Option<String>) -> Result<T, String> {
    let text = text.ok_or_else(|| "its text is missing".to_owned())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
