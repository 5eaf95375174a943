//! The homeserver tells a room that the relay gives no sign of life.

mod synapse;

use std::sync::Arc;
use std::time::Duration;

use grafana_matrix_relay::matrix::{self, Client, EncryptionSettings};
use grafana_matrix_relay::message::RoomAddress;
use grafana_matrix_relay::outbox::{Outbox, ScheduledState};
use grafana_matrix_relay::pipeline::Pipeline;
use grafana_matrix_relay::render::{self, Renderer};
use grafana_matrix_relay::route::{MessagePolicy, Router};
use grafana_matrix_relay::silence::{DeadMan, DeadManSettings, Reasons};
use grafana_matrix_relay::standin::{
    DelayedForm, DelayedLimits, Fault, Homeserver, NewRoom, RunningHomeserver, Scope, When,
};
use jiff::{SignedDuration, Timestamp};

use crate::app::firing;
use crate::outbox::place::Place;
use crate::support::patience::until;
use crate::support::relay::Setup;

const AFTER: Duration = Duration::from_mins(10);

/// A homeserver, a room, and what a relay keeps.
struct Stage {
    running: RunningHomeserver,
    token: String,
    room: String,
    place: Place,
    outbox: Outbox,
    reasons: Reasons,
    now: Timestamp,
}

impl Stage {
    async fn new(form: Option<DelayedForm>) -> Self {
        let homeserver = Homeserver::new("example.org");
        let token = homeserver.login("bot", "RELAY");
        let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
        homeserver.allow_delayed(form.map(DelayedLimits::usual));
        let place = Place::sqlite();
        Self {
            running: homeserver.start().await.unwrap(),
            token,
            room,
            outbox: place.open().await,
            place,
            reasons: Reasons::default(),
            now: Timestamp::now(),
        }
    }

    fn homeserver(&self) -> &Homeserver {
        &self.running.homeserver
    }

    fn relay_with(&self, settings: Option<DeadManSettings>) -> DeadMan {
        self.relay_that(settings, EncryptionSettings::default())
    }

    fn relay_that(&self, settings: Option<DeadManSettings>, encryption: EncryptionSettings) -> DeadMan {
        let client = Client::new(&matrix::Settings {
            home_server: self.running.base_url.clone(),
            access_token: self.token.clone().into(),
            request_timeout: Duration::from_secs(30),
            encryption,
        });
        let renderer = Renderer::open(&render::Settings {
            templates_dir: None,
            time_zone: jiff::tz::TimeZone::UTC,
            language: None,
            isolation: crate::support::isolation(),
        });
        let room: RoomAddress = self.room.parse().unwrap();
        let router = Router::to_room(room, "alert".parse().unwrap(), MessagePolicy::default());
        let pipeline = Arc::new(Pipeline::new(router, renderer, self.outbox.clone()));
        let reasons = self.reasons.clone();
        DeadMan::new(
            settings,
            client.unwrap(),
            self.outbox.clone(),
            pipeline,
            reasons,
            self.now,
        )
    }

    /// A relay that starts now.
    fn relay(&self) -> DeadMan {
        self.relay_with(Some(self.settings()))
    }

    fn settings(&self) -> DeadManSettings {
        DeadManSettings {
            room: self.room.parse().unwrap(),
            after: AFTER,
        }
    }

    /// Time goes by, for all.
    fn pass(&mut self, minutes: u32) {
        self.now += SignedDuration::from_mins(minutes.into());
        self.homeserver().advance(Duration::from_mins(minutes.into()));
    }

    /// What people see.
    fn seen(&self) -> Vec<String> {
        let shown = self.homeserver().visible(&self.room);
        shown.iter().map(|shown| shown.body().to_owned()).collect()
    }
}

#[tokio::test]
async fn in_each_form_the_room_is_told_when_no_sign_comes_and_not_before() {
    for form in [DelayedForm::Parameter, DelayedForm::Unstable, DelayedForm::Stable] {
        let mut stage = Stage::new(Some(form)).await;
        let mut relay = stage.relay();
        for _ in 0..60 {
            assert!(relay.push(stage.now).await, "{form:?}: {:?}", stage.reasons.text());
            stage.pass(1);
        }
        assert!(stage.seen().is_empty(), "{form:?}");
        assert_eq!(stage.homeserver().delayed(&stage.room).len(), 1, "{form:?}");
        drop(relay);
        stage.pass(8);
        assert!(stage.seen().is_empty(), "{form:?}");
        stage.pass(1);
        let seen = stage.seen();
        assert!(
            seen[0].contains("No sign of life from the relay for 10 min"),
            "{form:?}: {seen:?}"
        );
        let sent = &stage.homeserver().messages(&stage.room)[0];
        assert_eq!(sent.content["msgtype"], "m.text", "it notifies");

        // It starts again, half an hour later.
        stage.pass(30);
        let mut relay = stage.relay();
        assert!(relay.push(stage.now).await, "{form:?}");
        let seen = stage.seen();
        assert_eq!(seen.len(), 1, "{form:?}: {seen:?}");
        assert!(seen[0].contains("The relay is back since"), "{form:?}: {seen:?}");
        assert_eq!(
            stage.homeserver().delayed(&stage.room).len(),
            1,
            "{form:?}: and it is armed"
        );
    }
}

#[tokio::test]
async fn a_homeserver_that_cannot_is_asked_for_nothing_and_it_is_said() {
    let stage = Stage::new(None).await;
    let mut relay = stage.relay();
    assert!(!relay.push(stage.now).await);
    assert!(
        stage.homeserver().messages(&stage.room).is_empty(),
        "it would have been sent at once"
    );
    assert_eq!(stage.homeserver().sends_seen(&stage.room), 0);
    let reason = stage.reasons.text().unwrap();
    assert!(
        reason.contains("max_event_delay_duration") && reason.contains(&stage.room),
        "{reason}"
    );
    // Somebody switches it on.
    stage
        .homeserver()
        .allow_delayed(Some(DelayedLimits::usual(DelayedForm::Parameter)));
    let later = stage.now + SignedDuration::from_hours(2);
    assert!(relay.push(later).await);
    assert_eq!(
        (stage.reasons.text(), stage.homeserver().delayed(&stage.room).len()),
        (None, 1)
    );
}

#[tokio::test]
async fn the_next_start_adopts_it_and_says_nothing() {
    let mut stage = Stage::new(Some(DelayedForm::Unstable)).await;
    assert!(stage.relay().push(stage.now).await);
    let before = stage.homeserver().delayed(&stage.room);
    stage.pass(5);
    assert!(stage.relay().push(stage.now).await);
    stage.pass(6);
    assert_eq!(stage.homeserver().delayed(&stage.room), before);
    assert!(stage.seen().is_empty());
}

#[tokio::test]
async fn an_outage_of_the_homeserver_is_taken_back_as_one() {
    let mut stage = Stage::new(Some(DelayedForm::Parameter)).await;
    let mut relay = stage.relay();
    stage.pass(1);
    assert!(relay.push(stage.now).await);
    stage.running.refuse().await;
    stage.pass(20);
    assert!(!relay.push(stage.now).await);
    assert!(stage.reasons.text().is_some());
    stage.running.accept_again().await;
    until("the homeserver is there", async || relay.push(stage.now).await).await;
    let seen = stage.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains("The relay reaches the homeserver again"), "{seen:?}");
    assert_eq!(stage.reasons.text(), None);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_one_message() {
    let mut stage = Stage::new(Some(DelayedForm::Stable)).await;
    let mut relay = stage.relay();
    for nth in 0..6 {
        stage
            .homeserver()
            .plan(Scope::Room(stage.room.clone()), When::Next(1), Fault::DropReply);
        stage.homeserver().plan(
            Scope::Everything,
            When::Chance {
                probability: 0.3,
                seed: nth,
            },
            Fault::DropReply,
        );
        relay.push(stage.now).await;
        stage.homeserver().heal_all();
    }
    until("it is kept", async || relay.push(stage.now).await).await;
    assert_eq!(stage.homeserver().delayed(&stage.room).len(), 1);
    stage.pass(11);
    until("it is taken back", async || relay.push(stage.now).await).await;
    assert_eq!(stage.seen().len(), 1);
}

#[tokio::test]
async fn it_is_renewed_moved_and_cleared_away() {
    let mut stage = Stage::new(Some(DelayedForm::Unstable)).await;
    let mut relay = stage.relay();
    assert!(relay.push(stage.now).await);
    let first = stage.homeserver().delayed(&stage.room);
    for _ in 0..50 {
        stage.pass(8);
        assert!(relay.push(stage.now).await);
    }
    let renewed = stage.homeserver().delayed(&stage.room);
    assert!(renewed.len() == 1 && renewed != first, "{first:?} {renewed:?}");
    // Another room.
    let other = stage.homeserver().create_room(&NewRoom::named("other").member("bot"));
    let settings = DeadManSettings {
        room: other.parse().unwrap(),
        after: AFTER,
    };
    assert!(stage.relay_with(Some(settings)).push(stage.now).await);
    assert!(stage.homeserver().delayed(&stage.room).is_empty());
    assert_eq!(stage.homeserver().delayed(&other).len(), 1);
    // None at all.
    assert!(stage.relay_with(None).push(stage.now).await);
    assert!(stage.homeserver().delayed(&other).is_empty());
    assert_eq!(stage.outbox.scheduled().await.unwrap(), []);
    stage.pass(30);
    assert!(stage.seen().is_empty() && stage.homeserver().messages(&other).is_empty());
}

#[tokio::test]
async fn several_relays_keep_one_and_it_comes_when_the_last_is_gone() {
    let mut stage = Stage::new(Some(DelayedForm::Unstable)).await;
    let place = Place::postgresql().await;
    stage.outbox = place.open().await;
    stage.place = place;
    let mut one = stage.relay();
    stage.outbox = stage.place.open().await;
    let mut two = stage.relay();
    tokio::join!(one.push(stage.now), two.push(stage.now));
    for _ in 0..5 {
        tokio::join!(one.push(stage.now), two.push(stage.now));
        stage.pass(5);
    }
    assert_eq!(stage.homeserver().delayed(&stage.room).len(), 1);
    for _ in 0..5 {
        assert!(two.push(stage.now).await);
        stage.pass(5);
    }
    assert!(stage.seen().is_empty());
    stage.pass(10);
    assert_eq!(stage.seen().len(), 1);
    tokio::join!(one.push(stage.now), two.push(stage.now));
    let seen = stage.seen();
    assert!(seen.len() == 1 && seen[0].contains("again since"), "{seen:?}");
    assert_eq!(stage.homeserver().delayed(&stage.room).len(), 1);
}

/// A limit of an hour on scheduling must not stop the account's other messages.
#[tokio::test]
async fn a_limit_that_it_meets_costs_no_delivery() {
    let mut stage = Stage::new(Some(DelayedForm::Parameter)).await;
    assert!(stage.relay().push(stage.now).await);
    stage.homeserver().allow_delayed(Some(DelayedLimits {
        at_once: 1,
        ..DelayedLimits::usual(DelayedForm::Parameter)
    }));
    let place = Place::sqlite();
    stage.outbox = place.open().await;
    let mut refused = stage.relay();
    assert!(!refused.push(stage.now).await);
    let reason = stage.reasons.text().unwrap();
    let seen = stage.homeserver().sends_seen(&stage.room);
    let soon = stage.now + SignedDuration::from_mins(30);
    assert!(!refused.push(soon).await);
    assert_eq!(
        stage.homeserver().sends_seen(&stage.room),
        seen,
        "it waits as long as it was told: {reason}"
    );
    let mut relay = Setup::bare()
        .env("MATRIX_HOME_SERVER_URL", &stage.running.base_url)
        .env("MATRIX_ACCESS_TOKEN", &stage.token)
        .env("MATRIX_DEFAULT_ROOM", &stage.room)
        .env("RELAY_DEAD_MAN_ROOM", &stage.room)
        .start()
        .await;
    relay.says("RELAY_DEAD_MAN_ROOM").await;
    relay.accepts(&firing("Delivered")).await;
    until("it is delivered", async || {
        stage.seen().iter().any(|text| text.contains("Delivered"))
    })
    .await;
}

#[tokio::test]
async fn one_that_somebody_deleted_is_left_alone() {
    let mut stage = Stage::new(Some(DelayedForm::Unstable)).await;
    assert!(stage.relay().push(stage.now).await);
    stage.pass(11);
    let event_id = stage.homeserver().messages(&stage.room)[0].event_id.clone();
    stage.homeserver().redact(&stage.room, &event_id);
    assert!(stage.relay().push(stage.now).await);
    let kept = stage.outbox.scheduled().await.unwrap();
    assert!(kept.len() == 1 && kept[0].state == ScheduledState::Wanted, "{kept:?}");
}

#[tokio::test]
async fn one_in_plain_text_is_taken_away_from_a_room_that_becomes_encrypted() {
    let mut stage = Stage::new(Some(DelayedForm::Stable)).await;
    let folder = tempfile::tempdir().unwrap();
    let encryption = EncryptionSettings {
        folder: Some(folder.path().to_owned()),
        ..EncryptionSettings::default()
    };
    let relay = |stage: &Stage| stage.relay_that(Some(stage.settings()), encryption.clone());
    let mut first = relay(&stage);
    assert!(first.push(stage.now).await);
    let plain = stage.homeserver().delayed(&stage.room);
    stage.homeserver().encrypt(&stage.room);
    stage.pass(1);
    assert!(first.push(stage.now).await, "{:?}", stage.reasons.text());
    let sealed = stage.homeserver().delayed(&stage.room);
    assert!(sealed.len() == 1 && sealed != plain, "{plain:?} {sealed:?}");
    for _ in 0..3 {
        stage.pass(1);
        assert!(first.push(stage.now).await);
    }
    assert_eq!(stage.homeserver().delayed(&stage.room), sealed, "it stays");
    stage.pass(11);
    let sent = stage.homeserver().events_as_sent(&stage.room);
    let kinds = |kind: &str| sent.iter().filter(|event| event.kind == kind).count();
    assert_eq!((kinds("m.room.message"), kinds("m.room.encrypted")), (0, 1));
}

#[tokio::test]
async fn where_nothing_is_encrypted_a_room_that_becomes_encrypted_keeps_none_in_plain_text() {
    let mut stage = Stage::new(Some(DelayedForm::Stable)).await;
    let mut relay = stage.relay();
    assert!(relay.push(stage.now).await);
    stage.homeserver().encrypt(&stage.room);
    stage.pass(1);
    assert!(!relay.push(stage.now).await);
    assert!(stage.homeserver().delayed(&stage.room).is_empty());
    assert!(stage.reasons.text().unwrap().contains("encrypt"));
    stage.pass(30);
    assert!(stage.seen().is_empty());
}
