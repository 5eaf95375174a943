//! The bot enters a room within seconds after it was invited, and does not wait for an alert.

use grafana_matrix_relay::standin::{Fault, Homeserver, NewRoom, RunningHomeserver, Scope, When};

use crate::app::firing;
use crate::support::relay::Setup;

async fn homeserver() -> (RunningHomeserver, String) {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    (homeserver.start().await.unwrap(), token)
}

fn setup(running: &RunningHomeserver, token: &str, room: &str) -> Setup {
    Setup::of(running, token, room)
}

async fn until_joined(running: &RunningHomeserver, room: &str) {
    let mut changes = running.homeserver.changes();
    while !running.homeserver.joined(room).contains(&"@bot:example.org".to_owned()) {
        changes.changed().await.unwrap();
    }
}

#[tokio::test]
async fn an_invitation_is_accepted_and_said_without_an_alert() {
    let (running, token) = homeserver().await;
    let room = running.homeserver.create_room(&NewRoom::named("ops").invite_only());
    let other = running
        .homeserver
        .create_room(&NewRoom::named("not ours").invite_only());
    let mut relay = setup(&running, &token, &room).start().await;
    relay.says("invite @bot:example.org").await;
    running.homeserver.set_membership(&other, "bot", "invite");
    running.homeserver.set_membership(&room, "bot", "invite");
    until_joined(&running, &room).await;
    relay.says(&format!("joined {room}")).await;
    relay.says(&format!("{room} is ready")).await;
    // No room but those that alerts go to.
    assert!(
        !running
            .homeserver
            .joined(&other)
            .contains(&"@bot:example.org".to_owned())
    );
}

#[tokio::test]
async fn what_waited_for_the_invitation_is_sent_at_once() {
    let (running, token) = homeserver().await;
    let room = running.homeserver.create_room(&NewRoom::named("ops").invite_only());
    let mut relay = setup(&running, &token, &room).start().await;
    relay.accepts(&firing("Waits")).await;
    relay.says("the room takes no messages").await;
    running.homeserver.set_membership(&room, "bot", "invite");
    let mut changes = running.homeserver.changes();
    while running.homeserver.messages(&room).is_empty() {
        changes.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_room_that_is_made_later_is_entered_too() {
    let (running, token) = homeserver().await;
    let mut relay = setup(&running, &token, "#late:example.org").start().await;
    relay.says("leads to no room").await;
    let room = NewRoom::named("late").alias("late").invite_only().invited("bot");
    let room = running.homeserver.create_room(&room);
    until_joined(&running, &room).await;
    relay.says("#late:example.org is ready").await;
}

#[tokio::test]
async fn rooms_are_checked_once_the_homeserver_answers() {
    let (running, token) = homeserver().await;
    let room = running.homeserver.create_room(&NewRoom::named("ops").member("bot"));
    let down = running
        .homeserver
        .plan(Scope::Everything, When::Always, Fault::BadGateway);
    let mut relay = setup(&running, &token, &room).start().await;
    relay.says("does not answer as it should").await;
    running.homeserver.heal(down);
    relay.says(&format!("{room} is ready")).await;
}

#[tokio::test]
async fn the_start_ends_with_one_line_that_says_what_to_put_into_grafana() {
    let (running, token) = homeserver().await;
    let room = running.homeserver.create_room(&NewRoom::named("ops").member("bot"));
    let setup = setup(&running, &token, &room);
    let mut relay = setup.env("RELAY_TOKEN", "a-secret-that-is-long-enough").start().await;
    let line = relay.says("listening on").await;
    let url = format!("{}/alert", relay.base_url);
    let data = "/data";
    for part in [
        env!("CARGO_PKG_VERSION"),
        &room,
        data,
        "templates",
        &url,
        "Bearer",
        "RELAY_TOKEN",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("long-enough"), "{line}");
}
