//! The relay's process ends at the worst moment, again and again; the room shows nothing of it.

mod truth;

use std::time::Duration;

use futures_util::future::join_all;
use grafana_matrix_relay::outbox::{self, Outbox};
use grafana_matrix_relay::standin::{Fault, Homeserver, NewRoom, RunningHomeserver, Scope, When};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::StatusCode;
use serde_json::Value;

use self::truth::Truth;
use crate::app::firing;
use crate::night::names;
use crate::support::matrix::http_client;
use crate::support::patience::until;
use crate::support::postgres;
use crate::support::relay::{Relay, Setup};

/// A homeserver that answers a little late and loses every tenth answer, so that kills hit requests under way.
struct Stage {
    homeserver: RunningHomeserver,
    /// The room of the default route, and those of `/alert/1` and so on.
    rooms: Vec<String>,
    setup: Setup,
    http: reqwest::Client,
    random: StdRng,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new(rooms: usize, seed: u64) -> Self {
        let homeserver = Homeserver::new("example.org");
        let token = homeserver.login("bot", "RELAY");
        let room = |_| homeserver.create_room(&NewRoom::named("ops").member("bot"));
        let rooms: Vec<String> = (0..rooms).map(room).collect();
        homeserver.plan(Scope::Sends, When::Always, Fault::Latency(Duration::from_millis(2)));
        let lost = When::Chance { probability: 0.1, seed };
        homeserver.plan(Scope::Sends, lost, Fault::DropReply);
        let homeserver = homeserver.start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("routes.toml");
        let route = |(n, room): (usize, &String)| format!("[routes.{n}]\nrooms = ['{room}']\n");
        let routes: String = rooms.iter().enumerate().skip(1).map(route).collect();
        std::fs::write(&file, routes).unwrap();
        let setup = Setup::bare()
            .env("MATRIX_HOME_SERVER_URL", &homeserver.base_url)
            .env("MATRIX_ACCESS_TOKEN", &token)
            .env("MATRIX_DEFAULT_ROOM", &rooms[0])
            .env("RELAY_ROUTES_FILE", &file.display().to_string())
            .env("RELAY_DIGEST_AFTER", "100ms");
        Self {
            homeserver,
            rooms,
            setup,
            http: http_client(),
            random: StdRng::seed_from_u64(seed),
            _folder: folder,
        }
    }

    /// Posts until it is accepted, as Alertmanager does; a relay that is dead answers nothing.
    async fn insist(&self, relays: &[Option<Relay>], path: &str, body: &Value) {
        for relay in relays.iter().flatten() {
            let request = self.http.post(format!("{}{path}", relay.base_url)).json(body);
            let answer = request.timeout(Duration::from_secs(5)).send().await;
            if answer.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED) {
                return;
            }
        }
        panic!("not accepted: {body}");
    }

    /// Posts to one of two relays that is alive, as a load balancer spreads requests.
    async fn spread(&mut self, relays: &[Option<Relay>; 2], path: &str, body: &Value) {
        let first = self.random.random_range(0..2);
        let in_turn = [&relays[first..], &relays[..first]];
        let alive = in_turn.into_iter().find(|relays| relays.iter().any(Option::is_some));
        self.insist(alive.unwrap(), path, body).await;
    }

    /// Posts to a relay that is killed, one time in `rarely`, while the request is under way: whether it was accepted is
    /// not known to the caller, who sends it again; the relay recognises it if it was.
    async fn post(&mut self, relay: &mut Option<Relay>, body: &Value, rarely: u32) {
        if self.random.random_ratio(1, rarely) {
            let url = format!("{}/alert", relay.as_ref().unwrap().base_url);
            let request = tokio::spawn(self.http.post(url).json(body).send());
            let pause = Duration::from_micros(self.random.random_range(0..3000));
            tokio::time::sleep(pause).await;
            relay.take().unwrap().kill();
            let _ = request.await;
            *relay = Some(self.setup.start().await);
        }
        self.insist(std::slice::from_ref(relay), "/alert", body).await;
    }

    /// Waits until so many notifications are named in a room.
    async fn until_named(&self, room: &str, count: usize) -> Vec<String> {
        let mut changes = self.homeserver.homeserver.changes();
        loop {
            let messages = self.homeserver.homeserver.messages(room);
            let bodies: Vec<String> = messages.iter().map(|event| event.body().to_owned()).collect();
            if names(&bodies).len() >= count {
                return names(&bodies);
            }
            changes.changed().await.unwrap();
        }
    }

    /// Waits until nothing waits in the outbox of the relays that run.
    async fn until_delivered(&self, database: Option<&str>) {
        let settings = outbox::Settings {
            data_dir: self.setup.data_dir(),
            database_url: database.map(Into::into),
            repeat_window: Duration::from_secs(90),
            keep_delivered: Duration::from_hours(1),
            keep_groups: Duration::from_hours(1),
        };
        let outbox = Outbox::open_for_operator(&settings).await.unwrap();
        until("nothing waits", async || {
            let stats = outbox.stats(Timestamp::now()).await.unwrap();
            stats.pending + stats.in_flight == 0
        })
        .await;
    }
}

/// Accepted notifications, each its own group; the relay is killed at random points of it.
async fn killed_at_random_points(seed: u64, count: usize, rarely: u32) {
    let mut stage = Stage::new(1, seed).await;
    let mut relay = Some(stage.setup.start().await);
    let accepted: Vec<String> = (0..count).map(|number| format!("Alert{number:05}")).collect();
    for name in &accepted {
        stage.post(&mut relay, &firing(name), rarely).await;
    }
    let named = stage.until_named(&stage.rooms[0], accepted.len()).await;
    assert_eq!(named, accepted, "seed {seed}");
}

#[tokio::test]
async fn killing_the_relay_loses_nothing_and_doubles_nothing() {
    for seed in 0..3 {
        killed_at_random_points(seed, 200, 40).await;
    }
}

#[tokio::test]
async fn killing_the_relay_again_and_again_loses_nothing_and_doubles_nothing() {
    for seed in 3..12 {
        killed_at_random_points(seed, 25, 6).await;
    }
}

/// Three groups in which alerts begin and end; the relay is killed at random points of their roots, edits and lines.
async fn killed_in_the_middle_of_groups(seed: u64) {
    let mut stage = Stage::new(1, seed).await;
    stage.setup = stage.setup.clone().env("RELAY_DIGEST_THRESHOLD", "100000");
    let mut relay = Some(stage.setup.start().await);
    let (mut truth, begin) = (Truth::default(), Timestamp::now() - SignedDuration::from_hours(10));
    for minute in 0..40 {
        let (group, which) = (stage.random.random_range(0..3), stage.random.random_range(0..3));
        truth.toggle(group, which, minute);
        let body = truth.snapshot(group, begin);
        stage.post(&mut relay, &body, 8).await;
    }
    stage.until_delivered(None).await;
    truth.check(&stage.homeserver.homeserver, &stage.rooms[0]);
}

#[tokio::test]
async fn killing_the_relay_in_the_middle_of_groups_leaves_true_roots_and_tells_everything_once() {
    for seed in 0..6 {
        killed_in_the_middle_of_groups(seed).await;
    }
}

/// Two relays on one database serve four rooms; one is killed mid-batch, comes back, and then the other one is.
async fn two_relays_are_killed_in_turn(seed: u64) {
    let mut stage = Stage::new(4, seed).await;
    let database = postgres::database().await;
    let one = stage.setup.clone().env("RELAY_DATABASE_URL", &database);
    let mut relays = [Some(one.start().await), Some(one.start().await)];
    let mut accepted = vec![Vec::new(); stage.rooms.len()];
    let deaths = [stage.random.random_range(20..60), stage.random.random_range(80..120)];
    for number in 0..160 {
        if let Some(death) = deaths.iter().position(|at| *at == number) {
            relays[death].take().unwrap().kill();
        }
        if number == 70 {
            relays[0] = Some(one.start().await);
        }
        let (room, name) = (stage.random.random_range(0..4), format!("Alert{number:05}"));
        let path = if room == 0 {
            "/alert".to_owned()
        } else {
            format!("/alert/{room}")
        };
        stage.spread(&relays, &path, &firing(&name)).await;
        accepted[room].push(name);
    }
    // The rooms of those that were killed pass on when their leases have ended.
    for (room, accepted) in stage.rooms.iter().zip(accepted) {
        assert_eq!(stage.until_named(room, accepted.len()).await, accepted, "seed {seed}");
    }
}

#[tokio::test]
async fn of_two_relays_on_one_database_either_is_killed_mid_batch() {
    postgres::database().await;
    join_all((0..3).map(two_relays_are_killed_in_turn)).await;
}

/// The same in one room, with groups in which alerts begin and end: what is killed is at their roots, edits and lines.
async fn two_relays_are_killed_in_the_middle_of_groups(seed: u64) {
    let mut stage = Stage::new(1, seed).await;
    let database = postgres::database().await;
    let one = stage.setup.clone().env("RELAY_DATABASE_URL", &database);
    let one = one.env("RELAY_DIGEST_THRESHOLD", "100000");
    let mut relays = [Some(one.start().await), Some(one.start().await)];
    let (mut truth, begin) = (Truth::default(), Timestamp::now() - SignedDuration::from_hours(10));
    let deaths = [stage.random.random_range(5..20), stage.random.random_range(40..55)];
    for minute in 0..60 {
        if let Some(death) = deaths.iter().position(|at| *at == minute) {
            relays[death].take().unwrap().kill();
        }
        if minute == 30 {
            relays[0] = Some(one.start().await);
        }
        let (group, which) = (stage.random.random_range(0..3), stage.random.random_range(0..3));
        truth.toggle(group, which, minute);
        let body = truth.snapshot(group, begin);
        stage.spread(&relays, "/alert", &body).await;
    }
    stage.until_delivered(Some(&database)).await;
    truth.check(&stage.homeserver.homeserver, &stage.rooms[0]);
}

#[tokio::test]
async fn of_two_relays_on_one_database_either_is_killed_in_the_middle_of_groups() {
    postgres::database().await;
    join_all((0..3).map(two_relays_are_killed_in_the_middle_of_groups)).await;
}
