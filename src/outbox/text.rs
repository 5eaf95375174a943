//! What is sent of a group's message: a root takes its text when it is first tried, and so does an edit, and both keep it.
//!
//! Guarantees: what was tried is sent again unchanged, because a homeserver takes a transaction for the first text that it
//! heard under it; what one event does not hold follows as quiet lines.

use jiff::Timestamp;

use super::accept::{NewRow, insert, lock_rooms};
use super::claimed::{Attempts, Room};
use super::columns::{message_text, millis, timestamp};
use super::group::GroupMessage;
use super::session::{Row, Session, values};
use super::{Delivery, DeliveryId, DeliveryState, OutboxError, Part, failure};
use crate::message::{Relation, RenderedMessage, TxnId};

const GROUP: &str = "
    SELECT root_news, root_event, wanted_rev, tried_rev, txn_id, attempts, tried_at, first_attempt_at, last_attempt_at,
        last_error, failures, (SELECT wanted FROM outbox_group_text WHERE group_id = id),
        (SELECT tried FROM outbox_group_text WHERE group_id = id)
    FROM outbox_group WHERE id = ?1 /*pg FOR NO KEY UPDATE*/";
const BEGIN_ROOT: &str = "
    UPDATE outbox_news SET attempts = ?2, first_attempt_at = ?3, last_attempt_at = ?4, message = ?5,
        rev = (SELECT wanted_rev FROM outbox_group WHERE id = ?6)
    WHERE id = ?1";
const TAKE_ROOT: &str = "UPDATE outbox_group SET tried_rev = wanted_rev WHERE id = ?1 AND root_news = ?2";
const BEGIN_EDIT: &str = "
    UPDATE outbox_group SET tried_rev = ?2, tried_at = ?3, attempts = ?4, first_attempt_at = ?5, last_attempt_at = ?6,
        last_error = ?7, failures = CASE WHEN tried_rev = ?2 THEN failures END
    WHERE id = ?1";
const EDIT_TEXT: &str = "UPDATE outbox_group_text SET tried = ?2 WHERE group_id = ?1";

/// Begins the first attempt of a root, which from then on keeps the text that it has now.
pub(super) async fn begin_root<S: Session>(
    session: &mut S,
    room: &Room,
    root: &Delivery,
    (group, wanted): (i64, GroupMessage),
    now: Timestamp,
) -> Result<(), OutboxError> {
    let values = values![
        root.id.0,
        i64::from(root.attempts),
        root.first_attempt_at.map(millis),
        root.last_attempt_at.map(millis),
        message_text(&root.message)?,
        group,
    ];
    session.run(BEGIN_ROOT, values).await?;
    session.run(TAKE_ROOT, values![group, root.id.0]).await?;
    follow(session, room, (group, Some(root.id)), wanted.rest, now).await
}

/// The rest of a text that one event does not hold follows in its thread.
async fn follow<S: Session>(
    session: &mut S,
    room: &Room,
    (group, root): (i64, Option<DeliveryId>),
    rest: Vec<RenderedMessage>,
    now: Timestamp,
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
            ..rooms.append(&room.address, Part::Line, millis(now))?
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
    now: Timestamp,
) -> Result<Option<Result<Delivery, String>>, OutboxError> {
    let Some(group) = Group::of(session, id).await? else {
        return Ok(None);
    };
    let Some(of) = group.root_event.clone() else {
        return Ok(None);
    };
    let is_new = group.tried_rev == 0;
    let text = if is_new {
        group.wanted.as_ref().map(GroupMessage::as_edit).map_err(Clone::clone)
    } else {
        group.tried.clone()
    };
    let message = match text {
        Ok(message) => message,
        Err(reason) => return Ok(Some(Err(reason))),
    };
    let delivery = group.edit(id, room, of, message, now);
    let values = values![
        id,
        group.revision(),
        millis(delivery.accepted_at),
        i64::from(delivery.attempts),
        delivery.first_attempt_at.map(millis),
        delivery.last_attempt_at.map(millis),
        delivery.last_error.clone(),
    ];
    session.run(BEGIN_EDIT, values).await?;
    if is_new {
        session
            .run(EDIT_TEXT, values![id, message_text(&delivery.message)?])
            .await?;
        let rest = group.wanted.map(|wanted| wanted.rest).unwrap_or_default();
        follow(session, room, (id, group.root_news), rest, now).await?;
    }
    Ok(Some(Ok(delivery)))
}

/// A group whose message is sent.
pub(super) struct Group {
    pub(super) root_news: Option<DeliveryId>,
    root_event: Option<String>,
    wanted_rev: i64,
    /// 0 where nothing of it was tried and not confirmed.
    tried_rev: i64,
    txn_id: String,
    attempts: Attempts,
    tried_at: Option<Timestamp>,
    last_error: Option<String>,
    failures: Option<String>,
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
        let (wanted_rev, tried_rev, txn_id, count) = (row.int()?, row.int()?, row.text()?, row.count()?);
        let tried_at = row.maybe_int()?.map(timestamp);
        Ok(Self {
            root_news,
            root_event,
            wanted_rev,
            tried_rev,
            txn_id,
            tried_at,
            attempts: Attempts {
                count,
                first_at: row.maybe_int()?.map(timestamp),
                last_at: row.maybe_int()?.map(timestamp),
            },
            last_error: row.maybe_text()?,
            failures: row.maybe_text()?,
            wanted: parsed(row.maybe_text()?),
            tried: parsed(row.maybe_text()?),
        })
    }

    /// The revision that is tried.
    fn revision(&self) -> i64 {
        if self.tried_rev == 0 {
            self.wanted_rev
        } else {
            self.tried_rev
        }
    }

    /// An edit whose next attempt begins.
    fn edit(&self, id: i64, room: &Room, of: String, message: RenderedMessage, now: Timestamp) -> Delivery {
        let is_new = self.tried_rev == 0;
        let before = if is_new { Attempts::default() } else { self.attempts };
        let attempts = before.begun(now);
        Delivery {
            id: DeliveryId::of_edit(id),
            room: room.address.clone(),
            txn_id: TxnId::from_stored(format!("{}-{}", self.txn_id, self.revision())),
            message,
            digest_of: None,
            accepted_at: self
                .tried_at
                .filter(|_| !is_new)
                .or(attempts.last_at)
                .unwrap_or_default(),
            starts_at: None,
            attempts: attempts.count,
            first_attempt_at: attempts.first_at,
            last_attempt_at: attempts.last_at,
            last_error: self.last_error.clone().filter(|_| !is_new),
            failures: failure::read(self.failures.clone().filter(|_| !is_new)),
            state: DeliveryState::InFlight,
            finished_at: None,
            event_id: None,
            combined_into: None,
            members: 0,
            part: Part::Edit,
            group: Some(id),
            relation: Some(Relation::Edit { of }),
        }
    }
}

fn parsed<T: serde::de::DeserializeOwned>(text: Option<String>) -> Result<T, String> {
    let text = text.ok_or_else(|| "its text is missing".to_owned())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
