//! A run of news that waits together and is sent as one event: a digest of a backlog, or lines of one thread.
//!
//! Guarantees: it is a row of its own at the place of its first member, with a transaction ID of its own, and each member
//! names it; what was ever tried is never a member; the order stays. The text of a digest is made of its members while its row
//! is claimed, and stored before it is sent for the first time.

mod joined;

use jiff::Timestamp;
use serde::Deserialize;

pub(super) use self::joined::joined;
use super::claimed::Front;
use super::columns::{message_text, millis, timestamp};
use super::digest::{DIGEST_AT_MOST, DigestPolicy, Waiting};
use super::group::GroupMessage;
use super::session::{Row, Session, values};
use super::{DeliveryId, OutboxError, Part, Recorded, record};
use crate::message::{Announced, Mentions, MsgType, RenderedMessage, TxnId};

const WAITS_BEHIND: &str = "
    SELECT id FROM outbox_news WHERE room_id = ?1 AND state = 'waiting' ORDER BY position LIMIT 1 OFFSET ?2";
const BACKLOG: &str = "
    SELECT n.id, n.kind, n.attempts, n.accepted_at, n.starts_at, n.message,
        CASE WHEN n.message IS NULL AND n.kind = 'root' THEN (
            SELECT wanted FROM outbox_group_text WHERE group_id = n.group_id) END
    FROM outbox_news n WHERE n.room_id = ?1 AND n.state = 'waiting' ORDER BY n.position LIMIT ?2";
const MEMBERS: &str = "
    SELECT n.id, n.kind, n.attempts, n.accepted_at, n.starts_at, n.message, CAST(NULL AS TEXT)
    FROM outbox_news n WHERE n.combined_into = ?1 ORDER BY n.position";
/// What roots would have said, of those of which nothing was tried yet.
const UNTOLD: &str = "
    SELECT n.id, t.wanted FROM outbox_news n JOIN outbox_group_text t ON t.group_id = n.group_id
    WHERE n.combined_into = ?1 AND n.kind = 'root' AND n.message IS NULL";
const TEXT: &str = "UPDATE outbox_news SET message = ?2 WHERE id = ?1 AND message IS NULL";
const MESSAGE: &str = "SELECT message FROM outbox_news WHERE id = ?1";

const COMBINE: &str = "UPDATE outbox_news SET state = 'combined' WHERE id = ?1";
const INSERT: &str = "
    INSERT INTO outbox_news (room_id, position, kind, group_id, root_id, txn_id, message, accepted_at, starts_at, members)
    SELECT room_id, position, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM outbox_news WHERE id = ?1 /*pg RETURNING id*/";
const NAME: &str = "UPDATE outbox_news SET combined_into = ?2 WHERE id = ?1";
/// A message that a digest names counts as tried: what is new of its group from now on is news of its own.
const NAME_ROOTS: &str = "
    UPDATE outbox_group SET tried_rev = wanted_rev
    WHERE id IN (SELECT group_id FROM outbox_news WHERE combined_into = ?1 AND kind = 'root')
        AND root_news IN (SELECT id FROM outbox_news WHERE combined_into = ?1 AND kind = 'root')";

const NAMED_REV: &str = "
    UPDATE outbox_news SET rev = coalesce((SELECT wanted_rev FROM outbox_group WHERE id = group_id), 0)
    WHERE combined_into = ?1 AND kind = 'root'";

/// What a digest needs of a message, without the rest of it.
#[derive(Deserialize)]
struct Summary {
    headline: String,
    #[serde(default)]
    msgtype: MsgType,
    #[serde(default)]
    mentions: Mentions,
    #[serde(default)]
    announced: Announced,
}

/// A row of the run.
struct Member {
    id: DeliveryId,
    accepted_at: Timestamp,
    starts_at: Option<Timestamp>,
}

/// A row that is sent in place of its members.
struct Bundle {
    part: Part,
    group: Option<i64>,
    root: Option<i64>,
    /// `None`: it is still to be made.
    message: Option<RenderedMessage>,
}

/// The digest that now stands where `front` did, if the backlog from there on called for one.
pub(super) async fn digest<S: Session>(
    session: &mut S,
    room: i64,
    front: &Front,
    now: Timestamp,
    policy: &DigestPolicy,
) -> Result<Option<DeliveryId>, OutboxError> {
    let Some(behind) = policy.looks_behind(front.attempts, front.accepted_at, now) else {
        return Ok(None);
    };
    let behind = i64::try_from(behind).unwrap_or(i64::MAX);
    if session.row(WAITS_BEHIND, values![room, behind]).await?.is_none() {
        return Ok(None);
    }
    let waiting = backlog(session, room).await?;
    let Some(taken) = policy.taken(&waiting) else {
        return Ok(None);
    };
    let member = |one: &Waiting| Member {
        id: one.id,
        accepted_at: one.accepted_at,
        starts_at: one.starts_at,
    };
    let members: Vec<Member> = waiting[..taken].iter().map(member).collect();
    let bundle = Bundle {
        part: Part::Message,
        group: None,
        root: None,
        message: None,
    };
    let id = write(session, &members, &bundle).await?;
    // What they say from now on is what the digest tells of them, whatever becomes of their groups.
    for mut row in session.rows(UNTOLD, values![id.0]).await? {
        let (member, wanted) = (row.int()?, row.text()?);
        let wanted: GroupMessage = serde_json::from_str(&wanted)?;
        session
            .run(TEXT, values![member, message_text(&wanted.as_root())?])
            .await?;
    }
    session.run(NAME_ROOTS, values![id.0]).await?;
    session.run(NAMED_REV, values![id.0]).await?;
    Ok(Some(id))
}

/// What waits, up to the first that was ever tried, or that cannot be read.
async fn backlog<S: Session>(session: &mut S, room: i64) -> Result<Vec<Waiting>, OutboxError> {
    let limit = i64::try_from(DIGEST_AT_MOST).unwrap_or(i64::MAX);
    let rows = session.rows(BACKLOG, values![room, limit]).await?;
    let mut waiting = Vec::with_capacity(rows.len());
    for row in rows {
        match read(row)? {
            Some((0, one)) => waiting.push(one),
            _ => break,
        }
    }
    Ok(waiting)
}

/// What a digest stands for whose text is still to be made.
pub(super) async fn members<S: Session>(session: &mut S, id: DeliveryId) -> Result<Vec<Waiting>, OutboxError> {
    let rows = session.rows(MEMBERS, values![id.0]).await?;
    let read = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(read.into_iter().flatten().map(|(_, one)| one).collect())
}

/// Gives a digest the text that it keeps, if it has none yet and this relay has claimed it.
pub(super) async fn set_digest<S: Session>(
    session: &mut S,
    owner: &str,
    id: DeliveryId,
    message: &RenderedMessage,
) -> Result<Recorded, OutboxError> {
    let row = record::news_row(session, id).await?;
    if !row.is_some_and(|(room, _)| room.is_held(id, owner)) {
        return Ok(Recorded::Superseded);
    }
    let changed = session.run(TEXT, values![id.0, message_text(message)?]).await?;
    Ok(if changed == 1 {
        Recorded::Done
    } else {
        Recorded::Superseded
    })
}

/// One of a backlog, and how often it was tried; `None` where it cannot be read.
fn read(mut row: Row) -> Result<Option<(i64, Waiting)>, OutboxError> {
    let (id, kind, attempts) = (DeliveryId(row.int()?), row.text()?, row.int()?);
    let (accepted_at, starts_at) = (timestamp(row.int()?), row.maybe_int()?.map(timestamp));
    let Some(summary) = summary(row) else { return Ok(None) };
    let waiting = Waiting {
        id,
        headline: summary.headline,
        announced: summary.announced,
        is_root: Part::stored(&kind) == Some(Part::Root),
        accepted_at,
        starts_at,
        msgtype: summary.msgtype,
        mentions: summary.mentions,
    };
    Ok(Some((attempts, waiting)))
}

fn summary(mut row: Row) -> Option<Summary> {
    let (message, wanted) = (row.maybe_text().ok()?, row.maybe_text().ok()?);
    if let Some(message) = message {
        return serde_json::from_str(&message).ok();
    }
    let root = serde_json::from_str::<GroupMessage>(&wanted?).ok()?.as_root();
    Some(Summary {
        headline: root.headline,
        msgtype: root.msgtype,
        mentions: root.mentions,
        announced: root.announced,
    })
}

async fn write<S: Session>(session: &mut S, members: &[Member], bundle: &Bundle) -> Result<DeliveryId, OutboxError> {
    // Its first member leaves the queue just before.
    for member in members {
        session.run(COMBINE, values![member.id.0]).await?;
    }
    let txn = TxnId::generate();
    let values = values![
        members.first().map(|first| first.id.0),
        bundle.part.as_str(),
        bundle.group,
        bundle.root,
        txn.as_str(),
        bundle.message.as_ref().map(message_text).transpose()?,
        members.iter().map(|member| millis(member.accepted_at)).min(),
        members.iter().filter_map(|member| member.starts_at).min().map(millis),
        i64::try_from(members.len()).unwrap_or(i64::MAX),
    ];
    let id = DeliveryId(session.insert(INSERT, values).await?);
    for member in members {
        session.run(NAME, values![member.id.0, id.0]).await?;
    }
    Ok(id)
}
