//! Recording how an attempt ended, and what a room waits for.
//!
//! Guarantees: that a message is in the room is believed from every process, anything else only from the holder of the claim; the
//! room's row is locked first and the rest read after that, so what is read is what holds.

mod edit;
mod room;

use jiff::Timestamp;

use self::edit::record_edit;
use self::room::END_CURRENT;
pub(super) use self::room::{Room, end_hold, free_room, lock, set_room_due};
use super::accept::lock_rooms;
use super::columns::{clean, message_text, millis};
use super::lost_root::{hush, lose_root};
use super::session::{Row, Session, values};
use super::stored::{Stored, is_counted};
use super::{DeliveryId, OutboxError, Outcome, Part, Recorded, failure};
use crate::message::RoomAddress;

const NEWS: &str = "SELECT state, kind, group_id, members, last_attempt_at FROM outbox_news WHERE id = ?1";

const DELIVERED: &str = "UPDATE outbox_news SET state = 'delivered', finished_at = ?2, event_id = ?3 WHERE id = ?1";
const FAILED: &str = "
    UPDATE outbox_news SET last_error = ?2, first_attempt_at = CASE WHEN ?3 = 1 THEN first_attempt_at END WHERE id = ?1";
const REWRITTEN: &str = "UPDATE outbox_news SET message = ?2, last_error = ?3 WHERE id = ?1";
const REFUSED: &str = "UPDATE outbox_news SET last_error = ?2 WHERE id = ?1";
const DEAD: &str = "UPDATE outbox_news SET state = 'dead', finished_at = ?2, last_error = ?3 WHERE id = ?1";
/// Whether a row has ended exactly so; `now` is a part of what was said, so who says it again is who said it.
const HAS_ENDED_SO: &str = "
    SELECT 1 FROM outbox_news WHERE id = ?1 AND finished_at = ?2
        AND ?3 = CASE state WHEN 'delivered' THEN event_id WHEN 'dead' THEN last_error END";

/// This and [`EDIT_SHOWN`](edit::EDIT_SHOWN) say whether more is wanted by now.
const ROOT_DELIVERED: &str = "
    UPDATE outbox_group SET root_event = ?3, latest_event = NULL, shown_rev = tried_rev, tried_rev = 0
    WHERE id = ?1 AND root_news = ?2
    RETURNING CASE WHEN live = 1 AND wanted_rev > shown_rev THEN 1 ELSE 0 END";
const LINE_DELIVERED: &str = "
    UPDATE outbox_group SET latest_event = ?3
    WHERE id = ?1 AND root_event IS NOT NULL
        AND root_news = coalesce((SELECT root_id FROM outbox_news WHERE id = ?2), root_news)";
/// The room has read in a digest of the messages that it names; they are nowhere in the room.
const DIGEST_DELIVERED: &str = "
    UPDATE outbox_group SET shown_rev = tried_rev, tried_rev = 0, root_news = NULL
    WHERE id IN (SELECT group_id FROM outbox_news WHERE combined_into = ?1 AND kind = 'root')
        AND root_news IN (SELECT id FROM outbox_news WHERE combined_into = ?1 AND kind = 'root')";
/// Those of them of which more was said meanwhile, in lines.
const NAMED_BEHIND: &str = "
    SELECT g.id, t.wanted FROM outbox_news m JOIN outbox_group g ON g.id = m.group_id AND g.root_news = m.id
    JOIN outbox_group_text t ON t.group_id = g.id
    WHERE m.combined_into = ?1 AND m.kind = 'root' AND g.wanted_rev > g.tried_rev";
const DIGEST_DEAD: &str = "
    UPDATE outbox_group SET tried_rev = 0, root_news = NULL
    WHERE id IN (SELECT group_id FROM outbox_news WHERE combined_into = ?1 AND kind = 'root')
        AND root_news IN (SELECT id FROM outbox_news WHERE combined_into = ?1 AND kind = 'root')";
const ROOT_DEAD: &str = "UPDATE outbox_group SET tried_rev = 0, root_news = NULL WHERE id = ?1 AND root_news = ?2";

const OWE: &str = "UPDATE outbox_group SET owed = ?2 WHERE id = ?1";
const EDIT_DEAD: &str = "UPDATE outbox_group SET tried_rev = 0, owed = NULL, last_error = ?2 WHERE id = ?1";

/// A row of news, its room locked.
pub(super) struct NewsRow {
    pub(super) state: Stored,
    pub(super) part: Option<Part>,
    pub(super) group: Option<i64>,
    pub(super) is_digest: bool,
    pub(super) last_attempt_at: Option<i64>,
}

/// Locks the room of a row and then reads the row; `None` if there is no such row.
pub(super) async fn news_row<S: Session>(
    session: &mut S,
    id: DeliveryId,
) -> Result<Option<(Room, NewsRow)>, OutboxError> {
    let Some(room) = lock(session, id).await? else {
        return Ok(None);
    };
    Ok(read_news(session, id).await?.map(|news| (room, news)))
}

async fn read_news<S: Session>(session: &mut S, id: DeliveryId) -> Result<Option<NewsRow>, OutboxError> {
    let Some(mut row) = session.row(NEWS, values![id.0]).await? else {
        return Ok(None);
    };
    Ok(Some(NewsRow {
        state: Stored::parse(&row.text()?)?,
        part: Part::stored(&row.text()?),
        group: row.maybe_int()?,
        is_digest: row.int()? > 0,
        last_attempt_at: row.maybe_int()?,
    }))
}

/// Writes an outcome down, if it counts. The room is locked.
pub(super) async fn record<S: Session>(
    session: &mut S,
    room: &Room,
    is_held: bool,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Recorded, OutboxError> {
    match id.edited_group() {
        Some(group) => record_edit(session, room, is_held, group, outcome, now).await,
        None => record_news(session, room, is_held, id, outcome, now).await,
    }
}

async fn record_news<S: Session>(
    session: &mut S,
    room: &Room,
    is_held: bool,
    id: DeliveryId,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Recorded, OutboxError> {
    let Some(news) = read_news(session, id).await? else {
        return Ok(Recorded::Superseded);
    };
    if !is_counted(outcome, news.state, is_held) {
        let Some(end) = outcome.end() else {
            return Ok(Recorded::Superseded);
        };
        let ended = session
            .row(HAS_ENDED_SO, values![id.0, millis(now), clean(end)])
            .await?;
        return Ok(if ended.is_some() {
            Recorded::Done
        } else {
            Recorded::Superseded
        });
    }
    if let Some(error) = outcome.error() {
        failure::note(session, id, error, now).await?;
    }
    match outcome {
        Outcome::Delivered { event_id } => {
            let event = clean(event_id);
            session
                .run(DELIVERED, values![id.0, millis(now), event.as_str()])
                .await?;
            if !is_held {
                session.run(END_CURRENT, values![room.id, id.0]).await?;
            }
            shown(session, id, room, &news, &event).await?;
        }
        Outcome::Wait { error, counts, .. } => {
            session.run(FAILED, values![id.0, clean(error), *counts]).await?;
        }
        Outcome::Rewrite { message, error } => {
            let text = message_text(message)?;
            session.run(REWRITTEN, values![id.0, text, clean(error)]).await?;
        }
        Outcome::Detached { error } => {
            session.run(REFUSED, values![id.0, clean(error)]).await?;
            if let Some(group) = news.group {
                lose_root(session, group, Some(id)).await?;
            }
        }
        Outcome::Dead { error } => give_up(session, id, &clean(error), now).await?,
    }
    Ok(Recorded::Done)
}

/// What it means for groups that a row is in the room.
async fn shown<S: Session>(
    session: &mut S,
    id: DeliveryId,
    room: &Room,
    news: &NewsRow,
    event: &str,
) -> Result<(), OutboxError> {
    match (news.part, news.group) {
        (Some(Part::Root), Some(group)) => {
            let shown = session.row(ROOT_DELIVERED, values![group, id.0, event]).await?;
            if is_behind(shown)? {
                owe_edit(session, room, group).await?;
            }
        }
        (Some(Part::Line), Some(group)) => {
            session.run(LINE_DELIVERED, values![group, id.0, event]).await?;
        }
        _ if news.is_digest => {
            for mut row in session.rows(NAMED_BEHIND, values![id.0]).await? {
                let (group, wanted) = (row.int()?, row.maybe_text()?);
                hush(session, group, wanted).await?;
            }
            session.run(DIGEST_DELIVERED, values![id.0]).await?;
        }
        _ => {}
    }
    Ok(())
}

/// Whether a group's message that was just shown does not say any more what it should.
fn is_behind(shown: Option<Row>) -> Result<bool, OutboxError> {
    shown.map_or(Ok(false), |mut row| row.flag())
}

/// Owes an edit, behind those that are owed already.
async fn owe_edit<S: Session>(session: &mut S, room: &Room, group: i64) -> Result<(), OutboxError> {
    let Ok(address) = room.address.parse::<RoomAddress>() else {
        return Ok(());
    };
    let mut rooms = lock_rooms(session, std::iter::once(&address)).await?;
    let position = rooms.append(&address, Part::Edit, 0)?.position;
    rooms.write(session).await?;
    session.run(OWE, values![group, position]).await.map(drop)
}

/// Gives a row, or an edit, up.
pub(super) async fn give_up<S: Session>(
    session: &mut S,
    id: DeliveryId,
    reason: &str,
    now: Timestamp,
) -> Result<(), OutboxError> {
    if let Some(group) = id.edited_group() {
        session.run(EDIT_DEAD, values![group, reason]).await?;
        let room = lock(session, id).await?;
        if let Some(room) = room.filter(|room| room.current == Some(id.0)) {
            end_hold(session, room.id).await?;
        }
        return Ok(());
    }
    let Some((room, news)) = news_row(session, id).await? else {
        return Ok(());
    };
    session.run(DEAD, values![id.0, millis(now), reason]).await?;
    match (news.part, news.group) {
        (Some(Part::Root), Some(group)) => drop(session.run(ROOT_DEAD, values![group, id.0]).await?),
        _ if news.is_digest => drop(session.run(DIGEST_DEAD, values![id.0]).await?),
        _ => {}
    }
    if room.current == Some(id.0) {
        end_hold(session, room.id).await?;
    }
    Ok(())
}
