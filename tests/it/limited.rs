//! What a relay says of a rate limit: that there is one, once, and not with each message that it delays.

use grafana_matrix_relay::standin::{Homeserver, Limit, NewRoom};

use crate::app::firing;
use crate::support::relay::Setup;

#[tokio::test]
async fn a_rate_limit_that_lasts_is_one_line_in_the_log() {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
    let homeserver = homeserver.start().await.unwrap();
    homeserver.homeserver.limit_messages(Some(Limit {
        per_second: 5.0,
        burst: 1,
    }));
    let setup = Setup::bare()
        .env("MATRIX_HOME_SERVER_URL", &homeserver.base_url)
        .env("MATRIX_ACCESS_TOKEN", &token)
        .env("MATRIX_DEFAULT_ROOM", &room)
        .env("RELAY_DIGEST_THRESHOLD", "1000");
    let mut relay = setup.start().await;
    let mut changes = homeserver.homeserver.changes();
    for number in 1..=5 {
        relay.accepts(&firing(&format!("Alert{number:05}"))).await;
    }
    while homeserver.homeserver.messages(&room).len() < 5 {
        changes.changed().await.unwrap();
    }
    let refused = homeserver.homeserver.sends_seen(&room) - 5;
    assert!(refused >= 2, "{refused} sends were refused");
    relay.says("limits the rate").await;
    let log = relay.log();
    assert_eq!(log.matches("limits the rate of messages").count(), 1, "{log}");
}
