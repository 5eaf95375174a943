//! Whose turn it is: news goes before what only shows a state, and a digest takes along what it makes superfluous.

use grafana_matrix_relay::message::MsgType;
use grafana_matrix_relay::outbox::{Delivery, DeliveryState, Outbox, Part};

use super::on_every_store;
use super::place::{Place, accept, at, claim_one, dead, delivered, drain, folding, record, wait};
use super::tale::{edit_of, show, tell, tell_of};

on_every_store!(
    edits_and_reactions_give_way_to_news,
    what_was_tried_is_not_overtaken,
    an_edit_that_stands_for_its_head_waits_its_turn,
    after_ten_others_an_edit_has_its_turn,
    after_ten_digests_that_are_refused_at_first_an_edit_has_its_turn,
    a_digest_takes_along_the_edits_of_heads_that_nobody_sees,
    an_edit_whose_line_is_not_named_goes_out,
    a_reaction_that_stands_for_its_head_is_named_in_the_digest,
);

fn tick() -> Part {
    Part::Reaction { key: "✅".to_owned() }
}

/// A group whose head is in the room.
async fn seen(outbox: &Outbox, group: &str) {
    tell_of(outbox, group, 0, &[(Part::Head, group)]).await;
    show(outbox, &format!("${group}"), 0).await;
}

async fn digest(outbox: &Outbox, now: i64) -> Delivery {
    let mut claimed = outbox.claim_due(at(now), 10, &folding()).await.unwrap();
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    assert!(claimed[0].members > 0, "{claimed:?}");
    claimed.remove(0)
}

async fn edits_and_reactions_give_way_to_news(place: Place) {
    let outbox = place.open().await;
    for group in ["e", "f", "g"] {
        seen(&outbox, group).await;
    }
    tell_of(&outbox, "e", 1, &[(Part::Edit, "edit e"), (Part::Line, "line e")]).await;
    tell_of(&outbox, "f", 1, &[(tick(), "tick f")]).await;
    tell_of(&outbox, "g", 1, &[(Part::Edit, "edit g"), (Part::Reply, "reply g")]).await;
    accept(&outbox, "a", "news", at(2)).await;
    tell_of(&outbox, "h", 0, &[(Part::Head, "head h")]).await;
    // Meanwhile the newer state takes the place of the older one.
    tell_of(&outbox, "e", 2, &[(Part::Edit, "edit e 2")]).await;
    let expected = ["line e", "reply g", "news", "head h", "edit e 2", "tick f", "edit g"];
    assert_eq!(drain(&outbox, at(3)).await, expected);
}

async fn what_was_tried_is_not_overtaken(place: Place) {
    let outbox = place.open().await;
    for group in ["e", "g"] {
        seen(&outbox, group).await;
        tell_of(&outbox, group, 1, &[(Part::Edit, group)]).await;
    }
    let tried = claim_one(&outbox, at(2)).await;
    record(&outbox, tried.id, wait(at(3)), at(2)).await;
    accept(&outbox, "a", "1", at(2)).await;
    accept(&outbox, "a", "2", at(2)).await;
    assert_eq!(claim_one(&outbox, at(3)).await.id, tried.id);
    outbox.release(&[tried.id]).await.unwrap();
    assert_eq!(drain(&outbox, at(3)).await, ["e", "1", "2", "g"]);
}

async fn an_edit_that_stands_for_its_head_waits_its_turn(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    let head = claim_one(&outbox, at(0)).await;
    tell(&outbox, 1, &[(Part::Edit, "edit"), (Part::Line, "line")]).await;
    accept(&outbox, "a", "news", at(1)).await;
    record(&outbox, head.id, dead(), at(1)).await;
    assert_eq!(drain(&outbox, at(2)).await, ["edit", "line", "news"]);
    // It is the head, and so the next edit gives way again.
    tell(&outbox, 2, &[(Part::Edit, "edit 2"), (Part::Line, "line 2")]).await;
    assert_eq!(drain(&outbox, at(3)).await, ["line 2", "edit 2"]);
}

async fn after_ten_others_an_edit_has_its_turn(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    tell(&outbox, 1, &[(Part::Edit, "edit")]).await;
    for n in 0..15 {
        accept(&outbox, "a", &n.to_string(), at(2)).await;
    }
    let texts = drain(&outbox, at(3)).await;
    assert_eq!(texts.iter().position(|text| text == "edit"), Some(10), "{texts:?}");
    // Nor does a digest go before it then.
    tell(&outbox, 2, &[(Part::Edit, "edit 2")]).await;
    for n in 0..10 {
        accept(&outbox, "a", &n.to_string(), at(3)).await;
        show(&outbox, "$news", 3).await;
    }
    for n in 0..5 {
        accept(&outbox, "a", &n.to_string(), at(3)).await;
    }
    let edit = outbox.claim_due(at(60), 10, &folding()).await.unwrap().remove(0);
    assert_eq!(edit.message.body, "edit 2");
}

async fn after_ten_digests_that_are_refused_at_first_an_edit_has_its_turn(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "g").await;
    tell(&outbox, 1, &[(Part::Edit, "edit")]).await;
    for round in 1..=10 {
        for n in 0..4 {
            accept(&outbox, "a", &n.to_string(), at(60 * round - 30)).await;
        }
        // At a homeserver's rate limit hardly anything is taken at its first try.
        let refused = digest(&outbox, 60 * round).await;
        record(&outbox, refused.id, wait(at(60 * round + 5)), at(60 * round)).await;
        let again = digest(&outbox, 60 * round + 5).await;
        assert_eq!(again.id, refused.id);
        record(&outbox, again.id, delivered(), at(60 * round + 5)).await;
    }
    for n in 0..4 {
        accept(&outbox, "a", &n.to_string(), at(630)).await;
    }
    let edit = outbox.claim_due(at(660), 10, &folding()).await.unwrap().remove(0);
    assert_eq!(edit.message.body, "edit");
}

async fn a_digest_takes_along_the_edits_of_heads_that_nobody_sees(place: Place) {
    let outbox = place.open().await;
    seen(&outbox, "seen").await;
    let groups = ["e", "f", "g", "h"];
    for group in groups {
        tell_of(&outbox, group, 0, &[(Part::Head, group)]).await;
    }
    let first = digest(&outbox, 60).await;
    record(&outbox, first.id, delivered(), at(60)).await;
    let mut edits = Vec::new();
    for group in groups.into_iter().chain(["seen"]) {
        let line = format!("line {group}");
        let told = tell_of(&outbox, group, 1, &[(Part::Edit, "over"), (Part::Line, &line)]).await;
        edits.push(told.receipts()[0].id);
    }
    let second = digest(&outbox, 120).await;
    assert_eq!(second.message.body, "line e\nline f\nline g\nline h\nline seen");
    record(&outbox, second.id, delivered(), at(120)).await;
    for edit in &edits[..4] {
        let edit = outbox.show(*edit).await.unwrap().unwrap();
        assert_eq!((edit.state, edit.folded_into), (DeliveryState::Folded, Some(second.id)));
    }
    // Only the head that is in the room is edited.
    let edit = show(&outbox, "$edit", 121).await;
    assert_eq!((edit.id, edit.relation), (edits[4], Some(edit_of("$seen"))));
    // The next change of one that was only named makes a head, which has been heard of.
    tell(&outbox, 2, &[(Part::Edit, "head g"), (Part::Line, "line g 2")]).await;
    let head = show(&outbox, "$new", 122).await;
    assert_eq!(
        (head.message.body.as_str(), head.outgoing().msgtype),
        ("head g", MsgType::Notice)
    );
    assert_eq!(drain(&outbox, at(123)).await, ["line g 2"]);
    tell(&outbox, 3, &[(Part::Edit, "head g 2")]).await;
    assert_eq!(show(&outbox, "$edit2", 124).await.relation, Some(edit_of("$new")));
    outbox.prune(at(10_000)).await.unwrap();
    assert_eq!(outbox.show(edits[0]).await.unwrap(), None, "it went with the digest");
}

async fn an_edit_whose_line_is_not_named_goes_out(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, &[(Part::Head, "head")]).await;
    for text in ["1", "2", "3"] {
        accept(&outbox, "a", text, at(0)).await;
    }
    let first = digest(&outbox, 60).await;
    record(&outbox, first.id, delivered(), at(60)).await;
    // A change of the values alone has no line.
    tell(&outbox, 1, &[(Part::Edit, "values")]).await;
    for text in ["4", "5", "6", "7"] {
        accept(&outbox, "a", text, at(61)).await;
    }
    let second = digest(&outbox, 120).await;
    record(&outbox, second.id, delivered(), at(120)).await;
    assert_eq!(drain(&outbox, at(121)).await, ["values"]);
}

async fn a_reaction_that_stands_for_its_head_is_named_in_the_digest(place: Place) {
    let outbox = place.open().await;
    let groups = ["e", "f", "g", "h"];
    for group in groups {
        tell_of(&outbox, group, 0, &[(Part::Head, group)]).await;
    }
    let first = digest(&outbox, 60).await;
    record(&outbox, first.id, delivered(), at(60)).await;
    for group in groups {
        tell_of(&outbox, group, 1, &[(tick(), &format!("{group} is over"))]).await;
    }
    let second = digest(&outbox, 120).await;
    assert_eq!(second.message.body, "e is over\nf is over\ng is over\nh is over");
}
