//! Acceptance: a notification becomes news and what its groups' messages should say, in one transaction.
//!
//! Guarantees: all of it or nothing; a repetition adds nothing; a group that has changed since it was read changes nothing,
//! nor does an acceptance that names one twice; the positions of a room follow the order of the commits, because its row is
//! locked from before they are given out. Rooms are locked in the order of their addresses, so two relays never wait for
//! each other. It costs what it changes: of a group's alerts it writes those that the notification names.

mod rooms;

use std::collections::HashSet;

use self::rooms::Room;
pub(super) use self::rooms::{Rooms, lock_rooms};
use super::columns::{message_text, millis};
use super::delivery::{DeliveryId, Enqueued, Receipt};
use super::group::{Decision, GroupMessage, GroupRow, Root};
use super::prepared::{PreparedAcceptance, PreparedGroup};
use super::session::{Row, Session, values};
use super::stored::{receipts_from, receipts_text};
use super::{OutboxError, Part};
use crate::message::TxnId;

/// How many alerts of a group are remembered at most, and how many then stay.
const REMEMBERED: i64 = 1_100;
const KEPT: i64 = 1_000;

const REPEATED: &str = "SELECT receipts FROM outbox_repeat WHERE key = ?1 AND abs(?2 - accepted_at) < ?3";
const REMEMBER: &str = "
    INSERT INTO outbox_repeat (key, accepted_at, receipts) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET accepted_at = excluded.accepted_at, receipts = excluded.receipts";

const STANDING: &str = "
    SELECT id, version, remembered, root_news, CASE WHEN root_event IS NULL THEN 0 ELSE 1 END, wanted_rev, tried_rev,
        shown_rev, CASE WHEN owed IS NULL THEN 0 ELSE 1 END,
        CASE WHEN root_event IS NULL AND (root_news IS NOT NULL OR wanted_rev > shown_rev) THEN (
            SELECT wanted FROM outbox_group_text WHERE group_id = outbox_group.id) END
    FROM outbox_group WHERE key = ?1 /*pg FOR NO KEY UPDATE*/";
const NEW_GROUP: &str = "
    INSERT INTO outbox_group (key, room_id, txn_id, version, memory, changed_at) VALUES (?1, ?2, ?3, 0, '', ?4)
    /*pg RETURNING id*/";
const WRITE_GROUP: &str = "
    UPDATE outbox_group SET version = version + 1, memory = ?2, remembered = ?3, changed_at = ?4, live = ?5, root_news = ?6,
        root_event = CASE WHEN ?7 = 1 THEN root_event END, latest_event = CASE WHEN ?7 = 1 THEN latest_event END,
        wanted_rev = ?8, tried_rev = ?9, shown_rev = ?10,
        owed = CASE WHEN ?11 = 1 THEN coalesce(owed, ?12) END
    WHERE id = ?1";
const WRITE_TEXT: &str = "
    INSERT INTO outbox_group_text (group_id, wanted) VALUES (?1, ?2)
    ON CONFLICT (group_id) DO UPDATE SET wanted = coalesce(excluded.wanted, outbox_group_text.wanted)";

const WRITE_ALERTS: &str = "
    INSERT INTO outbox_alert (group_id, name, firing, changed_at, data)
    SELECT ?1, value ->> 'name', CAST(value ->> 'firing' AS BIGINT), ?2, value ->> 'data' FROM json_each(?3) WHERE 1 = 1
    ON CONFLICT (group_id, name) DO UPDATE SET firing = excluded.firing, changed_at = excluded.changed_at,
        data = excluded.data";
const FORGET_ALERTS: &str = "
    DELETE FROM outbox_alert WHERE group_id = ?1 AND name IN (
        SELECT name FROM outbox_alert WHERE group_id = ?1 AND firing = 0 ORDER BY changed_at LIMIT ?2)";

const INSERT: &str = "
    INSERT INTO outbox_news (room_id, position, kind, group_id, root_id, txn_id, message, accepted_at, starts_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) /*pg RETURNING id*/";

/// Adds one acceptance, unless it is a repeat or out of date. Its rooms are locked.
pub(super) async fn accept<S: Session>(
    session: &mut S,
    acceptance: &PreparedAcceptance,
    rooms: &mut Rooms,
    window_ms: i64,
) -> Result<Enqueued, OutboxError> {
    let written_at = acceptance.written_at();
    for key in acceptance.keys() {
        let repeated = session.row(REPEATED, values![key, acceptance.at, window_ms]).await?;
        let Some(mut row) = repeated else { continue };
        let receipts = row.text()?;
        if let Some(request) = acceptance.request_key.as_deref().filter(|request| *request != key) {
            session
                .run(REMEMBER, values![request, written_at, receipts.as_str()])
                .await?;
        }
        return Ok(Enqueued::Recognised(receipts_from(&receipts)?));
    }
    let Some(stored) = read(session, acceptance).await? else {
        return Ok(Enqueued::Outdated);
    };
    let mut receipts = Vec::new();
    for new in &acceptance.deliveries {
        let row = NewRow {
            message: Some(new.text.clone()),
            starts_at: new.starts_at,
            ..rooms.append(&new.room, Part::Message, acceptance.at)?
        };
        let id = insert(session, row).await?;
        receipts.push(Receipt {
            id,
            room: new.room.clone(),
        });
    }
    for (group, stored) in acceptance.groups.iter().zip(stored) {
        let ids = update(session, group, stored, rooms.of(&group.update.room)?, acceptance.at).await?;
        receipts.extend(ids.into_iter().map(|id| Receipt {
            id,
            room: group.update.room.clone(),
        }));
    }
    let text = receipts_text(&receipts)?;
    for key in acceptance.keys() {
        session.run(REMEMBER, values![key, written_at, text.as_str()]).await?;
    }
    Ok(Enqueued::Accepted(receipts))
}

/// The groups as they stand; `None` if one of them is not as it was read.
async fn read<S: Session>(
    session: &mut S,
    acceptance: &PreparedAcceptance,
) -> Result<Option<Vec<GroupRow>>, OutboxError> {
    let mut named = HashSet::new();
    let mut all = Vec::with_capacity(acceptance.groups.len());
    for group in &acceptance.groups {
        let row = session.row(STANDING, values![group.key.as_str()]).await?;
        let stored = row.map_or_else(|| Ok(GroupRow::default()), group_row)?;
        if !stored.fits(&group.update) || !named.insert(group.key.as_str()) {
            return Ok(None);
        }
        all.push(stored);
    }
    Ok(Some(all))
}

fn group_row(mut row: Row) -> Result<GroupRow, OutboxError> {
    Ok(GroupRow {
        id: row.int()?,
        version: row.int()?,
        remembered: row.int()?,
        root_news: row.maybe_int()?.map(DeliveryId),
        in_room: row.flag()?,
        wanted_rev: row.int()?,
        tried_rev: row.int()?,
        shown_rev: row.int()?,
        owed: row.flag()?,
        // What cannot be read has nobody to wake.
        wanted: row
            .maybe_text()?
            .and_then(|text| serde_json::from_str::<GroupMessage>(&text).ok()),
    })
}

/// Writes a group, and the news of it; says which rows tell what is new.
async fn update<S: Session>(
    session: &mut S,
    group: &PreparedGroup,
    mut stored: GroupRow,
    room: &mut Room,
    at: i64,
) -> Result<Vec<DeliveryId>, OutboxError> {
    let update = &group.update;
    let is_new = stored.id == 0;
    if is_new {
        let txn = TxnId::generate();
        let new = values![group.key.as_str(), room.id, txn.as_str(), at];
        stored.id = session.insert(NEW_GROUP, new).await?;
    }
    let decision = stored.accept(update);
    let mut ids = Vec::new();
    if decision.new_root {
        let row = NewRow {
            group: Some(stored.id),
            starts_at: update.starts_at.map(millis),
            ..room.append(Part::Root, at)
        };
        let id = insert(session, row).await?;
        stored.root_news = Some(id);
        ids.push(id);
    }
    if decision.appends_lines {
        for line in &update.lines {
            let row = NewRow {
                group: Some(stored.id),
                root: stored.root_news,
                message: Some(message_text(&line.message)?),
                starts_at: line.starts_at.map(millis),
                ..room.append(Part::Line, at)
            };
            ids.push(insert(session, row).await?);
        }
    }
    write(session, group, &stored, &decision, room, at).await?;
    if is_new || decision.wanted.is_some() {
        let wanted = decision.wanted.as_ref().map(serde_json::to_string).transpose()?;
        session.run(WRITE_TEXT, values![stored.id, wanted]).await?;
    }
    if ids.is_empty() {
        // Whatever is owed of it, the message says it.
        ids.extend(stored.root_news.filter(|_| update.message.is_some()));
    }
    Ok(ids)
}

async fn write<S: Session>(
    session: &mut S,
    group: &PreparedGroup,
    stored: &GroupRow,
    decision: &Decision,
    room: &mut Room,
    at: i64,
) -> Result<(), OutboxError> {
    let update = &group.update;
    let owed = decision.owes_edit.then(|| room.next());
    let mut remembered = stored.remembered;
    if !update.alerts.is_empty() {
        session
            .run(WRITE_ALERTS, values![stored.id, at, group.alerts.as_str()])
            .await?;
        let new = update.alerts.iter().filter(|alert| alert.is_new).count();
        remembered = remembered.saturating_add(i64::try_from(new).unwrap_or(i64::MAX));
    }
    if remembered > REMEMBERED {
        let forgotten = session
            .run(FORGET_ALERTS, values![stored.id, remembered - KEPT])
            .await?;
        remembered -= i64::try_from(forgotten).unwrap_or_default();
    }
    // Of a message that begins anew nothing is in the room.
    let keeps_event = !decision.new_root && update.root != Root::Forget;
    let values = values![
        stored.id,
        update.memory.as_str(),
        remembered,
        at,
        update.live,
        stored.root_news.map(|id| id.0),
        keeps_event,
        stored.wanted_rev,
        stored.tried_rev,
        stored.shown_rev,
        stored.owed,
        owed,
    ];
    session.run(WRITE_GROUP, values).await.map(drop)
}

/// A row of news.
pub(super) struct NewRow {
    pub(super) room: i64,
    pub(super) position: i64,
    pub(super) part: Part,
    pub(super) group: Option<i64>,
    pub(super) root: Option<DeliveryId>,
    pub(super) message: Option<String>,
    pub(super) accepted_at: i64,
    pub(super) starts_at: Option<i64>,
}

/// Adds a row of news, under a transaction ID of its own.
pub(super) async fn insert<S: Session>(session: &mut S, row: NewRow) -> Result<DeliveryId, OutboxError> {
    let txn = TxnId::generate();
    let values = values![
        row.room,
        row.position,
        row.part.as_str(),
        row.group,
        row.root.map(|id| id.0),
        txn.as_str(),
        row.message,
        row.accepted_at,
        row.starts_at,
    ];
    Ok(DeliveryId(session.insert(INSERT, values).await?))
}
