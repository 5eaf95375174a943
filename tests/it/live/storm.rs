//! Many groups at once against Synapse's default limit: what is new is seen soon, and every root is right in the end.

use std::time::Duration;

use grafana_matrix_relay::message::Mode;
use grafana_matrix_relay::standin::Limit;

use super::story::Live;

const GROUPS: i64 = 40;

/// Forty groups fire and are shown, as roots or in a digest.
async fn forty_groups_fire(mode: Mode) -> Live {
    let mut live = Live::with_digests().await;
    live.night.policy.mode = mode;
    live.night.homeserver.homeserver.limit_messages(Some(Limit::SYNAPSE));
    live.hold();
    for group in 0..GROUPS {
        live.post_group(&format!("g{group}"), 0, &[&format!("A{group} 0")])
            .await;
    }
    live.lines().await;
    live
}

/// All are resolved, one after the other, while the relay works.
async fn all_are_resolved(live: &mut Live) {
    live.hold();
    for group in 0..GROUPS {
        live.post_group(&format!("g{group}"), 10, &[&format!("A{group} 0-9")])
            .await;
    }
    live.night.work_for(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn after_a_storm_of_resolves_a_new_alert_is_seen_at_once() {
    for mode in [Mode::Live, Mode::Thread] {
        let mut live = forty_groups_fire(mode).await;
        let before = live.events();
        all_are_resolved(&mut live).await;
        let waiting = live.night.waiting().await;
        assert!(mode != Mode::Live || waiting > 5, "{mode}: {waiting} edits wait");
        let told = live.events();
        live.post_group("new", 10, &["New 10"]).await;
        let is_shown = |live: &Live| live.shown().iter().any(|shown| shown.body().contains("FIRING · New"));
        while !is_shown(&live) {
            live.night.work_for(Duration::from_secs(5)).await;
        }
        // What was under way goes first.
        assert!(
            live.events() <= told + 2,
            "{mode}: {} events before it",
            live.events() - told
        );

        let lines = live.lines().await;
        let firing: Vec<&String> = lines.iter().filter(|line| line.contains("🔥")).collect();
        if mode == Mode::Live {
            assert_eq!(firing, ["loud 🔥 FIRING · New · critical"], "{lines:#?}");
        }
        for group in 0..GROUPS {
            let over = format!("A{group}");
            let names = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == over);
            let is_over = |text: &str| text.contains("RESOLVED") || text.contains("came and went");
            let told = live.told();
            let lines: Vec<&str> = told.lines().collect();
            // A digest names in its second line what came and went.
            let is_told = lines.first().is_some_and(|line| is_over(line) && names(line))
                || lines
                    .windows(2)
                    .any(|two| names(two[1]) && two.iter().any(|line| is_over(line)));
            assert!(is_told, "{mode}: nobody heard that A{group} is over\n{told}");
        }
        // Ten lines and as many edits of roots that were seen, and a few that were under way; the others are named.
        let sent = live.events() - before;
        assert!(sent <= 26, "{mode}: {sent} events");
    }
}

#[tokio::test]
async fn groups_that_were_only_named_get_a_root_with_their_next_change() {
    let mut live = forty_groups_fire(Mode::Live).await;
    all_are_resolved(&mut live).await;
    live.post_group("g39", 20, &["A39 19"]).await;
    let lines = live.lines().await;
    assert_eq!(lines.last().unwrap(), "loud 🔥 FIRING · A39 · critical");
    live.post_group("g39", 30, &["A39 19-29"]).await;
    let lines = live.lines().await;
    let root = &lines[lines.len() - 2];
    assert_eq!(root, "✅ RESOLVED · A39 · after 10 min · was critical (edited)");
}
