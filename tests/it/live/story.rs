//! A room in which groups of alerts fire and are resolved, on a clock of minutes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use grafana_matrix_relay::alert::Notification;
use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::config::routes::RoutesSource;
use grafana_matrix_relay::message::{RoomAddress, TemplateName};
use grafana_matrix_relay::pipeline::RequestOptions;
use grafana_matrix_relay::standin::{Event, NewRoom, Shown};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::night::Night;

pub(super) struct Live {
    pub(super) night: Night,
    pub(super) room: RoomAddress,
    /// What alerts fire with.
    pub(super) value: f64,
    /// How much later alerts began, as a replica of the sender sees it.
    pub(super) later: SignedDuration,
    /// How many alerts the sender cuts off.
    pub(super) cut: u64,
    /// Whether each alert's summary names its episode.
    pub(super) episodes: bool,
    /// What identifies the next request, where its time is signed.
    pub(super) signed: Option<String>,
    /// The template that the sender asks for.
    pub(super) template: Option<TemplateName>,
    /// Labels of an alert beside its name and severity, by its name.
    pub(super) labels: BTreeMap<String, Value>,
    begin: Timestamp,
    minute: i64,
    held: bool,
}

impl Live {
    /// The same with routes, in which `{room}` and `{other}` stand for two rooms: the one that is looked at, and another.
    pub(super) async fn routed(routes: &str) -> (Self, RoomAddress) {
        let mut live = Self::new().await;
        let other = live.night.room(&NewRoom::named("other").member("bot"));
        live.route(routes, &other);
        (live, other)
    }

    /// Other routes from now on.
    pub(super) fn route(&mut self, routes: &str, other: &RoomAddress) {
        let text = routes.replace("{room}", self.room.as_str());
        let text = text.replace("{other}", other.as_str());
        let routes = RoutesSource::default().parse(Path::new("routes.toml"), &text, &|_| None);
        self.night.table = Some(routes.unwrap().table);
    }

    /// Everything goes out at once, nothing becomes a digest.
    pub(super) async fn new() -> Self {
        Self::on(Night::without_digests().await)
    }

    /// Backlogs become digests.
    pub(super) async fn with_digests() -> Self {
        Self::on(Night::new().await)
    }

    pub(super) fn on(night: Night) -> Self {
        Self {
            room: night.open_room(),
            begin: night.now.wall,
            night,
            value: 96.5,
            later: SignedDuration::ZERO,
            cut: 0,
            episodes: false,
            signed: None,
            template: None,
            labels: BTreeMap::new(),
            minute: 0,
            held: false,
        }
    }

    /// Nothing is sent until the room is looked at.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// A notification of one group that arrives in this minute: `A 3` fires since minute 3, `A 3-9` did until 9.
    pub(super) async fn post(&mut self, minute: i64, alerts: &[&str]) {
        self.post_group("", minute, alerts).await;
    }

    pub(super) async fn post_group(&mut self, group: &str, minute: i64, alerts: &[&str]) {
        self.until_minute(minute);
        self.post_now(group, alerts).await;
    }

    /// Lets it be this minute.
    pub(super) fn until_minute(&mut self, minute: i64) {
        let passed = u64::try_from(minute - self.minute).unwrap();
        self.night.pass(Duration::from_mins(passed));
        self.minute = minute;
    }

    /// The same a few seconds after whatever came last.
    pub(super) async fn post_soon(&mut self, group: &str, alerts: &[&str]) {
        self.night.pass(Duration::from_secs(20));
        self.post_now(group, alerts).await;
    }

    async fn post_now(&mut self, group: &str, alerts: &[&str]) {
        let body = self.body(group, alerts).to_string().into_bytes();
        let options = RequestOptions {
            template: self.template.clone(),
            signed: self.signed.take(),
            ..RequestOptions::default()
        };
        self.night.accept_with(&self.room, &body, options).await;
        if !self.held {
            self.deliver(3).await;
        }
    }

    /// So many rounds of the worker, without letting time pass.
    async fn deliver(&self, rounds: usize) {
        for _ in 0..rounds {
            self.night.step().await;
        }
    }

    fn body(&self, group: &str, alerts: &[&str]) -> Value {
        let alerts: Vec<Value> = alerts.iter().map(|text| self.alert(text)).collect();
        json!({"version": "1", "groupKey": format!("{{}}:{{g={group:?}}}"), "truncatedAlerts": self.cut, "alerts": alerts})
    }

    fn alert(&self, text: &str) -> Value {
        let (name, times) = text.split_once(' ').unwrap();
        let at = |minute: &str| {
            let minute: i64 = minute.parse().unwrap();
            self.begin + SignedDuration::from_mins(minute)
        };
        let (start, end) = times
            .split_once('-')
            .map_or((times, None), |(start, end)| (start, Some(end)));
        let summary = if self.episodes {
            format!("fires as {name}@{start}.")
        } else {
            "needs you".to_owned()
        };
        let mut labels = json!({"alertname": name, "severity": "critical"});
        for (label, value) in self.labels.get(name).and_then(Value::as_object).into_iter().flatten() {
            labels[label] = value.clone();
        }
        json!({
            "status": if end.is_some() { "resolved" } else { "firing" },
            "labels": labels,
            "annotations": {"summary": summary},
            "fingerprint": name,
            "startsAt": (at(start) + self.later).to_string(),
            "endsAt": end.map(|end| at(end).to_string()),
            "values": {"A": if end.is_some() { 0.5 } else { self.value }},
        })
    }

    /// Delivers everything, and says what a client shows: a line for each message, and for each line of a thread.
    pub(super) async fn lines(&mut self) -> Vec<String> {
        self.held = false;
        self.night.until_delivered(Duration::from_hours(1)).await;
        let mut lines = Vec::new();
        for shown in self.shown() {
            lines.push(line(&shown));
            for one in &shown.thread {
                let (mark, body) = (if one.is_loud() { "| loud " } else { "| " }, one.body());
                lines.extend(
                    body.lines()
                        .filter(|line| !line.is_empty())
                        .map(|line| format!("{mark}{line}")),
                );
            }
        }
        lines
    }

    /// The same, compared.
    pub(super) async fn sees(&mut self, expected: &[&str]) {
        let lines = self.lines().await;
        assert_eq!(lines, expected);
    }

    pub(super) fn shown(&self) -> Vec<Shown> {
        self.night.homeserver.homeserver.visible(self.room.as_str())
    }

    /// The relay dies without a word and starts again on the same data.
    pub(super) async fn crash(self) -> Self {
        Self {
            night: self.night.crash().await,
            ..self
        }
    }

    /// Somebody deletes the first message.
    pub(super) fn delete_root(&self) {
        self.delete(&self.shown().remove(0).event_id);
    }

    pub(super) fn delete(&self, event: &str) {
        self.night.homeserver.homeserver.redact(self.room.as_str(), event);
    }

    /// A notification, for whoever accepts it.
    pub(super) fn notification(&self, group: &str, alerts: &[&str]) -> Notification {
        parse::notification(self.body(group, alerts).to_string().as_bytes()).unwrap()
    }

    /// What is in the room that is no edit.
    pub(super) fn originals(&self) -> Vec<Event> {
        let mut events = self.night.homeserver.homeserver.events(self.room.as_str());
        events
            .retain(|event| event.kind == "m.room.message" && event.content["m.relates_to"]["rel_type"] != "m.replace");
        events
    }

    /// Everything that was ever said in the room, edits included.
    pub(super) fn told(&self) -> String {
        let events = self.night.homeserver.homeserver.events(self.room.as_str());
        let bodies: Vec<&str> = events.iter().map(Event::body).collect();
        bodies.join("\n")
    }

    /// What the root says in full.
    pub(super) fn root(&self, at: usize) -> String {
        self.shown()[at].body().to_owned()
    }

    /// Lines in all threads.
    pub(super) fn shown_lines(&self) -> usize {
        self.shown().iter().map(|shown| shown.thread.len()).sum()
    }

    /// Requests to send, lost ones included.
    pub(super) fn sends(&self) -> u64 {
        self.night.homeserver.homeserver.sends_seen(self.room.as_str())
    }

    /// What is in the room: messages, edits, lines, reactions.
    pub(super) fn events(&self) -> usize {
        let events = self.night.homeserver.homeserver.events(self.room.as_str());
        events.iter().filter(|event| event.state_key.is_none()).count()
    }

    /// How many events rang.
    pub(super) fn loud(&self) -> usize {
        let events = self.night.homeserver.homeserver.events(self.room.as_str());
        let rings =
            |content: &Value| content["msgtype"] == "m.text" && content["m.relates_to"]["rel_type"] != "m.replace";
        events.iter().filter(|event| rings(&event.content)).count()
    }
}

fn line(shown: &Shown) -> String {
    let first = shown.body().lines().next().unwrap_or_default();
    let loud = if shown.is_loud() && shown.edits == 0 {
        "loud "
    } else {
        ""
    };
    let edits = match shown.edits {
        0 => String::new(),
        1 => " (edited)".to_owned(),
        times => format!(" (edited {times} times)"),
    };
    let reply = if shown.reply_to.is_some() { "> " } else { "" };
    let reactions: String = shown
        .reactions
        .iter()
        .map(|(key, count)| format!(" {key}×{count}"))
        .collect::<Vec<_>>()
        .concat();
    format!("{loud}{reply}{first}{edits}{reactions}")
}
