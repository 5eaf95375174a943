//! The whole relay in this process, on a free port, in front of the stand-in homeserver.

use grafana_matrix_relay::config::{Flags, Settings};
use grafana_matrix_relay::standin::{Homeserver, NewRoom, RunningHomeserver};
use grafana_matrix_relay::startup::{self, Relay};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use rusqlite::OpenFlags;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::isolation;
use crate::support::patience::until;

pub(crate) struct App {
    pub(crate) homeserver: RunningHomeserver,
    pub(crate) room: String,
    pub(crate) relay: Relay,
    pub(crate) data: TempDir,
    flags: Flags,
    http: Client,
}

/// A body that the relay takes; each `name` is a notification of its own.
pub(crate) fn firing(name: &str) -> Value {
    json!({"version": "1", "groupKey": format!("{{}}:{name}"), "alerts": [{"status": "firing",
        "labels": {"alertname": name, "severity": "critical"}, "startsAt": "2026-11-20T09:14:10Z"}]})
}

async fn start(flags: &Flags) -> Relay {
    let mut settings = Settings::from_flags(flags).unwrap();
    settings.render.isolation = isolation();
    startup::start(settings, None).await.unwrap()
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Flags)) -> Self {
        let homeserver = Homeserver::new("example.org");
        let token = homeserver.login("bot", "RELAY");
        let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
        let running = homeserver.start().await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut flags = Flags {
            home_server_url: Some(running.base_url.clone()),
            access_token: Some(token.into()),
            default_room: Some(room.clone()),
            ..Flags::default()
        };
        flags.http.port = Some("0".to_owned());
        flags.delivery.data_dir = Some(data.path().join("data").display().to_string());
        flags.messages.templates_dir = Some(data.path().join("templates").display().to_string());
        change(&mut flags);
        Self {
            relay: start(&flags).await,
            homeserver: running,
            room,
            data,
            flags,
            http: crate::support::matrix::http_client(),
        }
    }

    /// Ends it in good order and starts it again on what it left, after what is done in between.
    pub(crate) async fn restart(self, between: impl AsyncFnOnce(&Homeserver)) -> Self {
        self.relay.stop().await.unwrap();
        between(&self.homeserver.homeserver).await;
        Self {
            relay: start(&self.flags).await,
            ..self
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.relay.address)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.url(path))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    pub(crate) fn put(&self, path: &str) -> RequestBuilder {
        self.http.put(self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn get_json(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.get(path).await;
        (answer.status(), answer.json().await.unwrap())
    }

    /// Posts a body that has to be accepted.
    pub(crate) async fn accept(&self, body: &Value) -> Value {
        let answer = self.post("/alert").json(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        answer.json().await.unwrap()
    }

    /// Waits until a message of the room says this.
    pub(crate) async fn room_says(&self, text: &str) {
        let says = || self.homeserver.homeserver.messages(&self.room);
        until(&format!("the room says {text}"), async || {
            says().iter().any(|event| event.body().contains(text))
        })
        .await;
    }

    /// The texts in the room.
    pub(crate) fn texts(&self) -> Vec<String> {
        let messages = self.homeserver.homeserver.messages(&self.room);
        messages.iter().map(|event| event.body().to_owned()).collect()
    }

    /// Waits until the room has `count` messages, and returns their texts.
    pub(crate) async fn messages(&self, count: usize) -> Vec<String> {
        let mut changes = self.homeserver.homeserver.changes();
        loop {
            let texts = self.texts();
            if texts.len() >= count {
                return texts;
            }
            changes.changed().await.unwrap();
        }
    }
    /// Waits until all is sent and recorded: the room has a message earlier than that, and what the relay does next may go by
    /// what it has recorded.
    pub(crate) async fn settled(&self) {
        const WAITING: &str = "SELECT (SELECT count(*) FROM outbox_news WHERE state = 'waiting')
            + (SELECT count(*) FROM outbox_group WHERE owed IS NOT NULL)";
        let file = self.data.path().join("data/outbox.db");
        until("nothing waits", async || {
            let connection = rusqlite::Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY);
            let waiting =
                connection.and_then(|connection| connection.query_row(WAITING, [], |row| row.get::<_, i64>(0)));
            waiting.is_ok_and(|waiting| waiting == 0)
        })
        .await;
    }
}
