//! What an operator's retry does to what belongs to a group: a room is never told an older state after a newer one.

use std::process::Command;

use grafana_matrix_relay::message::MsgType;
use grafana_matrix_relay::outbox::{DeliveryId, DeliveryState, Dropped, Enqueued, Outbox, Part, RetryResult};

use super::on_every_store;
use super::place::{Place, accept, at, claim_one, dead, delivered, drain, folding, record, room};
use super::tale::{edit_of, show, tell, tell_of, thread};

on_every_store!(
    a_dead_edit_is_sent_again_if_nothing_is_newer,
    a_dead_edit_is_out_of_date_once_a_newer_one_waits_or_is_in_the_room,
    edits_that_are_all_dead_are_sent_again_in_their_order,
    a_dead_head_is_out_of_date_where_an_edit_stands_for_it,
    a_dead_head_is_a_line_that_rings_where_a_line_stands_for_it,
    a_dead_head_is_out_of_date_once_its_group_has_another_one,
    a_dead_head_is_sent_again_however_long_its_group_has_been_silent,
    a_head_that_was_dropped_and_let_go_takes_up_no_edit,
    lines_and_reactions_are_never_out_of_date,
    what_a_digest_has_named_is_newer_too,
    heads_have_been_heard_of_only_once_their_digest_is_in_the_room,
);

const DAY: i64 = 24 * 3600;

fn id(enqueued: &Enqueued, at: usize) -> DeliveryId {
    enqueued.receipts()[at].id
}

async fn die(outbox: &Outbox, now: i64) -> DeliveryId {
    let delivery = claim_one(outbox, at(now)).await;
    record(outbox, delivery.id, dead(), at(now)).await;
    delivery.id
}

async fn retry(outbox: &Outbox, id: DeliveryId) -> RetryResult {
    outbox.retry(&[id], at(500)).await.unwrap().remove(0).result
}

async fn waits_again(outbox: &Outbox, id: DeliveryId) -> bool {
    let result = retry(outbox, id).await;
    let state = outbox.show(id).await.unwrap().unwrap().state;
    let is_queued = matches!(result, RetryResult::Queued { .. });
    let expected = if is_queued {
        DeliveryState::Pending
    } else {
        DeliveryState::Dead
    };
    assert_eq!(state, expected, "{result:?}");
    assert!(is_queued || result == RetryResult::Outdated, "{result:?}");
    is_queued
}

async fn seen(outbox: &Outbox) {
    tell(outbox, 0, &[(Part::Head, "head")]).await;
    show(outbox, "$head", 0).await;
}

async fn a_dead_edit_is_sent_again_if_nothing_is_newer(place: Place) {
    let outbox = place.open().await;
    seen(&outbox).await;
    tell(&outbox, 1, &[(Part::Edit, "is over")]).await;
    let edit = die(&outbox, 1).await;
    // A line, or the group's next head, says nothing else of this one.
    tell(&outbox, 2, &[(Part::Line, "line")]).await;
    tell(&outbox, 3, &[(Part::Head, "fires again")]).await;
    drain(&outbox, at(3)).await;
    assert!(waits_again(&outbox, edit).await);
    assert_eq!(show(&outbox, "$edit", 501).await.relation, Some(edit_of("$head")));
}

async fn a_dead_edit_is_out_of_date_once_a_newer_one_waits_or_is_in_the_room(place: Place) {
    let outbox = place.open().await;
    seen(&outbox).await;
    tell(
        &outbox,
        1,
        &[
            (Part::Edit, "fires"),
            (
                Part::Rest {
                    number: 2,
                    threaded: true,
                },
                "(2)",
            ),
        ],
    )
    .await;
    let (edit, rest) = (die(&outbox, 1).await, die(&outbox, 1).await);
    tell(&outbox, 2, &[(Part::Edit, "is over")]).await;
    assert!(!waits_again(&outbox, edit).await, "it waits");
    let newer = claim_one(&outbox, at(3)).await;
    assert!(!waits_again(&outbox, edit).await, "it is in flight");
    record(&outbox, newer.id, delivered(), at(3)).await;
    assert!(!waits_again(&outbox, edit).await && !waits_again(&outbox, rest).await);
    // It is known even when the row of the newer one is long gone.
    assert_eq!(outbox.prune(at(4 + 3_600)).await.unwrap(), 2);
    assert!(!waits_again(&outbox, edit).await);
    assert_eq!(outbox.retry_room(&room("a"), at(5_000)).await.unwrap().len(), 2);
    assert!(drain(&outbox, at(5_000)).await.is_empty());
    assert_eq!(outbox.drop(edit, at(5_000)).await.unwrap(), Dropped::Removed);
}

async fn edits_that_are_all_dead_are_sent_again_in_their_order(place: Place) {
    let outbox = place.open().await;
    seen(&outbox).await;
    for version in 1..4 {
        tell(&outbox, version, &[(Part::Edit, &version.to_string())]).await;
        die(&outbox, version).await;
    }
    let retried = outbox.retry_room(&room("a"), at(9)).await.unwrap();
    assert!(
        retried
            .iter()
            .all(|one| matches!(one.result, RetryResult::Queued { .. }))
    );
    assert_eq!(drain(&outbox, at(9)).await, ["1", "2", "3"]);
}

async fn a_dead_head_is_out_of_date_where_an_edit_stands_for_it(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "fires")]).await;
    let head = claim_one(&outbox, at(0)).await.id;
    tell(&outbox, 1, &[(Part::Edit, "is over"), (Part::Line, "line")]).await;
    record(&outbox, head, dead(), at(1)).await;
    assert!(!waits_again(&outbox, head).await, "the edit will stand for it");
    assert_eq!(show(&outbox, "$edit", 2).await.relation, None);
    assert!(!waits_again(&outbox, head).await);
    assert_eq!(show(&outbox, "$line", 3).await.relation, Some(thread("$edit", "$edit")));
}

async fn a_dead_head_is_a_line_that_rings_where_a_line_stands_for_it(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "A fires")]).await;
    let head = claim_one(&outbox, at(0)).await.id;
    tell(&outbox, 1, &[(Part::Line, "B fires")]).await;
    record(&outbox, head, dead(), at(1)).await;
    show(&outbox, "$line", 2).await;
    assert!(waits_again(&outbox, head).await, "nobody has said so yet");
    tell(&outbox, 2, &[(Part::Line, "C fires")]).await;
    let late = show(&outbox, "$late", 501).await;
    assert_eq!((late.id, &late.relation), (head, &Some(thread("$line", "$line"))));
    assert_eq!(late.outgoing().msgtype, MsgType::Text);
    assert_eq!(
        show(&outbox, "$line2", 502).await.relation,
        Some(thread("$line", "$late"))
    );
    tell(&outbox, 3, &[(Part::Edit, "edit")]).await;
    assert_eq!(show(&outbox, "$edit", 503).await.relation, Some(edit_of("$line")));
}

async fn a_dead_head_is_out_of_date_once_its_group_has_another_one(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "fires")]).await;
    let head = die(&outbox, 0).await;
    tell(&outbox, 1, &[(Part::Head, "fires again")]).await;
    assert!(!waits_again(&outbox, head).await);
    drain(&outbox, at(2)).await;
    outbox.prune(at(40 * DAY)).await.unwrap();
    assert!(
        !waits_again(&outbox, head).await,
        "nor is that forgotten with the group"
    );
}

async fn a_dead_head_is_sent_again_however_long_its_group_has_been_silent(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "fires")]).await;
    let head = die(&outbox, 0).await;
    outbox.prune(at(40 * DAY)).await.unwrap();
    // What would make it out of date is still noticed.
    tell(&outbox, 1, &[(Part::Edit, "fires still")]).await;
    let edit = die(&outbox, 1).await;
    outbox.prune(at(80 * DAY)).await.unwrap();
    assert!(waits_again(&outbox, head).await && waits_again(&outbox, edit).await);
    assert_eq!(show(&outbox, "$head", 501).await.id, head);
    assert_eq!(show(&outbox, "$edit", 502).await.relation, Some(edit_of("$head")));
    // From now on its age counts.
    outbox.prune(at(80 * DAY)).await.unwrap();
    tell(&outbox, 0, &[(Part::Head, "fires again")]).await;
}

async fn a_head_that_was_dropped_and_let_go_takes_up_no_edit(place: Place) {
    let outbox = place.open().await;
    let head = id(&tell(&outbox, 0, &[(Part::Head, "A fires")]).await, 0);
    assert_eq!(outbox.drop(head, at(0)).await.unwrap(), Dropped::GivenUp);
    let line = id(&tell(&outbox, 1, &[(Part::Line, "B fires")]).await, 0);
    assert!(waits_again(&outbox, head).await);
    let edit = id(&tell(&outbox, 2, &[(Part::Edit, "A and B fire")]).await, 0);
    let next = id(&tell(&outbox, 3, &[(Part::Head, "another story")]).await, 0);
    assert_ne!((edit, next), (head, head));
    // The line stands for the head, the head is a line in its thread, and the edit finds what stands for it.
    assert_eq!(show(&outbox, "$line", 501).await.id, line);
    assert_eq!(
        show(&outbox, "$late", 502).await.relation,
        Some(thread("$line", "$line"))
    );
    assert_eq!(show(&outbox, "$next", 503).await.id, next);
    assert_eq!(show(&outbox, "$edit", 504).await.relation, Some(edit_of("$line")));
}

async fn lines_and_reactions_are_never_out_of_date(place: Place) {
    let outbox = place.open().await;
    seen(&outbox).await;
    tell(&outbox, 1, &[(Part::Line, "B fires")]).await;
    let line = die(&outbox, 1).await;
    let tick = Part::Reaction { key: "✅".to_owned() };
    tell(&outbox, 2, &[(tick, "is over")]).await;
    let reaction = die(&outbox, 2).await;
    tell(&outbox, 3, &[(Part::Edit, "edit"), (Part::Line, "B is over")]).await;
    drain(&outbox, at(3)).await;
    tell(&outbox, 4, &[(Part::Head, "another story")]).await;
    drain(&outbox, at(4)).await;
    assert!(waits_again(&outbox, line).await && waits_again(&outbox, reaction).await);
    // They refer to the head that they always did.
    let relation = show(&outbox, "$line", 501).await.relation.unwrap();
    assert_eq!(relation.event_id(), "$head");
    let relation = show(&outbox, "$tick", 502).await.relation.unwrap();
    assert_eq!(relation.event_id(), "$head");
}

async fn what_a_digest_has_named_is_newer_too(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    let head = die(&outbox, 0).await;
    tell(&outbox, 1, &[(Part::Edit, "is over"), (Part::Line, "over")]).await;
    for text in ["1", "2", "3"] {
        accept(&outbox, "a", text, at(1)).await;
    }
    let digest = outbox.claim_due(at(60), 10, &folding()).await.unwrap().remove(0);
    assert_eq!(digest.message.body, "over\n1\n2\n3");
    assert!(!waits_again(&outbox, head).await, "the edit is folded");
    record(&outbox, digest.id, delivered(), at(60)).await;
    outbox.prune(at(61 + 3_600)).await.unwrap();
    assert!(!waits_again(&outbox, head).await);
}

async fn heads_have_been_heard_of_only_once_their_digest_is_in_the_room(place: Place) {
    let outbox = place.open().await;
    let groups = ["e", "f", "g", "h"];
    for group in groups {
        tell_of(&outbox, group, 0, &[(Part::Head, group)]).await;
    }
    let digest = outbox.claim_due(at(60), 10, &folding()).await.unwrap().remove(0);
    record(&outbox, digest.id, dead(), at(60)).await;
    tell_of(&outbox, "e", 1, &[(Part::Edit, "fires")]).await;
    let edit = show(&outbox, "$e", 61).await;
    assert_eq!(edit.outgoing().msgtype, MsgType::Text, "nobody has heard of it");
    assert!(waits_again(&outbox, digest.id).await, "a digest is news");
    show(&outbox, "$digest", 501).await;
    tell_of(&outbox, "f", 1, &[(Part::Edit, "fires")]).await;
    let edit = show(&outbox, "$f", 502).await;
    assert_eq!(edit.outgoing().msgtype, MsgType::Notice);
}

#[tokio::test]
async fn the_command_says_what_is_out_of_date() {
    let place = Place::sqlite();
    let outbox = place.open().await;
    seen(&outbox).await;
    tell(&outbox, 1, &[(Part::Edit, "fires")]).await;
    let edit = die(&outbox, 1).await;
    tell(&outbox, 2, &[(Part::Edit, "is over")]).await;
    let retry = |what: &[&str]| {
        let said = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
            .env_clear()
            .current_dir(place.directory())
            .args(["outbox", "retry", "--data-dir", "."])
            .args(what)
            .output()
            .unwrap();
        (said.status.success(), String::from_utf8(said.stdout).unwrap())
    };
    let (is_done, said) = retry(&[&edit.to_string()]);
    assert!(
        !is_done && said.contains("is out of date, because the room is told a newer state"),
        "{said}"
    );
    let (is_done, said) = retry(&["--room", room("a").as_str()]);
    assert!(
        is_done && said.contains(": 0;") && said.contains("out of date") && said.contains(": 1;"),
        "{said}"
    );
}
