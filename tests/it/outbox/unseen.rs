//! What a head that nobody has seen takes up, and what becomes of the rest of a text that one event cannot hold.

use grafana_matrix_relay::message::{Mentions, MsgType, Relation};
use grafana_matrix_relay::outbox::{DeliveryId, DeliveryState, Enqueued, Filter, Outbox, Part};

use super::on_every_store;
use super::place::{Place, accept, at, claim_one, dead, delivered, drain, folding, record, wait};
use super::tale::{edit_of, of_group, show, tell, tell_of, thread};

on_every_store!(
    the_next_head_takes_the_place_of_one_that_nobody_has_seen,
    what_was_to_follow_the_first_head_does_not_follow_the_next,
    a_head_that_was_tried_keeps_its_text,
    rests_that_wait_are_those_of_the_newest_text,
    a_new_rest_of_a_head_that_is_seen_is_a_line_or_a_reply,
    rests_give_way_and_have_no_line_in_a_digest,
    only_the_last_waiting_line_is_ever_joined,
    what_was_taken_up_is_pruned_with_what_says_it,
);

fn rest(number: u32) -> Part {
    Part::Rest { number, threaded: true }
}

fn id(enqueued: &Enqueued) -> DeliveryId {
    enqueued.receipts()[0].id
}

/// The states of all rows and what they were folded into, oldest first.
async fn states(outbox: &Outbox) -> Vec<(i64, DeliveryState, Option<i64>)> {
    let all = Filter {
        limit: 100,
        ..Filter::default()
    };
    let rows = outbox.list(all).await.unwrap();
    let state = |row: &grafana_matrix_relay::outbox::Delivery| (row.id.0, row.state, row.folded_into.map(|id| id.0));
    rows.iter().rev().map(state).collect()
}

async fn the_next_head_takes_the_place_of_one_that_nobody_has_seen(place: Place) {
    let outbox = place.open().await;
    let first = tell(&outbox, 0, &[(Part::Head, "fires")]).await;
    accept(&outbox, "a", "behind", at(0)).await;
    // Ten times over and over again, as in an outage.
    for episode in 0..10 {
        tell(
            &outbox,
            1 + 2 * episode,
            &[(Part::Edit, "is over"), (Part::Line, "line")],
        )
        .await;
        let mut again = of_group(2 + 2 * episode, &[(Part::Head, "fires again")], at(1));
        again.deliveries[0].message.msgtype = MsgType::Notice;
        let again = outbox.enqueue(again).await.unwrap();
        assert_eq!(again.receipts(), first.receipts(), "the same row carries it");
    }
    assert_eq!(outbox.stats(at(2)).await.unwrap().pending, 2);
    let head = show(&outbox, "$head", 2).await;
    assert_eq!(
        (head.message.body.as_str(), head.part, head.relation),
        ("fires again", Part::Head, None)
    );
    assert_eq!(head.message.msgtype, MsgType::Text, "it rings as the first would have");
    assert_eq!(drain(&outbox, at(3)).await, ["behind"], "it kept its place");
    // In the room it is the head of the last episode.
    tell(&outbox, 21, &[(Part::Edit, "is over")]).await;
    assert_eq!(show(&outbox, "$edit", 4).await.relation, Some(edit_of("$head")));
    tell(&outbox, 22, &[(Part::Head, "once more")]).await;
    assert_eq!(show(&outbox, "$head2", 5).await.relation, None);
}

async fn what_was_to_follow_the_first_head_does_not_follow_the_next(place: Place) {
    let outbox = place.open().await;
    let head = id(&tell(&outbox, 0, &[(Part::Head, "fires")]).await);
    let mut line = of_group(1, &[(Part::Line, "B fires")], at(1));
    line.deliveries[0].message.mentions = Mentions {
        user_ids: vec!["@b:x.org".to_owned()],
        room: false,
    };
    outbox.enqueue(line).await.unwrap();
    tell(&outbox, 2, &[(Part::Reply, "reply")]).await;
    let tick = Part::Reaction { key: "✅".to_owned() };
    tell(&outbox, 3, &[(tick, "is over")]).await;
    tell(&outbox, 4, &[(Part::Head, "fires again")]).await;
    let folded = (DeliveryState::Folded, Some(head.0));
    let expected = [
        (1, (DeliveryState::Pending, None)),
        (2, folded),
        (3, folded),
        (4, folded),
    ];
    let expected = expected.map(|(id, (state, into))| (id, state, into));
    assert_eq!(states(&outbox).await, expected);
    let shown = show(&outbox, "$head", 5).await;
    assert_eq!(shown.message.body, "fires again\n@b:x.org");
    assert_eq!(
        shown.message.mentions.user_ids,
        ["@b:x.org"],
        "who was to be woken is woken"
    );
    assert!(drain(&outbox, at(6)).await.is_empty());
}

async fn a_head_that_was_tried_keeps_its_text(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "fires")]).await;
    let head = claim_one(&outbox, at(0)).await;
    record(&outbox, head.id, wait(at(5)), at(0)).await;
    tell(&outbox, 1, &[(Part::Edit, "is over")]).await;
    tell(&outbox, 2, &[(Part::Head, "fires again")]).await;
    tell(&outbox, 3, &[(Part::Edit, "is over again")]).await;
    tell(&outbox, 4, &[(Part::Head, "fires for the third time")]).await;
    assert_eq!(
        drain(&outbox, at(6)).await,
        ["fires", "fires for the third time", "is over"]
    );
    // One that was given up makes room for a new one, too.
    let outbox = place.reopen(outbox).await;
    tell_of(&outbox, "d", 0, &[(Part::Head, "fires")]).await;
    let given_up = claim_one(&outbox, at(7)).await;
    record(&outbox, given_up.id, dead(), at(7)).await;
    tell_of(&outbox, "d", 1, &[(Part::Head, "fires again")]).await;
    assert_eq!(drain(&outbox, at(8)).await, ["fires again"]);
}

async fn rests_that_wait_are_those_of_the_newest_text(place: Place) {
    let outbox = place.open().await;
    let whole = [(Part::Head, "head 1"), (rest(2), "second 1"), (rest(3), "third 1")];
    let head = id(&tell(&outbox, 0, &whole).await);
    tell(
        &outbox,
        1,
        &[(Part::Edit, "head 2"), (rest(2), "second 2"), (Part::Line, "line")],
    )
    .await;
    assert_eq!(
        outbox.show(DeliveryId(3)).await.unwrap().unwrap().folded_into,
        Some(head)
    );
    assert_eq!(show(&outbox, "$head", 2).await.message.body, "head 2");
    // It is seen now; its second part still waits.
    tell(
        &outbox,
        2,
        &[(Part::Edit, "head 3"), (rest(2), "second 3"), (rest(3), "third 3")],
    )
    .await;
    let edit = id(&tell(&outbox, 3, &[(Part::Edit, "head 4"), (rest(2), "second 4")]).await);
    assert_eq!(drain(&outbox, at(4)).await, ["second 4", "head 4"]);
    assert_eq!(states(&outbox).await[4], (5, DeliveryState::Folded, Some(edit.0)));
    // A text that fits leaves no rest behind.
    tell(&outbox, 4, &[(Part::Edit, "head 5"), (rest(2), "second 5")]).await;
    tell(&outbox, 5, &[(Part::Edit, "head 6")]).await;
    assert_eq!(drain(&outbox, at(6)).await, ["head 6"]);
    // And the next head of one that nobody has seen has its own.
    tell_of(
        &outbox,
        "n",
        0,
        &[(Part::Head, "1"), (rest(2), "1 (2)"), (rest(3), "1 (3)")],
    )
    .await;
    tell_of(&outbox, "n", 1, &[(Part::Head, "2"), (rest(2), "2 (2)")]).await;
    assert_eq!(drain(&outbox, at(7)).await, ["2", "2 (2)"]);
}

async fn a_new_rest_of_a_head_that_is_seen_is_a_line_or_a_reply(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head"), (rest(2), "second")]).await;
    show(&outbox, "$head", 1).await;
    assert_eq!(show(&outbox, "$rest", 2).await.relation, Some(thread("$head", "$head")));
    tell(
        &outbox,
        1,
        &[(Part::Edit, "edit"), (rest(2), "second 2"), (Part::Line, "line")],
    )
    .await;
    assert_eq!(show(&outbox, "$line", 3).await.relation, Some(thread("$head", "$rest")));
    assert_eq!(show(&outbox, "$edit", 4).await.part, Part::Edit);
    let second = show(&outbox, "$rest2", 5).await;
    assert_eq!(
        (second.part, second.relation),
        (rest(2), Some(thread("$head", "$line")))
    );
    let reply = Part::Rest {
        number: 2,
        threaded: false,
    };
    tell_of(&outbox, "r", 0, &[(Part::Head, "head"), (reply.clone(), "second")]).await;
    show(&outbox, "$r", 6).await;
    let second = show(&outbox, "$rest3", 7).await;
    let to = "$r".to_owned();
    assert_eq!((second.part, second.relation), (reply, Some(Relation::Reply { to })));
}

async fn rests_give_way_and_have_no_line_in_a_digest(place: Place) {
    let outbox = place.open().await;
    tell_of(&outbox, "seen", 0, &[(Part::Head, "head"), (rest(2), "second")]).await;
    show(&outbox, "$seen", 0).await;
    for group in ["e", "f", "g", "h"] {
        tell_of(&outbox, group, 0, &[(Part::Head, group), (rest(2), "second of it")]).await;
    }
    let digest = outbox.claim_due(at(60), 10, &folding()).await.unwrap().remove(0);
    assert_eq!(digest.message.body, "e\nf\ng\nh");
    record(&outbox, digest.id, delivered(), at(60)).await;
    assert_eq!(
        drain(&outbox, at(61)).await,
        ["second"],
        "the rests went with their heads"
    );
}

async fn only_the_last_waiting_line_is_ever_joined(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    show(&outbox, "$head", 1).await;
    let long = "x".repeat(6_000);
    for version in 1..4 {
        tell(&outbox, version, &[(Part::Line, &long)]).await;
    }
    tell(&outbox, 4, &[(Part::Line, "short")]).await;
    let texts = drain(&outbox, at(5)).await;
    let lengths: Vec<usize> = texts.iter().map(|text| text.lines().count()).collect();
    assert_eq!((lengths, texts[2].ends_with("\nshort")), (vec![1, 1, 2], true));
}

async fn what_was_taken_up_is_pruned_with_what_says_it(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "1"), (rest(2), "1 (2)"), (rest(3), "1 (3)")]).await;
    tell(&outbox, 1, &[(Part::Edit, "2"), (rest(2), "2 (2)")]).await;
    for text in ["a", "b", "c"] {
        accept(&outbox, "a", text, at(1)).await;
    }
    // What the head has taken up goes into the digest with it.
    let digest = outbox.claim_due(at(60), 10, &folding()).await.unwrap().remove(0);
    record(&outbox, digest.id, delivered(), at(60)).await;
    for row in [1, 2, 3] {
        let row = outbox.show(DeliveryId(row)).await.unwrap().unwrap();
        assert_eq!((row.state, row.folded_into), (DeliveryState::Folded, Some(digest.id)));
    }
    tell_of(&outbox, "h", 0, &[(Part::Head, "1"), (rest(2), "1 (2)")]).await;
    tell_of(&outbox, "h", 1, &[(Part::Head, "2")]).await;
    assert_eq!(drain(&outbox, at(61)).await, ["2"]);
    assert_eq!(outbox.prune(at(62 + 3_600)).await.unwrap(), 6 + 1 + 2);
    assert!(states(&outbox).await.is_empty());
}
