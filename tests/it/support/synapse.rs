//! A real Synapse of the test's own, by `tests/stack/synapse.py`.
//!
//! It is up in two or three seconds and 120 MB. That is cheap enough for one per test, and a test with its own homeserver
//! may stop it, freeze it and use up its limits. nextest runs each test in its own process, so sharing one would need a
//! server outside all of them.

use std::io::Write;
use std::process::ChildStdin;
use std::time::Duration;

use serde::Deserialize;

use super::matrix::{Account, User};
use super::process::{Process, Program};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/stack/synapse-venv/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stack/synapse.py");

/// A homeserver with users and rooms.
pub(crate) struct Synapse {
    /// Where its client-server API is.
    pub(crate) base_url: String,
    /// The relay's user, in every room but [`Rooms::invited`].
    pub(crate) bot: User,
    /// Owner of all rooms, and their reader.
    pub(crate) person: User,
    /// Administrator of the homeserver.
    pub(crate) admin: User,
    /// One room of each kind.
    pub(crate) rooms: Rooms,
    commands: ChildStdin,
    process: Process,
    // Last: its folder goes after the process that writes to it.
    folder: tempfile::TempDir,
}

/// One room of each kind that a relay may be pointed at.
#[derive(Debug, Deserialize)]
pub(crate) struct Rooms {
    /// Public, with an alias; its ID has no domain (room version 12).
    pub(crate) default: Room,
    /// Private; its ID has a domain (room version 11).
    pub(crate) second: Room,
    /// The bot is invited and has not joined.
    pub(crate) invited: Room,
    /// The bot is a member without the power to send.
    pub(crate) readonly: Room,
    /// End-to-end encrypted.
    pub(crate) encrypted: Room,
}

/// A room's names.
#[derive(Debug, Deserialize)]
pub(crate) struct Room {
    /// `!…`.
    pub(crate) room_id: String,
    /// `#…:server`, for the default room; empty for the others.
    #[serde(default)]
    pub(crate) alias: String,
}

/// The line that `synapse.py` prints when all is ready.
#[derive(Deserialize)]
struct Ready {
    base_url: String,
    bot: Account,
    person: Account,
    admin: Account,
    rooms: Rooms,
}

impl Synapse {
    /// Starts one without limits.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one that lets a user send 10 messages, and then one in 5 seconds.
    pub(crate) async fn start_with_default_limits() -> Self {
        Self::start_with(&["--default-limits"]).await
    }

    /// Starts one that sends messages later, if it is asked to.
    pub(crate) async fn start_with_delayed_events() -> Self {
        Self::start_with(&["--delayed-events"]).await
    }

    async fn start_with(options: &[&str]) -> Self {
        assert!(
            std::path::Path::new(PYTHON).exists(),
            "there is no Synapse at {PYTHON}: run `make setup` (or `make test`, which does it first)"
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut process = Program::new("synapse.py", PYTHON)
            .args([SCRIPT, "run", "--dir"])
            .args([folder.path()])
            .args(options)
            // It has its own Synapse to stop. Killed, it takes it along, but leaves the database in the middle of things.
            .end_with("TERM")
            .start();
        let commands = process.take_stdin();
        let ready: Ready = process.wait_for("ready", |line| serde_json::from_str(line).ok()).await;
        Self {
            bot: User::new(ready.bot, &ready.base_url),
            person: User::new(ready.person, &ready.base_url),
            admin: User::new(ready.admin, &ready.base_url),
            base_url: ready.base_url,
            rooms: ready.rooms,
            commands,
            process,
            folder,
        }
    }

    /// Ends the homeserver; connections to it are refused from now on.
    pub(crate) async fn stop(&mut self) {
        self.command("stop", "stopped").await;
    }

    /// Starts it again with the same address, users, rooms and events.
    pub(crate) async fn start_again(&mut self) {
        self.command("start", "started").await;
    }

    /// Freezes it: connections are accepted and never answered.
    pub(crate) async fn pause(&mut self) {
        self.command("pause", "paused").await;
    }

    /// Lets it run on.
    pub(crate) async fn resume(&mut self) {
        self.command("resume", "resumed").await;
    }

    /// Forgets by which transactions events came, as it does after a day. Only while it is stopped.
    pub(crate) fn forget_transactions(&self) {
        self.delete("DELETE FROM event_txn_id_device_id", []);
    }

    /// Ends a token, and leaves its device and the device's other tokens alone, as an expiry does. Only while it is stopped.
    pub(crate) fn forget_token(&self, token: &str) {
        self.delete("DELETE FROM access_tokens WHERE token = ?1", [token]);
    }

    fn delete(&self, sql: &str, parameters: impl rusqlite::Params) {
        let database = rusqlite::Connection::open(self.folder.path().join("homeserver.db")).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        assert!(database.execute(sql, parameters).unwrap() > 0, "{sql}");
    }

    async fn command(&mut self, command: &str, answer: &str) {
        writeln!(self.commands, "{command}").expect("synapse.py takes commands");
        self.process
            .wait_for(answer, |line| (line == answer).then_some(()))
            .await;
    }
}
