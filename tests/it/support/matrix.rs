//! A Matrix user as a test sees one: sends, reads rooms back, asks for single events and their relations.
//!
//! Speaks the client-server API over plain HTTP and JSON on purpose. The relay uses ruma's types; a reader that shared
//! them would share their mistakes.

use std::time::Duration;

use super::patience::until;
use grafana_matrix_relay::standin::{self, Shown, visible};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

/// How long a message may take that nothing holds up.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A user with a token, and where to use it.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// `@name:server`.
    pub(crate) id: String,
    /// The token of [`Self::device_id`].
    pub(crate) access_token: String,
    /// The device that scopes this user's transaction IDs.
    pub(crate) device_id: String,
    /// For another login.
    pub(crate) password: String,
    base_url: Url,
    http: reqwest::Client,
}

/// A user as `synapse.py` describes one.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    user_id: String,
    access_token: String,
    device_id: String,
    password: String,
}

/// An event of a room's timeline.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Event {
    /// `$…`.
    #[serde(rename = "event_id")]
    pub(crate) id: String,
    /// Who sent it.
    pub(crate) sender: String,
    /// `m.room.message` and others.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// As sent.
    pub(crate) content: Value,
}

/// Status and JSON of an answer; `null` where there was none.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The parsed body.
    pub(crate) body: Value,
}

impl Account {
    /// One that was made by other means.
    pub(crate) fn new(user_id: String, access_token: String, device_id: &str) -> Self {
        Self {
            user_id,
            access_token,
            device_id: device_id.to_owned(),
            password: String::new(),
        }
    }
}

impl Event {
    /// The plain text of a message, empty if there is none.
    pub(crate) fn body(&self) -> &str {
        self.content["body"].as_str().unwrap_or_default()
    }

    /// The HTML of a message, empty if there is none.
    pub(crate) fn formatted_body(&self) -> &str {
        self.content["formatted_body"].as_str().unwrap_or_default()
    }
}

impl Answer {
    /// The body of a success; panics with the server's words otherwise.
    pub(crate) fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.body);
        self.body
    }
}

/// An HTTP client that no proxy of the environment can come between.
pub(crate) fn http_client() -> reqwest::Client {
    grafana_matrix_relay::matrix::client_builder()
        .no_proxy()
        .timeout(Duration::from_mins(1))
        .build()
        .expect("an HTTP client can be built")
}

/// Sends one request and reads the whole answer.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request
        .send()
        .await
        .unwrap_or_else(|error| panic!("no answer: {error:?}"));
    let status = response.status().as_u16();
    let text = response.text().await.expect("the answer has a readable body");
    let body = serde_json::from_str(&text).unwrap_or(if text.is_empty() {
        Value::Null
    } else {
        Value::String(text)
    });
    Answer { status, body }
}

impl User {
    /// The user of `account` on the homeserver at `base_url`.
    pub(crate) fn new(account: Account, base_url: &str) -> Self {
        Self {
            id: account.user_id,
            access_token: account.access_token,
            device_id: account.device_id,
            password: account.password,
            base_url: Url::parse(base_url).expect("the homeserver's URL"),
            http: http_client(),
        }
    }

    /// One request as this user; `path` is split at its elements, so that room IDs and aliases are encoded here.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut url = self.base_url.clone();
        url.path_segments_mut()
            .expect("an http URL has a path")
            .clear()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url).bearer_auth(&self.access_token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        send(request).await
    }

    /// `GET /_matrix/client/v3/…`.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Answer {
        let path = [&["_matrix", "client", "v3"], path].concat();
        self.call(Method::GET, &path, query, None).await
    }

    /// `POST /_matrix/client/v3/…`.
    pub(crate) async fn post(&self, path: &[&str], body: Value) -> Answer {
        let path = [&["_matrix", "client", "v3"], path].concat();
        self.call(Method::POST, &path, &[], Some(&body)).await
    }

    /// Sends an event under a transaction ID.
    pub(crate) async fn send_event(&self, room: &str, kind: &str, txn_id: &str, content: Value) -> Answer {
        let path = ["_matrix", "client", "v3", "rooms", room, "send", kind, txn_id];
        self.call(Method::PUT, &path, &[], Some(&content)).await
    }

    /// The same user and device with another token. Synapse lets the first one live on.
    pub(crate) async fn log_in_again(&self) -> Self {
        let login = json!({
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self.id},
            "password": self.password,
            "device_id": self.device_id,
        });
        let answer = self.post(&["login"], login).await.ok();
        let access_token = answer["access_token"].as_str().expect("a login has a token").to_owned();
        Self {
            access_token,
            ..self.clone()
        }
    }

    /// The rooms this user is in.
    pub(crate) async fn joined_rooms(&self) -> Vec<String> {
        let rooms = self.get(&["joined_rooms"], &[]).await.ok();
        serde_json::from_value(rooms["joined_rooms"].clone()).expect("a list of room IDs")
    }

    /// All events of a room, oldest first.
    pub(crate) async fn timeline<E: DeserializeOwned>(&self, room: &str) -> Vec<E> {
        let mut events = Vec::new();
        let mut from: Option<String> = None;
        loop {
            let mut query = vec![("dir", "f"), ("limit", "100")];
            query.extend(from.as_deref().map(|token| ("from", token)));
            let page = self.get(&["rooms", room, "messages"], &query).await.ok();
            let chunk: Vec<E> = serde_json::from_value(page["chunk"].clone()).expect("a list of events");
            events.extend(chunk);
            match page["end"].as_str() {
                Some(end) if from.as_deref() != Some(end) => from = Some(end.to_owned()),
                _ => return events,
            }
        }
    }

    /// The messages of a room, oldest first.
    pub(crate) async fn messages(&self, room: &str) -> Vec<Event> {
        let mut events: Vec<Event> = self.timeline(room).await;
        events.retain(|event| event.kind == "m.room.message");
        events
    }

    /// The room as this person's client shows it.
    pub(crate) async fn visible(&self, room: &str) -> Vec<Shown> {
        visible(&self.timeline::<standin::Event>(room).await)
    }

    /// Deletes the content of an event, which needs the power for it.
    pub(crate) async fn redact(&self, room: &str, event_id: &str) {
        let path = ["_matrix", "client", "v3", "rooms", room, "redact", event_id, event_id];
        self.call(Method::PUT, &path, &[], Some(&json!({}))).await.ok();
    }

    /// Makes the homeserver forget all events of a room before this one, which only its administrator may.
    pub(crate) async fn purge_before(&self, room: &str, event_id: &str) {
        let path = ["_synapse", "admin", "v1", "purge_history", room, event_id];
        let all = json!({"delete_local_events": true});
        let begun = self.call(Method::POST, &path, &[], Some(&all)).await.ok();
        let id = begun["purge_id"].as_str().expect("a purge has an ID").to_owned();
        let path = ["_synapse", "admin", "v1", "purge_history_status", &id];
        until("the events are purged", async || {
            self.call(Method::GET, &path, &[], None).await.ok()["status"] != "active"
        })
        .await;
    }

    /// A single event.
    pub(crate) async fn event(&self, room: &str, event_id: &str) -> Event {
        let event = self.get(&["rooms", room, "event", event_id], &[]).await.ok();
        serde_json::from_value(event).expect("an event")
    }

    /// The events that relate to `event_id` by `rel_type` (`m.thread`, `m.replace`, `m.annotation`), oldest first.
    pub(crate) async fn relations(&self, room: &str, event_id: &str, rel_type: &str) -> Vec<Event> {
        let path = [
            "_matrix",
            "client",
            "v1",
            "rooms",
            room,
            "relations",
            event_id,
            rel_type,
        ];
        let page = self
            .call(Method::GET, &path, &[("dir", "f"), ("limit", "100")], None)
            .await
            .ok();
        serde_json::from_value(page["chunk"].clone()).expect("a list of events")
    }

    /// Waits until a room holds at least `count` messages, and returns all of them.
    pub(crate) async fn wait_for_messages(&self, room: &str, count: usize) -> Vec<Event> {
        let what = format!("{count} messages");
        self.wait_until(room, &what, SOON, |messages| messages.len() >= count)
            .await
    }

    /// Waits until `enough` holds for the messages of a room; panics with what is there instead.
    pub(crate) async fn wait_until(
        &self,
        room: &str,
        what: &str,
        patience: Duration,
        enough: impl Fn(&[Event]) -> bool,
    ) -> Vec<Event> {
        let deadline = Instant::now() + patience;
        // The token is taken before the look at the room: what comes between the two ends the next wait at once.
        let mut since = self.sync(None, Duration::ZERO).await;
        loop {
            let messages = self.messages(room).await;
            if enough(&messages) {
                return messages;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let bodies: Vec<_> = messages.iter().map(Event::body).collect();
                panic!(
                    "no {what} in {room} within {patience:?}; it holds {}: {bodies:#?}",
                    messages.len()
                );
            }
            since = self.sync(Some(&since), left.min(Duration::from_secs(20))).await;
        }
    }

    /// Waits for news in any room, at most `wait`; returns where to go on from.
    async fn sync(&self, since: Option<&str>, wait: Duration) -> String {
        let filter = json!({"room": {"timeline": {"limit": 1}}}).to_string();
        let wait = wait.as_millis().to_string();
        let mut query = vec![("timeout", wait.as_str()), ("filter", &filter)];
        query.extend(since.map(|token| ("since", token)));
        let answer = self.get(&["sync"], &query).await.ok();
        answer["next_batch"]
            .as_str()
            .expect("a sync has a next_batch")
            .to_owned()
    }
}
