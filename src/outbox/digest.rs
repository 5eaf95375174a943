//! Storms: when many never-tried deliveries of one room have waited too long, one digest is sent in their place.
//!
//! Guarantees: a delivery that was ever tried is in no digest, because it may be in the room already; a digest stands for an
//! unbroken run from the front of the queue, so the order holds, and for no more than it can name. How it reads is not the
//! outbox's matter, and its text is made outside of any transaction: see [`super::Outbox::set_digest`].

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::delivery::DeliveryId;
use crate::message::{Announced, Mentions, MsgType};

/// How many waiting deliveries a digest stands for at most, so that memory stays bounded.
pub const DIGEST_AT_MOST: usize = 1_000;

/// Bytes of names that one event holds beside the rest of a digest, in plain text and in HTML.
const NAMES: usize = 8_000;

/// When a room's backlog becomes a digest.
#[derive(Debug, Clone, Copy)]
pub struct DigestPolicy {
    /// A digest when more than this many wait. `usize::MAX`: never. More than [`DIGEST_AT_MOST`] counts as that.
    pub threshold: usize,
    /// Only when the oldest of them has waited this long: a burst that the homeserver takes stays in full.
    pub min_age: Duration,
}

/// What a digest needs of a waiting delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which one.
    pub id: DeliveryId,
    /// The line that names it.
    pub headline: String,
    /// What it announces.
    pub announced: Announced,
    /// Whether it is the message of a group, which the room has not heard of.
    pub is_root: bool,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When its alerts began.
    pub starts_at: Option<Timestamp>,
    /// How loud it would have been.
    pub msgtype: MsgType,
    /// Whom it would have mentioned.
    pub mentions: Mentions,
}

impl DigestPolicy {
    /// Sends everything as itself.
    pub fn never() -> Self {
        Self {
            threshold: usize::MAX,
            min_age: Duration::ZERO,
        }
    }

    /// How many have to wait behind the first for a digest; `None` where that rules it out.
    pub(super) fn looks_behind(&self, attempts: u32, accepted_at: Timestamp, now: Timestamp) -> Option<usize> {
        let old_enough = || now.duration_since(accepted_at).unsigned_abs() >= self.min_age && now >= accepted_at;
        (self.threshold != usize::MAX && attempts == 0 && old_enough())
            .then(|| self.threshold.clamp(1, DIGEST_AT_MOST - 1))
    }

    /// How many of a run of waiting deliveries one digest stands for; `None` if there is none to write after all.
    pub(super) fn taken(&self, run: &[Waiting]) -> Option<usize> {
        if run.len() <= self.threshold.clamp(1, DIGEST_AT_MOST - 1) {
            return None;
        }
        let (mut bytes, mut taken, mut known) = (0, 0, HashSet::new());
        for one in run {
            let new = one.names().filter(|name| known.insert(*name));
            bytes += new.map(size).sum::<usize>();
            if bytes > NAMES {
                break;
            }
            taken += 1;
        }
        (taken > 1).then_some(taken)
    }
}

impl Waiting {
    /// What names it in a digest.
    fn names(&self) -> impl Iterator<Item = &str> {
        let headline = self.announced.is_empty().then_some(self.headline.as_str());
        let alerts = self.announced.alerts.iter().map(|alert| alert.name.as_str());
        headline.into_iter().chain(alerts)
    }
}

/// Bytes that a name takes in a list, where signs that HTML or JSON spell out take several.
fn size(name: &str) -> usize {
    let bytes = name.chars().map(|c| match c {
        '<' | '>' | '&' | '"' | '\\' | '\'' => 6,
        c if c.is_control() => 6,
        c => c.len_utf8(),
    });
    bytes.sum::<usize>() + ", (1000 times)".len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AnnouncedAlert;

    fn waiting(name: &str) -> Waiting {
        let alert = AnnouncedAlert {
            name: name.to_owned(),
            ..AnnouncedAlert::default()
        };
        Waiting {
            id: DeliveryId(1),
            headline: "a headline".to_owned(),
            announced: Announced {
                alerts: vec![alert],
                ..Announced::default()
            },
            is_root: false,
            accepted_at: Timestamp::UNIX_EPOCH,
            starts_at: None,
            msgtype: MsgType::Text,
            mentions: Mentions::default(),
        }
    }

    #[test]
    fn a_digest_stands_for_as_many_as_it_can_name() {
        let policy = DigestPolicy {
            threshold: 10,
            min_age: Duration::ZERO,
        };
        let taken = |name: &dyn Fn(usize) -> String| {
            let run: Vec<Waiting> = (0..DIGEST_AT_MOST).map(|at| waiting(&name(at))).collect();
            policy.taken(&run)
        };
        assert_eq!(taken(&|_| "DiskFull".to_owned()), Some(1_000), "one name is told once");
        assert_eq!(taken(&|at| format!("DiskFullOnNode{at:04}")), Some(250));
        assert_eq!(taken(&|at| format!("{at}{}", "\u{1}".repeat(5_000))), None);
        assert_eq!(policy.taken(&vec![waiting("DiskFull"); 10]), None);
    }
}
