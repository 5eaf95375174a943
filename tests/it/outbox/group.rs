//! What is owed for a group: its message is a value, what is new of it is news, and acceptances compare and swap.

use grafana_matrix_relay::message::{Mentions, MsgType, RenderedMessage};
use grafana_matrix_relay::outbox::{
    Acceptance, Delivery, DeliveryState, Ended, Enqueued, Filter, KnownAlert, Outbox, Outcome, Part, RetryResult, Root,
    RootState,
};

use super::on_every_store;
use super::place::{
    Place, accept, at, claim, claim_one, claim_written, dead, delivered, digest_policy, drain, message, record, room,
    wait,
};
use super::tale::{
    Tell, again, asked_of, begins, changes, edit_of, in_room, known, known_of, of, show, tell, tell_of, thread,
};

on_every_store!(
    a_group_is_compared_and_swapped,
    a_group_that_is_named_twice_at_once_is_refused,
    a_message_that_waits_is_not_begun_anew,
    what_refers_to_a_message_is_claimed_with_its_event,
    a_message_that_nobody_has_seen_says_what_is_the_case_when_it_is_sent,
    what_was_tried_is_finished_first_and_unchanged,
    of_edits_that_wait_only_the_newest_is_sent,
    a_message_that_is_not_live_is_never_edited,
    lines_that_wait_together_are_one_event_within_bounds,
    lines_that_waited_are_all_named_in_a_digest,
    a_message_that_was_deleted_is_sent_once_more_before_its_lines,
    an_edit_that_finds_its_message_deleted_lets_it_be_sent_once_more,
    a_message_that_was_given_up_unseen_is_brought_by_its_next_line_and_wakes_whom_it_would_have,
    a_digest_tells_of_messages_that_are_nowhere_then,
    a_digest_that_was_given_up_has_told_nothing_until_it_is_sent_again,
    an_edit_that_was_given_up_waits_for_the_next_notification,
    an_operator_gives_up_an_edit_that_is_owed_and_nothing_else,
    the_rest_of_a_text_follows_in_its_thread,
    an_older_message_keeps_its_own_lines,
    a_line_that_is_tried_again_is_in_no_thread_of_a_deleted_message,
    a_line_of_a_message_that_never_came_finds_the_present_one_deleted,
    a_message_that_is_retried_is_it_again_or_a_line_of_the_next,
    news_goes_before_edits_but_not_for_ever,
    groups_are_forgotten_when_nothing_is_owed,
    of_its_alerts_those_are_read_that_fire_or_are_asked_for,
    it_remembers_a_thousand_alerts_and_forgets_resolved_ones_after_a_day,
    a_repeat_key_of_what_was_out_of_date_is_free,
);

/// Its message is in the room, as `$g` and so on.
async fn seen(outbox: &Outbox, group: &str) {
    tell_of(outbox, group, 0, begins(group)).await;
    show(outbox, &format!("${group}"), 0).await;
}

async fn die(outbox: &Outbox, now: i64) -> Delivery {
    let delivery = claim_one(outbox, at(now)).await;
    record(outbox, delivery.id, dead(), at(now)).await;
    delivery
}

fn detached() -> Outcome {
    Outcome::Detached {
        error: "it was deleted".to_owned(),
    }
}

async fn digest(outbox: &Outbox, now: i64) -> Delivery {
    let mut claimed = claim_written(outbox, at(now), 10, &digest_policy()).await;
    assert!(claimed.len() == 1 && claimed[0].members > 0, "{claimed:?}");
    claimed.remove(0)
}

async fn an_operator_gives_up_an_edit_that_is_owed_and_nothing_else(place: Place) {
    let outbox = place.open().await;
    for group in ["g", "h"] {
        seen(&outbox, group).await;
    }
    let of_g = known(&outbox).await;
    tell(&outbox, 1, changes("g 2", &[])).await;
    tell_of(&outbox, "h", 1, changes("h 2", &[])).await;
    let edits = outbox.edits(None, 10).await.unwrap();
    let texts: Vec<_> = edits.iter().map(|edit| edit.delivery.message.body.as_str()).collect();
    assert_eq!(texts, ["g 2", "h 2"]);
    let first = &edits[0];
    let root = outbox.show(first.root.unwrap()).await.unwrap().unwrap();
    assert_eq!((root.part, root.event_id.as_deref()), (Part::Root, Some("$g")));
    assert_eq!(first.delivery.relation, edit_of("$g"));
    assert!(
        outbox.edits(Some(room("b")), 10).await.unwrap().is_empty() && outbox.edits(None, 1).await.unwrap().len() == 1
    );
    // The other one is in flight, and stays so.
    let given_up = first.delivery.id;
    assert_eq!(outbox.give_up(given_up, at(2)).await.unwrap(), Ended::Done);
    assert_eq!(outbox.give_up(given_up, at(2)).await.unwrap(), Ended::Unknown);
    let other = claim_one(&outbox, at(2)).await;
    assert_eq!(
        outbox.edit(other.id).await.unwrap().unwrap().delivery.txn_id,
        other.txn_id
    );
    tell(&outbox, 2, changes("g 3", &[])).await;
    let next = outbox.edit(given_up).await.unwrap().unwrap().delivery;
    assert_eq!(
        (next.state, next.message.body.as_str()),
        (DeliveryState::Pending, "g 3")
    );
    assert_eq!(
        outbox.give_up(other.id, at(2)).await.unwrap(),
        Ended::Kept(DeliveryState::InFlight)
    );
    assert_eq!(outbox.give_up(given_up, at(2)).await.unwrap(), Ended::Done);
    record(&outbox, other.id, delivered(), at(3)).await;
    assert!(claim(&outbox, at(4)).await.is_empty() && outbox.edits(None, 10).await.unwrap().is_empty());
    assert!(
        of_g.is_shown && !known(&outbox).await.is_shown,
        "the room does not know"
    );
    // What comes next brings it up to date.
    tell(&outbox, 3, changes("g 4", &[])).await;
    assert_eq!(drain(&outbox, at(5)).await, ["g 4"]);
}

async fn a_group_is_compared_and_swapped(place: Place) {
    let outbox = place.open().await;
    assert_eq!(known_of(&outbox, "g", &[]).await, None);
    tell(&outbox, 0, begins("1")).await;
    let outdated = outbox.enqueue(of("g", 0, changes("x", &[]), at(1))).await.unwrap();
    assert_eq!(outdated, Enqueued::Outdated);
    // Nothing to send is an acceptance, too.
    assert!(tell(&outbox, 1, changes("1", &[])).await.receipts().len() == 1);
    let group = known(&outbox).await;
    assert_eq!((group.version, group.memory.as_str()), (2, "after 2"));
    assert_eq!(known_of(&outbox, "h", &[]).await, None);
    let racing = (0..8).map(|_| outbox.enqueue(of("g", 2, changes("race", &[]), at(2))));
    let results = futures_util::future::join_all(racing).await;
    let accepted = results
        .iter()
        .filter(|result| matches!(result, Ok(Enqueued::Accepted(_))));
    assert_eq!(accepted.count(), 1, "{results:?}");
    let outbox = place.reopen(outbox).await;
    assert_eq!(known(&outbox).await.version, 3);
    assert_eq!(drain(&outbox, at(100)).await, ["race"]);
}

async fn a_group_that_is_named_twice_at_once_is_refused(place: Place) {
    let outbox = place.open().await;
    let mut twice = of("g", 0, begins("root"), at(0));
    twice.groups.push(twice.groups[0].clone());
    assert_eq!(outbox.enqueue(twice).await.unwrap(), Enqueued::Outdated);
    assert!(drain(&outbox, at(1)).await.is_empty());
}

async fn a_message_that_waits_is_not_begun_anew(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, begins("1")).await;
    assert_eq!(known(&outbox).await.root, RootState::Waiting);
    for root in [Root::Begin, Root::Again] {
        let tell = Tell { root, ..begins("2") };
        let refused = outbox.enqueue(of("g", 1, tell, at(1))).await.unwrap();
        assert_eq!(refused, Enqueued::Outdated, "{root:?}");
    }
    assert_eq!(drain(&outbox, at(1)).await, ["1"]);
}

async fn what_refers_to_a_message_is_claimed_with_its_event(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, begins("root")).await;
    assert_eq!(known(&outbox).await.root, RootState::Waiting);
    let root = show(&outbox, "$root", 1).await;
    assert_eq!((root.part, root.relation), (Part::Root, None));
    let group = known(&outbox).await;
    assert_eq!(
        (group.root, group.is_shown, group.is_heard),
        (RootState::InRoom, true, true)
    );
    tell(&outbox, 1, changes("edit", &["line"])).await;
    assert!(!known(&outbox).await.is_shown);
    assert_eq!(outbox.stats(at(2)).await.unwrap().pending, 2, "a line, and an edit");
    assert_eq!(show(&outbox, "$line", 2).await.relation, thread("$root", "$root"));
    let edit = show(&outbox, "$edit", 3).await;
    assert_eq!(
        (edit.part, edit.relation, edit.message.body.as_str()),
        (Part::Edit, edit_of("$root"), "edit")
    );
    assert!(known(&outbox).await.is_shown);
    tell(&outbox, 2, changes("edit 2", &["line 2"])).await;
    assert_eq!(show(&outbox, "$line2", 4).await.relation, thread("$root", "$line"));
    let second = show(&outbox, "$edit2", 5).await;
    assert_ne!(second.txn_id, edit.txn_id, "each revision has its own");
    // A new message has a thread of its own.
    tell(&outbox, 3, begins("root 2")).await;
    tell(&outbox, 4, changes("root 2", &["line 3"])).await;
    assert_eq!(show(&outbox, "$head2", 7).await.relation, None);
    assert!(
        claim(&outbox, at(8)).await.is_empty(),
        "what nobody had seen took it up"
    );
}

async fn a_message_that_nobody_has_seen_says_what_is_the_case_when_it_is_sent(place: Place) {
    let outbox = place.open().await;
    let first = tell(&outbox, 0, begins("1")).await;
    accept(&outbox, "a", "behind", at(0)).await;
    let mut update = of("g", 1, changes("2", &["line"]), at(1));
    let group = &mut update.groups[0];
    group.message.as_mut().unwrap().loud = false;
    group.lines[0].message.mentions = Mentions {
        user_ids: vec!["@b:x.org".to_owned()],
        room: false,
    };
    let enqueued = outbox.enqueue(update).await.unwrap();
    assert_eq!(enqueued.receipts(), first.receipts(), "the same row carries it now");
    let root = claim_one(&outbox, at(2)).await;
    assert_eq!(root.message.body, "2\n@b:x.org", "and says whom it calls");
    assert_eq!(root.message.msgtype, MsgType::Text, "it notifies as it would have");
    assert_eq!(root.message.mentions.user_ids, ["@b:x.org"]);
    record(&outbox, root.id, delivered(), at(2)).await;
    assert_eq!(drain(&outbox, at(3)).await, ["behind"], "it kept its place");
}

async fn what_was_tried_is_finished_first_and_unchanged(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, begins("1")).await;
    let root = claim_one(&outbox, at(1)).await;
    tell(&outbox, 1, changes("2", &["line 2"])).await;
    // It waits again, but it may be in the room.
    record(&outbox, root.id, wait(at(5)), at(1)).await;
    tell(&outbox, 2, changes("3", &["line 3"])).await;
    assert_eq!(outbox.stats(at(4)).await.unwrap().pending, 3);
    assert_eq!(drain(&outbox, at(10)).await, ["1", "line 2\nline 3", "3"]);
    // So it is with an edit, also over a crash, and though there is news.
    tell(&outbox, 3, changes("4", &[])).await;
    let edit = claim_one(&outbox, at(11)).await;
    tell(&outbox, 4, changes("5", &["line 5"])).await;
    let outbox = place.reopen(outbox).await;
    let same = claim_one(&outbox, at(12)).await;
    assert_eq!(
        (same.id, &same.txn_id, &same.message),
        (edit.id, &edit.txn_id, &edit.message)
    );
    assert_eq!(
        (edit.attempts, same.attempts, same.first_attempt_at),
        (1, 2, Some(at(11)))
    );
    outbox.release(&[same.id]).await.unwrap();
    assert_eq!(drain(&outbox, at(12)).await, ["4", "line 5", "5"]);
}

async fn of_edits_that_wait_only_the_newest_is_sent(place: Place) {
    let outbox = place.open().await;
    for group in ["e", "f"] {
        seen(&outbox, group).await;
    }
    for version in 1..5 {
        for group in ["f", "e"] {
            tell_of(&outbox, group, version, changes(&format!("{group} {version}"), &[])).await;
        }
    }
    assert_eq!(outbox.stats(at(5)).await.unwrap().pending, 2);
    assert_eq!(
        drain(&outbox, at(5)).await,
        ["f 4", "e 4"],
        "who waits longest goes first"
    );
}

async fn a_message_that_is_not_live_is_never_edited(place: Place) {
    let outbox = place.open().await;
    let still = |tell| Tell { is_still: true, ..tell };
    tell(&outbox, 0, still(begins("1"))).await;
    show(&outbox, "$1", 0).await;
    tell(&outbox, 1, still(changes("2", &["line"]))).await;
    assert_eq!(drain(&outbox, at(1)).await, ["line"]);
    // If it is deleted, it says what is the case.
    tell(&outbox, 2, still(changes("3", &["line 3"]))).await;
    let line = claim_one(&outbox, at(2)).await;
    record(&outbox, line.id, detached(), at(2)).await;
    assert_eq!(drain(&outbox, at(3)).await, ["3", "line 3"]);
}

async fn lines_that_wait_together_are_one_event_within_bounds(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    let long = "x".repeat(1_500);
    for version in 1..13 {
        let mut line = of("g", version, changes("g", &[&long]), at(version));
        line.groups[0].message = None;
        line.groups[0].lines[0].message.msgtype = if version == 3 { MsgType::Text } else { MsgType::Notice };
        outbox.enqueue(line).await.unwrap();
    }
    let first = show(&outbox, "$line", 20).await;
    let second = show(&outbox, "$line2", 21).await;
    let third = show(&outbox, "$line3", 22).await;
    let lines = [&first, &second, &third].map(|line| line.message.body.lines().count());
    assert_eq!(lines, [5, 5, 2], "16 KiB of body and HTML");
    let types = [first.message.msgtype, second.message.msgtype];
    assert_eq!(types, [MsgType::Text, MsgType::Notice]);
    assert_eq!((first.members, second.relation), (5, thread("$g", "$line")));
    assert!(claim(&outbox, at(23)).await.is_empty());
    // What stands between them is not overtaken, and lines of others are no part of them.
    seen(&outbox, "h").await;
    for (group, version, text) in [("g", 13, "1"), ("g", 14, "2"), ("h", 1, "3"), ("g", 15, "4")] {
        let lines = [text];
        tell_of(&outbox, group, version, only(&lines)).await;
    }
    accept(&outbox, "a", "5", at(24)).await;
    tell_of(&outbox, "g", 16, only(&["6"])).await;
    assert_eq!(drain(&outbox, at(25)).await, ["1\n2", "3", "4", "5", "6"]);
}

async fn lines_that_waited_are_all_named_in_a_digest(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    for text in ["1", "2", "3"] {
        accept(&outbox, "a", text, at(1)).await;
    }
    tell(&outbox, 1, changes("B fires", &["B starts"])).await;
    tell(&outbox, 2, changes("B is over", &["B ends"])).await;
    let named = digest(&outbox, 60).await;
    assert_eq!(named.message.body, "1\n2\n3\nB starts\nB ends");
    record(&outbox, named.id, delivered(), at(60)).await;
    let edit = show(&outbox, "$edit", 61).await;
    assert_eq!(
        (edit.message.body.as_str(), edit.relation),
        ("B is over", edit_of("$g"))
    );
    // Edits alone are no storm.
    for group in ["h", "i", "j", "k", "l"] {
        seen(&outbox, group).await;
        tell_of(&outbox, group, 1, changes("edit", &[])).await;
    }
    let claimed = claim_written(&outbox, at(200), 10, &digest_policy()).await;
    assert_eq!((claimed.len(), claimed[0].members), (1, 0));
}

async fn a_message_that_was_deleted_is_sent_once_more_before_its_lines(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    tell(&outbox, 1, changes("now", &["line"])).await;
    let line = claim_one(&outbox, at(2)).await;
    record(&outbox, line.id, detached(), at(2)).await;
    let root = show(&outbox, "$new", 3).await;
    assert_eq!(
        (root.part, root.relation, root.message.body.as_str()),
        (Part::Root, None, "now")
    );
    assert_eq!(root.message.msgtype, MsgType::Notice, "the room has heard of it");
    let line_again = show(&outbox, "$line", 4).await;
    assert_eq!((line_again.id, &line_again.txn_id), (line.id, &line.txn_id));
    assert_eq!(line_again.relation, thread("$new", "$new"));
    assert!(claim(&outbox, at(5)).await.is_empty(), "it says what it should");
    // A claim that was lost detaches nothing.
    tell(&outbox, 2, changes("edit", &[])).await;
    outbox.record(line.id, detached(), at(6)).await.unwrap();
    assert_eq!(show(&outbox, "$edit", 7).await.relation, edit_of("$new"));
}

async fn an_edit_that_finds_its_message_deleted_lets_it_be_sent_once_more(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    tell(&outbox, 1, changes("now", &[])).await;
    let edit = claim_one(&outbox, at(2)).await;
    record(&outbox, edit.id, detached(), at(2)).await;
    assert_eq!(known(&outbox).await.root, RootState::Waiting);
    tell(&outbox, 2, changes("newer", &["line"])).await;
    let root = show(&outbox, "$new", 3).await;
    assert_eq!((root.part, root.message.body.as_str()), (Part::Root, "newer"));
    assert!(claim(&outbox, at(4)).await.is_empty());
    tell(&outbox, 3, changes("newest", &[])).await;
    assert_eq!(show(&outbox, "$edit", 5).await.relation, edit_of("$new"));
}

async fn a_message_that_was_given_up_unseen_is_brought_by_its_next_line_and_wakes_whom_it_would_have(place: Place) {
    let outbox = place.open().await;
    let mut first = of("g", 0, begins("A"), at(0));
    let ana = Mentions {
        user_ids: vec!["@ana:x.org".to_owned()],
        room: false,
    };
    first.groups[0].message.as_mut().unwrap().mentions = ana.clone();
    outbox.enqueue(first).await.unwrap();
    let root = claim_one(&outbox, at(0)).await;
    tell(&outbox, 1, changes("A, B", &["B"])).await;
    record(&outbox, root.id, dead(), at(1)).await;
    let known = known(&outbox).await;
    assert_eq!((known.root, known.is_heard), (RootState::None, false));
    let root = show(&outbox, "$new", 2).await;
    assert_eq!(
        (root.part, root.message.body.as_str()),
        (Part::Root, "A, B\n@ana:x.org")
    );
    assert_eq!((root.message.msgtype, root.message.mentions), (MsgType::Text, ana));
    assert_eq!(show(&outbox, "$line", 3).await.relation, thread("$new", "$new"));
}

async fn a_digest_tells_of_messages_that_are_nowhere_then(place: Place) {
    let outbox = place.open().await;
    for group in ["e", "f", "g", "h"] {
        tell_of(&outbox, group, 0, begins(group)).await;
    }
    tell_of(&outbox, "e", 1, changes("e is over", &["end of e"])).await;
    let named = digest(&outbox, 60).await;
    assert_eq!(named.message.body, "e is over\nf\ng\nh");
    assert_eq!(
        known(&outbox).await.root,
        RootState::Waiting,
        "the digest waits with it"
    );
    // What is new meanwhile is news of its own.
    tell_of(&outbox, "f", 1, changes("f is over", &["end of f"])).await;
    record(&outbox, named.id, delivered(), at(60)).await;
    let g = known(&outbox).await;
    assert_eq!((g.root, g.is_heard, g.is_shown), (RootState::None, true, true));
    let root = show(&outbox, "$f", 61).await;
    assert_eq!(
        (root.message.body.as_str(), root.message.msgtype),
        ("f is over", MsgType::Notice)
    );
    assert_eq!(show(&outbox, "$line", 62).await.relation, thread("$f", "$f"));
    assert!(claim(&outbox, at(63)).await.is_empty(), "no flood of messages follows");
    tell(&outbox, 1, again("g")).await;
    let root = show(&outbox, "$g", 64).await;
    assert_eq!((root.part, root.message.body.as_str()), (Part::Root, "g"));
}

async fn a_digest_that_was_given_up_has_told_nothing_until_it_is_sent_again(place: Place) {
    let outbox = place.open().await;
    for group in ["e", "f", "g", "h"] {
        tell_of(&outbox, group, 0, begins(group)).await;
    }
    let named = digest(&outbox, 60).await;
    record(&outbox, named.id, dead(), at(60)).await;
    let group = known(&outbox).await;
    assert_eq!((group.root, group.is_heard), (RootState::None, false));
    tell_of(&outbox, "e", 1, again("e")).await;
    assert_eq!(
        show(&outbox, "$e", 61).await.message.msgtype,
        MsgType::Text,
        "nobody has heard of it"
    );
    let retried = outbox.retry(&[named.id], at(70)).await.unwrap().remove(0).result;
    assert!(matches!(retried, RetryResult::Queued { .. }), "a digest is news");
    show(&outbox, "$digest", 71).await;
    let group = known(&outbox).await;
    assert_eq!((group.root, group.is_heard), (RootState::None, true));
    assert_eq!(known_of(&outbox, "e", &[]).await.unwrap().root, RootState::InRoom);
}

async fn an_edit_that_was_given_up_waits_for_the_next_notification(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    tell(&outbox, 1, changes("now", &[])).await;
    let edit = die(&outbox, 1).await;
    assert_eq!(outbox.stats(at(2)).await.unwrap().pending, 0);
    assert!(claim(&outbox, at(2)).await.is_empty());
    // It says nothing new, and the room does not show what it should.
    tell(&outbox, 2, Tell::default()).await;
    let tried = show(&outbox, "$edit", 3).await;
    assert_eq!((tried.message.body.as_str(), &tried.txn_id), ("now", &edit.txn_id));
    tell(&outbox, 3, Tell::default()).await;
    assert!(claim(&outbox, at(4)).await.is_empty());
}

async fn the_rest_of_a_text_follows_in_its_thread(place: Place) {
    let outbox = place.open().await;
    let long = |version, tell, rest: &[&str]| {
        let mut acceptance = of("g", version, tell, at(version));
        let quiet = |text: &&str| RenderedMessage {
            msgtype: MsgType::Notice,
            ..message(text)
        };
        acceptance.groups[0].message.as_mut().unwrap().rest = rest.iter().map(quiet).collect();
        acceptance
    };
    outbox.enqueue(long(0, begins("1"), &["1 (2)", "1 (3)"])).await.unwrap();
    outbox.enqueue(long(1, changes("2", &[]), &["2 (2)"])).await.unwrap();
    assert_eq!(show(&outbox, "$root", 2).await.message.body, "2");
    let rest = show(&outbox, "$rest", 3).await;
    assert_eq!(
        (rest.message.body.as_str(), rest.relation),
        ("2 (2)", thread("$root", "$root"))
    );
    outbox.enqueue(long(2, changes("3", &[]), &["3 (2)"])).await.unwrap();
    outbox
        .enqueue(long(3, changes("4", &["line"]), &["4 (2)"]))
        .await
        .unwrap();
    assert_eq!(drain(&outbox, at(5)).await, ["line", "4", "4 (2)"]);
    outbox.enqueue(of("g", 4, changes("5", &[]), at(6))).await.unwrap();
    assert_eq!(drain(&outbox, at(6)).await, ["5"]);
}

async fn an_older_message_keeps_its_own_lines(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    let only = Tell {
        lines: &["end of the first"],
        ..Default::default()
    };
    tell(&outbox, 1, only).await;
    tell(&outbox, 2, begins("2")).await;
    assert_eq!(show(&outbox, "$line", 1).await.relation, thread("$g", "$g"));
    show(&outbox, "$2", 2).await;
    // Where that was deleted, it is a line of the present one.
    tell(
        &outbox,
        3,
        Tell {
            lines: &["end of the second"],
            ..Default::default()
        },
    )
    .await;
    tell(&outbox, 4, begins("3")).await;
    let line = claim_one(&outbox, at(3)).await;
    assert_eq!(line.relation, thread("$2", "$2"));
    record(&outbox, line.id, detached(), at(3)).await;
    assert_eq!(show(&outbox, "$3", 4).await.message.body, "3");
    let again = show(&outbox, "$late", 5).await;
    assert_eq!((again.id, again.relation), (line.id, thread("$3", "$3")));
}

async fn a_line_that_is_tried_again_is_in_no_thread_of_a_deleted_message(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    tell(&outbox, 1, changes("now", &["line"])).await;
    let line = die(&outbox, 2).await;
    let edit = claim_one(&outbox, at(3)).await;
    assert_eq!((line.relation, edit.relation), (thread("$g", "$g"), edit_of("$g")));
    record(&outbox, edit.id, detached(), at(3)).await;
    show(&outbox, "$new", 4).await;
    outbox.retry(&[line.id], at(5)).await.unwrap();
    assert_eq!(show(&outbox, "$line", 6).await.relation, thread("$new", "$new"));
}

async fn a_line_of_a_message_that_never_came_finds_the_present_one_deleted(place: Place) {
    let outbox = place.open().await;
    let mut first = in_room("a", "g", 0, begins("1"), at(0));
    first.groups[0].message.as_mut().unwrap().rest.push(message("rest"));
    outbox.enqueue(first).await.unwrap();
    die(&outbox, 0).await;
    tell(&outbox, 1, begins("2")).await;
    show(&outbox, "$2", 1).await;
    let line = claim_one(&outbox, at(2)).await;
    assert_eq!(line.relation, thread("$2", "$2"));
    record(&outbox, line.id, detached(), at(2)).await;
    assert_eq!(show(&outbox, "$new", 3).await.part, Part::Root);
    assert_eq!(show(&outbox, "$line", 4).await.relation, thread("$new", "$new"));
}

async fn a_message_that_is_retried_is_it_again_or_a_line_of_the_next(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, begins("A")).await;
    let root = die(&outbox, 0).await;
    let retry = async |id| outbox.retry(&[id], at(10)).await.unwrap().remove(0).result;
    assert!(matches!(retry(root.id).await, RetryResult::Queued { .. }));
    tell(&outbox, 1, changes("A, B", &["B"])).await;
    let shown = show(&outbox, "$a", 11).await;
    assert_eq!(
        (shown.id, &shown.txn_id, shown.message.body.as_str()),
        (root.id, &root.txn_id, "A")
    );
    assert_eq!(
        drain(&outbox, at(12)).await,
        ["B", "A, B"],
        "and then it is brought up to date"
    );
    // One that was never tried says what is the case by then.
    tell_of(&outbox, "h", 0, begins("C")).await;
    let waiting = known_of(&outbox, "h", &[]).await.unwrap();
    assert_eq!(waiting.root, RootState::Waiting);
    let row = outbox.list(Filter::default()).await.unwrap();
    assert!(row.is_empty(), "a limit of 0");
    let id = grafana_matrix_relay::outbox::DeliveryId(shown.id.0 + 2);
    assert_eq!(outbox.give_up(id, at(12)).await.unwrap(), Ended::Done);
    tell_of(&outbox, "h", 1, changes("D", &[])).await;
    assert!(matches!(retry(id).await, RetryResult::Queued { .. }));
    assert_eq!(drain(&outbox, at(13)).await, ["D"]);
    // Where the group has another one, it is told late.
    tell_of(&outbox, "i", 0, begins("E")).await;
    let dead = die(&outbox, 14).await;
    tell_of(&outbox, "i", 1, again("F")).await;
    show(&outbox, "$f", 15).await;
    assert!(matches!(retry(dead.id).await, RetryResult::Queued { .. }));
    let late = show(&outbox, "$late", 16).await;
    assert_eq!((late.message.body.as_str(), late.relation), ("E", thread("$f", "$f")));
}

async fn news_goes_before_edits_but_not_for_ever(place: Place) {
    let outbox = place.open().await;
    for group in ["e", "f"] {
        seen(&outbox, group).await;
    }
    tell_of(&outbox, "e", 1, changes("edit e", &["line e"])).await;
    tell_of(&outbox, "f", 1, changes("edit f", &[])).await;
    accept(&outbox, "a", "news", at(2)).await;
    tell_of(&outbox, "e", 2, changes("edit e 2", &[])).await;
    assert_eq!(drain(&outbox, at(3)).await, ["line e", "news", "edit e 2", "edit f"]);
    tell_of(&outbox, "e", 3, changes("edit e 3", &[])).await;
    for n in 0..25 {
        accept(&outbox, "a", &n.to_string(), at(4)).await;
    }
    tell_of(&outbox, "f", 2, changes("edit f 2", &[])).await;
    let texts = drain(&outbox, at(5)).await;
    let place = |text: &str| texts.iter().position(|one| one == text);
    assert_eq!(
        (place("edit e 3"), place("edit f 2")),
        (Some(10), Some(21)),
        "{texts:?}"
    );
    // Each counts once, however often it is tried, and a digest is one.
    tell_of(&outbox, "e", 4, changes("edit e 4", &[])).await;
    for round in 1..=10 {
        for n in 0..4 {
            accept(&outbox, "a", &n.to_string(), at(60 * round - 30)).await;
        }
        let refused = digest(&outbox, 60 * round).await;
        record(&outbox, refused.id, wait(at(60 * round + 5)), at(60 * round)).await;
        let again = claim_written(&outbox, at(60 * round + 5), 10, &digest_policy())
            .await
            .remove(0);
        assert_eq!(again.id, refused.id);
        record(&outbox, again.id, delivered(), at(60 * round + 5)).await;
    }
    for n in 0..4 {
        accept(&outbox, "a", &n.to_string(), at(630)).await;
    }
    let edit = claim_written(&outbox, at(660), 10, &digest_policy()).await.remove(0);
    assert_eq!(edit.message.body, "edit e 4");
}

async fn groups_are_forgotten_when_nothing_is_owed(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    let day = 24 * 3600;
    tell_of(&outbox, "dead", 0, begins("dead")).await;
    let root = die(&outbox, 1).await;
    outbox.prune(at(29 * day)).await.unwrap();
    assert!(known_of(&outbox, "g", &[]).await.is_some());
    assert!(outbox.prune(at(31 * day)).await.unwrap() >= 2);
    assert_eq!(known_of(&outbox, "g", &[]).await, None);
    assert_eq!(outbox.prune(at(31 * day)).await.unwrap(), 0);
    assert!(known_of(&outbox, "dead", &[]).await.is_some(), "it may be sent again");
    outbox.retry(&[root.id], at(31 * day)).await.unwrap();
    assert_eq!(show(&outbox, "$dead", 31 * day).await.part, Part::Root);
    tell(&outbox, 0, begins("anew")).await;
    assert_eq!(show(&outbox, "$g2", 40 * day).await.relation, None);
}

fn alert(name: &str, firing: bool, is_new: bool) -> KnownAlert {
    KnownAlert {
        name: name.to_owned(),
        firing,
        data: serde_json::json!({"odd": format!("\0 {name} '")}).to_string(),
        is_new,
    }
}

async fn with_alerts(outbox: &Outbox, version: i64, now: i64, alerts: Vec<KnownAlert>) {
    let mut acceptance = of("g", version, Tell::default(), at(now));
    acceptance.groups[0].alerts = alerts;
    assert_ne!(outbox.enqueue(acceptance).await.unwrap(), Enqueued::Outdated);
}

async fn names(outbox: &Outbox, asked: &[&str]) -> Vec<(String, bool)> {
    let known = known_of(outbox, "g", asked).await.unwrap();
    let mut names: Vec<_> = known.alerts.into_iter().map(|one| (one.name, one.firing)).collect();
    names.sort();
    names
}

async fn of_its_alerts_those_are_read_that_fire_or_are_asked_for(place: Place) {
    let outbox = place.open().await;
    let odd = "o\0'\"";
    with_alerts(
        &outbox,
        0,
        0,
        ["a", "b", "c", odd].map(|name| alert(name, true, true)).to_vec(),
    )
    .await;
    with_alerts(&outbox, 1, 1, vec![alert("a", false, false), alert("b", false, false)]).await;
    let (read, asked) = (
        names(&outbox, &["a", "unknown"]).await,
        known_of(&outbox, "g", &["a"]).await.unwrap(),
    );
    let expected = [("a", false), ("c", true), ("o\u{fffd}'\"", true)];
    assert_eq!(read, expected.map(|(name, firing)| (name.to_owned(), firing)));
    let a = asked.alerts.into_iter().find(|one| one.name == "a").unwrap();
    assert_eq!(a.data, alert("a", false, false).data, "word for word");
    let asked = asked_of(&outbox, "g", &["a", "c", "unknown"], false).await.unwrap();
    let mut names: Vec<_> = asked.alerts.iter().map(|one| (one.name.as_str(), one.firing)).collect();
    names.sort_unstable();
    assert_eq!((names, asked.others_firing), (vec![("a", false), ("c", true)], 1));
}

async fn it_remembers_a_thousand_alerts_and_forgets_resolved_ones_after_a_day(place: Place) {
    let outbox = place.open().await;
    with_alerts(&outbox, 0, 0, vec![alert("fires", true, true)]).await;
    for version in 1..=30 {
        let many = (0..50).map(|n| alert(&format!("{version}/{n}"), false, true));
        with_alerts(&outbox, version, version, many.collect()).await;
    }
    let asked: Vec<String> = (1..=30)
        .flat_map(|version| (0..50).map(move |n| format!("{version}/{n}")))
        .collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let left = names(&outbox, &asked).await;
    assert!((900..=1_101).contains(&left.len()), "{}", left.len());
    assert!(left.iter().any(|(name, _)| name == "30/7") && left.iter().all(|(name, _)| name != "1/7"));
    outbox.prune(at(24 * 3600 + 3_600)).await.unwrap();
    assert_eq!(names(&outbox, &asked).await, [("fires".to_owned(), true)]);
}

async fn a_repeat_key_of_what_was_out_of_date_is_free(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    let keyed = |version| Acceptance {
        repeat_key: Some("key".to_owned()),
        ..of("g", version, changes("g", &["line"]), at(1))
    };
    assert_eq!(outbox.enqueue(keyed(0)).await.unwrap(), Enqueued::Outdated);
    let accepted = outbox.enqueue(keyed(1)).await.unwrap();
    assert!(matches!(&accepted, Enqueued::Accepted(receipts) if receipts.len() == 1));
    let again = outbox.enqueue(keyed(2)).await.unwrap();
    assert_eq!(again, Enqueued::Recognised(accepted.receipts().to_vec()));
    let waiting = claim_one(&outbox, at(2)).await;
    assert_eq!(waiting.state, DeliveryState::InFlight);
}

fn only<'a>(lines: &'a [&'a str]) -> Tell<'a> {
    Tell {
        lines,
        ..Tell::default()
    }
}
