//! Something that is expected to give signs of life, and does not.

mod synapse;

use std::path::Path;
use std::sync::Arc;

use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::config::routes::RoutesSource;
use grafana_matrix_relay::message::RouteName;
use grafana_matrix_relay::outbox::{Filter, Outbox};
use grafana_matrix_relay::pipeline::Pipeline;
use grafana_matrix_relay::render::{self, Renderer};
use grafana_matrix_relay::route::Router;
use grafana_matrix_relay::silence::{Reasons, Watchdog};
use grafana_matrix_relay::standin::Shown;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use crate::app::App;
use crate::outbox::place::Place;

/// 2026-11-30 12:04 UTC, and so many minutes later.
fn minute(minutes: i64) -> Timestamp {
    "2026-11-30T12:04:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn alerts(list: &[(&str, &str)]) -> Value {
    let alert = |(name, status): &(&str, &str)| json!({"status": status, "labels": {"alertname": name}, "startsAt": "2026-11-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z"});
    json!({"version": "4", "groupKey": "{}:{}", "groupLabels": {}, "alerts": list.iter().map(alert).collect::<Vec<_>>()})
}

/// A relay with these routes, whose time is the test's.
struct Stage {
    pipeline: Arc<Pipeline>,
    outbox: Outbox,
    watchdog: Watchdog,
    reasons: Reasons,
}

impl Stage {
    fn new(outbox: &Outbox, routes: &str) -> Self {
        let source = RoutesSource::default();
        let routes = source.parse(Path::new("routes.toml"), routes, &|_| None).unwrap();
        let renderer = Renderer::open(&render::Settings {
            templates_dir: None,
            time_zone: TimeZone::UTC,
            language: None,
            isolation: crate::support::isolation(),
        });
        let pipeline = Pipeline::new(Router::new(routes.table), renderer, outbox.clone());
        let (pipeline, reasons) = (Arc::new(pipeline), Reasons::default());
        Self {
            watchdog: Watchdog::new(Arc::clone(&pipeline), outbox.clone(), reasons.clone()),
            pipeline,
            outbox: outbox.clone(),
            reasons,
        }
    }

    /// The same after a restart of the relay.
    fn restarted(self) -> Self {
        let reasons = Reasons::default();
        Self {
            watchdog: Watchdog::new(Arc::clone(&self.pipeline), self.outbox.clone(), reasons.clone()),
            reasons,
            ..self
        }
    }

    /// A notification comes.
    async fn takes(&self, route: &str, body: &Value, at: Timestamp) -> usize {
        let notification = parse::notification(body.to_string().as_bytes()).unwrap();
        let route: RouteName = route.parse().unwrap();
        let accepted = self.pipeline.accept(&route, notification, at).await.unwrap();
        accepted.receipts.len()
    }

    async fn lives(&self, at: Timestamp) {
        let told = self.takes("watchdog", &alerts(&[("Watchdog", "firing")]), at).await;
        assert_eq!(told, 0, "a sign of life makes no message");
    }

    /// It looks once a minute from the first to the last.
    async fn looks(&mut self, minutes: std::ops::RangeInclusive<i64>) {
        for at in minutes {
            self.watchdog.look(minute(at)).await;
        }
    }
}

fn routes(room: &str) -> String {
    format!(
        "[routes.watchdog]\nrooms = '{room}'\nexpect_every = '5m'\nexpect_from = 'Prometheus'\n\
         [[routes.watchdog.mentions]]\nseverity = 'critical'\nusers = '@ada:example.org'\n"
    )
}

async fn stage() -> (App, Stage) {
    let app = App::start().await;
    let stage = Stage::new(&app.relay.outbox, &routes(&app.room));
    (app, stage)
}

/// What people see: the group's messages without their threads.
async fn shown(app: &App) -> Vec<Shown> {
    app.settled().await;
    app.homeserver.homeserver.visible(&app.room)
}

#[tokio::test]
async fn silence_is_one_message_that_notifies_and_is_brought_up_to_date_when_it_ends() {
    let (app, mut stage) = stage().await;
    stage.looks(0..=1).await;
    stage.lives(minute(0)).await;
    stage.looks(2..=5).await;
    assert_eq!((shown(&app).await.len(), stage.reasons.text()), (0, None));
    stage.looks(6..=30).await;
    let silent = shown(&app).await;
    assert_eq!(silent.len(), 1, "{silent:#?}");
    let text = silent[0].body().to_owned();
    for part in [
        "FIRING",
        "No sign of life from Prometheus",
        "since 12:04 UTC",
        "every 5 min",
    ] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
    let sent = &app.homeserver.homeserver.messages(&app.room)[0];
    assert_eq!(sent.content["msgtype"], "m.text");
    assert_eq!(sent.content["m.mentions"], json!({"user_ids": ["@ada:example.org"]}));
    let reason = stage.reasons.text().unwrap();
    assert!(reason.contains("Prometheus since 2026-11-30T12:04:00Z"), "{reason}");

    stage.lives(minute(32)).await;
    stage.looks(32..=36).await;
    let back = shown(&app).await;
    let text = back[0].body();
    assert!(text.contains("RESOLVED") && text.contains("after 32 min"), "{text}");
    let loud = app.homeserver.homeserver.messages(&app.room).into_iter();
    let loud =
        loud.filter(|event| event.content["msgtype"] == "m.text" && event.content.get("m.new_content").is_none());
    assert_eq!(loud.count(), 1, "only the silence notifies");
    assert_eq!(stage.reasons.text(), None);

    // Another silence is another message.
    stage.looks(37..=60).await;
    let again = shown(&app).await;
    let firing = again.iter().filter(|shown| shown.body().contains("FIRING")).count();
    assert_eq!(firing, 1, "{again:#?}");
}

#[tokio::test]
async fn a_start_and_a_gap_begin_the_wait_anew_and_what_was_said_outlives_a_restart() {
    let (app, stage) = stage().await;
    stage.lives(minute(0)).await;
    // Down for an hour.
    let mut stage = stage.restarted();
    stage.looks(60..=65).await;
    assert_eq!(shown(&app).await.len(), 0);
    // Asleep for another one.
    stage.looks(130..=135).await;
    assert_eq!(shown(&app).await.len(), 0);
    stage.looks(136..=136).await;
    assert_eq!(shown(&app).await.len(), 1);
    let mut stage = stage.restarted();
    stage.looks(137..=160).await;
    assert_eq!(shown(&app).await.len(), 1, "it has been said");
    stage.lives(minute(161)).await;
    let mut stage = stage.restarted();
    stage.looks(162..=162).await;
    let back = shown(&app).await;
    assert!(back[0].body().contains("RESOLVED"), "{back:#?}");
}

#[tokio::test]
async fn what_never_came_is_missed_too_and_an_end_is_no_sign_of_life() {
    let (app, mut stage) = stage().await;
    stage.looks(0..=4).await;
    let ended = alerts(&[("Watchdog", "resolved")]);
    assert_eq!(stage.takes("watchdog", &ended, minute(4)).await, 0);
    stage.looks(5..=6).await;
    let said = shown(&app).await;
    assert!(said[0].body().contains("has not come yet"), "{said:#?}");
}

#[tokio::test]
async fn a_rule_picks_the_sign_of_life_out_of_what_comes_by_a_route() {
    let app = App::start().await;
    let routes = format!(
        "[routes.default]\nrooms = '{room}'\nlanguage = 'de'\n[[routes.default.rules]]\nmatchers = 'alertname=\"Watchdog\"'\n\
         expect_every = '5m'\nexpect_from = 'Prometheus'\n",
        room = app.room
    );
    let mut stage = Stage::new(&app.relay.outbox, &routes);
    let both = alerts(&[("Watchdog", "firing"), ("DiskFull", "firing")]);
    assert_eq!(stage.takes("default", &both, minute(0)).await, 1);
    // The same again is recognised, and a sign of life all the same.
    stage.takes("default", &both, minute(1)).await;
    stage.looks(0..=6).await;
    let before = shown(&app).await;
    assert_eq!(before.len(), 1, "{before:#?}");
    assert!(before[0].body().contains("DiskFull") && !before[0].body().contains("Watchdog"));
    stage.looks(7..=7).await;
    let after = shown(&app).await;
    assert!(
        after[1].body().contains("Kein Lebenszeichen von Prometheus"),
        "{after:#?}"
    );
}

#[tokio::test]
async fn several_relays_on_one_database_say_it_once() {
    let place = Place::postgresql().await;
    let (first, second) = tokio::join!(place.open(), place.open());
    for mode in ["live", "new"] {
        let routes = format!(
            "{}\n[routes.{mode}]\nrooms = '!{mode}:example.org'\nmode = '{mode}'\nexpect_every = '5m'\n",
            routes("!r:example.org")
        );
        let (mut one, mut two) = (Stage::new(&first, &routes), Stage::new(&second, &routes));
        for at in 0..20 {
            tokio::join!(one.watchdog.look(minute(at)), two.watchdog.look(minute(at)));
        }
        let room = format!("!{mode}:example.org").parse().unwrap();
        let filter = Filter {
            room: Some(room),
            limit: 100,
            ..Filter::default()
        };
        let owed = first.list(filter).await.unwrap();
        assert_eq!(owed.len(), 1, "{mode}: {owed:#?}");
    }
}
