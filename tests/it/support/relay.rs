//! The relay's own binary, as a user would start it.
//!
//! Guarantees: it sees nothing of the developer's environment or `.env`, and its data folder outlives it, so that a test
//! can kill it and start it again on what it left.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use grafana_matrix_relay::standin::{Homeserver, NewRoom, RunningHomeserver};
use reqwest::Method;
use serde_json::Value;

use super::matrix::{Answer, http_client, send};
use super::patience::{eventually, until};
use super::process::{Process, Program};
use super::synapse::Synapse;

const BINARY: &str = env!("CARGO_BIN_EXE_grafana-matrix-relay");
const TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");

/// Starts a program that may write no file larger than `$1` blocks of 512 bytes: what goes beyond is an error, as on a disk
/// that is full, and not the end of the program. Any user may do that.
const LIMITED: &str = r#"trap '' XFSZ; ulimit -S -f "$1"; shift; exec "$@""#;

/// The settings of a relay, and the folder for its data; starting it twice is a restart.
#[derive(Clone)]
pub(crate) struct Setup {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    largest_file: Option<u32>,
    folder: Arc<tempfile::TempDir>,
}

/// A running relay.
pub(crate) struct Relay {
    /// `http://127.0.0.1:port`.
    pub(crate) base_url: String,
    process: Process,
    http: reqwest::Client,
    // Shared with its Setup: the data must be there as long as anyone may start on them.
    _folder: Arc<tempfile::TempDir>,
}

impl Setup {
    /// A relay of the bot of `synapse` for one room, given as ID or alias.
    pub(crate) fn new(synapse: &Synapse, room: &str) -> Self {
        Self::bare()
            .env("MATRIX_HOME_SERVER_URL", &synapse.base_url)
            .env("MATRIX_ACCESS_TOKEN", &synapse.bot.access_token)
            .env("MATRIX_DEFAULT_ROOM", room)
    }

    /// A relay of the bot with this token on the stand-in, for one room.
    pub(crate) fn of(running: &RunningHomeserver, token: &str, room: &str) -> Self {
        Self::bare()
            .env("MATRIX_HOME_SERVER_URL", &running.base_url)
            .env("MATRIX_ACCESS_TOKEN", token)
            .env("MATRIX_DEFAULT_ROOM", room)
    }

    /// The same with a stand-in of its own, and the room.
    pub(crate) async fn with_room() -> (RunningHomeserver, String, Self) {
        let homeserver = Homeserver::new("example.org");
        let token = homeserver.login("bot", "RELAY");
        let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
        let running = homeserver.start().await.expect("the stand-in listens");
        let setup = Self::of(&running, &token, &room);
        (running, room, setup)
    }

    /// A relay without a homeserver, as `demo` is.
    pub(crate) fn bare() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let data = folder.path().join("data").display().to_string();
        let setup = Self {
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            largest_file: None,
            folder,
        };
        setup
            .env("RELAY_HOST", "127.0.0.1")
            .env("RELAY_PORT", "0")
            .env("RELAY_DATA_DIR", &data)
            .env("RELAY_TEMPLATES_DIR", TEMPLATES)
            .env("ECS_LOGGING", "true")
    }

    /// Sets one more setting, or another value for one.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds an argument: a command or a flag.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// On a disk that is full when a file of its has so many KiB.
    pub(crate) fn full_at(mut self, kib: u32) -> Self {
        self.largest_file = Some(kib * 2);
        self
    }

    /// Where its outbox lives, unless that is a database.
    pub(crate) fn data_dir(&self) -> PathBuf {
        PathBuf::from(&self.environment["RELAY_DATA_DIR"])
    }

    /// Starts it and waits until it is alive; panics with its log if it does not get there.
    pub(crate) async fn start(&self) -> Relay {
        self.try_start().await.unwrap_or_else(|log| panic!("{log}"))
    }

    /// Starts it; a relay that ends instead of listening is an error with its log.
    pub(crate) async fn try_start(&self) -> Result<Relay, String> {
        let program = match self.largest_file {
            None => Program::new("grafana-matrix-relay", BINARY),
            Some(blocks) => {
                Program::new("grafana-matrix-relay", "sh").args(["-c", LIMITED, "sh", &blocks.to_string(), BINARY])
            }
        };
        let is_demo = self.arguments.first().is_some_and(|command| command == "demo");
        let settings = self
            .environment
            .iter()
            .filter_map(|(name, value)| Some((flag_of(name)?, value)));
        let flags: Vec<String> = settings.map(|(flag, value)| format!("{flag}={value}")).collect();
        let mut program = program
            .args(&self.arguments)
            .args(if is_demo { &flags[..] } else { &[] })
            // A working folder of its own, so that no `.env` of the project's is read.
            .current_dir(self.folder.path());
        for (name, value) in &self.environment {
            program = program.env(name, value);
        }
        let mut process = program.start();
        let base_url = process.try_wait_for("listening", listening_address).await?;
        let relay = Relay {
            base_url,
            process,
            http: http_client(),
            _folder: Arc::clone(&self.folder),
        };
        let live = relay.get("/health/live").await;
        assert_eq!(live.status, 200, "a relay that listens is alive: {}", live.body);
        Ok(relay)
    }
}

/// The flag of a setting: the demo reads no environment.
fn flag_of(variable: &str) -> Option<String> {
    let name = match variable {
        "ECS_LOGGING" => "ecs-logging",
        "RELAY_TEMPLATE" => "default-template",
        "RELAY_TOKEN" => "relay-token",
        _ => variable.strip_prefix("RELAY_")?,
    };
    Some(format!("--{}", name.to_lowercase().replace('_', "-")))
}

/// The address in the line that says so at start.
fn listening_address(line: &str) -> Option<String> {
    let rest = line
        .to_lowercase()
        .contains("listening")
        .then(|| line.split_once("127.0.0.1:"))??
        .1;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (port != "0" && !port.is_empty()).then(|| format!("http://127.0.0.1:{port}"))
}

impl Relay {
    /// One request with a JSON body.
    pub(crate) async fn request(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.request_raw(method, path, body.to_string()).await
    }

    /// One request with a body that says of itself that it is JSON.
    pub(crate) async fn request_raw(&self, method: Method, path: &str, body: String) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.base_url));
        send(request.header("content-type", "application/json").body(body)).await
    }

    /// `GET`, of a page or of JSON.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.http.get(format!("{}{path}", self.base_url))).await
    }

    /// Posts a notification and expects it to be accepted.
    pub(crate) async fn accepts(&self, notification: &Value) -> Value {
        let answer = self.request(Method::POST, "/alert", notification).await;
        assert_eq!(
            answer.status,
            202,
            "not accepted: {}\n{}",
            answer.body,
            self.process.log()
        );
        answer.body
    }

    /// Waits until it has recorded so many deliveries of its own: a person sees a message earlier than that, and what the
    /// relay does next may go by what it has recorded.
    pub(crate) async fn has_delivered(&self, count: usize) {
        let wanted = format!("grafana_matrix_relay_deliveries_delivered_total {count}");
        until(&wanted, async || {
            let metrics = self.get("/metrics").await.ok();
            metrics.as_str().expect("text").lines().any(|line| line == wanted)
        })
        .await;
    }

    /// The first log line that contains `text`, in whatever case; waits for it if need be.
    pub(crate) async fn says(&mut self, text: &str) -> String {
        let wanted = text.to_lowercase();
        let pick = |line: &str| line.to_lowercase().contains(&wanted).then(|| line.to_owned());
        if let Some(line) = self.log().lines().find_map(pick) {
            return line;
        }
        self.process.wait_for(&format!("saying `{text}`"), pick).await
    }

    /// Waits for one more log line with `text` in it that nobody has waited for.
    pub(crate) async fn says_next(&mut self, text: &str) -> String {
        let pick = |line: &str| line.contains(text).then(|| line.to_owned());
        self.process.wait_for(&format!("saying `{text}` again"), pick).await
    }

    /// Everything it logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// What it holds in memory now, in bytes; its peak is counted from here.
    pub(crate) fn forget_peak(&self) -> usize {
        let file = format!("/proc/{}/clear_refs", self.process.id());
        // The relay hides its memory from other programs of its user. Then the peak counts from its start, which is more.
        let _ = std::fs::write(file, "5");
        self.memory("VmRSS:")
    }

    /// The most that it held since then, in bytes.
    pub(crate) fn peak(&self) -> usize {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
        kilobytes.expect("a number of kB") * 1024
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Makes room on the disk that was full.
    pub(crate) fn make_room(&self) {
        let pid = self.process.id().to_string();
        let lifted = Command::new("prlimit")
            .args(["--pid", &pid, "--fsize=unlimited:"])
            .status();
        assert!(
            lifted.is_ok_and(|status| status.success()),
            "prlimit of util-linux lifts the limit"
        );
    }

    /// Asks it to read its routes again.
    pub(crate) fn hang_up(&self) {
        self.process.signal("HUP");
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) {
        self.process.signal("TERM");
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.process.has_ended().is_none()
    }

    /// Waits until it has ended, while servers of this process go on.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        eventually("the relay has ended", async || self.process.has_ended()).await
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait()
    }
}
