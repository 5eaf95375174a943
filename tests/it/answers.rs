//! What a homeserver answers is somebody else's text: cleaned and bounded wherever it is shown, and without the token.

use std::process::Command;

use grafana_matrix_relay::standin::{Fault, Homeserver, NewRoom, RunningHomeserver, Scope, When};
use serde_json::json;

use crate::app::firing;
use crate::support::relay::{Relay, Setup};

struct Stage {
    running: RunningHomeserver,
    token: String,
    room: String,
    setup: Setup,
    relay: Relay,
}

/// A relay whose homeserver answers a send as `fault` says, so often as `when` says.
async fn stage(when: When, fault: Fault) -> Stage {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
    homeserver.plan(Scope::Sends, when, fault);
    let running = homeserver.start().await.unwrap();
    let setup = Setup::of(&running, &token, &room)
        .env("ECS_LOGGING", "false")
        .env("RUST_LOG", "grafana_matrix_relay=trace");
    let relay = setup.start().await;
    Stage {
        running,
        token,
        room,
        setup,
        relay,
    }
}

impl Stage {
    /// Everything that can be seen of the first delivery, by place.
    async fn seen(&self) -> Vec<(&'static str, String)> {
        let shown = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
            .args(["outbox", "show", "1"])
            .env_clear()
            .env("RELAY_DATA_DIR", self.setup.data_dir())
            .current_dir(self.setup.data_dir())
            .output()
            .unwrap();
        assert!(shown.status.success(), "{shown:?}");
        let mut seen = vec![
            ("outbox show", String::from_utf8(shown.stdout).unwrap()),
            ("the log", self.relay.log()),
        ];
        for path in ["/health/ready", "/workshop/deliveries", "/metrics"] {
            let answer = self.relay.get(path).await.body;
            seen.push((path, answer.as_str().map_or_else(|| answer.to_string(), str::to_owned)));
        }
        seen
    }

    fn assert_clean(seen: &[(&str, String)]) {
        for (place, text) in seen {
            let odd = text
                .chars()
                .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(odd, None, "{place}: {text}");
            assert!(
                !text.lines().any(|line| line.starts_with("INJECTED")),
                "{place}: {text}"
            );
            let longest = text.lines().map(str::len).max();
            assert!(longest < Some(6_000), "{place}: {longest:?} bytes in a line");
        }
    }
}

#[tokio::test]
async fn an_errcode_that_is_none_is_shown_as_harmless_text_wherever_it_is_shown() {
    let answer = json!({
        "errcode": format!("M_\u{1b}[31mEVIL\u{1b}[0m\nINJECTED LINE{}", "A".repeat(900_000)),
        "error": "e\u{1b}[32m\u{202e}\nINJECTED too",
    });
    let mut stage = stage(When::Always, Fault::Says(403, answer.to_string())).await;
    stage.relay.accepts(&firing("Refused")).await;
    stage.relay.says("M_??31mEVIL??0m?INJECTED?LINE").await;
    let seen = stage.seen().await;
    Stage::assert_clean(&seen);
    let ready = &seen.iter().find(|(place, _)| *place == "/health/ready").unwrap().1;
    assert!(ready.contains("EVIL"), "{ready}");
}

#[tokio::test]
async fn an_answer_that_repeats_the_token_shows_it_nowhere_not_even_its_beginning() {
    // At the very end of what is kept of an explanation, and where no explanation stands.
    let answer = json!({"errcode": "M_{token}", "error": format!("{}{{token}}", "a".repeat(225))});
    let mut stage = stage(When::Next(2), Fault::Says(400, answer.to_string())).await;
    stage.relay.accepts(&firing("Refused")).await;
    stage.relay.says("given up after").await;
    let seen = stage.seen().await;
    Stage::assert_clean(&seen);
    for (place, text) in seen {
        assert!(!text.contains(&stage.token[..9]), "{place}: {text}");
        // The token is there as nothing but a mark.
        assert!(place != "the log" || text.contains("M_?hidden?"), "{text}");
    }
}

#[tokio::test]
async fn an_event_id_that_is_none_is_kept_clean_and_what_refers_to_it_still_arrives() {
    let id = format!("$\u{1b}[31mred\u{1b}[0m\nINJECTED{}", "x".repeat(100_000));
    let answer = json!({"event_id": id}).to_string();
    let mut stage = stage(When::Next(1), Fault::Says(200, answer)).await;
    stage.relay.accepts(&firing("Odd")).await;
    stage.relay.says(" delivered ").await;
    let seen = stage.seen().await;
    Stage::assert_clean(&seen);
    assert!(
        seen[0].1.contains("$??31mred") || seen[0].1.contains("$?[31mred"),
        "{}",
        seen[0].1
    );

    let mut over = firing("Odd");
    over["alerts"][0]["status"] = "resolved".into();
    stage.relay.accepts(&over).await;
    let (server, mut changes) = (&stage.running.homeserver, stage.running.homeserver.changes());
    let told = || {
        server
            .messages(&stage.room)
            .iter()
            .any(|event| event.body().contains("RESOLVED"))
    };
    while !told() {
        changes.changed().await.unwrap();
    }
}
