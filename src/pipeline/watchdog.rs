//! Messages about something that is expected to give signs of life: that it is silent, and that it is back.
//!
//! Guarantees: it is an alert like any other, by the route's template, mode, language and mentions, and so exactly once, whichever
//! of several relays says it: which of it the room knows stands with its group, and is compared and swapped with what is said.

use std::sync::Arc;

use jiff::Timestamp;

use super::memory::Before;
use super::target::{Target, Targets};
use super::{Pipeline, Size, TIME_FOR_TEMPLATES, repeat};
use crate::alert::{Alert, AlertStatus, Fingerprint, GroupKey, Notification};
use crate::message::RouteName;
use crate::message::words::Words;
use crate::outbox::{Enqueued, GroupQuery, OutboxError};
use crate::render::{Deadline, duration_text};
use crate::route::{Destination, Expected, MessagePolicy, Share};
use crate::text;

/// One room that gets these messages.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The route by which the signs of life come.
    pub route: RouteName,
    /// What is expected.
    pub expected: Expected,
    destination: Destination,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing has come since then; or nothing ever, and it is expected since then.
    Silent {
        /// Since when.
        since: Timestamp,
        /// Whether anything ever came.
        ever: bool,
    },
    /// A sign of life came.
    Alive {
        /// When.
        at: Timestamp,
    },
}

impl Pipeline {
    /// What is expected, by the routes in use, once for each room.
    pub fn watched(&self) -> Vec<Watched> {
        let table = self.router.table();
        let watched = |(route, destination): (&RouteName, &Destination)| {
            Some(Watched {
                route: route.clone(),
                expected: destination.policy.expected.clone()?,
                destination: destination.clone(),
            })
        };
        table.expected().into_iter().filter_map(watched).collect()
    }

    /// Lets the room know how it is, if it does not; says whether something new was said.
    pub async fn tell_standing(
        &self,
        watched: &Watched,
        standing: Standing,
        now: Timestamp,
    ) -> Result<bool, OutboxError> {
        let name = text::hash(["sign of life", watched.expected.from.as_str()]);
        let fingerprint = Fingerprint(name[..16].to_owned());
        let mut notification = Notification::of(Vec::new());
        notification.group_key = GroupKey(format!("sign of life: {name}"));
        notification.route = watched.route.to_string();
        let destination = destination(&watched.destination);
        let group = Targets::group_at(&watched.route, &notification, &destination.template);
        let query = GroupQuery {
            room: &destination.room,
            key: &group,
            alerts: vec![fingerprint.0.clone()],
            others: true,
        };
        let known = self.outbox.groups(&[query]).await?.pop().flatten();
        let before = Before::read(known);
        let words = self.tools.words(&destination.policy.locale);
        let alert = match (standing, before.is_going_on()) {
            (Standing::Silent { since, ever }, false) => silent(&words, fingerprint, &watched.expected, since, ever),
            (Standing::Alive { at }, true) => {
                let since = before.memory.and_then(|memory| memory.state.fires_since(&fingerprint));
                back(&words, fingerprint, &watched.expected, since, at)
            }
            _ => return Ok(false),
        };
        notification.alerts = vec![alert];
        let whole = Arc::new(notification);
        let share = Share::of_all_for(&whole, &destination.policy.mentions);
        let target = Target {
            destination,
            share,
            group: Some(group),
        };
        let targets = Targets::only_news(&watched.route, whole, target);
        let deadline = Deadline::after(TIME_FOR_TEMPLATES);
        let keys = repeat::Keys::default();
        let enqueued = self.enqueue(targets, keys, Size::of(0, 1), &deadline, now).await?;
        Ok(matches!(enqueued, Enqueued::Accepted(receipts) if !receipts.is_empty()))
    }
}

/// The same as for any alert, and said once.
fn destination(watched: &Destination) -> Destination {
    Destination {
        policy: MessagePolicy {
            reminders: false,
            expected: None,
            ..watched.policy.clone()
        },
        ..watched.clone()
    }
}

fn silent(words: &Arc<Words>, fingerprint: Fingerprint, expected: &Expected, since: Timestamp, ever: bool) -> Alert {
    let duration = crate::message::words::with(words, || duration_text(expected.every.as_secs_f64()));
    let word = if ever { "stays_away" } else { "never_came" };
    let mut alert = alert(words, fingerprint, expected);
    let text = words.say(word, &[("duration", &duration)]);
    alert.annotations.insert("summary".to_owned(), text);
    Alert {
        starts_at: Some(since),
        ..alert
    }
}

fn back(
    words: &Words,
    fingerprint: Fingerprint,
    expected: &Expected,
    since: Option<Timestamp>,
    at: Timestamp,
) -> Alert {
    Alert {
        status: AlertStatus::Resolved,
        starts_at: since,
        ends_at: Some(at),
        ..alert(words, fingerprint, expected)
    }
}

fn alert(words: &Words, fingerprint: Fingerprint, expected: &Expected) -> Alert {
    let mut alert = Alert::unknown(fingerprint);
    let name = words.say("no_sign_of_life", &[("name", &expected.from)]);
    alert.labels.insert("alertname".to_owned(), name);
    alert.labels.insert("severity".to_owned(), "critical".to_owned());
    alert
}
