//! How the edit of a group's message ended.

use jiff::Timestamp;

use super::super::accept::{NewRow, insert, lock_rooms};
use super::super::columns::{clean, message_text, millis};
use super::super::lost_root::lose_root;
use super::super::session::{Session, values};
use super::super::{DeliveryId, OutboxError, Outcome, Part, Recorded, failure};
use super::Room;
use super::{give_up, is_behind, owe_edit};
use crate::message::RoomAddress;

pub(super) const EDIT_SHOWN: &str = "
    UPDATE outbox_group SET shown_rev = tried_rev, tried_rev = 0, owed = NULL WHERE id = ?1
    RETURNING CASE WHEN live = 1 AND root_event IS NOT NULL AND wanted_rev > shown_rev THEN 1 ELSE 0 END";

pub(super) const EDIT_FAILED: &str = "
    UPDATE outbox_group SET last_error = ?2, first_attempt_at = CASE WHEN ?3 = 1 THEN first_attempt_at END WHERE id = ?1";

pub(super) const EDIT_TEXT: &str = "UPDATE outbox_group_text SET tried = ?2 WHERE group_id = ?1";

pub(super) const NEW_ROOT: &str = "UPDATE outbox_group SET root_news = ?2 WHERE id = ?1";

pub(super) async fn record_edit<S: Session>(
    session: &mut S,
    room: &Room,
    is_held: bool,
    group: i64,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Recorded, OutboxError> {
    // Which text it was that is in the room, only who holds the claim knows.
    if !is_held {
        return Ok(Recorded::Superseded);
    }
    if let Some(error) = outcome.error() {
        failure::note(session, DeliveryId::of_edit(group), error, now).await?;
    }
    match outcome {
        Outcome::Delivered { .. } => {
            let shown = session.row(EDIT_SHOWN, values![group]).await?;
            if is_behind(shown)? {
                owe_edit(session, room, group).await?;
            }
        }
        Outcome::Wait { error, counts, .. } => {
            session.run(EDIT_FAILED, values![group, clean(error), *counts]).await?;
        }
        Outcome::Rewrite { message, error } => {
            session.run(EDIT_TEXT, values![group, message_text(message)?]).await?;
            session.run(EDIT_FAILED, values![group, clean(error), true]).await?;
        }
        Outcome::Detached { .. } => {
            let is_lost = lose_root(session, group, None).await?;
            let Some(address) = room.address.parse::<RoomAddress>().ok().filter(|_| is_lost) else {
                return Ok(Recorded::Done);
            };
            let mut rooms = lock_rooms(session, std::iter::once(&address)).await?;
            let row = NewRow {
                group: Some(group),
                ..rooms.append(&address, Part::Root, millis(now))?
            };
            let root = insert(session, row).await?;
            rooms.write(session).await?;
            session.run(NEW_ROOT, values![group, root.0]).await?;
        }
        Outcome::Dead { error } => give_up(session, DeliveryId::of_edit(group), &clean(error), now).await?,
    }
    Ok(Recorded::Done)
}
