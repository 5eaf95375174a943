//! A room that is well again is woken at once.

use super::*;
use crate::matrix::{self, Client};
use crate::message::{Mentions, MsgType, RenderedMessage};
use crate::outbox::{self, Acceptance, NewDelivery, RoomWait};
use crate::standin::{Homeserver, NewRoom};

#[tokio::test]
async fn a_room_that_is_found_well_waits_no_longer_and_no_other_is_woken() {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = |new: &NewRoom| homeserver.create_room(new).parse::<RoomAddress>().unwrap();
    let well = room(&NewRoom::named("well").member("bot"));
    let closed = room(&NewRoom::named("closed").member("bot").read_only());
    let running = homeserver.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(&outbox::Settings::in_folder(folder.path())).await.unwrap();
    let client = Client::new(&matrix::Settings {
        home_server: running.base_url.clone(),
        access_token: token.into(),
        request_timeout: Duration::from_secs(30),
        encryption: matrix::EncryptionSettings::default(),
    });
    let rooms = Rooms::new(&client.unwrap().into(), &outbox, folder.path());
    let now = Timestamp::now();
    for room in [&well, &closed] {
        let message = RenderedMessage {
            body: "x".to_owned(),
            formatted_body: String::new(),
            msgtype: MsgType::Text,
            mentions: Mentions::default(),
            headline: "x".to_owned(),
            ..RenderedMessage::default()
        };
        let acceptance = Acceptance {
            deliveries: vec![NewDelivery {
                room: room.clone(),
                message,
                starts_at: None,
            }],
            groups: Vec::new(),
            repeat_key: None,
            request_key: None,
            at: now,
        };
        outbox.enqueue(acceptance).await.unwrap();
        let wait = RoomWait {
            until: now + Duration::from_hours(1),
            reason: "forbidden".to_owned(),
        };
        outbox.set_room_due(room, Some(wait), now).await.unwrap();
    }
    rooms.look(now).await;
    assert_eq!(outbox.room_due(&well, now).await.unwrap(), None);
    assert!(outbox.room_due(&closed, now).await.unwrap().is_some());
}
