//! The rooms that were ever seen encrypted, on disk.
//!
//! Guarantees: a room that a relay added is there after a restart, even after a loss of power; nothing takes one away. The list
//! holds without its file, too: what cannot be written down holds until the end of the process, and that is said.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ruma::{OwnedRoomId, RoomId};
use tokio::sync::Notify;

/// The folder of keys and list, in that of the relay's data.
pub(super) const FOLDER: &str = "encryption";
const LIST: &str = "rooms";

/// The file of the list.
pub(super) fn list(data: &Path) -> PathBuf {
    data.join(FOLDER).join(LIST)
}

/// The rooms, one ID on each line of the file.
pub(super) struct KnownRooms {
    file: Option<PathBuf>,
    /// Whether additions are written. A command may run as another user than the relay, and leaves no files of its own.
    is_kept: AtomicBool,
    rooms: Mutex<HashSet<OwnedRoomId>>,
    added: Notify,
}

impl KnownRooms {
    /// Reads the list. Lines that are no room IDs, such as the last one of a write that broke off, are passed over.
    pub(super) fn load(file: Option<PathBuf>) -> Self {
        let rooms = file.as_deref().map(read).unwrap_or_default();
        Self {
            file,
            is_kept: AtomicBool::new(false),
            rooms: Mutex::new(rooms),
            added: Notify::new(),
        }
    }

    pub(super) fn contains(&self, room: &RoomId) -> bool {
        self.rooms().contains(room)
    }

    pub(super) fn add(&self, room: &RoomId) {
        if !self.rooms().insert(room.to_owned()) {
            return;
        }
        self.added.notify_waiters();
        if self.is_kept.load(Ordering::SeqCst) {
            self.write(room);
        }
    }

    /// From now on additions are written.
    pub(super) fn keep(&self) {
        self.is_kept.store(true, Ordering::SeqCst);
    }

    /// Whether this is a relay, and no command beside one.
    #[cfg(feature = "encryption")]
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::SeqCst)
    }

    fn write(&self, room: &RoomId) {
        let Some(file) = &self.file else { return };
        if let Err(error) = append(file, room) {
            tracing::error!(
                matrix.room_id = %room, error.message = %error,
                "that {room} is encrypted cannot be written down: it counts as encrypted until the relay ends"
            );
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.rooms().len()
    }

    /// Whether there is one.
    pub(super) fn is_any(&self) -> bool {
        !self.rooms().is_empty()
    }

    /// Waits until there is one.
    pub(super) async fn any(&self) {
        loop {
            let added = self.added.notified();
            tokio::pin!(added);
            added.as_mut().enable();
            if self.is_any() {
                return;
            }
            added.await;
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashSet<OwnedRoomId>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(file: &Path) -> HashSet<OwnedRoomId> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            tracing::error!(
                error.message = %error,
                "the list of encrypted rooms cannot be read: each room is looked at anew"
            );
        }
        String::new()
    });
    text.lines().filter_map(|line| RoomId::parse(line).ok()).collect()
}

fn append(file: &Path, room: &RoomId) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut list = OpenOptions::new().create(true).append(true).open(file)?;
    // A line break before it, too: the write before this one may have broken off.
    list.write_all(format!("\n{room}\n").as_bytes())?;
    list.sync_all()
}

#[cfg(test)]
mod tests {
    use ruma::room_id;

    use super::*;

    #[tokio::test]
    async fn a_room_stays_known_after_a_restart_and_after_a_write_that_broke_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = list(folder.path());
        let known = KnownRooms::load(Some(file.clone()));
        assert!(!known.contains(room_id!("!a:example.org")));
        known.keep();
        known.add(room_id!("!a:example.org"));
        known.any().await;
        fs::write(&file, fs::read_to_string(&file).unwrap() + "!half").unwrap();
        let known = KnownRooms::load(Some(file.clone()));
        known.keep();
        known.add(room_id!("!b"));
        // A command beside it.
        KnownRooms::load(Some(file.clone())).add(room_id!("!command"));
        let again = KnownRooms::load(Some(file));
        assert!(again.contains(room_id!("!a:example.org")) && again.contains(room_id!("!b")));
        assert!(!again.contains(room_id!("!c")) && !again.contains(room_id!("!command")));
    }
}
