//! Rows that cannot be read: each is given up by itself, and nothing else stops.

use grafana_matrix_relay::outbox::{DeliveryId, DeliveryState, Filter, Outbox};

use super::on_every_store;
use super::place::{Place, accept, at, claim, claim_written, delivered, digest_policy, drain, record, room};
use super::tale::{begins, changes, show, tell};

on_every_store!(
    a_row_that_cannot_be_read_is_given_up_and_its_room_goes_on,
    a_digest_ends_before_what_cannot_be_read,
    a_group_whose_text_cannot_be_read_waits_for_the_next_one,
    a_kind_that_is_none_is_given_up,
    a_room_whose_address_cannot_be_read_stops_no_other,
);

async fn damage(place: &Place, id: i64) {
    let statement = format!("UPDATE outbox_news SET message = '{{' WHERE id = {id}");
    place.by_hand(&statement).await;
}

async fn assert_given_up(outbox: &Outbox, id: i64) {
    let row = outbox.show(DeliveryId(id)).await.unwrap().unwrap();
    let error = row.last_error.unwrap_or_default();
    assert_eq!(row.state, DeliveryState::Dead);
    assert!(error.starts_with("cannot read it: "), "{error}");
    assert!(row.message.body.contains("cannot read it"), "{}", row.message.body);
}

async fn a_row_that_cannot_be_read_is_given_up_and_its_room_goes_on(place: Place) {
    let outbox = place.open().await;
    for (room, text) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4")] {
        accept(&outbox, room, text, at(0)).await;
    }
    damage(&place, 1).await;
    damage(&place, 2).await;
    let texts = async || {
        let claimed = claim(&outbox, at(1)).await;
        claimed
            .into_iter()
            .map(|delivery| delivery.message.body)
            .collect::<Vec<_>>()
    };
    assert_eq!(texts().await, ["4"]);
    assert!(texts().await.is_empty());
    assert_eq!(texts().await, ["3"], "both are out of the way");
    assert_given_up(&outbox, 1).await;
    assert_given_up(&outbox, 2).await;
    let all = Filter {
        limit: 10,
        ..Filter::default()
    };
    assert_eq!(outbox.list(all).await.unwrap().len(), 4);
    assert_eq!(outbox.stats(at(1)).await.unwrap().dead, 2);
    // Nor does it help to let it go again.
    outbox.retry(&[DeliveryId(1)], at(2)).await.unwrap();
    record(&outbox, DeliveryId(3), delivered(), at(2)).await;
    assert!(claim(&outbox, at(2)).await.is_empty());
    assert_given_up(&outbox, 1).await;
}

async fn a_digest_ends_before_what_cannot_be_read(place: Place) {
    let outbox = place.open().await;
    for n in 1..=10 {
        accept(&outbox, "a", &n.to_string(), at(0)).await;
    }
    damage(&place, 5).await;
    let mut shown = Vec::new();
    for _ in 0..3 {
        for delivery in claim_written(&outbox, at(60), 10, &digest_policy()).await {
            record(&outbox, delivery.id, delivered(), at(60)).await;
            shown.push(delivery.message.body);
        }
    }
    assert_eq!(shown, ["1\n2\n3\n4", "6\n7\n8\n9\n10"]);
    assert_given_up(&outbox, 5).await;
}

async fn a_group_whose_text_cannot_be_read_waits_for_the_next_one(place: Place) {
    let outbox = place.open().await;
    tell(&outbox, 0, begins("root")).await;
    show(&outbox, "$root", 0).await;
    tell(&outbox, 1, changes("edit", &["line"])).await;
    place.by_hand("UPDATE outbox_group_text SET wanted = '{'").await;
    damage(&place, 2).await;
    assert!(claim(&outbox, at(3)).await.is_empty(), "the line");
    assert!(claim(&outbox, at(4)).await.is_empty(), "the edit");
    assert_given_up(&outbox, 2).await;
    tell(&outbox, 2, changes("edit 2", &["line 2"])).await;
    assert_eq!(drain(&outbox, at(5)).await, ["line 2", "edit 2"]);
}

async fn a_kind_that_is_none_is_given_up(place: Place) {
    let outbox = place.open().await;
    let allow = if place.is_postgresql() {
        "ALTER TABLE outbox_news DROP CONSTRAINT outbox_news_kind_check"
    } else {
        "PRAGMA ignore_check_constraints = 1"
    };
    for text in ["1", "2"] {
        accept(&outbox, "a", text, at(0)).await;
    }
    place
        .by_hand(&format!(
            "{allow}; UPDATE outbox_news SET kind = 'nonsense' WHERE id = 1"
        ))
        .await;
    assert!(claim(&outbox, at(1)).await.is_empty());
    assert_eq!(drain(&outbox, at(1)).await, ["2"]);
    let row = outbox.show(DeliveryId(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.message.body.as_str()), (DeliveryState::Dead, "1"));
    assert!(row.last_error.unwrap().contains("`nonsense`"));
}

async fn a_room_whose_address_cannot_be_read_stops_no_other(place: Place) {
    let outbox = place.open().await;
    for (name, text) in [("a", "1"), ("b", "2"), ("a", "3")] {
        accept(&outbox, name, text, at(0)).await;
    }
    let address = room("a");
    place
        .by_hand(&format!(
            "UPDATE outbox_room SET address = 'nonsense' WHERE address = '{address}'"
        ))
        .await;
    let stats = outbox.stats(at(1)).await.unwrap();
    assert_eq!((stats.pending, stats.rooms.len()), (3, 1));
    assert_eq!(drain(&outbox, at(1)).await, ["2"]);
    assert!(drain(&outbox, at(1)).await.is_empty());
    assert_eq!(outbox.stats(at(2)).await.unwrap().dead, 2);
    let all = Filter {
        limit: 10,
        ..Filter::default()
    };
    assert_eq!(outbox.list(all).await.unwrap().len(), 3);
}
