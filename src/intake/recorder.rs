//! Keeps the last notifications for the workshop, beside acceptance and never in its way.
//!
//! Guarantees: offering costs a copy of a small body and waits for nothing; what arrives faster than it is written
//! pushes out what is older, which would be forgotten anyway; a store that fails costs a recording and no notification.
//! Secrets are masked before anything is written, and headers are never seen here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;

use crate::alert::{Notification, payload};
use crate::mask;
use crate::outbox::{NewRecording, Outbox};
use crate::text;

/// A larger body is not kept.
const LARGEST: usize = 256 * 1024;

/// How long what was offered is gathered, so that a burst costs acceptance no writes of its own.
const GATHERED: Duration = Duration::from_millis(500);

/// How long a title may be, in characters.
const LONGEST_TITLE: usize = 100;
/// The same for what its alerts are about.
const LONGEST_INSTANCE: usize = 60;

/// What was accepted and is not written yet.
pub struct Recorder {
    keep: usize,
    waiting: Mutex<VecDeque<(Vec<u8>, Timestamp)>>,
    offered: Notify,
}

impl Recorder {
    /// A recorder that keeps the last `keep` notifications; none if it is 0.
    pub fn new(keep: usize) -> Self {
        Self {
            keep,
            waiting: Mutex::default(),
            offered: Notify::new(),
        }
    }

    /// Takes a body that was accepted, if it is one to keep.
    pub(super) fn offer(&self, body: Vec<u8>, at: Timestamp) {
        if self.keep == 0 || body.len() > LARGEST {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() >= self.keep {
            waiting.pop_front();
        }
        waiting.push_back((body, at));
        drop(waiting);
        self.offered.notify_one();
    }

    /// Writes what is offered, until it is dropped. First forgets what a larger setting had kept.
    pub async fn run(self: Arc<Self>, outbox: Outbox) {
        loop {
            let offered: Vec<_> = self.waiting().drain(..).collect();
            // Parsing again is cheaper than carrying a parsed body through acceptance for this.
            let prepare = move || {
                offered
                    .into_iter()
                    .filter_map(|(body, at)| recording(&body, at))
                    .collect()
            };
            let new = tokio::task::spawn_blocking(prepare).await.unwrap_or_default();
            if let Err(error) = outbox.keep_recordings(new, self.keep).await {
                tracing::debug!(error.message = %error, "cannot keep notifications for the workshop");
            }
            self.offered.notified().await;
            tokio::time::sleep(GATHERED).await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<(Vec<u8>, Timestamp)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn recording(body: &[u8], received_at: Timestamp) -> Option<NewRecording> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    mask::body(&mut value);
    let body = value.to_string();
    let title = title(&payload::any(body.as_bytes()).ok()?);
    Some(NewRecording {
        title,
        body,
        received_at,
    })
}

/// What says which thing an alert is about, the most telling one first.
const INSTANCE: [&str; 8] = [
    "instance",
    "host",
    "hostname",
    "node",
    "pod",
    "service",
    "job",
    "namespace",
];

/// `firing: HighLatency · web-1:9100` or `firing: HighLatency, 3 alerts`; where they share it, with what they are about.
fn title(notification: &Notification) -> String {
    let first = notification.alerts.first().map(|alert| &alert.labels);
    let labels = [
        Some(&notification.group_labels),
        Some(&notification.common_labels),
        first,
    ];
    let name = labels.into_iter().flatten().find_map(|labels| labels.get("alertname"));
    let name = name.unwrap_or(&notification.title).trim();
    let count = match notification.alerts.len() {
        1 => String::new(),
        count => format!(", {count} alerts"),
    };
    let name = text::beginning(name, LONGEST_TITLE);
    if notification.is_message() {
        return name.to_owned();
    }
    let shared = match notification.alerts.as_slice() {
        [alert] => &alert.labels,
        _ => &notification.common_labels,
    };
    let instance = INSTANCE
        .iter()
        .find_map(|label| shared.get(*label))
        .map(|text| text.trim());
    let instance = instance.filter(|text| !text.is_empty());
    let instance = instance.map_or_else(String::new, |text| {
        format!(" · {}", text::beginning(text, LONGEST_INSTANCE))
    });
    format!("{}: {name}{instance}{count}", notification.status)
}
