//! Notifications that were refused for want of a credential: alerts that nobody saw, since senders do not send them again.
//!
//! Guarantees: it remembers the last of them and how many came in a row, from any senders and however many; what is long over
//! is forgotten.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How long a refusal is news: senders repeat what fails every few minutes.
const NEWS: SignedDuration = SignedDuration::from_mins(15);

/// What was refused lately.
#[derive(Debug, Default)]
pub(super) struct RefusedNotifications(Mutex<Option<Refused>>);

#[derive(Debug, Clone, Copy)]
struct Refused {
    first: Timestamp,
    last: Timestamp,
    count: u64,
    client: Option<IpAddr>,
    reason: &'static str,
}

impl Refused {
    fn is_over(&self, now: Timestamp) -> bool {
        // A clock that was set back must not make it last for hours.
        now.duration_since(self.last).abs() >= NEWS
    }
}

impl RefusedNotifications {
    /// One more.
    pub(super) fn note(&self, client: Option<IpAddr>, reason: &'static str, now: Timestamp) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.filter(|before| !before.is_over(now));
        *held = Some(Refused {
            first: before.map_or(now, |before| before.first),
            last: now,
            count: before.map_or(0, |before| before.count).saturating_add(1),
            client,
            reason,
        });
    }

    /// What to say of it, while it is news.
    pub(super) fn news(&self, now: Timestamp) -> Option<String> {
        let held = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = held.filter(|refused| !refused.is_over(now))?;
        let client = refused
            .client
            .map_or_else(|| "an unknown address".to_owned(), |client| client.to_string());
        let ago = now.duration_since(refused.last).as_secs().max(0);
        let count = match refused.count {
            1 => "a notification was refused".to_owned(),
            count => format!("{count} notifications were refused since {:.0}", refused.first),
        };
        Some(format!(
            "{count} for want of the right credential, the last {ago} s ago from {client}: its credential is {}; what a sender \
             has to show is said at the start",
            refused.reason
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_news_for_a_quarter_of_an_hour() {
        let lost = RefusedNotifications::default();
        let at = |seconds: i64| Timestamp::from_second(1_795_000_000 + seconds).unwrap();
        assert_eq!(lost.news(at(0)), None);
        lost.note(None, "missing", at(0));
        lost.note(Some([10, 0, 0, 7].into()), "wrong", at(600));
        let said = lost.news(at(605)).unwrap();
        for part in ["2 notifications", "5 s ago from 10.0.0.7", "wrong"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(lost.news(at(600 + 15 * 60)).is_none() && lost.news(at(-3600)).is_none());
        lost.note(None, "missing", at(5000));
        assert!(lost.news(at(5000)).unwrap().starts_with("a notification was refused"));
    }
}
