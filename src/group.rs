//! What a room knows of an alert group, and what a notification changes in it: pure, the clock is a parameter.
//!
//! Grafana and Alertmanager send full snapshots and do not say what is new. The last snapshot is the truth, whatever its age,
//! and there are three rules for its alerts (by fingerprint):
//!
//! - an alert that is listed as firing *starts*, if it is not known to fire, or began later than the known one;
//! - one that is listed as resolved *ends*, if it is known to fire;
//! - one that is known to fire and not listed is *gone*, if nothing was cut off.
//!
//! Everything else is nothing new. "Later" is more than a minute, because replicas of a sender differ by some seconds in when
//! an alert began. And for the group: it *begins* if nothing is known of it, or if it was over and something starts; it is
//! over when nothing fires and nothing was cut off. Where a group goes to several rooms, each compares its share.
//!
//! Guarantees: what is kept is bounded (see [`State`]), and the same notification twice changes nothing the second time.
//! It does not know how a change is shown, or where.

mod state;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::state::{Known, State, name_of};
use crate::alert::{Alert, AlertStatus, Departure, Notification};

/// How much later an alert begins anew. Replicas of a sender differ by less in when the same one began.
pub const LATER: SignedDuration = SignedDuration::from_mins(1);

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
    /// Of which kind it is.
    pub news: News,
    /// Alerts that fire from now on.
    pub starting: Vec<Alert>,
    /// Alerts that are resolved from now on, with what they last fired with.
    pub ended: Vec<Alert>,
    /// Alerts that were firing and are not listed any more, though nobody said that they are resolved.
    pub gone: Vec<Alert>,
    /// Whether nothing fires any more.
    pub over: bool,
    /// Whether all that was firing has recovered, as opposed to having gone away.
    pub recovered: bool,
}

/// A notification in the light of what was known.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// What is known from now on.
    pub state: State,
    /// What has changed.
    pub change: Change,
    /// The notification, with since when alerts were first known to fire, and with the values that resolved ones last fired
    /// with.
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
        let listed: HashSet<_> = whole.alerts.iter().map(|alert| name_of(&alert.fingerprint)).collect();
        for alert in self.change.gone.iter_mut().chain(&mut self.notification.alerts) {
            if alert.departed.is_some() && listed.contains(alert.fingerprint.0.as_str()) {
                alert.departed = Some(Departure::Elsewhere);
            }
        }
    }
}

/// Compares a notification that arrived at `now` with what was known; `None`: nothing of its group.
pub fn compare(known: Option<State>, mut notification: Notification, now: Timestamp) -> Compared {
    let is_unknown = known.is_none();
    let mut state = known.unwrap_or_default();
    let was_over = is_unknown || state.over;
    let mut change = Change::default();
    let mut listed = HashSet::new();
    let overflow = state.overflow.take();
    for alert in &mut notification.alerts {
        listed.insert(name_of(&alert.fingerprint).into_owned());
        let fired = state.known(&alert.fingerprint).filter(|known| known.firing);
        match (fired, alert.status) {
            (Some(known), AlertStatus::Firing) if !known.is_before(alert) => state.goes_on(alert),
            (None, AlertStatus::Firing) if overflow.is_some_and(|since| has_begun(alert, since)) => {
                state.fires(alert, now);
            }
            (_, AlertStatus::Firing) => {
                state.fires(alert, now);
                change.starting.push(alert.clone());
            }
            (Some(_), AlertStatus::Resolved) => {
                state.resolved(alert);
                change.ended.push(alert.clone());
            }
            (None, AlertStatus::Resolved) => state.seen_resolved(alert),
        }
    }
    let fires = |alert: &Alert| alert.status == AlertStatus::Firing;
    let any_fires = notification.alerts.iter().any(fires);
    notification.status = if any_fires {
        AlertStatus::Firing
    } else {
        AlertStatus::Resolved
    };
    let is_whole = notification.truncated_alerts == 0;
    if is_whole {
        change.gone = state.gone(&listed);
    }
    if listed.is_empty() {
        // What is gone is all that there is to show.
        notification.alerts.clone_from(&change.gone);
    }
    let is_changed = !(change.starting.is_empty() && change.ended.is_empty() && change.gone.is_empty());
    change.news = if is_unknown || (was_over && !change.starting.is_empty()) {
        state.unrecovered = false;
        News::Begins
    } else if is_changed {
        News::Changed
    } else {
        News::Nothing
    };
    state.unrecovered |=
        !change.gone.is_empty() || notification.alerts.iter().any(|one| !fires(one) && !one.recovered());
    // What was over stays so until there is news, whatever was cut off.
    let stays_over = was_over && !is_unknown && change.news == News::Nothing;
    state.over = stays_over || (is_whole && !any_fires && !state.any_fires());
    change.over = state.over;
    change.recovered = state.over && !state.unrecovered;
    Compared {
        state,
        change,
        notification,
    }
}

/// Whether an alert fired already when there were too many to remember all.
fn has_begun(alert: &Alert, since: Timestamp) -> bool {
    alert.starts_at.is_none_or(|start| start <= since)
}
