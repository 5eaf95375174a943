//! Short words for what is owed for groups of room `a`.

use grafana_matrix_relay::message::Relation;
use grafana_matrix_relay::outbox::{Acceptance, Delivery, Enqueued, GroupChange, NewDelivery, Outbox, Outcome, Part};
use jiff::Timestamp;

use super::place::{at, claim_one, message, record, room};

/// An acceptance for a group that has been accepted so often before.
pub(crate) fn of(group: &str, version: i64, parts: &[(Part, &str)], now: Timestamp) -> Acceptance {
    let delivery = |(part, text): &(Part, &str)| NewDelivery {
        part: part.clone(),
        group: Some(group.to_owned()),
        ..NewDelivery::message(room("a"), message(text))
    };
    Acceptance {
        deliveries: parts.iter().map(delivery).collect(),
        groups: vec![GroupChange {
            room: room("a"),
            key: group.to_owned(),
            expected: version,
            state: format!("after {}", version + 1),
        }],
        repeat_key: None,
        at: now,
    }
}

pub(crate) async fn tell_of(outbox: &Outbox, group: &str, version: i64, parts: &[(Part, &str)]) -> Enqueued {
    let enqueued = outbox.enqueue(of(group, version, parts, at(version))).await.unwrap();
    assert_ne!(enqueued, Enqueued::Outdated);
    enqueued
}

/// The same for group `g`.
pub(crate) fn of_group(version: i64, parts: &[(Part, &str)], now: Timestamp) -> Acceptance {
    of("g", version, parts, now)
}

pub(crate) async fn tell(outbox: &Outbox, version: i64, parts: &[(Part, &str)]) -> Enqueued {
    tell_of(outbox, "g", version, parts).await
}

/// Claims the only delivery that is due and puts it into the room as this event.
pub(crate) async fn show(outbox: &Outbox, event: &str, now: i64) -> Delivery {
    let delivery = claim_one(outbox, at(now)).await;
    let event_id = event.to_owned();
    record(outbox, delivery.id, Outcome::Delivered { event_id }, at(now)).await;
    delivery
}

pub(crate) fn edit_of(event: &str) -> Relation {
    Relation::Edit { of: event.to_owned() }
}

pub(crate) fn thread(root: &str, latest: &str) -> Relation {
    Relation::Thread {
        root: root.to_owned(),
        latest: latest.to_owned(),
    }
}
