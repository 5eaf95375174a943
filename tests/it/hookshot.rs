//! Delivery through a Hookshot webhook: the relay's binary between a caller and the stand-in's bridge.

use std::time::Duration;

use grafana_matrix_relay::standin::{Fault, Homeserver, NewRoom, RunningHomeserver, Scope, When};
use tokio::time::timeout;

use crate::support::matrix::SOON;
use crate::support::payload::{grafana_firing, grafana_resolved};
use crate::support::relay::Setup;

/// A bridge with one webhook, and the settings of a relay that uses it.
struct Stage {
    running: RunningHomeserver,
    room: String,
    url: String,
    setup: Setup,
}

impl Stage {
    async fn new() -> Self {
        let homeserver = Homeserver::new("example.org");
        let room = homeserver.create_room(&NewRoom::named("ops"));
        let running = homeserver.start().await.unwrap();
        let url = homeserver.add_webhook(&room);
        let setup = Setup::bare()
            .env("MATRIX_HOOK_URL", &url)
            .env("RELAY_MATRIX_TIMEOUT", "2s")
            .env("RUST_LOG", "debug");
        Self {
            running,
            room,
            url,
            setup,
        }
    }

    fn secret(&self) -> &str {
        self.url.rsplit('/').next().unwrap()
    }

    fn plan(&self, when: When, fault: Fault) {
        let scope = Scope::SendsTo(self.room.clone());
        self.running.homeserver.plan(scope, when, fault);
    }

    fn texts(&self) -> Vec<String> {
        let messages = self.running.homeserver.messages(&self.room);
        messages.iter().map(|event| event.body().to_owned()).collect()
    }

    /// Waits until this holds for the texts in the room.
    async fn until(&self, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut changes = self.running.homeserver.changes();
        let found = timeout(SOON, async {
            loop {
                let texts = self.texts();
                if enough(&texts) {
                    return texts;
                }
                changes.changed().await.unwrap();
            }
        });
        found
            .await
            .unwrap_or_else(|_| panic!("the room holds {:#?}", self.texts()))
    }

    /// Waits until the room was asked to take this many messages.
    async fn asked(&self, times: u64) {
        let mut changes = self.running.homeserver.changes();
        while self.running.homeserver.sends_seen(&self.room) < times {
            changes.changed().await.unwrap();
        }
    }
}

fn has(texts: &[String], word: &str) -> bool {
    texts.iter().any(|text| text.contains(word))
}

#[tokio::test]
async fn notifications_go_through_a_webhook_without_homeserver_token_or_room() {
    let stage = Stage::new().await;
    let mut relay = stage.setup.start().await;
    relay.says("messages go through the webhook").await;
    relay.accepts(&grafana_firing("ReplicationLag")).await;
    relay.accepts(&grafana_resolved("ReplicationLag")).await;

    let texts = stage.until(|texts| texts.len() >= 2).await;
    // Each notification is a message of its own: nothing can refer to what a webhook has sent.
    assert!(
        texts[0].contains("FIRING") && texts[1].contains("RESOLVED"),
        "{texts:#?}"
    );
    let sent = &stage.running.homeserver.messages(&stage.room)[0];
    assert_eq!(sent.sender, "@hookshot:example.org");
    let html = sent.content["formatted_body"].as_str().unwrap();
    assert!(html.contains("<strong>"), "{html}");
    let ready = relay.get("/health/ready").await;
    assert_eq!(
        (ready.status, &ready.body["status"]),
        (200, &"ready".into()),
        "{}",
        ready.body
    );
}

#[tokio::test]
async fn a_bridge_in_trouble_only_delays_and_its_url_is_in_no_log() {
    for fault in [
        Fault::InternalError,
        Fault::Page(502),
        Fault::Page(200),
        Fault::RateLimited(300),
        Fault::Hang,
        Fault::DropRequest,
    ] {
        let stage = Stage::new().await;
        let relay = stage.setup.start().await;
        stage.plan(When::Next(1), fault.clone());
        relay.accepts(&grafana_firing("First")).await;
        stage.asked(1).await;
        relay.accepts(&grafana_firing("Second")).await;
        let texts = stage.until(|texts| texts.len() >= 2).await;
        assert!(
            texts[0].contains("First") && texts[1].contains("Second"),
            "{fault:?}: {texts:#?}"
        );
        assert_eq!(texts.len(), 2, "{fault:?}");
        assert!(!relay.log().contains(stage.secret()), "{fault:?}: {}", relay.log());
    }
}

#[tokio::test]
async fn a_lost_answer_is_a_second_message_and_not_a_lost_one() {
    let stage = Stage::new().await;
    let relay = stage.setup.start().await;
    stage.plan(When::Next(1), Fault::DropReply);
    relay.accepts(&grafana_firing("Twice")).await;
    let texts = stage.until(|texts| texts.len() >= 2).await;
    assert!(texts.iter().all(|text| text.contains("Twice")), "{texts:#?}");
}

#[tokio::test]
async fn what_was_accepted_before_a_crash_is_sent_by_the_next_relay() {
    let stage = Stage::new().await;
    let relay = stage.setup.start().await;
    stage.plan(When::Always, Fault::Page(503));
    relay.accepts(&grafana_firing("Crash")).await;
    stage.asked(1).await;
    relay.kill();
    stage.running.homeserver.heal_all();
    let _relay = stage.setup.start().await;
    let texts = stage.until(|texts| has(texts, "Crash")).await;
    assert_eq!(texts.len(), 1);
}

#[tokio::test]
async fn a_removed_webhook_keeps_the_messages_and_says_which_setting_is_meant() {
    let stage = Stage::new().await;
    stage.running.homeserver.remove_webhooks(&stage.room);
    let mut relay = stage.setup.start().await;
    relay.accepts(&grafana_firing("Waiting")).await;
    let line = relay.says("there is no webhook").await;
    assert!(line.contains("MATRIX_HOOK_URL") && line.contains("keeps"), "{line}");
    let ready = timeout(Duration::from_secs(30), relay.get("/health/ready"))
        .await
        .unwrap();
    assert_eq!(ready.body["status"], "degraded", "{}", ready.body);
    assert!(!relay.log().contains(stage.secret()));
}

#[tokio::test]
async fn a_webhook_beside_an_account_or_a_room_is_refused_by_name() {
    let both = Setup::bare()
        .env("MATRIX_HOOK_URL", "https://hooks.example.org/webhook/s3cret")
        .env("MATRIX_HOME_SERVER_URL", "https://matrix.example.org")
        .env("MATRIX_DEFAULT_ROOM", "#ops:example.org");
    let log = both.try_start().await.err().expect("it does not start");
    for name in ["MATRIX_HOME_SERVER_URL", "MATRIX_DEFAULT_ROOM"] {
        assert!(log.contains(&format!("({name}) is set too")), "{log}");
    }
    let wrong = Setup::bare().env("MATRIX_HOOK_URL", "hooks.example.org/webhook/s3cret");
    let log_of_wrong = wrong.try_start().await.err().expect("it does not start");
    assert!(
        log_of_wrong.contains("invalid --hook-url (MATRIX_HOOK_URL): "),
        "{log_of_wrong}"
    );
    assert!(!format!("{log}{log_of_wrong}").contains("s3cret"));
}

#[tokio::test]
async fn a_long_digest_fits_into_the_event_that_the_bridge_makes_of_it() {
    let mut stage = Stage::new().await;
    stage.setup = stage
        .setup
        .env("RELAY_DIGEST_THRESHOLD", "5")
        .env("RELAY_DIGEST_AFTER", "0s");
    let relay = stage.setup.start().await;
    stage.plan(When::Always, Fault::Page(503));
    let names: Vec<String> = (0..250)
        .map(|number| format!("Alert{number:03}{}", "-with-a-long-name".repeat(number % 7 + 5)))
        .collect();
    for name in &names {
        relay.accepts(&grafana_firing(name)).await;
    }
    stage.running.homeserver.heal_all();
    let texts = stage.until(|texts| has(texts, "Alert249")).await;

    for number in 0..250 {
        assert!(has(&texts, &format!("Alert{number:03}")), "{number}: {texts:#?}");
    }
    let sizes = stage.running.homeserver.messages(&stage.room);
    let largest = sizes.iter().map(|event| event.content.to_string().len()).max().unwrap();
    // As much as the bridge's event may hold, of which half is a copy.
    assert!((16_384..=60_000).contains(&largest), "{largest}");
    assert!(!relay.log().contains("sends a plain one instead"), "{}", relay.log());
}

#[tokio::test]
async fn a_notification_as_large_as_the_renderer_lets_pass_fits_into_the_event_of_the_bridge() {
    let stage = Stage::new().await;
    let relay = stage.setup.start().await;
    let mut body = grafana_firing("Huge");
    body["alerts"][0]["annotations"]["description"] = "x\"y ".repeat(40_000).into();
    relay.accepts(&body).await;
    relay.accepts(&grafana_firing("Next")).await;
    let texts = stage.until(|texts| has(texts, "Next")).await;
    assert!(texts[0].contains("Huge"), "{texts:#?}");
    assert!(!relay.log().contains("the bridge could not"), "{}", relay.log());
}

#[tokio::test]
async fn what_was_accepted_for_an_account_never_goes_to_the_webhooks_room_and_the_reverse() {
    let stage = Stage::new().await;
    let homeserver = &stage.running.homeserver;
    let token = homeserver.login("bot", "RELAY");
    let own = homeserver.create_room(&NewRoom::named("own").member("bot"));
    let both = Setup::bare();
    let by_account = |url: &str| {
        let setup = both.clone().env("MATRIX_HOME_SERVER_URL", url);
        setup
            .env("MATRIX_ACCESS_TOKEN", &token)
            .env("MATRIX_DEFAULT_ROOM", &own)
    };

    let relay = by_account("http://127.0.0.1:1").start().await;
    relay.accepts(&grafana_firing("OfAccount")).await;
    relay.kill();

    let mut relay = both.clone().env("MATRIX_HOOK_URL", &stage.url).start().await;
    let line = relay.says("that is not set now").await;
    assert!(line.contains("outbox give-up") && line.contains(&own), "{line}");
    relay.accepts(&grafana_firing("OfHook")).await;
    assert!(has(&stage.until(|texts| !texts.is_empty()).await, "OfHook"));
    stage.plan(When::Always, Fault::Page(503));
    relay.accepts(&grafana_firing("LaterOfHook")).await;
    relay.kill();
    homeserver.heal_all();

    let mut relay = by_account(&stage.running.base_url).start().await;
    let line = relay.says("that is not set now").await;
    assert!(line.contains("MATRIX_HOOK_URL"), "{line}");
    let mut changes = homeserver.changes();
    while homeserver.messages(&own).is_empty() {
        changes.changed().await.unwrap();
    }
    let texts = |room: &str| -> Vec<String> {
        let messages = homeserver.messages(room);
        messages.iter().map(|event| event.body().to_owned()).collect()
    };
    assert!(has(&texts(&own), "OfAccount") && !has(&texts(&own), "OfHook"));
    assert_eq!(texts(&stage.room).len(), 1, "{:#?}", texts(&stage.room));
}
