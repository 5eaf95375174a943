//! What a room knows of an alert group, and what a notification changes in it: pure, the clock is a parameter.
//!
//! Grafana and Alertmanager send full snapshots and do not say what is new (contracts of the sender), so each alert is
//! compared, by fingerprint and episode, with what is known of it:
//!
//! | known | the notification says | outcome |
//! |---|---|---|
//! | nothing | firing | starts |
//! | nothing | resolved, its firing never seen | ended |
//! | firing | firing, begun earlier, or a minute later at most (replicas; late; Alertmanager moves starts) | nothing new, and since when it was known to |
//! | firing | firing, begun more than a minute later | starts: the end in between was missed, or a replica is a cycle behind, which rings once |
//! | firing | resolved | ended, with what it last fired with |
//! | firing | resolved before this episode began, as an earlier one that was known | late: it goes on firing |
//! | resolved | resolved, the same episode | nothing new |
//! | resolved | resolved, begun after the known end | ended: that episode was never seen firing |
//! | resolved | firing, begun after the known end | starts |
//! | resolved | firing, begun before the known end, within a minute of the news | late: it stays resolved |
//! | resolved | firing, begun before the known end, later | starts (Alertmanager after a lapse of Prometheus) |
//! | no longer reported, or resolved at an unknown time | firing, begun over a minute after the known start | starts |
//! | no longer reported | firing, the same episode, within a minute of the news | returns: it has rung (an inhibition, an older snapshot) |
//! | no longer reported | firing, the same episode, later | starts |
//! | firing | not listed, alerts were cut off | unknown, goes on firing: never called resolved |
//! | firing | not listed, and the snapshot has news, or it was last seen over a minute ago | no longer reported |
//! | firing | not listed, otherwise (an older snapshot that came late) | goes on firing, and the head stays as it is |
//!
//! Where a group goes to several rooms, each compares its share; one whose share is empty compares that.
//!
//! And for the group: nothing known, or all was over and there is news → a new head; news, or all was over and something
//! returns → the head's state and a line;
//! nothing new → at most the head's text. It is over when nothing fires and nothing was cut off. A group whose key
//! changed is another group, since nothing in it says what it was before. Alerts without times are told apart by their
//! state alone.
//!
//! Guarantees: what is kept is bounded (see [`State`]), and the same notification twice changes nothing the second time.
//! It does not know how a change is shown, or where.

mod judge;
mod state;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::judge::Verdict;
use self::state::Known;
pub use self::state::State;
use crate::alert::{Alert, AlertStatus, Departure, Notification};

/// How late a notification may come after a newer one, and how far the clocks of a sender's replicas may differ.
pub const LATE: SignedDuration = SignedDuration::from_mins(1);

/// What kind of news a notification is for its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum News {
    /// The group begins: it was not known, or all of it was over.
    Begins,
    /// Something has changed.
    Changed,
    /// Nothing has.
    #[default]
    Nothing,
}

/// What a notification changes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Change {
    /// Of which kind it is. The lists are those of [`News::Changed`]; a group that begins is all new.
    pub news: News,
    /// Alerts that fire from now on.
    pub starting: Vec<Alert>,
    /// Alerts that fire on, though they were called no longer reported a moment ago; also where the group begins, because
    /// they have rung.
    pub returned: Vec<Alert>,
    /// Alerts that are resolved from now on, with what they last fired with.
    pub ended: Vec<Alert>,
    /// Alerts that were firing and are not listed any more, though nobody said that they are resolved.
    pub gone: Vec<Alert>,
    /// Whether nothing fires any more.
    pub over: bool,
    /// Whether all that was firing has recovered, as opposed to having gone away.
    pub recovered: bool,
    /// Whether the notification may be older than what is known, or is so in part, so that the head should stay as it is
    /// where there is no news.
    pub doubtful: bool,
}

/// A notification in the light of what was known.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// What is known from now on.
    pub state: State,
    /// What has changed.
    pub change: Change,
    /// The notification with what came too late put right, and with the values that resolved alerts last fired with.
    pub notification: Notification,
}

impl Compared {
    /// Tells alerts that only this room hears nothing of any more, because `whole` sends them to another, from those that
    /// the sender does not list.
    pub fn note_elsewhere(&mut self, whole: &Notification) {
        if self.change.gone.is_empty() {
            return;
        }
        // What is gone has the fingerprint that it is remembered by.
        let listed: HashSet<_> = whole
            .alerts
            .iter()
            .map(|alert| state::identity(&alert.fingerprint))
            .collect();
        for alert in self.change.gone.iter_mut().chain(&mut self.notification.alerts) {
            if alert.departed.is_some() && listed.contains(alert.fingerprint.0.as_str()) {
                alert.departed = Some(Departure::Elsewhere);
            }
        }
    }
}

/// Compares a notification that arrived at `now` with what was known.
pub fn compare(known: Option<&State>, mut notification: Notification, now: Timestamp) -> Compared {
    let begins = known.is_none_or(|known| known.over);
    let mut state = known.cloned().unwrap_or_default();
    let mut change = Change::default();
    let (mut starts, mut ends) = (0_usize, 0_usize);
    let mut listed = HashSet::new();
    for alert in &mut notification.alerts {
        let verdict = judge::judge(state.known(&alert.fingerprint), state.overflow, alert, now);
        listed.insert(state::identity(&alert.fingerprint).into_owned());
        match verdict {
            Verdict::Starts => {
                starts += 1;
                state.starts(alert, now);
                if !begins {
                    change.starting.push(alert.clone());
                }
            }
            Verdict::Returns => {
                state.goes_on(alert, now);
                change.returned.push(alert.clone());
            }
            Verdict::GoesOn => state.goes_on(alert, now),
            Verdict::Ends => {
                ends += 1;
                state.resolved(alert, now);
                if !begins {
                    change.ended.push(alert.clone());
                }
            }
            Verdict::Known => state.seen_resolved(alert),
            Verdict::Late => {
                state.put_right(alert, now);
                // What else it says of the alert, such as its summary, is as old.
                change.doubtful = true;
            }
        }
    }
    let fires = |alert: &Alert| alert.status == AlertStatus::Firing;
    notification.status = if notification.alerts.iter().any(fires) {
        AlertStatus::Firing
    } else {
        AlertStatus::Resolved
    };
    let whole = notification.truncated_alerts == 0;
    let news = starts + ends > 0;
    if whole {
        let missing = |(fingerprint, known): (&String, &Known)| {
            (known.firing && !listed.contains(fingerprint)).then(|| fingerprint.clone())
        };
        let missing: Vec<String> = state.alerts.iter().filter_map(missing).collect();
        let is_old = |fingerprint: &String| state.alerts[fingerprint].seen_before(now - LATE);
        // Of a share without an alert either all of it is believed, or nothing.
        let all_old = listed.is_empty() && missing.iter().all(is_old);
        for fingerprint in missing {
            let is_old = state.alerts[&fingerprint].seen_before(now - LATE) && (all_old || !listed.is_empty());
            if news || is_old {
                change.gone.extend(state.gone(&fingerprint, now));
            } else {
                change.doubtful = true;
            }
        }
    }
    if listed.is_empty() {
        // What is gone is all that there is to show.
        notification.alerts.clone_from(&change.gone);
    }
    if begins && news {
        state.unrecovered = false;
    }
    state.unrecovered |= !change.gone.is_empty()
        || notification
            .alerts
            .iter()
            .any(|alert| !fires(alert) && !alert.recovered());
    let nothing_fires =
        notification.status == AlertStatus::Resolved && !state.alerts.values().any(|known| known.firing);
    // What was over stays so until there is news, whatever was cut off.
    let is_quiet = !news && change.returned.is_empty();
    state.over = (begins && is_quiet) || (whole && nothing_fires);
    state.forget(now);
    change.over = state.over;
    change.recovered = state.over && !state.unrecovered;
    change.news = if begins && news {
        News::Begins
    } else if is_quiet && change.gone.is_empty() {
        News::Nothing
    } else {
        News::Changed
    };
    Compared {
        state,
        change,
        notification,
    }
}
