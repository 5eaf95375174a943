//! How much of a notification is kept in memory, since a body within its limit can hold a great many tiny things.
//!
//! Guarantees: the first alert is always kept, and after it as many as fit; the others are passed over without being built,
//! and count as cut off, as if the sender had cut them.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::body::{EvalMatch, GroupAlert};

/// So many alerts of one notification are kept.
pub(super) const ALERTS: usize = 10_000;
/// Labels, annotations and values of all of them together: about 30 MB.
const NAMES: usize = 200_000;
/// What the alerts of a legacy notification hold together of what it says but once, in bytes.
const SHARED_BYTES: usize = 8 * 1024 * 1024;
/// A name and its value in a map, without their texts.
const NAME_BYTES: usize = 150;

/// The alerts of a group.
pub(super) fn alerts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<GroupAlert>, D::Error> {
    let mut room = Room::default();
    first(deserializer, move |alert: &GroupAlert| {
        let annotations = alert.annotations.as_ref().map_or(0, BTreeMap::len);
        let values = alert.values.as_ref().map_or(0, BTreeMap::len);
        room.takes(alert.labels.len() + annotations + values)
    })
}

/// The series of a legacy alert.
pub(super) fn series<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<EvalMatch>>, D::Error> {
    struct Kept(Vec<EvalMatch>);
    impl<'de> Deserialize<'de> for Kept {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let mut room = Room::default();
            let takes = move |series: &EvalMatch| room.takes(series.tags.as_ref().map_or(0, BTreeMap::len));
            first(deserializer, takes).map(Self)
        }
    }
    Ok(Option::<Kept>::deserialize(deserializer)?.map(|kept| kept.0))
}

/// How many series of a legacy alert can be alerts, where each gets a copy of so many `names` and bytes of `text`.
pub(super) fn copies(names: usize, text: usize) -> usize {
    (SHARED_BYTES / (names * NAME_BYTES + text).max(1)).clamp(1, ALERTS)
}

/// Says that something was left out; returns how much.
pub(super) fn left_out(sent: usize, kept: usize) -> u64 {
    let left_out = sent.saturating_sub(kept);
    if left_out > 0 {
        tracing::warn!(
            alert.count = sent,
            "a notification has more alerts than the relay keeps apart: {left_out} of {sent} count as cut off"
        );
    }
    left_out as u64
}

#[derive(Default)]
struct Room {
    alerts: usize,
    names: usize,
}

impl Room {
    fn takes(&mut self, names: usize) -> bool {
        self.alerts += 1;
        self.names += names;
        self.alerts <= ALERTS && self.names <= NAMES
    }
}

/// The first members of an array, up to the one that there is no room for.
fn first<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    room: impl FnMut(&T) -> bool,
) -> Result<Vec<T>, D::Error> {
    struct First<T, R>(R, PhantomData<T>);
    impl<'de, T: Deserialize<'de>, R: FnMut(&T) -> bool> Visitor<'de> for First<T, R> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while let Some(item) = items.next_element()? {
                if !(self.0)(&item) && !kept.is_empty() {
                    break;
                }
                kept.push(item);
            }
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(kept)
        }
    }
    deserializer.deserialize_seq(First(room, PhantomData))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::parse::notification;
    use super::*;

    #[test]
    fn alerts_beyond_the_limit_count_as_cut_off() {
        let body = |alert: serde_json::Value, count: usize| {
            let body = json!({"truncatedAlerts": 5, "alerts": vec![alert; count]});
            let read = notification(body.to_string().as_bytes()).unwrap();
            (read.alerts.len(), read.truncated_alerts)
        };
        let tiny = json!({"status": "firing", "labels": {}});
        assert_eq!(body(tiny.clone(), ALERTS), (ALERTS, 5));
        assert_eq!(body(tiny, ALERTS + 2), (ALERTS, 7));
        let names: serde_json::Map<_, _> = (0..1_000).map(|at| (at.to_string(), json!(""))).collect();
        let large = json!({"status": "firing", "labels": names});
        assert_eq!(body(large, 250), (NAMES / 1_000, 55));
    }

    #[test]
    fn a_long_legacy_message_is_copied_for_as_many_series_as_fit() {
        let body = |message: &str| {
            let body =
                json!({"ruleName": "r", "state": "alerting", "message": message, "evalMatches": vec![json!({}); 100]});
            let read = notification(body.to_string().as_bytes()).unwrap();
            (read.alerts.len(), read.truncated_alerts)
        };
        assert_eq!(body("short"), (100, 0));
        let (kept, cut_off) = body(&"m".repeat(SHARED_BYTES / 8));
        assert_eq!((kept, cut_off), (7, 93));
        assert_eq!(body(&"m".repeat(2 * SHARED_BYTES)), (1, 99));
    }
}
