//! A row of news as both stores read it, and what it is then: a delivery.
//!
//! Guarantees: what cannot be read is never taken for something else; people are shown as much of it as can be.

use super::columns::timestamp;
use super::session::{Row, Session, values};
use super::stored::{Stored, unreadable};
use super::{Delivery, DeliveryId, GroupMessage, OutboxError, Part, failure};
use crate::message::{Relation, RenderedMessage, RoomAddress, TxnId};

/// The columns of a delivery: of news `n` in room `r` of group `g`.
macro_rules! news {
    ($rest:literal) => {
        concat!(
            "SELECT n.id, r.address, CASE WHEN r.owner IS NOT NULL AND r.current = n.id THEN 1 ELSE 0 END, n.kind, n.txn_id,
                n.message, n.state, n.accepted_at, n.starts_at, n.attempts, n.first_attempt_at, n.last_attempt_at,
                n.last_error, n.failures, n.finished_at, n.event_id, n.combined_into, n.members,
                CASE WHEN n.message IS NULL THEN (SELECT wanted FROM outbox_group_text WHERE group_id = n.group_id) END,
                g.root_event, g.latest_event, CASE WHEN g.root_news = n.root_id THEN 1 ELSE 0 END,
                (SELECT event_id FROM outbox_news WHERE id = n.root_id), n.group_id
            FROM outbox_news n JOIN outbox_room r ON r.id = n.room_id LEFT JOIN outbox_group g ON g.id = n.group_id ",
            $rest
        )
    };
}
pub(super) use news;

const ONE: &str = news!("WHERE n.id = ?1");

/// One row of news, for people.
pub(super) async fn show<S: Session>(session: &mut S, id: DeliveryId) -> Result<Option<Delivery>, OutboxError> {
    let row = session.row(ONE, values![id.0]).await?;
    row.map(shown).transpose()
}

/// A row that is to be sent.
pub(super) struct Sendable {
    pub(super) delivery: Delivery,
    /// Of a root that was never tried: its group, and what it says from now on.
    pub(super) unsent: Option<(i64, GroupMessage)>,
}

/// One that is to be sent; the reason where it cannot be read.
pub(super) async fn sendable<S: Session>(
    session: &mut S,
    id: DeliveryId,
) -> Result<Result<Sendable, String>, OutboxError> {
    let row = session.row(ONE, values![id.0]).await?;
    let row = row.ok_or_else(|| OutboxError::bug("a row that was claimed is gone"))?;
    Ok(read_row(row, false).map_err(|error| error.to_string()))
}

/// A row with all that can be read of it.
pub(super) fn shown(row: Row) -> Result<Delivery, OutboxError> {
    read_row(row, true).map(|row| row.delivery)
}

fn read_row(mut row: Row, for_people: bool) -> Result<Sendable, OutboxError> {
    let id = DeliveryId(row.int()?);
    let (address, in_flight, kind) = (row.text()?, row.flag()?, row.text()?);
    let txn_id = TxnId::from_stored(row.text()?);
    let (message, state) = (row.maybe_text()?, row.text()?);
    let (accepted_at, starts_at) = (timestamp(row.int()?), row.maybe_int()?.map(timestamp));
    let attempts = row.count()?;
    let (first_attempt_at, last_attempt_at) = (row.maybe_int()?.map(timestamp), row.maybe_int()?.map(timestamp));
    let (last_error, failures) = (row.maybe_text()?, failure::read(row.maybe_text()?));
    let finished_at = row.maybe_int()?.map(timestamp);
    let (event_id, combined_into, members) = (row.maybe_text()?, row.maybe_int()?.map(DeliveryId), row.count()?);
    let wanted_text = row.maybe_text()?;
    let is_unwritten = message.is_none() && members > 0;
    let mut unsent = None;
    let text = match message {
        Some(text) => read(&text),
        None if is_unwritten => Ok(unwritten(members)),
        None => wanted(wanted_text).map(|wanted| unsent.insert(wanted).as_root()),
    };
    let thread = Thread {
        root: row.maybe_text()?,
        latest: row.maybe_text()?,
        is_of_root: row.flag()?,
        own_root: row.maybe_text()?,
    };
    let group = row.maybe_int()?;
    let (part, room) = (
        Part::stored(&kind).ok_or_else(|| OutboxError::damaged(&format!("`{kind}` is no kind of news"))),
        address.parse::<RoomAddress>().map_err(OutboxError::bug),
    );
    let (part, room, message) = if for_people {
        let message = text.unwrap_or_else(|error| unreadable(&error.to_string()));
        (
            part.unwrap_or_default(),
            room.unwrap_or_else(|_| RoomAddress::nowhere()),
            message,
        )
    } else {
        (part?, room?, text?)
    };
    let delivery = Delivery {
        id,
        room,
        txn_id,
        message,
        digest_of: is_unwritten.then(Vec::new),
        accepted_at,
        starts_at,
        attempts,
        first_attempt_at,
        last_attempt_at,
        last_error,
        failures,
        state: Stored::parse(&state)?.seen(in_flight),
        finished_at,
        event_id,
        combined_into,
        members,
        part,
        group,
        relation: (part == Part::Line).then(|| thread.relation()).flatten(),
    };
    Ok(Sendable {
        delivery,
        unsent: group.zip(unsent),
    })
}

fn read(text: &str) -> Result<RenderedMessage, OutboxError> {
    Ok(serde_json::from_str(text)?)
}

/// What people see of a digest before it is sent.
fn unwritten(members: u32) -> RenderedMessage {
    let text = format!("(a digest of {members} messages; it is written when it is sent)");
    RenderedMessage {
        body: text.clone(),
        headline: text,
        ..RenderedMessage::default()
    }
}

/// What a root would say that was never tried.
fn wanted(text: Option<String>) -> Result<GroupMessage, OutboxError> {
    let text = text.ok_or_else(|| OutboxError::damaged("the text of a root is missing"))?;
    Ok(serde_json::from_str(&text)?)
}

/// The thread that a line belongs to.
struct Thread {
    /// Where its group's message is, and the last event of its thread.
    root: Option<String>,
    latest: Option<String>,
    /// Whether the line was accepted for that message.
    is_of_root: bool,
    /// Where the message is that it was accepted for.
    own_root: Option<String>,
}

impl Thread {
    /// A line stays with the message that it was accepted for, as long as that is in the room; otherwise it is one of the
    /// group's message.
    fn relation(self) -> Option<Relation> {
        if let Some(root) = self.own_root.filter(|_| !self.is_of_root) {
            let latest = root.clone();
            return Some(Relation::Thread { root, latest });
        }
        let root = self.root?;
        let latest = self.latest.unwrap_or_else(|| root.clone());
        Some(Relation::Thread { root, latest })
    }
}
