//! What is owed for a group: heads and what refers to them, compare and swap, and fewer sends for what waits.

use grafana_matrix_relay::message::{Mentions, MsgType, Relation};
use grafana_matrix_relay::outbox::{Acceptance, DeliveryState, Enqueued, FoldPolicy, HeadStanding, Outcome, Part};

use super::on_every_store;
use super::place::{Place, accept, at, claim, claim_one, dead, delivered, drain, folding, record, room, wait};
use super::tale::{edit_of, of_group, show, tell, thread};

on_every_store!(
    a_group_is_compared_and_swapped,
    a_group_that_is_named_twice_at_once_is_refused,
    what_refers_to_a_head_is_claimed_with_its_event,
    a_head_that_waits_takes_up_what_follows,
    what_was_tried_is_left_as_it_is,
    lines_that_wait_are_joined_within_bounds,
    lines_that_were_joined_are_all_named_in_the_digest,
    a_reaction_waits_once,
    whatever_finds_no_head_becomes_it,
    a_head_that_is_gone_is_replaced_under_the_same_transaction,
    a_digest_goes_before_the_edits_that_it_does_not_name,
    what_was_heard_of_a_head_is_not_heard_again,
    groups_are_pruned_with_their_heads,
    it_is_known_whether_a_head_can_be_seen,
    a_repeat_key_of_what_was_out_of_date_is_free,
);

async fn a_group_is_compared_and_swapped(place: Place) {
    let outbox = place.open().await;
    let groups = [(room("a"), "g".to_owned()), (room("b"), "g".to_owned())];
    assert_eq!(outbox.groups(&groups).await.unwrap(), [None, None]);
    tell(&outbox, 0, &[(Part::Head, "1")]).await;
    let outdated = outbox.enqueue(of_group(0, &[(Part::Edit, "x")], at(1))).await.unwrap();
    assert_eq!(outdated, Enqueued::Outdated);
    // Nothing to send is an acceptance, too.
    assert!(tell(&outbox, 1, &[]).await.receipts().is_empty());
    let known = outbox.groups(&groups).await.unwrap();
    let of_a = known[0].as_ref().unwrap();
    assert_eq!((of_a.version, of_a.state.as_str(), &known[1]), (2, "after 2", &None));
    let racing = (0..8).map(|_| outbox.enqueue(of_group(2, &[(Part::Line, "race")], at(2))));
    let results = futures_util::future::join_all(racing).await;
    let accepted = results
        .iter()
        .filter(|result| matches!(result, Ok(Enqueued::Accepted(_))))
        .count();
    assert_eq!(accepted, 1, "{results:?}");
    let outbox = place.reopen(outbox).await;
    assert_eq!(outbox.groups(&groups).await.unwrap()[0].as_ref().unwrap().version, 3);
    assert_eq!(drain(&outbox, at(100)).await, ["1", "race"]);
}

async fn a_group_that_is_named_twice_at_once_is_refused(place: Place) {
    let outbox = place.open().await;
    let mut twice = of_group(0, &[(Part::Head, "head")], at(0));
    twice.groups.push(twice.groups[0].clone());
    assert_eq!(outbox.enqueue(twice).await.unwrap(), Enqueued::Outdated);
    assert!(drain(&outbox, at(1)).await.is_empty());
}

async fn what_refers_to_a_head_is_claimed_with_its_event(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    assert_eq!(show(&outbox, "$head", 1).await.relation, None);
    tell(&outbox, 1, &[(Part::Edit, "edit"), (Part::Line, "line")]).await;
    assert_eq!(show(&outbox, "$line", 2).await.relation, Some(thread("$head", "$head")));
    let edit = show(&outbox, "$edit", 3).await;
    assert_eq!((edit.relation, edit.part), (Some(edit_of("$head")), Part::Edit));
    let key = "✅".to_owned();
    let reaction = Part::Reaction { key: key.clone() };
    tell(
        &outbox,
        2,
        &[(Part::Line, "line 2"), (Part::Reply, "reply"), (reaction, "text")],
    )
    .await;
    assert_eq!(
        show(&outbox, "$line2", 4).await.relation,
        Some(thread("$head", "$line"))
    );
    let to = "$head".to_owned();
    assert_eq!(
        show(&outbox, "$reply", 5).await.relation,
        Some(Relation::Reply { to: to.clone() })
    );
    assert_eq!(
        show(&outbox, "$reaction", 6).await.relation,
        Some(Relation::Reaction { to, key })
    );
    // A new head has its own story.
    tell(&outbox, 3, &[(Part::Head, "head 2"), (Part::Line, "line 3")]).await;
    assert_eq!(show(&outbox, "$head2", 7).await.relation, None);
    assert_eq!(
        show(&outbox, "$line3", 8).await.relation,
        Some(thread("$head2", "$head2"))
    );
}

async fn a_head_that_waits_takes_up_what_follows(place: Place) {
    let outbox = place.open().await;
    let first = tell(&outbox, 0, &[(Part::Head, "1")]).await;
    accept(&outbox, "a", "behind", at(0)).await;
    let mut update = of_group(1, &[(Part::Edit, "2"), (Part::Line, "line")], at(1));
    update.deliveries[0].message.msgtype = MsgType::Notice;
    update.deliveries[1].message.mentions = Mentions {
        user_ids: vec!["@b:x.org".to_owned()],
        room: false,
    };
    let enqueued = outbox.enqueue(update).await.unwrap();
    assert_eq!(enqueued.receipts(), first.receipts(), "the same row carries it now");
    let head = claim_one(&outbox, at(2)).await;
    let body = "2\n@b:x.org";
    assert_eq!(
        (head.message.body.as_str(), head.part),
        (body, Part::Head),
        "and says whom it calls"
    );
    assert_eq!(head.message.msgtype, MsgType::Text, "it rings as it would have");
    assert_eq!(head.message.mentions.user_ids, ["@b:x.org"]);
    record(&outbox, head.id, delivered(), at(2)).await;
    assert_eq!(drain(&outbox, at(3)).await, ["behind"], "it kept its place");
}

async fn what_was_tried_is_left_as_it_is(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "1")]).await;
    let head = claim_one(&outbox, at(1)).await;
    tell(&outbox, 1, &[(Part::Edit, "2"), (Part::Line, "line 2")]).await;
    // It waits again, but it may be in the room.
    record(&outbox, head.id, wait(at(5)), at(1)).await;
    tell(&outbox, 2, &[(Part::Edit, "3"), (Part::Line, "line 3")]).await;
    tell(&outbox, 3, &[(Part::Edit, "4")]).await;
    assert_eq!(outbox.stats(at(4)).await.unwrap().pending, 3);
    assert_eq!(drain(&outbox, at(10)).await, ["1", "line 2\nline 3", "4"]);
}

async fn lines_that_wait_are_joined_within_bounds(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    show(&outbox, "$head", 1).await;
    let long = "x".repeat(1_500);
    for version in 1..13 {
        let mut line = of_group(version, &[(Part::Line, &long)], at(version));
        line.deliveries[0].message.msgtype = if version == 3 { MsgType::Text } else { MsgType::Notice };
        outbox.enqueue(line).await.unwrap();
    }
    let first = show(&outbox, "$line", 20).await;
    let second = show(&outbox, "$line2", 21).await;
    let third = show(&outbox, "$line3", 22).await;
    let lines = [&first, &second, &third].map(|line| line.message.body.lines().count());
    assert_eq!(lines, [5, 5, 2], "16 KiB of body and HTML");
    assert!(first.message.formatted_body.matches("<b>").count() > 3);
    assert_eq!(
        (first.message.msgtype, second.message.msgtype),
        (MsgType::Text, MsgType::Notice)
    );
    assert_eq!(second.relation, Some(thread("$head", "$line")));
    assert!(claim(&outbox, at(23)).await.is_empty());
}

async fn lines_that_were_joined_are_all_named_in_the_digest(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    show(&outbox, "$head", 1).await;
    for text in ["1", "2", "3"] {
        accept(&outbox, "a", text, at(1)).await;
    }
    tell(&outbox, 1, &[(Part::Line, "B fires")]).await;
    tell(&outbox, 2, &[(Part::Line, "B is over")]).await;
    let digest = outbox.claim_due(at(60), 10, &folding()).await.unwrap().remove(0);
    assert_eq!(digest.message.body, "1\n2\n3\nB fires\nB is over");
    // So many headlines are no more than a digest can name of one row.
    record(&outbox, digest.id, delivered(), at(60)).await;
    for version in 3..63 {
        tell(&outbox, version, &[(Part::Line, "line")]).await;
    }
    let joined = [show(&outbox, "$line", 100).await, show(&outbox, "$line2", 101).await];
    assert_eq!(joined.map(|line| line.message.headline.lines().count()), [50, 10]);
}

async fn a_reaction_waits_once(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    show(&outbox, "$head", 1).await;
    let reaction = || Part::Reaction { key: "✅".to_owned() };
    tell(&outbox, 1, &[(reaction(), "a")]).await;
    tell(&outbox, 2, &[(reaction(), "b")]).await;
    assert_eq!(drain(&outbox, at(3)).await, ["b"]);
}

async fn whatever_finds_no_head_becomes_it(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    let head = claim_one(&outbox, at(1)).await;
    tell(&outbox, 1, &[(Part::Edit, "edit"), (Part::Line, "line")]).await;
    record(&outbox, head.id, dead(), at(1)).await;
    let edit = show(&outbox, "$edit", 2).await;
    assert_eq!(edit.relation, None);
    assert_eq!(edit.outgoing().msgtype, MsgType::Text, "nobody has been woken yet");
    assert_eq!(show(&outbox, "$line", 3).await.relation, Some(thread("$edit", "$edit")));
    tell(&outbox, 2, &[(Part::Edit, "edit 2")]).await;
    assert_eq!(show(&outbox, "$edit2", 6).await.relation, Some(edit_of("$edit")));
}

async fn a_head_that_is_gone_is_replaced_under_the_same_transaction(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    show(&outbox, "$head", 1).await;
    tell(&outbox, 1, &[(Part::Edit, "edit"), (Part::Line, "line")]).await;
    let detached = || Outcome::Detached {
        error: "it was deleted".to_owned(),
    };
    let line = claim_one(&outbox, at(2)).await;
    record(&outbox, line.id, detached(), at(2)).await;
    // The edit takes the head's place, and the line is in its thread.
    let edit = show(&outbox, "$new", 3).await;
    assert_eq!((edit.part, edit.relation.is_none()), (Part::Edit, true));
    let again = show(&outbox, "$line", 4).await;
    assert_eq!((again.id, &again.txn_id), (line.id, &line.txn_id));
    assert_eq!(again.relation, Some(thread("$new", "$new")));

    tell(&outbox, 2, &[(Part::Edit, "edit 2")]).await;
    let refused = claim_one(&outbox, at(5)).await;
    record(&outbox, refused.id, detached(), at(5)).await;
    let again = show(&outbox, "$newer", 5).await;
    assert_eq!(
        (again.id, &again.txn_id, &again.relation),
        (refused.id, &refused.txn_id, &None)
    );
    assert_eq!(again.outgoing().msgtype, MsgType::Notice, "the head has rung");
    // A claim that was lost detaches nothing.
    tell(&outbox, 3, &[(Part::Edit, "edit 3")]).await;
    outbox.record(again.id, detached(), at(6)).await.unwrap();
    assert_eq!(show(&outbox, "$edit3", 7).await.relation, Some(edit_of("$newer")));
}

async fn a_digest_goes_before_the_edits_that_it_does_not_name(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    show(&outbox, "$head", 1).await;
    tell(&outbox, 1, &[(Part::Edit, "edit")]).await;
    for text in ["1", "2", "3", "4"] {
        accept(&outbox, "a", text, at(2)).await;
    }
    tell(&outbox, 2, &[(Part::Line, "line")]).await;
    let digest = outbox.claim_due(at(60), 10, &folding()).await.unwrap().remove(0);
    assert_eq!((digest.message.body.as_str(), digest.members), ("1\n2\n3\n4\nline", 5));
    record(&outbox, digest.id, delivered(), at(60)).await;
    let edit = claim_one(&outbox, at(61)).await;
    assert_eq!(
        (edit.message.body.as_str(), edit.relation),
        ("edit", Some(edit_of("$head")))
    );
    // Edits alone are no storm, however many rooms full of groups there are.
    record(&outbox, edit.id, wait(at(62)), at(61)).await;
    assert_eq!(
        outbox
            .claim_due(at(200), 10, &folding())
            .await
            .unwrap()
            .remove(0)
            .members,
        0
    );
}

async fn what_was_heard_of_a_head_is_not_heard_again(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    for text in ["1", "2", "3"] {
        accept(&outbox, "a", text, at(0)).await;
    }
    let digest = outbox.claim_due(at(60), 10, &folding()).await.unwrap().remove(0);
    assert_eq!(digest.members, 4);
    tell(&outbox, 1, &[(Part::Edit, "edit"), (Part::Line, "line")]).await;
    record(&outbox, digest.id, delivered(), at(60)).await;
    let edit = show(&outbox, "$edit", 61).await;
    assert_eq!(
        (edit.relation.clone(), edit.outgoing().msgtype),
        (None, MsgType::Notice)
    );
    assert_eq!(
        show(&outbox, "$line", 62).await.relation,
        Some(thread("$edit", "$edit"))
    );
}

async fn it_is_known_whether_a_head_can_be_seen(place: Place) {
    let outbox = place.open().await;
    let groups = [(room("a"), "g".to_owned())];
    let standing = async || outbox.groups(&groups).await.unwrap()[0].as_ref().unwrap().head;
    let absent = |rang| HeadStanding::Absent { rang };
    tell(&outbox, 0, &[(Part::Message, "of no head")]).await;
    assert_eq!(standing().await, HeadStanding::None);
    assert_eq!(drain(&outbox, at(0)).await.len(), 1);
    tell(&outbox, 1, &[(Part::Head, "head")]).await;
    assert_eq!(standing().await, HeadStanding::Present, "it waits");
    let head = claim_one(&outbox, at(2)).await;
    assert_eq!(standing().await, HeadStanding::Present, "it is under way");
    record(&outbox, head.id, dead(), at(2)).await;
    assert_eq!(standing().await, absent(false), "it was given up, and nobody has heard");
    tell(&outbox, 2, &[(Part::Edit, "edit")]).await;
    assert_eq!(standing().await, HeadStanding::Present, "the edit will be it");
    show(&outbox, "$edit", 3).await;
    assert_eq!(standing().await, HeadStanding::Present);
    // Deleted, and what would have taken its place is dropped.
    tell(&outbox, 3, &[(Part::Edit, "edit 2")]).await;
    let refused = claim_one(&outbox, at(4)).await;
    record(&outbox, refused.id, Outcome::Detached { error: String::new() }, at(4)).await;
    assert_eq!(standing().await, HeadStanding::Present, "it goes out by itself");
    let again = claim_one(&outbox, at(4)).await;
    record(&outbox, again.id, dead(), at(4)).await;
    assert_eq!(standing().await, absent(true));
    // Only a digest names the next one.
    for (end, expected) in [(delivered(), absent(true)), (dead(), absent(false))] {
        let version = outbox.groups(&groups).await.unwrap()[0].as_ref().unwrap().version;
        tell(&outbox, version, &[(Part::Head, "head 2")]).await;
        for text in ["1", "2", "3"] {
            accept(&outbox, "a", text, at(5)).await;
        }
        let digest = outbox.claim_due(at(60), 10, &folding()).await.unwrap().remove(0);
        assert_eq!(standing().await, HeadStanding::Present, "the digest waits with it");
        record(&outbox, digest.id, end, at(60)).await;
        assert_eq!(standing().await, expected);
    }
}

async fn groups_are_pruned_with_their_heads(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    show(&outbox, "$head", 1).await;
    let groups = [(room("a"), "g".to_owned())];
    let day = 24 * 3600;
    outbox.prune(at(29 * day)).await.unwrap();
    assert!(outbox.groups(&groups).await.unwrap()[0].is_some());
    assert!(outbox.prune(at(31 * day)).await.unwrap() >= 2);
    assert_eq!(outbox.groups(&groups).await.unwrap(), [None]);
    assert_eq!(outbox.prune(at(31 * day)).await.unwrap(), 0);
    tell(&outbox, 0, &[(Part::Edit, "a head again")]).await;
    assert_eq!(show(&outbox, "$head2", 40 * day).await.relation, None);
}

async fn a_repeat_key_of_what_was_out_of_date_is_free(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    let keyed = |version| Acceptance {
        repeat_key: Some("key".to_owned()),
        ..of_group(version, &[(Part::Line, "line")], at(1))
    };
    assert_eq!(outbox.enqueue(keyed(0)).await.unwrap(), Enqueued::Outdated);
    let accepted = outbox.enqueue(keyed(1)).await.unwrap();
    assert!(matches!(&accepted, Enqueued::Accepted(receipts) if receipts.len() == 1));
    let again = outbox.enqueue(keyed(2)).await.unwrap();
    assert_eq!(again, Enqueued::Recognised(accepted.receipts().to_vec()));
    let waiting = outbox.claim_due(at(2), 10, &FoldPolicy::never()).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].state), (1, DeliveryState::InFlight));
}
