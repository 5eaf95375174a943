//! The unit as systemd reads it, and what the relay says to systemd.

use std::fs;

use grafana_matrix_relay::standin::{Homeserver, NewRoom};
use tokio::net::UnixDatagram;

use super::{packaging, run};
use crate::support::relay::Setup;

/// The most that the unit may be exposed, in tenths of what `systemd-analyze security` counts.
const EXPOSURE: &str = "--threshold=15";

#[test]
fn the_unit_is_valid_and_hardened() {
    let unit = fs::read_to_string(packaging("systemd/grafana-matrix-relay.service")).unwrap();
    let (folder, program) = (tempfile::tempdir().unwrap(), "/usr/bin/grafana-matrix-relay");
    assert!(unit.contains(program), "{unit}");
    // The program is not installed where the tests run.
    let unit = unit.replace(program, env!("CARGO_BIN_EXE_grafana-matrix-relay"));
    let file = folder.path().join("grafana-matrix-relay.service");
    fs::write(&file, unit).unwrap();
    let file = file.to_str().unwrap();
    let said = run("systemd-analyze", &["verify", "--man=no", file]);
    assert!(!said.contains("grafana-matrix-relay.service"), "{said}");
    run(
        "systemd-analyze",
        &["security", "--offline=true", "--no-pager", EXPOSURE, file],
    );
}

/// The next message of the relay to systemd that begins with `state`.
async fn told(socket: &UnixDatagram, state: &str) -> String {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await.unwrap();
        let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if message.starts_with(state) {
            return message;
        }
    }
}

#[tokio::test]
async fn systemd_is_told_that_the_relay_is_ready_lives_and_ends() {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
    let running = homeserver.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let setup = Setup::of(&running, &token, &room)
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .env("WATCHDOG_USEC", "30000");

    let (relay, ready) = tokio::join!(setup.start(), told(&socket, "READY=1"));
    let address = relay.base_url.trim_start_matches("http://");
    assert!(ready.contains(address), "the status names {address}: {ready}");
    for _ in 0..2 {
        told(&socket, "WATCHDOG=1").await;
    }
    relay.ask_to_end();
    let (status, _) = tokio::join!(relay.ended(), told(&socket, "STOPPING=1"));
    assert!(status.success(), "{status}");
}
