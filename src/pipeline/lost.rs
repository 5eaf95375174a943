//! What was given up of a group whose head is in the room, by the homeserver's fault or an operator's word: the room does
//! not show what is the case, and no repeat would tell it, for it brings nothing new. So a later notification of the group
//! lets it go again, as an operator's retry does: the same rows under the same transaction IDs, so that nothing rings twice.
//!
//! Guarantees: what is news goes before the notification's own news, in its order; what shows a state goes only where
//! nothing newer does. A row is let go again at most once a minute, however often the homeserver refuses it.

use jiff::Timestamp;

use crate::group::LATE;
use crate::outbox::{DeliveryId, KnownGroup, Lost, Outbox, OutboxError, RetryResult};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LostOnes {
    news: Vec<DeliveryId>,
    states: Vec<DeliveryId>,
}

impl LostOnes {
    /// Of some groups, at this moment.
    pub(super) fn of(known: &[Option<KnownGroup>], now: Timestamp) -> Self {
        let is_due = |since: Option<Timestamp>| since.is_none_or(|since| now.duration_since(since).abs() >= LATE);
        let lost = known.iter().flatten().flat_map(|group| &group.lost);
        let mut lost: Vec<&Lost> = lost.filter(|one| is_due(one.since)).collect();
        lost.sort_unstable();
        lost.dedup();
        let (states, news): (Vec<&Lost>, Vec<&Lost>) = lost.into_iter().partition(|one| one.shows_state);
        Self {
            news: news.into_iter().map(|one| one.id).collect(),
            // The newest first: then those before it are out of date.
            states: states.into_iter().rev().map(|one| one.id).collect(),
        }
    }

    /// Lets news go again; says whether there was any.
    pub(super) async fn tell_news(&self, outbox: &Outbox, now: Timestamp) -> Result<bool, OutboxError> {
        let_go(outbox, &self.news, now).await
    }

    /// Lets the newest states go again, once whatever is newer waits.
    pub(super) async fn show_states(&self, outbox: &Outbox, now: Timestamp) {
        if let Err(error) = let_go(outbox, &self.states, now).await {
            // The notification is on disk, and the next one finds them again.
            tracing::warn!(error.message = %error, "what was given up of a group could not be let go again");
        }
    }
}

async fn let_go(outbox: &Outbox, ids: &[DeliveryId], now: Timestamp) -> Result<bool, OutboxError> {
    if ids.is_empty() {
        return Ok(false);
    }
    let retried = outbox.retry(ids, now).await?;
    let queued = retried
        .iter()
        .filter(|one| matches!(one.result, RetryResult::Queued { .. }));
    let mut any = false;
    for one in queued {
        any = true;
        tracing::info!(delivery.id = %one.id, "what was given up of a group goes out again with its next notification");
    }
    Ok(any)
}
