//! The devices that cannot read a room's messages, because they got no key, and why.
//!
//! Guarantees: a device is there from when it was told that it gets no key until it gets one, it is gone, or its owner left;
//! over restarts, in a file beside the keys that `check` reads while a relay runs. A file that cannot be written costs no message.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ruma::RoomId;
use ruma::to_device::DeviceIdOrAllDevices;
use serde::{Deserialize, Serialize};

use super::known;

const FILE: &str = "devices-without-keys.json";

/// A device that got no key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::matrix) struct WithoutKey {
    pub(in crate::matrix) user: String,
    pub(in crate::matrix) device: String,
    /// The specification's code for it, such as `m.no_olm`.
    pub(in crate::matrix) code: String,
}

impl WithoutKey {
    /// Why, for people.
    pub(in crate::matrix) fn why(&self) -> &'static str {
        match self.code.as_str() {
            "m.no_olm" => "it has no one-time keys left; its owner has to open it, or to log in on it anew",
            "m.unverified" => "its owner has not verified it, and MATRIX_KEY_RECIPIENTS is `cross-signed`",
            "m.blacklisted" => "it is blocked",
            _ => "it was refused one",
        }
    }
}

type Rooms = BTreeMap<String, Vec<WithoutKey>>;

/// Those of all rooms.
#[derive(Default)]
pub(super) struct WithoutKeys {
    file: Option<PathBuf>,
    rooms: Mutex<Rooms>,
}

/// What a message to a device says of a room key.
pub(super) enum KeyMessage {
    /// Here it is.
    Key,
    /// There is none for it, by this code.
    Withheld(String),
}

impl WithoutKeys {
    pub(super) fn load(data: &Path) -> Self {
        let file = file(data);
        let rooms = read(&file);
        for (room, devices) in &rooms {
            show(room, devices);
        }
        Self {
            rooms: Mutex::new(rooms),
            file: Some(file),
        }
    }

    /// Notes what devices were told of the key of a room, and forgets those that `is_there` does not know.
    pub(super) fn note(
        &self,
        room: &RoomId,
        told: impl IntoIterator<Item = (String, DeviceIdOrAllDevices, KeyMessage)>,
        is_there: impl Fn(&WithoutKey) -> bool,
    ) {
        let mut rooms = self.rooms();
        let devices = rooms.entry(room.to_string()).or_default();
        let before = devices.clone();
        for (user, device, told) in told {
            let device = device.to_string();
            devices.retain(|one| (&one.user, &one.device) != (&user, &device));
            if let KeyMessage::Withheld(code) = told {
                devices.push(WithoutKey { user, device, code });
            }
        }
        devices.retain(is_there);
        devices.sort_unstable();
        if *devices != before {
            show(room.as_str(), devices);
            self.write(&rooms);
        }
    }

    /// Those of one room.
    pub(super) fn any_in(&self, room: &RoomId) -> bool {
        self.rooms()
            .get(room.as_str())
            .is_some_and(|devices| !devices.is_empty())
    }

    fn write(&self, rooms: &Rooms) {
        let Some(file) = &self.file else { return };
        let written = || {
            let folder = file.parent().unwrap_or(Path::new("."));
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            new.write_all(serde_json::to_string_pretty(rooms)?.as_bytes())?;
            new.persist(file)?;
            io::Result::Ok(())
        };
        if let Err(error) = written() {
            tracing::debug!(error.message = %error, "which devices have no keys cannot be written down");
        }
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show(room: &str, devices: &[WithoutKey]) {
    let count = u32::try_from(devices.len()).unwrap_or(u32::MAX);
    metrics::gauge!("grafana_matrix_relay_devices_without_keys", "room" => room.to_owned()).set(count);
}

/// Those of one room, as a relay that runs, or ran last, has written them down.
pub(in crate::matrix) fn written(data: &Path, room: &RoomId) -> Vec<WithoutKey> {
    read(&file(data)).remove(room.as_str()).unwrap_or_default()
}

fn file(data: &Path) -> PathBuf {
    data.join(known::FOLDER).join(FILE)
}

fn read(file: &Path) -> Rooms {
    let text = fs::read_to_string(file).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ruma::room_id;

    use super::*;

    #[test]
    fn a_device_is_without_a_key_until_it_gets_one_or_is_gone_also_after_a_restart() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join(known::FOLDER)).unwrap();
        let room = room_id!("!room:example.org");
        let told = |device: &str, told| {
            let device = DeviceIdOrAllDevices::DeviceId(device.into());
            [("@ann:example.org".to_owned(), device, told)]
        };
        let withheld = || KeyMessage::Withheld("m.no_olm".to_owned());
        let names = || -> Vec<String> { written(data.path(), room).into_iter().map(|one| one.device).collect() };
        let without = WithoutKeys::load(data.path());
        without.note(room, told("A", withheld()), |_| true);
        without.note(room, told("B", withheld()), |_| true);
        without.note(room, [], |_| true);
        assert_eq!(names(), ["A", "B"]);
        let without = WithoutKeys::load(data.path());
        assert!(without.any_in(room) && !without.any_in(room_id!("!other:example.org")));
        without.note(room, told("A", KeyMessage::Key), |_| true);
        assert_eq!(names(), ["B"]);
        without.note(room, [], |one| one.device != "B");
        assert!(names().is_empty());
    }
}
