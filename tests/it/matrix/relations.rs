//! Edits and threads: the same scenes at the stand-in and at a real Synapse, read back as a person.

use grafana_matrix_relay::matrix::{MessageTrouble, Verdict};
use grafana_matrix_relay::message::{Mentions, Relation, RenderedMessage, TxnId};
use grafana_matrix_relay::render::{CONTENT_LIMIT, content_size};
use grafana_matrix_relay::standin::{Fault, NewRoom, Scope, Shown, When};
use serde_json::json;

use super::home::Home;
use super::stage::{Stage, message};
use crate::support::matrix::Event;

#[tokio::test]
async fn relations_are_seen_at_the_stand_in() {
    let home = Home::stand_in().await;
    what_is_seen(&home).await;
    what_leads_nowhere(&home).await;
}

#[tokio::test]
async fn relations_are_seen_at_a_real_synapse() {
    let home = Home::real().await;
    what_is_seen(&home).await;
    what_leads_nowhere(&home).await;
    the_largest_edit(&home).await;
}

fn edit(of: &str) -> Relation {
    Relation::Edit { of: of.to_owned() }
}

fn thread(root: &str, latest: &str) -> Relation {
    Relation::Thread {
        root: root.to_owned(),
        latest: latest.to_owned(),
    }
}

fn bodies(shown: &[Shown]) -> Vec<&str> {
    shown.iter().map(Shown::body).collect()
}

async fn what_is_seen(home: &Home) {
    let room = home.room.as_str();
    let root = home.send("firing", None).await.unwrap();
    let first = home.send("two more", Some(&thread(&root, &root))).await.unwrap();
    let last = home.send("one less", Some(&thread(&root, &first))).await.unwrap();
    home.send("still firing", Some(&edit(&root))).await.unwrap();
    let edited = home.send("resolved", Some(&edit(&root))).await.unwrap();
    home.send("one less, after 5 min", Some(&edit(&last))).await.unwrap();
    let ids = |events: Vec<Event>| events.into_iter().map(|event| event.id).collect::<Vec<_>>();
    let threaded = home.person.relations(room, &root, "m.thread").await;
    assert_eq!(threaded[1].content["m.relates_to"]["m.in_reply_to"]["event_id"], first);
    assert_eq!(ids(threaded), [first.as_str(), last.as_str()]);
    assert_eq!(ids(home.person.relations(room, &root, "m.replace").await).len(), 2);
    let path = ["rooms", room, "event", &root];
    let sums = home.person.get(&path, &[]).await.ok()["unsigned"]["m.relations"].clone();
    assert_eq!(sums["m.replace"]["event_id"], json!(edited));
    assert_eq!(sums["m.replace"]["content"]["m.mentions"], json!({}));
    assert_eq!(sums["m.thread"]["count"], 2);
    assert_eq!(sums["m.thread"]["latest_event"]["event_id"], json!(last));

    let shown = home.person.visible(room).await;
    assert_eq!(bodies(&shown), ["resolved"]);
    assert_eq!(shown[0].edits, 2);
    assert_eq!(bodies(&shown[0].thread), ["two more", "one less, after 5 min"]);
}

/// Both relations to one event are refused, or only those that are told, and nothing new is in the room.
async fn refused(home: &Home, what: &str, relations: &[Relation]) {
    let room = home.room.as_str();
    let before = home.person.timeline::<Event>(room).await.len();
    for relation in relations {
        let failure = home.send("lost", Some(relation)).await.unwrap_err();
        assert_eq!(failure.verdict, Verdict::Relation, "{what}: {relation:?}: {failure}");
    }
    assert_eq!(home.person.timeline::<Event>(room).await.len(), before, "{what}");
}

async fn what_leads_nowhere(home: &Home) {
    let room = home.room.as_str();
    let all = |id: &str| [edit(id), thread(id, id)];
    refused(home, "unknown", &all(&format!("${}", "A".repeat(43)))).await;
    refused(home, "no ID", &all("nonsense")).await;

    let txn = TxnId::generate();
    let elsewhere = home.client.send(&home.other, &txn, &message("x"), None).await.unwrap();
    refused(home, "other room", &all(&elsewhere)).await;

    let text = json!({"msgtype": "m.text", "body": "mine"});
    let mine = home.person.send_event(room, "m.room.message", "mine", text).await.ok();
    let mine = mine["event_id"].as_str().unwrap().to_owned();
    refused(home, "another's", &[edit(&mine)]).await;

    let root = home.send("root", None).await.unwrap();
    let line = home.send("line", Some(&thread(&root, &root))).await.unwrap();
    let edited = home.send("edited", Some(&edit(&root))).await.unwrap();
    refused(home, "a line", &[thread(&line, &line)]).await;
    refused(home, "an edit", &[edit(&edited), thread(&edited, &edited)]).await;

    home.redact(&line).await;
    home.send("after a deleted line", Some(&thread(&root, &line)))
        .await
        .unwrap();
    assert_eq!(
        bodies(&home.person.visible(room).await.last().unwrap().thread),
        ["after a deleted line"]
    );
    home.redact(&edited).await;
    let shown = home.person.visible(room).await;
    assert_eq!((shown.last().unwrap().body(), shown.last().unwrap().edits), ("root", 0));

    // Past the relay's client, the homeserver takes an edit of what was deleted, and nobody sees it.
    home.redact(&root).await;
    refused(home, "deleted", &all(&root)).await;
    let silent = json!({
        "msgtype": "m.text", "body": "* silent", "m.new_content": {"msgtype": "m.text", "body": "silent"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": root},
    });
    home.bot.send_event(room, "m.room.message", "silent", silent).await.ok();
    assert_eq!(home.person.relations(room, &root, "m.replace").await, []);
    let shown = home.person.visible(room).await;
    assert!(
        shown
            .iter()
            .all(|message| message.body() != "silent" && message.event_id != root)
    );

    let purged = home.send("soon purged", None).await.unwrap();
    let last = home.send("kept", None).await.unwrap();
    home.purge_before(&last).await;
    refused(home, "purged", &all(&purged)).await;
    assert_eq!(bodies(&home.person.visible(room).await), ["kept"]);
}

/// What the renderer lets through fits as an edit, mentions included; what would leave no room for encryption is refused by
/// nobody here, and half as much again does not fit.
async fn the_largest_edit(home: &Home) {
    let mut largest = message("root");
    largest.mentions = Mentions {
        user_ids: (0..20).map(|number| format!("@oncall{number}:example.org")).collect(),
        room: true,
    };
    largest.formatted_body = String::new();
    let half = (CONTENT_LIMIT - content_size(&largest)) / 2;
    largest.body = "ä".repeat(half / 2);
    largest.formatted_body = "x".repeat(CONTENT_LIMIT - content_size(&largest));
    assert_eq!(content_size(&largest), CONTENT_LIMIT);
    let send = async |message: &RenderedMessage, relation: Option<Relation>| {
        let txn = TxnId::generate();
        home.client.send(&home.room, &txn, message, relation.as_ref()).await
    };
    let root = send(&largest, None).await.unwrap();
    send(&largest, Some(edit(&root))).await.unwrap();
    largest.formatted_body.push_str(&"x".repeat(12_000));
    let failure = send(&largest, Some(edit(&root))).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Message(MessageTrouble::TooLarge));
}

#[tokio::test]
async fn a_repeated_edit_or_line_after_a_lost_reply_is_one_event() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    let root = stage.send(&room).await.unwrap();
    for (relation, texts) in [(edit(&root), 2), (thread(&root, &root), 3)] {
        let txn = TxnId::generate();
        let fault = Fault::DropReply;
        stage
            .homeserver()
            .plan(Scope::SendsTo(id.clone()), When::Next(1), fault);
        let now = message("now");
        let send = || stage.client.send(&room, &txn, &now, Some(&relation));
        assert_eq!(send().await.unwrap_err().verdict, Verdict::Transient);
        let event_id = send().await.unwrap();
        let messages = stage.homeserver().messages(&id);
        assert_eq!(messages.len(), texts);
        assert_eq!(messages.last().unwrap().event_id, event_id);
    }
}

#[tokio::test]
async fn what_takes_the_place_of_an_edit_is_not_taken_for_its_repeat() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    let root = stage.send(&room).await.unwrap();
    let txn = TxnId::generate();
    stage
        .homeserver()
        .plan(Scope::SendsTo(id.clone()), When::Next(1), Fault::DropReply);
    let resolved = message("resolved");
    let send = |relation| stage.client.send(&room, &txn, &resolved, relation);
    let edit = edit(&root);
    assert_eq!(send(Some(&edit)).await.unwrap_err().verdict, Verdict::Transient);
    stage.homeserver().redact(&id, &root);
    assert_eq!(send(Some(&edit)).await.unwrap_err().verdict, Verdict::Relation);
    send(None).await.unwrap();
    assert_eq!(bodies(&stage.homeserver().visible(&id)), ["resolved"]);
}

#[tokio::test]
async fn a_homeserver_that_fails_while_the_root_is_looked_at_costs_no_relation() {
    let stage = Stage::new().await;
    let (id, room) = stage.room(&NewRoom::named("ops").member("bot"));
    let root = stage.send(&room).await.unwrap();
    for fault in [Fault::BadGateway, Fault::Page(404)] {
        let scope = Scope::LooksInto(id.clone());
        stage.homeserver().plan(scope, When::Next(1), fault);
        let failed = stage.relate(&room, "now", Some(&edit(&root))).await.unwrap_err();
        assert_eq!(failed.verdict, Verdict::Transient);
    }
    stage.relate(&room, "now", Some(&edit(&root))).await.unwrap();
    assert_eq!(bodies(&stage.homeserver().visible(&id)), ["now"]);
}
