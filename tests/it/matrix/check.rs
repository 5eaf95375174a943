//! The start-up check against the stand-in homeserver: each problem is one line that says what to do.

use std::time::Duration;

use grafana_matrix_relay::matrix::Level;
use grafana_matrix_relay::standin::NewRoom;

use super::stage::{Stage, address, client};

#[tokio::test]
async fn check_of_a_good_set_up_says_so_and_joins_where_it_is_invited() {
    let stage = Stage::new().await;
    let (_, member) = stage.room(&NewRoom::named("ops").member("bot"));
    let (id, invited) = stage.room(&NewRoom::named("more").invite_only().invited("bot"));
    let lines = stage.lines(&[member.clone(), invited.clone()]).await;
    assert!(lines.iter().all(|(level, _)| *level == Level::Info), "{lines:?}");
    assert!(
        lines.iter().any(|(_, line)| line.contains(&format!("joined {id}"))),
        "{lines:?}"
    );
    stage.send(&invited).await.unwrap();
}

#[tokio::test]
async fn check_names_each_problem_and_what_to_do() {
    let stage = Stage::with(
        |homeserver| homeserver.login_without_device("bot"),
        Duration::from_secs(30),
    )
    .await;
    let (_, closed) = stage.room(&NewRoom::named("secret").invite_only());
    let (_, mute) = stage.room(&NewRoom::named("read only").member("bot").read_only());
    let (_, encrypted) = stage.room(&NewRoom::named("encrypted").member("bot").encrypted());
    let lines = stage
        .lines(&[closed, mute, encrypted, address("#nowhere:example.org")])
        .await;
    let expected = [
        (Level::Warn, "no device"),
        (Level::Error, "invite @bot:example.org"),
        (Level::Error, "raise its power level"),
        (Level::Error, "is encrypted"),
        (Level::Error, "leads to no room"),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for ((level, line), (wanted, part)) in lines.iter().zip(expected) {
        assert_eq!(*level, wanted, "{line}");
        assert!(line.contains(part), "{line}");
        assert!(!line.contains('\n'));
    }
}

#[tokio::test]
async fn check_warns_of_rooms_where_the_bot_cannot_ping_everybody() {
    let stage = Stage::new().await;
    let (_, plain) = stage.room(&NewRoom::named("plain").member("bot"));
    let (_, free) = stage.room(&NewRoom::named("free").member("bot").mentions_for_all());
    let (_, other) = stage.room(&NewRoom::named("other").member("bot"));
    let rooms = [plain.clone(), free.clone(), other];
    let findings = stage.client.check(&rooms, &[plain.clone(), free]).await;
    let warnings: Vec<_> = findings.iter().filter(|finding| finding.level != Level::Info).collect();
    assert_eq!(warnings.len(), 1, "{findings:#?}");
    let line = &warnings[0].line;
    assert_eq!(warnings[0].level, Level::Warn);
    for part in [plain.as_str(), "lacks the power", "to 50"] {
        assert!(line.contains(part), "{line}");
    }
}

#[tokio::test]
async fn check_tells_a_bad_token_from_a_homeserver_that_is_down() {
    let stage = Stage::new().await;
    let stranger = client(&stage.running.base_url, "not-a-token", Duration::from_secs(30));
    let findings = stranger.check(&[], &[]).await;
    assert_eq!(findings[0].level, Level::Error);
    assert!(findings[0].line.contains("MATRIX_ACCESS_TOKEN"), "{}", findings[0]);
    stage.running.refuse().await;
    let findings = stage.client.check(&[], &[]).await;
    assert_eq!(findings[0].level, Level::Warn);
    assert!(findings[0].line.contains("cannot connect"), "{}", findings[0]);
}
