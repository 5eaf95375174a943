//! Short words for what is owed for groups of room `a`.

use grafana_matrix_relay::message::{Mentions, Relation};
use grafana_matrix_relay::outbox::{
    Acceptance, Delivery, Enqueued, GroupMessage, GroupQuery, GroupUpdate, KnownGroup, NewLine, Outbox, Outcome, Root,
};
use jiff::Timestamp;

use super::place::{at, claim_one, message, record, room};

/// What a notification brings for a group.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tell<'a> {
    pub(crate) root: Root,
    /// What its message should say.
    pub(crate) text: Option<&'a str>,
    pub(crate) lines: &'a [&'a str],
    /// Whether its message stays as it is.
    pub(crate) is_still: bool,
}

/// Its message begins.
pub(crate) fn begins(text: &str) -> Tell<'_> {
    Tell {
        root: Root::Begin,
        text: Some(text),
        ..Tell::default()
    }
}

/// It is sent once more.
pub(crate) fn again(text: &str) -> Tell<'_> {
    Tell {
        root: Root::Again,
        ..begins(text)
    }
}

/// It says something else, and so do lines.
pub(crate) fn changes<'a>(text: &'a str, lines: &'a [&'a str]) -> Tell<'a> {
    Tell {
        text: Some(text),
        lines,
        ..Tell::default()
    }
}

pub(crate) fn group_message(text: &str) -> GroupMessage {
    GroupMessage {
        text: message(text),
        rest: Vec::new(),
        loud: true,
        mentions: Mentions::default(),
    }
}

/// An acceptance for a group of a room that has been accepted so often before.
pub(crate) fn in_room(name: &str, group: &str, version: i64, tell: Tell<'_>, now: Timestamp) -> Acceptance {
    let line = |text: &&str| NewLine {
        message: message(text),
        starts_at: None,
    };
    Acceptance {
        deliveries: Vec::new(),
        groups: vec![GroupUpdate {
            room: room(name),
            key: group.to_owned(),
            expected: version,
            memory: format!("after {}", version + 1),
            alerts: Vec::new(),
            message: tell.text.map(group_message),
            root: tell.root,
            starts_at: None,
            live: !tell.is_still,
            lines: tell.lines.iter().map(line).collect(),
        }],
        repeat_key: None,
        request_key: None,
        at: now,
    }
}

pub(crate) fn of(group: &str, version: i64, tell: Tell<'_>, now: Timestamp) -> Acceptance {
    in_room("a", group, version, tell, now)
}

pub(crate) async fn tell_of(outbox: &Outbox, group: &str, version: i64, tell: Tell<'_>) -> Enqueued {
    let enqueued = outbox.enqueue(of(group, version, tell, at(version))).await.unwrap();
    assert_ne!(enqueued, Enqueued::Outdated);
    enqueued
}

/// The same for group `g`.
pub(crate) async fn tell(outbox: &Outbox, version: i64, tell: Tell<'_>) -> Enqueued {
    tell_of(outbox, "g", version, tell).await
}

pub(crate) async fn known_of(outbox: &Outbox, group: &str, alerts: &[&str]) -> Option<KnownGroup> {
    asked_of(outbox, group, alerts, true).await
}

/// The same, where the alerts that are not asked for may be of no interest.
pub(crate) async fn asked_of(outbox: &Outbox, group: &str, alerts: &[&str], others: bool) -> Option<KnownGroup> {
    let query = GroupQuery {
        room: &room("a"),
        key: group,
        alerts: alerts.iter().map(ToString::to_string).collect(),
        others,
    };
    outbox.groups(&[query]).await.unwrap().remove(0)
}

pub(crate) async fn known(outbox: &Outbox) -> KnownGroup {
    known_of(outbox, "g", &[]).await.unwrap()
}

/// Claims the only delivery that is due and puts it into the room as this event.
pub(crate) async fn show(outbox: &Outbox, event: &str, now: i64) -> Delivery {
    let delivery = claim_one(outbox, at(now)).await;
    let event_id = event.to_owned();
    record(outbox, delivery.id, Outcome::Delivered { event_id }, at(now)).await;
    delivery
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what a delivery has")]
pub(crate) fn edit_of(event: &str) -> Option<Relation> {
    Some(Relation::Edit { of: event.to_owned() })
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what a delivery has")]
pub(crate) fn thread(root: &str, latest: &str) -> Option<Relation> {
    Some(Relation::Thread {
        root: root.to_owned(),
        latest: latest.to_owned(),
    })
}
