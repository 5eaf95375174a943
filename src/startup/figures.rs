//! The figures of rooms, routes and disk that `/metrics` shows.
//!
//! Guarantees: each series that a rule may watch is there before anything happens, since a series that begins with its first
//! event hides that event from `increase`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use metrics::{counter, gauge};

use crate::matrix::{Client, EncryptionState};
use crate::outbox::{RoomStats, Stats};
use crate::route::Table;

/// How long the file system may take to say how much is free.
const PATIENCE: Duration = Duration::from_secs(1);
/// The gauges that have a series for each room.
const OF_ROOM: [&str; 2] = [
    "grafana_matrix_relay_deliveries_waiting",
    "grafana_matrix_relay_room_blocked",
];

/// These routes are in use from now on.
pub(super) fn routes_taken(table: &Table) {
    for room in table.rooms() {
        for name in OF_ROOM {
            gauge!(name, "room" => room.to_string()).increment(0.0);
        }
        gauge!("grafana_matrix_relay_devices_without_keys", "room" => room.to_string()).increment(0.0);
    }
    for route in table.routes().keys() {
        for outcome in ["accepted", "recognised"] {
            counter!(
                "grafana_matrix_relay_notifications_total",
                "route" => route.to_string(), "outcome" => outcome
            )
            .increment(0);
        }
    }
    gauge!("grafana_matrix_relay_routes_last_reload_successful").set(1.0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    gauge!("grafana_matrix_relay_routes_last_reload_success_timestamp_seconds")
        .set(now.unwrap_or_default().as_secs_f64());
}

/// A changed routes file cannot be used.
pub(super) fn routes_refused() {
    gauge!("grafana_matrix_relay_routes_last_reload_successful").set(0.0);
}

/// What waits in each room. `shown` are the rooms that had figures before: one that has drained is no longer in `stats`, and
/// its figures must not stay where they were.
pub(super) fn of_rooms(stats: &Stats, shown: &mut Vec<String>) {
    let rooms: Vec<String> = stats.rooms.iter().map(|one| one.room.to_string()).collect();
    for room in shown.iter().filter(|room| !rooms.contains(room)) {
        for name in OF_ROOM {
            gauge!(name, "room" => room.clone()).set(0.0);
        }
    }
    for RoomStats {
        room, waiting, trouble, ..
    } in &stats.rooms
    {
        let is_blocked = *waiting > 0 && trouble.is_some();
        gauge!("grafana_matrix_relay_deliveries_waiting", "room" => room.to_string())
            .set(super::checks::count(*waiting));
        gauge!("grafana_matrix_relay_room_blocked", "room" => room.to_string()).set(f64::from(u8::from(is_blocked)));
    }
    *shown = rooms;
}

/// Whether this relay encrypts, and whether clients trust what it sends.
pub(super) fn of_encryption(client: Option<&Client>) {
    let state = client.map(Client::encryption_state);
    let flag = |is_so: bool| f64::from(u8::from(is_so));
    let is_active = matches!(state, Some(EncryptionState::Working(_)));
    gauge!("grafana_matrix_relay_encryption_active").set(flag(is_active));
    let is_signed = matches!(state, Some(EncryptionState::Working(None)));
    gauge!("grafana_matrix_relay_encryption_device_signed").set(flag(is_signed));
    let rooms = client.map_or(0, Client::encrypted_rooms);
    gauge!("grafana_matrix_relay_encrypted_rooms").set(super::checks::count(rooms as u64));
}

/// How much can still be written where the outbox is.
pub(super) async fn of_disk(data_dir: PathBuf) {
    let ask = tokio::task::spawn_blocking(move || rustix::fs::statvfs(data_dir));
    let Ok(Ok(Ok(disk))) = tokio::time::timeout(PATIENCE, ask).await else {
        return;
    };
    gauge!("grafana_matrix_relay_data_dir_free_bytes").set(super::checks::count(disk.f_bavail * disk.f_frsize));
}
