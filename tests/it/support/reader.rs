//! A client that reads encrypted rooms, by `tests/stack/reader.py`: matrix-nio with vodozemac, none of the relay's own code.

use std::io::Write as _;
use std::process::ChildStdin;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::matrix::User;
use super::process::{Process, Program};
use super::synapse::Synapse;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/stack/reader-venv/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stack/reader.py");

/// The cross-signing keys of a user.
const ALL_KEYS: [&str; 3] = ["master", "self_signing", "user_signing"];

/// A device of a user, which is logged in and has published its keys.
pub(crate) struct Reader {
    commands: ChildStdin,
    process: Process,
    // Last: its folder goes after the process that writes to it.
    _store: tempfile::TempDir,
}

/// An event as the device sees it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Heard {
    /// `$…`.
    pub(crate) id: String,
    /// `m.room.message`, if it could be read.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What was encrypted, or what is visible of it.
    pub(crate) content: Value,
    /// Why it could not be read.
    pub(crate) error: Option<String>,
    /// Whether it came encrypted and was read.
    pub(crate) encrypted: bool,
}

impl Heard {
    /// The plain text of a message, empty if there is none.
    pub(crate) fn body(&self) -> &str {
        self.content["body"].as_str().unwrap_or_default()
    }

    /// How it relates to another event, empty if it does not.
    pub(crate) fn relation(&self) -> &str {
        self.content["m.relates_to"]["rel_type"].as_str().unwrap_or_default()
    }
}

impl Reader {
    /// Logs a user in on a new device.
    pub(crate) async fn start(synapse: &Synapse, user: &User, device: &str) -> Self {
        assert!(
            std::path::Path::new(PYTHON).exists(),
            "there is no reader at {PYTHON}: run `make setup` (or `make test`, which does it first)"
        );
        let store = tempfile::tempdir().expect("a temporary folder");
        let mut process = Program::new("reader.py", PYTHON)
            .args([SCRIPT, &synapse.base_url, &user.id, &user.password, device])
            .args([store.path()])
            .start();
        let commands = process.take_stdin();
        let is_ready = |line: &str| line.contains("\"ready\"").then_some(());
        process.wait_for("ready", is_ready).await;
        Self {
            commands,
            process,
            _store: store,
        }
    }

    /// Everything that this device has seen of a room, oldest first.
    pub(crate) async fn read(&mut self, room: &str) -> Vec<Heard> {
        self.ask(&json!({"read": room})).await
    }

    /// What came encrypted, as far as it could be read.
    pub(crate) async fn read_encrypted(&mut self, room: &str) -> Vec<Heard> {
        let mut heard = self.read(room).await;
        heard.retain(|heard| heard.encrypted);
        heard
    }

    /// Waits until `enough` holds for what came encrypted and was read.
    pub(crate) async fn wait_until(
        &mut self,
        room: &str,
        patience: Duration,
        enough: impl Fn(&[Heard]) -> bool,
    ) -> Vec<Heard> {
        let deadline = Instant::now() + patience;
        loop {
            let heard = self.read_encrypted(room).await;
            if enough(&heard) {
                return heard;
            }
            assert!(
                Instant::now() < deadline,
                "what was waited for did not come within {patience:?}: {:#?}",
                self.read(room).await
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether the published identity of a user has signed a device, by the signatures themselves.
    pub(crate) async fn vouched(&mut self, user: &str, device: &str) -> bool {
        self.ask(&json!({"vouched": [user, device]})).await
    }

    /// Makes an identity for its own user and signs this device with it.
    pub(crate) async fn sign(&mut self) {
        self.ask::<Value>(&json!({"sign": ALL_KEYS})).await;
    }

    /// Makes an identity without a key that others are verified with, as no usual client does.
    pub(crate) async fn sign_incompletely(&mut self) {
        self.ask::<Value>(&json!({"sign": ALL_KEYS[..2]})).await;
    }

    /// Replaces the identity of its own user, and signs this device with the new one.
    pub(crate) async fn replace_identity(&mut self) {
        self.ask::<Value>(&json!({"replace": ALL_KEYS})).await;
    }

    async fn ask<T: DeserializeOwned>(&mut self, command: &Value) -> T {
        writeln!(self.commands, "{command}").expect("reader.py takes commands");
        let answer = |line: &str| serde_json::from_str::<Value>(line).ok()?.get("answer").cloned();
        let answer = self.process.wait_for("answering", answer).await;
        serde_json::from_value(answer).expect("an answer of the form that was asked for")
    }
}
