//! The last notification of a group, kept beside its message, so that the message can be rendered again when something other
//! than a notification changes it.
//!
//! Guarantees: bounded by what a message can show, not by what was sent: of more alerts the first ones are kept, the others are
//! counted as those that the sender cuts off are.

use crate::alert::Notification;

/// Bytes of JSON that are kept at most.
const BYTES: usize = 48 * 1024;
/// Alerts that are kept at most; no message shows more.
const ALERTS: usize = 100;

/// What is kept; `None` where even that would be too much.
pub fn write(notification: &Notification) -> Option<String> {
    let mut alerts = notification.alerts.len().min(ALERTS);
    loop {
        let text = written(notification, alerts)?;
        if text.len() <= BYTES {
            return Some(text);
        }
        // About as many as fit, and fewer in any case.
        alerts = (alerts * BYTES / text.len()).min(alerts.checked_sub(1)?);
    }
}

fn written(notification: &Notification, alerts: usize) -> Option<String> {
    if alerts == notification.alerts.len() {
        return serde_json::to_string(notification).ok();
    }
    let left_out = notification.alerts.len() - alerts;
    let some = Notification {
        alerts: notification.alerts[..alerts].to_vec(),
        truncated_alerts: notification.truncated_alerts + left_out as u64,
        ..notification.clone()
    };
    serde_json::to_string(&some).ok()
}

/// The reverse.
pub fn read(text: &str) -> Option<Notification> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Alert, Fingerprint};

    fn of(alerts: Vec<Alert>) -> Notification {
        Notification {
            truncated_alerts: 3,
            ..Notification::of(alerts)
        }
    }

    #[test]
    fn what_fits_is_kept_whole_and_of_the_rest_the_beginning() {
        let alert = |n: usize| Alert::unknown(Fingerprint(format!("{n:04}")));
        let few = of((0..3).map(alert).collect());
        assert_eq!(read(&write(&few).unwrap()), Some(few));
        let text = write(&of((0..5_000).map(alert).collect())).unwrap();
        let kept = read(&text).unwrap();
        assert!(text.len() <= BYTES && !kept.alerts.is_empty(), "{} bytes", text.len());
        assert_eq!(kept.alerts.len() as u64 + kept.truncated_alerts, 5_003);
        let long = Alert {
            value_string: "x".repeat(2 * BYTES),
            ..alert(0)
        };
        let kept = read(&write(&of(vec![long, alert(1)])).unwrap()).unwrap();
        assert_eq!((kept.alerts.len(), kept.truncated_alerts), (0, 5));
    }
}
