//! How much of a notification is kept in memory, since a body within its limit can hold a great many tiny things.
//!
//! Guarantees: the first alert is always kept, and after it as many as fit; the others are passed over without being built,
//! and count as cut off, as if the sender had cut them.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::body::AlertBody;

/// So many alerts of one notification are kept.
pub(super) const ALERTS: usize = 10_000;
/// Labels, annotations and values of all of them together: about 30 MB.
const NAMES: usize = 200_000;

/// The alerts of a group.
pub(super) fn alerts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AlertBody>, D::Error> {
    let mut room = Room::default();
    first(deserializer, move |alert: &AlertBody| {
        let annotations = alert.annotations.as_ref().map_or(0, BTreeMap::len);
        let values = alert.values.as_ref().map_or(0, BTreeMap::len);
        room.takes(alert.labels.len() + annotations + values)
    })
}

/// Says that something was left out; returns how much.
pub(super) fn left_out(sent: usize, kept: usize) -> u64 {
    let left_out = sent.saturating_sub(kept);
    if left_out > 0 {
        tracing::warn!(
            alert.count = sent,
            "a notification has more alerts than the relay keeps: {left_out} of {sent} count as cut off"
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
}
