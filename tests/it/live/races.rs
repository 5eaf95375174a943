//! Two relays on one database, and one group: whoever reads it first, it is told once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use grafana_matrix_relay::alert::Notification;
use grafana_matrix_relay::message::RouteName;
use grafana_matrix_relay::pipeline::{Accepted, Pipeline};
use jiff::Timestamp;

use super::story::Live;
use super::truth::{Truth, everybody};
use crate::night::{Make, Night};
use crate::support::postgres;

async fn on_postgresql() -> (Live, String) {
    let database = postgres::database().await;
    let make = Make {
        database_url: Some(database.clone()),
        ..Make::without_digests()
    };
    let mut live = Live::on(Night::made(make).await);
    live.episodes = true;
    live.night.policy.mentions = everybody();
    (live, database)
}

/// A task that accepts it, as a request of its own does.
fn accept(relay: &Arc<Pipeline>, notification: Notification, now: Timestamp) -> impl Future<Output = Accepted> + use<> {
    let relay = Arc::clone(relay);
    let accepting = tokio::spawn(async move { relay.accept(&RouteName::default(), notification, now).await });
    async { accepting.await.unwrap().unwrap() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn two_relays_that_hear_of_one_group_at_once_tell_it_once() {
    let (mut live, _) = on_postgresql().await;
    let room = live.room.clone();
    let relays = [
        Arc::new(live.night.second_relay(&room).await),
        Arc::new(live.night.second_relay(&room).await),
    ];
    let mut truth = Truth::default();
    let mut minute = 0;
    for first in [1, 2] {
        live.post_group("0", minute, &names(&truth.toggle(0, first, minute)))
            .await;
    }
    for round in 0..12 {
        minute += 10;
        live.hold();
        live.until_minute(minute);
        // What begins, and then what ends: two snapshots, each of them from both replicas of the sender at once.
        for which in [round % 3, (round + 1) % 3] {
            let alerts = truth.toggle(0, which, minute);
            let posts = [0, 1, 1, 0].map(|relay| {
                let notification = live.notification("0", &names(&alerts));
                accept(&relays[relay], notification, live.night.now.wall)
            });
            join_all(posts).await;
        }
        live.lines().await;
        truth.look(&live);
        truth.check_heads(&live);
    }
    truth.check(&live, false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_group_that_changes_again_and_again_loses_nothing() {
    let (mut live, database) = on_postgresql().await;
    let room = live.room.clone();
    let relay = Arc::new(live.night.second_relay(&room).await);
    live.post(0, &["A 0"]).await;
    // Others accept something of it all the time.
    let done = Arc::new(AtomicBool::new(false));
    let others = (0..2).map(|_| {
        let (database, done) = (database.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut connection = postgres::connect(&database).await;
            while !done.load(Ordering::Relaxed) {
                let change = sqlx::query("UPDATE outbox_group SET version = version + 1");
                change.execute(&mut connection).await.unwrap();
            }
        })
    });
    let others: Vec<_> = others.collect();
    let begun: Vec<String> = (1..=20).map(|n| format!("B{n} {n}")).collect();
    for n in 1..=20 {
        live.until_minute(i64::try_from(n).unwrap());
        let alerts: Vec<&str> = begun[..n].iter().map(String::as_str).collect();
        accept(&relay, live.notification("", &alerts), live.night.now.wall).await;
    }
    done.store(true, Ordering::Relaxed);
    join_all(others).await;
    live.lines().await;
    let loud = live
        .originals()
        .into_iter()
        .filter(|event| event.content["msgtype"] == "m.text");
    let said: String = loud.map(|event| event.body().to_owned()).collect();
    for n in 1..=20 {
        assert!(
            said.contains(&format!("fires as B{n}@{n}.")),
            "B{n} has not rung\n{said}"
        );
    }
    let roots = live.shown().len();
    assert!(
        roots > 1,
        "no notification was told by itself, so nothing was tried in vain"
    );
}

fn names(alerts: &[String]) -> Vec<&str> {
    alerts.iter().map(String::as_str).collect()
}
