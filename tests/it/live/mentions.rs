//! Who is mentioned, and when: once for what starts firing, whoever asks for it, and visibly.

use std::time::Duration;

use grafana_matrix_relay::message::Mode;
use grafana_matrix_relay::outbox::{DigestPolicy, Outcome};
use grafana_matrix_relay::standin::Event;
use serde_json::Value;

use super::story::Live;
use crate::night::{Make, Night};

/// Ana is called for A, Ben for B.
const PEOPLE: &str = r#"
[routes.default]
rooms = ["{room}"]
[[routes.default.mentions]]
from.alertname.A = ["@ana:example.org"]
from.alertname.B = ["@ben:example.org"]
"#;

async fn called(mode: Mode) -> Live {
    let routes = PEOPLE.replace("rooms", &format!("mode = '{mode}'\nrooms"));
    Live::routed(&routes).await.0
}

/// Whom an event mentions, as Matrix has it.
fn mentions(event: &Event) -> Vec<&str> {
    let mentions = &event.content["m.mentions"];
    assert!(
        mentions.is_object() || event.kind != "m.room.message",
        "{:?}",
        event.content
    );
    let users = mentions["user_ids"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    users
        .chain(mentions["room"].as_bool().filter(|room| *room).map(|_| "@room"))
        .collect()
}

impl Live {
    /// Delivers everything, and says whom it all has mentioned, event by event; edits and reactions are events, too.
    async fn mentioned(&mut self) -> Vec<Vec<String>> {
        self.lines().await;
        let events = self.night.homeserver.homeserver.events(self.room.as_str());
        let sent = events
            .iter()
            .filter(|event| event.state_key.is_none() && event.kind != "m.room.redaction" && !event.is_redacted());
        sent.map(|event| mentions(event).into_iter().map(str::to_owned).collect())
            .collect()
    }
}

/// The last so many.
fn last(mentioned: &[Vec<String>], count: usize) -> Vec<&str> {
    mentioned[mentioned.len() - count..]
        .iter()
        .flatten()
        .map(String::as_str)
        .collect()
}

const ANA: &str = "@ana:example.org";
const BEN: &str = "@ben:example.org";

#[tokio::test]
async fn what_starts_mentions_once_and_nothing_else_does() {
    for mode in Mode::ALL {
        let mut live = called(mode).await;
        let mut seen = 0;
        for (minute, alerts, whom) in [
            (0, &["A 0"][..], &[ANA][..]),
            (10, &["A 0", "B 9"], &[BEN]),
            (20, &["A 0", "B 9"], &[]),
            (30, &["A 0-29", "B 9"], &[]),
            (40, &["B 9-39"], &[]),
            (60, &["A 59"], &[ANA]),
            (70, &["A 59-69"], &[]),
        ] {
            live.post(minute, alerts).await;
            let mentioned = live.mentioned().await;
            assert_eq!(last(&mentioned, mentioned.len() - seen), whom, "{mode} {minute}");
            seen = mentioned.len();
        }
        live.value = 99.0;
        live.post(80, &["A 59-69", "B 79"]).await;
        live.value = 98.0;
        live.post(90, &["A 59-69", "B 79"]).await;
        assert_eq!(live.mentioned().await.concat(), [ANA, BEN, ANA, BEN], "{mode}");
    }
}

#[tokio::test]
async fn whoever_is_pinged_is_named_where_it_happens() {
    let mut live = called(Mode::Live).await;
    live.post(0, &["A 0"]).await;
    live.post(10, &["A 0", "B 9"]).await;
    live.lines().await;
    for (event, user) in live.originals().iter().zip([ANA, BEN]) {
        let pill = format!("<a href=\"https://matrix.to/#/{user}\">{user}</a>");
        let html = event.content["formatted_body"].as_str().unwrap();
        assert_eq!(html.matches(&pill).count(), 1, "{html}");
        assert_eq!(event.body().lines().last(), Some(user), "{}", event.body());
    }
    // The root shows the state by now, and not who was called when it began.
    assert!(!live.root(0).contains(ANA), "{}", live.root(0));
}

#[tokio::test]
async fn a_root_that_nobody_has_seen_mentions_for_all_that_it_takes_up() {
    let mut live = called(Mode::Live).await;
    live.hold();
    live.post(0, &["A 0"]).await;
    live.post(1, &["A 0", "B 1"]).await;
    live.post(2, &["A 0", "B 1-2"]).await;
    live.post(3, &["A 0-3", "B 1-2"]).await;
    // It came and went in an outage: somebody should know.
    let mentioned = live.mentioned().await;
    assert_eq!(mentioned, [[ANA, BEN]]);
    live.sees(&["loud ✅ 2 resolved · A, B"]).await;
    assert!(
        live.root(0).ends_with("\n@ana:example.org @ben:example.org"),
        "{}",
        live.root(0)
    );
}

#[tokio::test]
async fn a_digest_mentions_whom_its_members_would_have_mentioned() {
    let mut live = Live::with_digests().await;
    let (routed, _) = Live::routed(&PEOPLE.replace("{room}", live.room.as_str())).await;
    live.night.table = routed.night.table;
    live.hold();
    for group in 0..12 {
        let alert = if group == 7 {
            "A 0".to_owned()
        } else {
            format!("X{group} 0")
        };
        live.post_group(&format!("g{group}"), 0, &[&alert]).await;
    }
    live.night.pass(Duration::from_mins(1));
    assert_eq!(live.mentioned().await, [[ANA]]);
    // What the digest has said is shown quietly by the next repeat.
    live.post_group("g7", 10, &["A 0"]).await;
    assert_eq!(live.mentioned().await.concat(), [ANA]);
    assert_eq!(live.lines().await.last().unwrap(), "🔥 FIRING · A · critical");
    live.post_group("g7", 20, &["A 0", "B 19"]).await;
    assert_eq!(live.mentioned().await.concat(), [ANA, BEN]);
}

#[tokio::test]
async fn what_takes_the_place_of_a_deleted_root_mentions_for_nothing_old() {
    for mode in [Mode::Live, Mode::Thread] {
        let mut live = called(mode).await;
        live.post(0, &["A 0"]).await;
        live.lines().await;
        live.delete_root();
        live.post(10, &["A 0", "B 9"]).await;
        live.post(20, &["A 0-19", "B 9-19"]).await;
        // Whom the root has mentioned went with it.
        assert_eq!(live.mentioned().await.concat(), [BEN], "{mode}");
    }
}

#[tokio::test]
async fn a_root_that_nobody_has_heard_of_mentions_for_all_that_fires_once_it_is_shown() {
    let mut live = called(Mode::Live).await;
    live.hold();
    live.post(0, &["A 0", "B 0-0"]).await;
    let waiting = live
        .night
        .outbox
        .claim_due(live.night.now.wall, 1, &DigestPolicy::never())
        .await
        .unwrap();
    let gone = Outcome::Dead {
        error: "given up".to_owned(),
    };
    live.night
        .outbox
        .record(waiting[0].id, gone, live.night.now.wall)
        .await
        .unwrap();
    live.post(10, &["A 0", "C 9"]).await;
    live.post(20, &["A 0", "C 9"]).await;
    assert_eq!(live.mentioned().await, [[ANA]]);
}

/// A template that mentions somebody whatever happens, and so do the lines.
const CARELESS: [(&str, &str); 2] = [
    (
        "alert.md.j2",
        "{{ headline }}\n{{ mention('@careless:example.org') }} {{ mention_room() }}\n",
    ),
    (
        "update.md.j2",
        "{{ headline }}\n{{ mention('@careless:example.org') }}\n",
    ),
];

#[tokio::test]
async fn a_template_mentions_only_where_something_starts() {
    for mode in Mode::ALL {
        let make = Make {
            templates: CARELESS.into(),
            ..Make::without_digests()
        };
        let mut live = Live::on(Night::made(make).await);
        live.night.policy.mode = mode;
        live.night.policy.reminders = true;
        let mut seen = 0;
        for (minute, alerts, mentions) in [
            (0, &["A 0"][..], true),
            (10, &["A 0"], false),
            (20, &["A 0", "B 19"], true),
            (30, &["A 0-29", "B 19"], false),
            (40, &["B 19-39"], false),
            (50, &["B 19-39"], false),
            (60, &["C 50-59"], false),
            (70, &["B 69"], true),
        ] {
            live.post(minute, alerts).await;
            let mentioned = live.mentioned().await;
            let new = last(&mentioned, mentioned.len() - seen);
            assert_eq!(
                new.contains(&"@careless:example.org"),
                mentions,
                "{mode} {minute}: {new:?}"
            );
            seen = mentioned.len();
        }
    }
}
