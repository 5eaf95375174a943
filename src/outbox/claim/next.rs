//! What a room sends next: what was tried and has not ended, then news, then an edit that is owed.

use jiff::Timestamp;

use super::super::accept::{NewRow, insert};
use super::super::claimed::{Claimant, Front, Room};
use super::super::columns::{millis, timestamp};
use super::super::row::Sendable;
use super::super::session::{Row, Session, values};
use super::super::text::Group;
use super::super::{DeliveryId, OutboxError, Part, row, run};
use super::{MOVE, SET_ROOT};

/// How much news may go in a row while an edit is owed.
pub(super) const PATIENCE: i64 = 10;

pub(super) const NEWS: &str = "
    SELECT id, kind, group_id, root_id, attempts, accepted_at, position FROM outbox_news
    WHERE room_id = ?1 AND state = 'waiting' ORDER BY position LIMIT 1";

pub(super) const OWED: &str =
    "SELECT id FROM outbox_group WHERE room_id = ?1 AND owed IS NOT NULL ORDER BY owed LIMIT 1";

/// What a room sends next.
pub(super) struct Next {
    pub(super) id: DeliveryId,
    /// The row, where it was read already.
    pub(super) read: Option<Result<Sendable, String>>,
}

impl Next {
    pub(super) fn of(id: DeliveryId) -> Self {
        Self { id, read: None }
    }
}

/// What is next where nothing was begun.
pub(super) async fn next<S: Session>(
    session: &mut S,
    room: &mut Room,
    claimant: &Claimant<'_>,
) -> Result<Option<Next>, OutboxError> {
    let news = session.row(NEWS, values![room.id]).await?.map(front).transpose()?;
    let owed = session.row(OWED, values![room.id]).await?;
    let owed = owed.map(|mut row| row.int()).transpose()?;
    let (Some(news), false) = (news, owed.is_some() && room.news_run >= PATIENCE) else {
        room.news_run = 0;
        return Ok(owed.map(DeliveryId::of_edit).map(Next::of));
    };
    room.news_run = if owed.is_some() { room.news_run + 1 } else { 0 };
    if let Some(digest) = run::digest(session, room.id, &news, claimant.now, claimant.policy).await? {
        return Ok(Some(Next::of(digest)));
    }
    if news.part != Some(Part::Line) {
        return Ok(Some(Next::of(news.id)));
    }
    let line = row::sendable(session, news.id).await?;
    // One that cannot be read is given up when it is claimed.
    let is_placed = line.as_ref().map_or(true, |line| line.delivery.relation.is_some());
    if !is_placed && let Some(root) = root_before(session, room.id, &news, claimant.now).await? {
        return Ok(Some(Next::of(root)));
    }
    if let Some(joined) = run::joined(session, room.id, &news).await? {
        return Ok(Some(Next::of(joined)));
    }
    Ok(Some(Next {
        id: news.id,
        read: Some(line),
    }))
}

pub(super) fn front(mut row: Row) -> Result<Front, OutboxError> {
    Ok(Front {
        id: DeliveryId(row.int()?),
        part: Part::stored(&row.text()?),
        group: row.maybe_int()?,
        root: row.maybe_int()?,
        attempts: row.count()?,
        accepted_at: timestamp(row.int()?),
        position: row.int()?,
    })
}

/// The message in whose thread a line is to be, where it is not in the room: it goes first.
pub(super) async fn root_before<S: Session>(
    session: &mut S,
    room: i64,
    line: &Front,
    now: Timestamp,
) -> Result<Option<DeliveryId>, OutboxError> {
    let Some(group) = line.group else { return Ok(None) };
    let Some(group_row) = Group::of(session, group).await? else {
        return Ok(None);
    };
    // No other row that waits stands before the line.
    let before = line.position - 1;
    if let Some(root) = group_row.root_news {
        // It may be named in a digest that was given up meanwhile; then there is nothing to move.
        if session.run(MOVE, values![root.0, before]).await? == 1 {
            return Ok(Some(root));
        }
    }
    let row = NewRow {
        room,
        position: before,
        part: Part::Root,
        group: Some(group),
        root: None,
        message: None,
        accepted_at: millis(now),
        starts_at: None,
    };
    let root = insert(session, row).await?;
    session.run(SET_ROOT, values![group, root.0]).await?;
    Ok(Some(root))
}
