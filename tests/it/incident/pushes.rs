//! What a real homeserver's push rules make of an incident: how often the person on call is notified.

use serde_json::{Value, json};

use super::{AGAIN, FIRST, OVER, SECOND, alert, group};
use crate::support::matrix::User;
use crate::support::relay::Setup;
use crate::support::synapse::Synapse;

/// What a person's client counts in a room: notifications, and those of them that highlight.
struct Counter<'a> {
    person: &'a User,
    room: &'a str,
    since: String,
    counted: (u64, u64),
}

impl<'a> Counter<'a> {
    async fn new(person: &'a User, room: &'a str) -> Self {
        let mut counter = Self {
            person,
            room,
            since: String::new(),
            counted: (0, 0),
        };
        counter.sync().await;
        counter
    }

    /// The count as of the moment at which this event arrives.
    async fn at(&mut self, event_id: &str) -> (u64, u64) {
        while !self.sync().await.iter().any(|event| event["event_id"] == event_id) {}
        self.counted
    }

    /// Waits for news; the events of the room among it.
    async fn sync(&mut self) -> Vec<Value> {
        let mut query = vec![("timeout", "20000")];
        if !self.since.is_empty() {
            query.push(("since", self.since.as_str()));
        }
        let mut news = self.person.get(&["sync"], &query).await.ok();
        let room = &mut news["rooms"]["join"][self.room];
        let count = |name: &str| room["unread_notifications"][name].as_u64();
        if let (Some(notified), Some(highlighted)) = (count("notification_count"), count("highlight_count")) {
            self.counted = (notified, highlighted);
        }
        let events = room["timeline"]["events"].as_array().cloned().unwrap_or_default();
        self.since = news["next_batch"].as_str().expect("a sync has a next_batch").to_owned();
        events
    }
}

#[tokio::test]
async fn a_person_is_notified_once_for_each_alert_that_fires_and_highlighted_where_called() {
    let synapse = Synapse::start().await;
    let (person, room) = (&synapse.person, synapse.rooms.default.room_id.as_str());
    let folder = tempfile::tempdir().unwrap();
    let routes = folder.path().join("routes.toml");
    let called = format!(
        "[routes.default]\nrooms = ['{room}']\n[[routes.default.mentions]]\nmatchers = ['host=\"pg-2\"']\n\
         users = ['{}']\n",
        person.id
    );
    std::fs::write(&routes, called).unwrap();
    let setup = Setup::new(&synapse, room).env("RELAY_ROUTES_FILE", &routes.display().to_string());
    let relay = setup.start().await;
    let mut counter = Counter::new(person, room).await;
    let before = counter.counted;
    let fires = |host, since| alert(host, since, None);
    let mut grown = fires("pg-1", FIRST);
    grown["annotations"]["summary"] = json!("the disk of pg-1 is full");
    let over = [alert("pg-1", FIRST, Some(OVER)), alert("pg-2", SECOND, Some(OVER))];

    for (what, alerts, events, notified, highlighted) in [
        ("fires", vec![fires("pg-1", FIRST)], 1, 1, 0),
        ("another text: an edit", vec![grown.clone()], 2, 1, 0),
        (
            "one more, which calls",
            vec![grown.clone(), fires("pg-2", SECOND)],
            4,
            2,
            1,
        ),
        ("one over", vec![grown, alert("pg-2", SECOND, Some(OVER))], 6, 2, 1),
        ("all over", over.to_vec(), 8, 2, 1),
        ("fires again", vec![fires("pg-1", AGAIN)], 9, 3, 1),
    ] {
        let mut body = group(&alerts);
        // Else the second would be a repetition of the first, which comes too soon to be news.
        body["notification_reason"] = json!(what);
        relay.accepts(&body).await;
        let messages = person.wait_for_messages(room, events).await;
        assert_eq!(messages.len(), events, "{what}");
        relay.has_delivered(events).await;
        let counted = counter.at(&messages[events - 1].id).await;
        assert_eq!(
            (counted.0 - before.0, counted.1 - before.1),
            (notified, highlighted),
            "{what}"
        );
    }
}
