//! What is done with one scheduled message: it is held, pushed back, cancelled, or taken back where it came.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{DeadMan, PUSH, Trouble};
use crate::matrix::{DelayedEvents, EncryptionState, Failure, Pushed, RoomTrouble, Verdict};
use crate::message::{Relation, RenderedMessage};
use crate::outbox::{Scheduled, ScheduledState};
use crate::pipeline::RelayNews;

/// How long after its time a message may come.
const LATE: Duration = Duration::from_mins(5);
/// A longer wait is no wait for a limit.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

impl DeadMan {
    /// Whether it may be in plain text though its room is encrypted by now. What another relay encrypts is that one's to know.
    pub(super) async fn may_be_plain(&self, one: &Scheduled) -> Result<bool, Failure> {
        let is_known = one.delay_id.is_none() || self.sealed.as_ref() == Some(&one.txn_id);
        let may_tell = !is_known && self.client.encryption_state() != EncryptionState::Elsewhere;
        Ok(may_tell && self.client.is_encrypted(&one.room).await?)
    }

    /// Holds this one; until that works, those that it takes the place of.
    pub(super) async fn hold_first(
        &mut self,
        one: &Scheduled,
        can: DelayedEvents,
        now: Timestamp,
    ) -> Result<bool, Trouble> {
        let held = self.hold(one.clone(), can, now).await;
        if held.is_err() {
            for old in self.outbox.scheduled().await? {
                if old.state == ScheduledState::Unwanted && old.room == one.room {
                    self.push_back(&old, can, now).await?;
                }
            }
        }
        held
    }

    /// Pushes it back, or schedules it; `false`: it is in the room.
    async fn hold(&mut self, one: Scheduled, can: DelayedEvents, now: Timestamp) -> Result<bool, Trouble> {
        if one.delay_id.is_some() {
            return self.push_back(&one, can, now).await;
        }
        if self.not_before.is_some_and(|until| until > now) {
            return Err(Trouble::Waits);
        }
        let message = self
            .pipeline
            .relay_message(&one.room, RelayNews::Silent { after: one.delay }, now);
        // Learned only while it is scheduled, it is scheduled once more.
        let is_sealed = self.client.known_encrypted(&one.room).is_some();
        let scheduled = match self.schedule(&one, can, &message).await {
            Err(failure) if is_absent(&failure) && self.client.join(&one.room).await.is_ok() => {
                self.schedule(&one, can, &message).await
            }
            scheduled => scheduled,
        };
        match scheduled {
            Ok(delay_id) => {
                self.sealed = is_sealed.then(|| one.txn_id.clone());
                tracing::info!(
                    matrix.room_id = %one.room,
                    "the homeserver tells {} if it gets no sign of life from the relay for {:#}",
                    one.room,
                    SignedDuration::try_from(one.delay).unwrap_or_default()
                );
                let (txn_id, pushed_at) = (one.txn_id.clone(), now);
                let scheduled = Some(delay_id.clone());
                self.outbox
                    .write_scheduled(Scheduled {
                        delay_id: scheduled.clone(),
                        pushed_at,
                        ..one
                    })
                    .await?;
                // Relays with devices of their own share no transaction: the first of them keeps its message.
                let all = self.outbox.scheduled().await?;
                if all
                    .iter()
                    .any(|kept| kept.txn_id == txn_id && kept.delay_id != scheduled)
                {
                    self.client.cancel(can, &delay_id).await?;
                }
                Ok(true)
            }
            Err(failure) => {
                if let Verdict::RateLimited { retry_after } = &failure.verdict {
                    self.not_before = Some(now + retry_after.unwrap_or(PUSH).min(LONGEST_WAIT));
                }
                Err(failure.into())
            }
        }
    }

    async fn schedule(
        &self,
        one: &Scheduled,
        can: DelayedEvents,
        message: &RenderedMessage,
    ) -> Result<String, Failure> {
        self.client
            .schedule(can, &one.room, &one.txn_id, message, one.delay)
            .await
    }

    /// Lets the homeserver wait anew; `false`: it has sent it, which is written down.
    async fn push_back(&self, one: &Scheduled, can: DelayedEvents, now: Timestamp) -> Result<bool, Trouble> {
        let Some(delay_id) = &one.delay_id else {
            return Ok(false);
        };
        let pushed = self.client.restart(can, delay_id).await?;
        let (state, pushed_at) = match pushed {
            Pushed::Done => (one.state, now),
            Pushed::Gone => (ScheduledState::Sent, one.pushed_at),
        };
        let one = Scheduled {
            state,
            pushed_at,
            ..one.clone()
        };
        self.outbox.write_scheduled(one).await?;
        Ok(pushed == Pushed::Done)
    }

    /// Cancels what is not wanted, and takes back what came; says whether that is done.
    pub(super) async fn clear(&self, one: Scheduled, can: DelayedEvents, now: Timestamp) -> Result<bool, Trouble> {
        let is_over = now.duration_since(one.pushed_at).unsigned_abs() > one.delay + LATE;
        let Some(delay_id) = one.delay_id.clone() else {
            self.outbox.forget_scheduled(one.txn_id).await?;
            return Ok(true);
        };
        if one.state != ScheduledState::Sent && self.client.cancel(can, &delay_id).await? == Pushed::Done {
            self.outbox.forget_scheduled(one.txn_id).await?;
            return Ok(true);
        }
        let Some(event_id) = self.client.find_sent(&one.room, &delay_id, one.scheduled_at).await? else {
            // It may come yet, or never was: the homeserver has forgotten it, or could not send it.
            if is_over {
                self.outbox.forget_scheduled(one.txn_id).await?;
            } else {
                let state = ScheduledState::Sent;
                self.outbox.write_scheduled(Scheduled { state, ..one }).await?;
            }
            return Ok(is_over);
        };
        let news = RelayNews::Back {
            from: one.pushed_at,
            ran: self.started <= one.pushed_at,
        };
        let message = self.pipeline.relay_message(&one.room, news, now);
        let edit = Relation::Edit { of: event_id };
        match self.client.send(&one.room, &one.txn_id, &message, Some(&edit)).await {
            Ok(_) => tracing::info!(matrix.room_id = %one.room, "{} was told that the relay is back", one.room),
            // Somebody has deleted it.
            Err(failure) if failure.verdict == Verdict::Relation => {}
            Err(failure) => return Err(failure.into()),
        }
        self.outbox.forget_scheduled(one.txn_id).await?;
        Ok(true)
    }
}

fn is_absent(failure: &Failure) -> bool {
    matches!(
        failure.verdict,
        Verdict::Room(RoomTrouble::NotJoined | RoomTrouble::Forbidden)
    )
}
