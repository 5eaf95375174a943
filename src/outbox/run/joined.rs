//! Lines of one group that wait together are sent as one.

use super::super::claimed::Front;
use super::super::columns::timestamp;
use super::super::session::{Session, values};
use super::super::{DeliveryId, OutboxError, Part};
use super::{Bundle, MESSAGE, Member, write};
use crate::message::{MsgType, RenderedMessage};

/// Bytes that joined lines may have as body and HTML together, and how many they may be.
pub(super) const JOINED: usize = 16 * 1024;

pub(super) const JOINED_LINES: i64 = 50;

pub(super) const LINES: &str = "
    SELECT id, attempts, kind, group_id, root_id, accepted_at, starts_at FROM outbox_news
    WHERE room_id = ?1 AND state = 'waiting' ORDER BY position LIMIT ?2";

/// The row that says this line and those of the same thread that follow it.
pub(in crate::outbox) async fn joined<S: Session>(
    session: &mut S,
    room: i64,
    front: &Front,
) -> Result<Option<DeliveryId>, OutboxError> {
    if front.attempts > 0 {
        return Ok(None);
    }
    let mut members = Vec::new();
    for mut row in session.rows(LINES, values![room, JOINED_LINES]).await? {
        let (id, attempts, kind) = (DeliveryId(row.int()?), row.int()?, row.text()?);
        let thread = (row.maybe_int()?, row.maybe_int()?);
        if attempts > 0 || Part::stored(&kind) != Some(Part::Line) || thread != (front.group, front.root) {
            break;
        }
        members.push(Member {
            id,
            accepted_at: timestamp(row.int()?),
            starts_at: row.maybe_int()?.map(timestamp),
        });
    }
    if members.len() < 2 {
        return Ok(None);
    }
    let mut text: Option<RenderedMessage> = None;
    let mut taken = 0;
    for member in &members {
        let Some(next) = message(session, member.id).await? else {
            break;
        };
        let both = match &text {
            None => Some(next),
            Some(text) => both(text, &next),
        };
        let Some(both) = both else { break };
        text = Some(both);
        taken += 1;
    }
    let Some(message) = text.filter(|_| taken > 1) else {
        return Ok(None);
    };
    members.truncate(taken);
    let bundle = Bundle {
        part: Part::Line,
        group: front.group,
        root: front.root,
        message: Some(message),
    };
    write(session, &members, &bundle).await.map(Some)
}

/// What a row says; `None` where that cannot be read, which is dealt with when it is claimed.
pub(super) async fn message<S: Session>(
    session: &mut S,
    id: DeliveryId,
) -> Result<Option<RenderedMessage>, OutboxError> {
    let row = session.row(MESSAGE, values![id.0]).await?;
    let text = row.map(|mut row| row.maybe_text()).transpose()?.flatten();
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// One text of two lines, or `None` where that would be too long, or one of them is plain text.
pub(super) fn both(first: &RenderedMessage, second: &RenderedMessage) -> Option<RenderedMessage> {
    let texts = [&first.body, &first.formatted_body, &second.body, &second.formatted_body];
    let is_plain = first.formatted_body.is_empty() || second.formatted_body.is_empty();
    if is_plain || texts.iter().map(|text| text.len()).sum::<usize>() > JOINED {
        return None;
    }
    let is_loud = [first, second].iter().any(|one| one.msgtype == MsgType::Text);
    let mut message = RenderedMessage {
        body: format!("{}\n{}", first.body, second.body),
        formatted_body: format!("{}\n{}", first.formatted_body, second.formatted_body),
        msgtype: if is_loud { MsgType::Text } else { MsgType::Notice },
        mentions: first.mentions.clone(),
        too_many_people: first.too_many_people.clone(),
        headline: first.headline.clone(),
        ..RenderedMessage::default()
    };
    message.mention(&second.mentions);
    Some(message)
}
