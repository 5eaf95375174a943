//! What the templates are tried on: the samples, and the notifications that the relay kept.

use jiff::Timestamp;

use super::super::material;
use crate::alert::{Notification, payload};
use crate::outbox::{self, Outbox, OutboxError};
use crate::samples;

/// A notification to try, and how to call it.
pub(super) struct Trial {
    pub(super) name: String,
    /// The template that a sample of a body is for.
    pub(super) of: Option<&'static str>,
    pub(super) notification: Notification,
    pub(super) now: Timestamp,
}

/// All samples, and what a relay has kept; without its outbox, only the samples.
pub(super) async fn trials(settings: &outbox::Settings) -> anyhow::Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for sample in samples::all().into_iter().chain(samples::webhooks()) {
        let (notification, now) = material::sample(sample.name)?;
        let name = format!("sample {}", sample.name);
        trials.push(Trial {
            name,
            of: sample.template,
            notification,
            now,
        });
    }
    match kept(settings).await {
        Ok(kept) => trials.extend(kept),
        Err(OutboxError::Missing(_)) => {}
        Err(error) => tracing::warn!("check tries only samples, because {error}"),
    }
    Ok(trials)
}

pub(super) async fn kept(settings: &outbox::Settings) -> Result<Vec<Trial>, OutboxError> {
    let outbox = Outbox::open_for_operator(settings).await?;
    let mut trials = Vec::new();
    for recording in outbox.recordings().await? {
        let body = outbox.recording(recording.id).await?.map(|(_, body)| body);
        let notification = body.and_then(|body| payload::any(body.as_bytes()).ok());
        trials.extend(notification.map(|notification| Trial {
            name: format!("recorded {} ({})", recording.id.0, recording.title),
            of: None,
            notification,
            now: recording.received_at,
        }));
    }
    Ok(trials)
}
