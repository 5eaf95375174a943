//! The rooms of an acceptance: locked in one order, and where their queues end.

use std::collections::{BTreeMap, BTreeSet};

use super::super::session::{Session, values};
use super::super::{OutboxError, Part};
use super::NewRow;
use crate::message::RoomAddress;

const LOCK_ROOM: &str = "SELECT id, tail FROM outbox_room WHERE address = ?1 /*pg FOR NO KEY UPDATE*/";
const NEW_ROOM: &str = "INSERT INTO outbox_room (address) VALUES (?1) ON CONFLICT DO NOTHING";
const SET_TAIL: &str = "UPDATE outbox_room SET tail = ?2 WHERE id = ?1";

/// Rooms that are locked until the transaction ends, and the last position given out in each.
#[derive(Debug, Default)]
pub(in crate::outbox) struct Rooms(BTreeMap<String, Room>);

#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: i64,
    tail: i64,
    is_written: bool,
}

/// Takes these rooms, made if they are new.
pub(in crate::outbox) async fn lock_rooms<S: Session>(
    session: &mut S,
    rooms: impl Iterator<Item = &RoomAddress>,
) -> Result<Rooms, OutboxError> {
    let addresses: BTreeSet<&str> = rooms.map(RoomAddress::as_str).collect();
    let mut locked = BTreeMap::new();
    for address in addresses {
        let mut row = session.row(LOCK_ROOM, values![address]).await?;
        if row.is_none() {
            session.run(NEW_ROOM, values![address]).await?;
            row = session.row(LOCK_ROOM, values![address]).await?;
        }
        let mut row = row.ok_or_else(|| OutboxError::bug("a room was not made"))?;
        let room = Room {
            id: row.int()?,
            tail: row.int()?,
            is_written: true,
        };
        locked.insert(address.to_owned(), room);
    }
    Ok(Rooms(locked))
}

impl Rooms {
    pub(super) fn of(&mut self, room: &RoomAddress) -> Result<&mut Room, OutboxError> {
        let room = self.0.get_mut(room.as_str());
        room.ok_or_else(|| OutboxError::bug("a room was not locked"))
    }

    /// A row at the end of a room's news, without its text.
    pub(in crate::outbox) fn append(&mut self, room: &RoomAddress, part: Part, at: i64) -> Result<NewRow, OutboxError> {
        Ok(self.of(room)?.append(part, at))
    }

    /// Notes how far the positions have come.
    pub(in crate::outbox) async fn write<S: Session>(self, session: &mut S) -> Result<(), OutboxError> {
        for room in self.0.values().filter(|room| !room.is_written) {
            session.run(SET_TAIL, values![room.id, room.tail]).await?;
        }
        Ok(())
    }
}

impl Room {
    pub(super) fn next(&mut self) -> i64 {
        self.is_written = false;
        self.tail += 1;
        self.tail
    }

    pub(super) fn append(&mut self, part: Part, accepted_at: i64) -> NewRow {
        NewRow {
            room: self.id,
            position: self.next(),
            part,
            group: None,
            root: None,
            message: None,
            accepted_at,
            starts_at: None,
        }
    }
}
