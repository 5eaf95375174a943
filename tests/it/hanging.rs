//! Rooms whose requests are never answered: however many they are, the others have their messages.

use grafana_matrix_relay::message::{Mentions, MsgType, RenderedMessage};
use grafana_matrix_relay::outbox::{Acceptance, NewDelivery};
use grafana_matrix_relay::standin::{Fault, NewRoom, Scope, When};
use jiff::Timestamp;

use crate::app::{App, firing};

/// More than may be in flight together.
const ROOMS: usize = 600;

#[tokio::test]
async fn hundreds_of_rooms_that_hang_do_not_keep_messages_from_another() {
    // So long that none of them is answered, or given up for want of an answer, while this test runs.
    let app = App::with(|flags| flags.matrix_timeout = Some("1h".to_owned())).await;
    let server = &app.homeserver.homeserver;
    let rooms: Vec<String> = (0..ROOMS)
        .map(|number| server.create_room(&NewRoom::named(format!("hanging{number}")).member("bot")))
        .collect();
    for room in &rooms {
        server.plan(Scope::Room(room.clone()), When::Always, Fault::Hang);
    }
    let message = RenderedMessage {
        body: "waits".to_owned(),
        formatted_body: String::new(),
        msgtype: MsgType::Text,
        mentions: Mentions::default(),
        headline: "waits".to_owned(),
        ..RenderedMessage::default()
    };
    let deliveries = rooms
        .iter()
        .map(|room| NewDelivery::message(room.parse().unwrap(), message.clone()));
    let acceptance = Acceptance {
        deliveries: deliveries.collect(),
        groups: Vec::new(),
        repeat_key: None,
        request_key: None,
        at: Timestamp::now(),
    };
    app.relay.outbox.enqueue(acceptance).await.unwrap();
    // Accepted behind all of them, and for a room that answers.
    for name in ["First", "Second", "Third"] {
        app.accept(&firing(name)).await;
        app.room_says(name).await;
    }
    assert!(rooms.iter().all(|room| server.messages(room).is_empty()));
}
