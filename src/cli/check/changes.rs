//! Changes to try `update.md.j2` on: each notification once more, as the end of all its alerts, and after another one.

use jiff::{SignedDuration, Timestamp};

use super::Trial;
use crate::alert::{AlertStatus, Notification};
use crate::group::{Change, Compared, compare};

/// A change in a group, and how to call it.
pub(super) struct ChangeTrial {
    pub(super) name: String,
    pub(super) notification: Notification,
    pub(super) change: Change,
    pub(super) now: Timestamp,
}

/// What the trials become as sequences.
pub(super) fn of(trials: &[Trial]) -> Vec<ChangeTrial> {
    let mut changes = Vec::new();
    let mut before: Option<&Trial> = None;
    for trial in trials {
        let later = trial.now + SignedDuration::from_mins(5);
        let begun = compare(None, trial.notification.clone(), trial.now).state;
        let mut add = |name: String, compared: Compared| {
            changes.push(ChangeTrial {
                name,
                notification: compared.notification,
                change: compared.change,
                now: later,
            });
        };
        let again = compare(Some(begun.clone()), trial.notification.clone(), later);
        add(format!("{} again", trial.name), again);
        let over = compare(Some(begun), ended(&trial.notification, later), later);
        add(format!("the end of {}", trial.name), over);
        if let Some(before) = before {
            let known = compare(None, before.notification.clone(), trial.now).state;
            let after = compare(Some(known), trial.notification.clone(), later);
            add(format!("{} after {}", trial.name, before.name), after);
        }
        before = Some(trial);
    }
    changes
}

fn ended(notification: &Notification, now: Timestamp) -> Notification {
    let mut ended = notification.clone();
    ended.status = AlertStatus::Resolved;
    for alert in &mut ended.alerts {
        if alert.status == AlertStatus::Firing {
            alert.status = AlertStatus::Resolved;
            alert.ends_at = Some(now);
        }
    }
    ended
}
