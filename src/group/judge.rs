//! What a notification says of one alert, in the light of what was known of it: the table of [`super`], row by row.

use jiff::Timestamp;

use super::LATE;
use super::state::Known;
use crate::alert::{Alert, AlertStatus};

/// See the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Starts,
    /// It was not listed for a moment, and has rung.
    Returns,
    GoesOn,
    Ends,
    /// It is resolved, and that was known.
    Known,
    /// What is known is newer.
    Late,
}

/// `overflow`: when there were too many alerts to remember all; what began before that is not new.
pub(super) fn judge(known: Option<&Known>, overflow: Option<Timestamp>, alert: &Alert, now: Timestamp) -> Verdict {
    match (known, alert.status) {
        (None, AlertStatus::Firing) => {
            let was_there = |since: Timestamp| alert.starts_at.is_none_or(|start| start <= since);
            if overflow.is_some_and(was_there) {
                Verdict::GoesOn
            } else {
                Verdict::Starts
            }
        }
        (None, AlertStatus::Resolved) => Verdict::Ends,
        (Some(known), AlertStatus::Firing) if known.firing => match (known.starts_at, alert.starts_at) {
            (Some(before), Some(start)) if start.duration_since(before) > LATE => Verdict::Starts,
            _ => Verdict::GoesOn,
        },
        (Some(known), AlertStatus::Firing) => {
            let just_now = now.duration_since(known.changed_at).abs() < LATE;
            let later = |start: Timestamp| known.starts_at.map(|before| start.duration_since(before));
            match (alert.starts_at, known.ended_at) {
                // Without times, firing after resolved is all that there is to go by.
                (None, _) => Verdict::Starts,
                (Some(start), Some(end)) if start > end => Verdict::Starts,
                // Nobody said when it ended, and another episode begins later.
                (Some(start), None) if later(start).is_some_and(|later| later > LATE) => Verdict::Starts,
                (Some(start), None) if known.gone && just_now && later(start).is_none_or(|later| later >= -LATE) => {
                    Verdict::Returns
                }
                _ if just_now => Verdict::Late,
                _ => Verdict::Starts,
            }
        }
        (Some(known), AlertStatus::Resolved) if known.firing => {
            let ended_before = matches!((known.starts_at, alert.ends_at), (Some(start), Some(end)) if end < start);
            // Only of an episode that was known: odd times alone must not keep an alert firing for ever.
            let of_an_earlier = match (known.earlier, alert.starts_at) {
                (Some(earlier), Some(start)) => start.duration_since(earlier).abs() <= LATE,
                _ => false,
            };
            if ended_before && of_an_earlier {
                Verdict::Late
            } else {
                Verdict::Ends
            }
        }
        (Some(known), AlertStatus::Resolved) => match (known.ended_at, alert.starts_at) {
            // It was not listed any more, and now somebody says that it is over.
            (None, _) if known.gone => Verdict::Ends,
            (Some(end), Some(start)) if start > end => Verdict::Ends,
            _ => Verdict::Known,
        },
    }
}
