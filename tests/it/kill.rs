//! The relay's process ends at the worst moment, again and again; the room shows nothing of it.

use std::time::Duration;

use grafana_matrix_relay::standin::{Fault, Homeserver, NewRoom, RunningHomeserver, Scope, When};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::StatusCode;

use crate::app::firing;
use crate::night::names;
use crate::support::matrix::http_client;
use crate::support::postgres;
use crate::support::relay::{Relay, Setup};

/// A homeserver that answers a little late and loses every tenth answer, so that kills hit requests under way.
async fn busy_homeserver() -> (RunningHomeserver, String, String) {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
    homeserver.plan(Scope::Sends, When::Always, Fault::Latency(Duration::from_millis(2)));
    let lost = When::Chance {
        probability: 0.1,
        seed: 3,
    };
    homeserver.plan(Scope::Sends, lost, Fault::DropReply);
    (homeserver.start().await.unwrap(), token, room)
}

fn setup(homeserver: &RunningHomeserver, token: &str, room: &str) -> Setup {
    Setup::bare()
        .env("MATRIX_HOME_SERVER_URL", &homeserver.base_url)
        .env("MATRIX_ACCESS_TOKEN", token)
        .env("MATRIX_DEFAULT_ROOM", room)
        .env("RELAY_FOLD_AFTER", "100ms")
}

/// Posts until it is accepted, as Alertmanager does; a relay that is dead answers nothing.
async fn insist(http: &reqwest::Client, relays: &[Option<Relay>], name: &str) -> bool {
    let mut accepted = false;
    for relay in relays.iter().flatten() {
        let request = http
            .post(format!("{}/alert", relay.base_url))
            .json(&firing(name))
            .timeout(Duration::from_secs(5));
        let answer = request.send().await;
        accepted = answer.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED);
        if accepted {
            break;
        }
    }
    accepted
}

async fn until_complete(homeserver: &RunningHomeserver, room: &str, count: usize) -> Vec<String> {
    let mut changes = homeserver.homeserver.changes();
    loop {
        let messages = homeserver.homeserver.messages(room);
        let bodies: Vec<String> = messages.iter().map(|event| event.body().to_owned()).collect();
        if names(&bodies).len() >= count {
            return bodies;
        }
        changes.changed().await.unwrap();
    }
}

/// 200 accepted notifications; the relay is killed at random points of it.
async fn killed_at_random_points(seed: u64) {
    let (homeserver, token, room) = busy_homeserver().await;
    let setup = setup(&homeserver, &token, &room);
    let (mut random, http) = (StdRng::seed_from_u64(seed), http_client());
    let mut relay = Some(setup.start().await);
    let mut accepted = Vec::new();
    for number in 0..200 {
        let name = format!("Alert{number:05}");
        if random.random_ratio(1, 40) {
            // Killed while this request is under way: whether it was accepted is not known to the caller, who sends
            // it again; the relay recognises it if it was.
            let url = format!("{}/alert", relay.as_ref().unwrap().base_url);
            let request = http.post(url).json(&firing(&name)).send();
            let pause = Duration::from_micros(random.random_range(0..3000));
            let request = tokio::spawn(request);
            tokio::time::sleep(pause).await;
            relay.take().unwrap().kill();
            let _ = request.await;
            relay = Some(setup.start().await);
        }
        let was_taken = insist(&http, std::slice::from_ref(&relay), &name).await;
        assert!(was_taken, "seed {seed}: {name} was not accepted");
        accepted.push(name);
    }
    let bodies = until_complete(&homeserver, &room, accepted.len()).await;
    assert_eq!(names(&bodies), accepted, "seed {seed}");
}

#[tokio::test]
async fn killing_the_relay_loses_nothing_and_doubles_nothing() {
    for seed in 0..5 {
        killed_at_random_points(seed).await;
    }
}

#[tokio::test]
async fn of_two_relays_on_one_database_one_is_killed_mid_batch() {
    let (homeserver, token, room) = busy_homeserver().await;
    let database = postgres::database().await;
    let setup = |relay: Setup| relay.env("RELAY_DATABASE_URL", &database);
    let one = setup(self::setup(&homeserver, &token, &room));
    let other = setup(self::setup(&homeserver, &token, &room));
    let http = http_client();
    let mut relays = [Some(one.start().await), Some(other.start().await)];
    let mut accepted = Vec::new();
    for number in 0..200 {
        if number == 100 {
            relays[0].take().unwrap().kill();
        }
        let name = format!("Alert{number:05}");
        // A load balancer spreads the requests.
        relays.reverse();
        assert!(insist(&http, &relays, &name).await, "{name} was not accepted");
        accepted.push(name);
    }
    let bodies = until_complete(&homeserver, &room, accepted.len()).await;
    assert_eq!(names(&bodies), accepted);
}
