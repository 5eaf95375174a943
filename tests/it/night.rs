//! A night on call: pipeline, outbox and worker against the stand-in homeserver, with a clock that the test turns.
//!
//! Every notification that is accepted carries a name of its own, so that one assertion ends every story: what was
//! accepted is in its room, or named in a digest, once and in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::deliver::{self, Composer, Sender, Time, Worker};
use grafana_matrix_relay::matrix;
use grafana_matrix_relay::message::{RoomAddress, RouteName, TemplateName};
use grafana_matrix_relay::outbox::{self, DigestPolicy, Outbox, Stats};
use grafana_matrix_relay::pipeline::{Accepted, Pipeline, RequestOptions};
use grafana_matrix_relay::render::{self, Renderer};
use grafana_matrix_relay::route::{MessagePolicy, Router, Table};
use grafana_matrix_relay::standin::{Homeserver, NewRoom, RunningHomeserver};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{isolation, postgres};

pub(crate) struct Night {
    pub(crate) homeserver: RunningHomeserver,
    pub(crate) token: String,
    pub(crate) outbox: Outbox,
    pub(crate) now: Time,
    /// How groups appear in the rooms from now on.
    pub(crate) policy: MessagePolicy,
    /// Routes that are used instead of one to the room at hand.
    pub(crate) table: Option<Table>,
    renderer: Renderer,
    worker: Worker,
    pub(crate) client: matrix::Client,
    sender: Arc<Sender>,
    digests: DigestPolicy,
    is_encrypted: bool,
    settings: outbox::Settings,
    accepted: BTreeMap<String, Vec<String>>,
    count: usize,
    data: TempDir,
}

/// A body with one firing alert of this name.
pub(crate) fn body(name: &str) -> Vec<u8> {
    let alert = json!({"status": "firing", "labels": {"alertname": name, "severity": "critical"},
        "annotations": {"summary": format!("{name} needs you")}, "startsAt": "2026-11-20T09:14:10Z"});
    json!({"version": "1", "groupKey": format!("{{}}:{name}"), "alerts": [alert]})
        .to_string()
        .into_bytes()
}

/// What a night may have of its own.
pub(crate) struct Make {
    pub(crate) digests: DigestPolicy,
    pub(crate) repeat_window: Duration,
    /// The outbox is in PostgreSQL.
    pub(crate) database_url: Option<String>,
    /// Templates beside those built in, by file name.
    pub(crate) templates: Vec<(&'static str, &'static str)>,
    /// [`Night::open_room`] makes rooms that are end-to-end encrypted.
    pub(crate) is_encrypted: bool,
}

impl Default for Make {
    fn default() -> Self {
        Self {
            digests: DigestPolicy {
                threshold: 10,
                min_age: Duration::from_secs(3),
            },
            repeat_window: Duration::from_secs(90),
            database_url: None,
            templates: Vec::new(),
            is_encrypted: false,
        }
    }
}

impl Make {
    /// Without digests: every notification is its own message.
    pub(crate) fn without_digests() -> Self {
        Self {
            digests: DigestPolicy::never(),
            ..Self::default()
        }
    }
}

impl Night {
    pub(crate) async fn new() -> Self {
        Self::made(Make::default()).await
    }

    /// Without digests: every notification is its own message.
    pub(crate) async fn without_digests() -> Self {
        Self::made(Make::without_digests()).await
    }

    pub(crate) async fn made(make: Make) -> Self {
        let (digests, repeat_window) = (make.digests, make.repeat_window);
        let homeserver = Homeserver::new("example.org");
        let token = homeserver.login("bot", "RELAY");
        let running = homeserver.start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let templates = folder.path().join("templates");
        std::fs::create_dir(&templates).unwrap();
        for (file, text) in make.templates {
            std::fs::write(templates.join(file), text).unwrap();
        }
        let settings = outbox::Settings {
            data_dir: folder.path().to_owned(),
            database_url: make.database_url.map(Into::into),
            repeat_window,
            keep_delivered: Duration::from_hours(7 * 24),
            keep_groups: Duration::from_hours(30 * 24),
        };
        let outbox = Outbox::open(&settings).await.unwrap();
        let client = client(&running.base_url, &token, folder.path());
        let sender = sender(&client);
        let renderer = Renderer::open(&render::Settings {
            templates_dir: Some(templates),
            time_zone: jiff::tz::TimeZone::UTC,
            language: None,
            isolation: isolation(),
        });
        let worker = worker(&outbox, &sender, digests, &renderer);
        let (now, accepted) = (Time::now(), BTreeMap::new());
        Self {
            homeserver: running,
            token,
            outbox,
            now,
            policy: MessagePolicy::default(),
            table: None,
            renderer,
            worker,
            client,
            sender,
            digests,
            is_encrypted: make.is_encrypted,
            settings,
            accepted,
            count: 0,
            data: folder,
        }
    }

    pub(crate) fn room(&self, room: &NewRoom) -> RoomAddress {
        self.homeserver.homeserver.create_room(room).parse().unwrap()
    }

    /// A room with the bot in it.
    pub(crate) fn open_room(&self) -> RoomAddress {
        let room = NewRoom::named("ops").member("bot");
        if !self.is_encrypted {
            return self.room(&room);
        }
        let homeserver = &self.homeserver.homeserver;
        homeserver.create_encrypted_room(&room, "person").parse().unwrap()
    }

    /// Accepts one more notification for `room`.
    pub(crate) async fn accept(&mut self, room: &RoomAddress) -> Accepted {
        self.count += 1;
        let name = format!("Alert{:05}", self.count);
        let accepted = self.accept_body(room, &body(&name)).await;
        if !accepted.recognised {
            self.accepted.entry(room.to_string()).or_default().push(name);
        }
        accepted
    }

    pub(crate) async fn accept_body(&self, room: &RoomAddress, body: &[u8]) -> Accepted {
        self.accept_with(room, body, RequestOptions::default()).await
    }

    pub(crate) async fn accept_with(&self, room: &RoomAddress, body: &[u8], options: RequestOptions) -> Accepted {
        let (route, notification) = (RouteName::default(), parse::notification(body).unwrap());
        self.pipeline(room, self.outbox.clone())
            .accept_with(&route, notification, options, self.now.wall)
            .await
            .unwrap()
    }

    fn pipeline(&self, room: &RoomAddress, outbox: Outbox) -> Pipeline {
        let router = match &self.table {
            Some(table) => Router::new(table.clone()),
            None => Router::to_room(room.clone(), TemplateName::default(), self.policy.clone()),
        };
        Pipeline::new(router, self.renderer.clone(), outbox)
    }

    /// What accepts in a second relay on the same database.
    pub(crate) async fn second_relay(&self, room: &RoomAddress) -> Pipeline {
        self.pipeline(room, Outbox::open(&self.settings).await.unwrap())
    }

    pub(crate) async fn accept_many(&mut self, room: &RoomAddress, count: usize) {
        for _ in 0..count {
            self.accept(room).await;
        }
    }

    /// One round of the worker.
    pub(crate) async fn step(&self) -> usize {
        self.worker.step(self.now).await.unwrap()
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.homeserver.homeserver.advance(time);
    }

    /// Lets the night go on, five seconds at a time, for at most `limit`, until nothing waits.
    pub(crate) async fn until_delivered(&mut self, limit: Duration) {
        let end = self.now.wall + limit;
        while self.waiting().await > 0 {
            if self.step().await == 0 {
                self.pass(Duration::from_secs(5));
                assert!(
                    self.now.wall < end,
                    "still waiting after {limit:?}: {:?}",
                    self.stats().await
                );
            }
        }
    }

    /// Works for `time` whatever comes of it.
    pub(crate) async fn work_for(&mut self, time: Duration) {
        let end = self.now.wall + time;
        while self.now.wall < end {
            if self.step().await == 0 {
                self.pass(Duration::from_secs(5));
            }
        }
    }

    pub(crate) async fn stats(&self) -> Stats {
        self.outbox.stats(self.now.wall).await.unwrap()
    }

    pub(crate) async fn waiting(&self) -> u64 {
        let stats = self.stats().await;
        stats.pending + stats.in_flight
    }

    /// What keeps all messages of the account back.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.sender.trouble(self.now.tick)
    }

    /// What keeps single rooms back.
    pub(crate) async fn room_troubles(&self) -> Vec<(RoomAddress, String)> {
        let rooms = self.stats().await.rooms.into_iter();
        let waiting = rooms.filter(|room| room.waiting > 0);
        waiting
            .filter_map(|room| room.trouble.map(|trouble| (room.room, trouble)))
            .collect()
    }

    pub(crate) fn bodies(&self, room: &RoomAddress) -> Vec<String> {
        let messages = self.homeserver.homeserver.messages(room.as_str());
        messages.iter().map(|event| event.body().to_owned()).collect()
    }

    /// Damages what is remembered of all groups.
    pub(crate) async fn damage_memory(&self) {
        if let Some(url) = &self.settings.database_url {
            let mut connection = postgres::connect(url.expose_secret()).await;
            let damage = sqlx::query("UPDATE outbox_group SET memory = '{'");
            damage.execute(&mut connection).await.unwrap();
        } else {
            let file = rusqlite::Connection::open(self.data.path().join("outbox.db")).unwrap();
            file.busy_timeout(Duration::from_secs(5)).unwrap();
            file.execute_batch("UPDATE outbox_group SET memory = '{'").unwrap();
        }
    }

    /// The process ends without a word and starts again on the same data.
    pub(crate) async fn crash(self) -> Self {
        let Self {
            homeserver,
            token,
            outbox,
            now,
            policy,
            table,
            renderer,
            worker: dead,
            client: before,
            sender,
            digests,
            is_encrypted,
            settings,
            accepted,
            count,
            data,
        } = self;
        drop((dead, before, sender, outbox));
        if let Some(url) = &settings.database_url {
            // What the dead process had claimed passes to the next one after seconds that no test has to wait for.
            let mut connection = postgres::connect(url.expose_secret()).await;
            let expire = "UPDATE outbox_room SET lease_until = 0";
            sqlx::query(expire).execute(&mut connection).await.unwrap();
        }
        let client = client(&homeserver.base_url, &token, data.path());
        let sender = self::sender(&client);
        let outbox = Outbox::open(&settings).await.unwrap();
        let worker = worker(&outbox, &sender, digests, &renderer);
        Self {
            homeserver,
            token,
            outbox,
            now,
            policy,
            table,
            renderer,
            worker,
            client,
            sender,
            digests,
            is_encrypted,
            settings,
            accepted,
            count,
            data,
        }
    }

    /// Accepted = in the room or named in a digest, once, in order, for every room.
    pub(crate) fn assert_promise_kept(&self) {
        for (room, accepted) in &self.accepted {
            let room: RoomAddress = room.parse().unwrap();
            assert_eq!(&names(&self.bodies(&room)), accepted, "in {room}");
        }
    }
}

fn worker(outbox: &Outbox, sender: &Arc<Sender>, digests: DigestPolicy, renderer: &Renderer) -> Worker {
    let nowhere = Router::to_room(
        RoomAddress::nowhere(),
        TemplateName::default(),
        MessagePolicy::default(),
    );
    let pipeline = Pipeline::new(nowhere, renderer.clone(), outbox.clone());
    let compose: Composer = Arc::new(move |room, waiting, now| pipeline.digest(room, waiting, now));
    let clock = Arc::new(Time::now);
    Worker::new(outbox.clone(), Arc::clone(sender), digests, compose, clock)
}

fn client(base_url: &str, token: &str, data: &Path) -> matrix::Client {
    let client = matrix::Client::new(&matrix::Settings {
        home_server: base_url.to_owned(),
        access_token: token.to_owned().into(),
        request_timeout: Duration::from_millis(500),
        encryption: matrix::EncryptionSettings {
            folder: Some(data.to_owned()),
            ..matrix::EncryptionSettings::default()
        },
    });
    client.unwrap()
}

fn sender(client: &matrix::Client) -> Arc<Sender> {
    let horizon = Duration::from_hours(24);
    Arc::new(Sender::new(client.clone(), deliver::Settings { horizon }))
}

/// The names of notifications in these messages, each message naming each of its own once.
pub(crate) fn names(bodies: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for body in bodies {
        let mut named: Vec<String> = Vec::new();
        for (at, _) in body.match_indices("Alert") {
            let name: String = body[at..].chars().take(10).collect();
            if name[5..].chars().all(|digit| digit.is_ascii_digit()) && name.len() == 10 && !named.contains(&name) {
                named.push(name);
            }
        }
        all.extend(named);
    }
    all
}
