//! The homeserver as a dead man's switch: a message that it keeps and sends by itself, unless the relay pushes it back in time.
//!
//! Guarantees: one message is kept in the room, by however many relays; it is written down before the homeserver is asked to keep
//! it, so the next start adopts it; one that came though the relay is there, because it was away or the homeserver was, is
//! brought up to date; one in plain text is taken away from a room that has become encrypted. Trouble with it is no trouble of
//! deliveries: it has requests of its own and waits by itself.
//!
//! Deliberate limits: a relay that ends before it sees that the room has become encrypted leaves the plain one to come. It says for how long there was no sign of life and not since when, because its text is fixed when it is
//! scheduled. A relay that is killed in the very moment of scheduling, and starts only after the homeserver has forgotten the
//! transaction, leaves one that comes and is not taken back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics::gauge;

use super::Reasons;
use crate::matrix::{Client, DelayedEvents, EncryptionState, Failure, Pushed, RoomTrouble, Verdict};
use crate::message::{Relation, RoomAddress, TxnId};
use crate::outbox::{Outbox, OutboxError, Scheduled, ScheduledState};
use crate::pipeline::{Pipeline, RelayNews};

/// How often it is pushed back at the least, and how often it is tried while that fails.
const PUSH: Duration = Duration::from_mins(1);
const PUSH_AGAIN: Duration = Duration::from_secs(15);
/// How long a kept message may get: who enters an encrypted room later can read the next one.
const RENEW: SignedDuration = SignedDuration::from_hours(6);
/// How long it is believed what the homeserver can.
const BELIEVED: SignedDuration = SignedDuration::from_hours(1);
/// How long after its time a message may come.
const LATE: Duration = Duration::from_mins(5);
/// A longer wait is no wait for a limit.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Where, and after how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadManSettings {
    /// The room that is told.
    pub room: RoomAddress,
    /// How long there is no sign of life before it is.
    pub after: Duration,
}

/// See the module.
pub struct DeadMan {
    settings: Option<DeadManSettings>,
    client: Client,
    outbox: Outbox,
    pipeline: Arc<Pipeline>,
    reasons: Reasons,
    /// Since when this relay runs.
    started: Timestamp,
    can: Option<(Option<DelayedEvents>, Timestamp)>,
    /// The one that was scheduled encrypted, as far as this process knows.
    sealed: Option<TxnId>,
    /// Nothing new is scheduled before.
    not_before: Option<Timestamp>,
    /// What was said to be wrong.
    said: Option<String>,
}

/// Why nothing is kept now.
enum Trouble {
    Outbox(OutboxError),
    Homeserver(Failure),
    Cannot,
    Waits,
}

impl From<OutboxError> for Trouble {
    fn from(error: OutboxError) -> Self {
        Self::Outbox(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Homeserver(failure)
    }
}

impl DeadMan {
    /// One for the relay that starts now. Without settings it only clears away what an earlier one left.
    pub fn new(
        settings: Option<DeadManSettings>,
        client: Client,
        outbox: Outbox,
        pipeline: Arc<Pipeline>,
        reasons: Reasons,
        now: Timestamp,
    ) -> Self {
        Self {
            settings,
            client,
            outbox,
            pipeline,
            reasons,
            started: now,
            can: None,
            sealed: None,
            not_before: None,
            said: None,
        }
    }

    /// Keeps it for ever, or until there is nothing left to clear away.
    pub async fn keep(mut self) {
        let after = self.settings.as_ref().map_or(PUSH, |settings| settings.after);
        loop {
            let is_well = self.push(Timestamp::now()).await;
            if self.settings.is_none() && is_well {
                return;
            }
            let pause = if is_well { PUSH } else { PUSH_AGAIN };
            tokio::time::sleep(pause.min(after / 3)).await;
        }
    }

    /// Pushes it back, and does what else is to be done; says whether all of it was done.
    pub async fn push(&mut self, now: Timestamp) -> bool {
        let done = self.try_push(now).await;
        let is_armed = done.is_ok() && self.settings.is_some();
        gauge!("grafana_matrix_relay_dead_man_armed").set(f64::from(u8::from(is_armed)));
        self.say(done)
    }

    async fn try_push(&mut self, now: Timestamp) -> Result<bool, Trouble> {
        let kept = self.outbox.scheduled().await?;
        if self.settings.is_none() && kept.is_empty() {
            return Ok(true);
        }
        let can = self.can(now).await?.ok_or(Trouble::Cannot)?;
        let current = match self.settings.clone() {
            Some(settings) => Some(self.keep_one(&settings, can, &kept, now).await?),
            None => None,
        };
        let mut is_done = true;
        for one in self.outbox.scheduled().await? {
            if Some(&one.txn_id) != current.as_ref() {
                is_done &= self.clear(one, can, now).await?;
            }
        }
        Ok(is_done)
    }

    /// Keeps one in the room: pushes back the one that is there, or schedules one. Says which.
    async fn keep_one(
        &mut self,
        settings: &DeadManSettings,
        can: DelayedEvents,
        kept: &[Scheduled],
        now: Timestamp,
    ) -> Result<TxnId, Trouble> {
        let delay = can
            .longest
            .map_or(settings.after, |longest| longest.min(settings.after));
        let is_wanted = |one: &&Scheduled| one.state == ScheduledState::Wanted && one.room == settings.room;
        if let Some(one) = kept.iter().find(is_wanted) {
            let is_old = now.duration_since(one.scheduled_at) > RENEW;
            let is_plain = self.may_be_plain(one).await?;
            if one.delay == delay && !is_old && !is_plain && self.hold_first(one, can, now).await? {
                return Ok(one.txn_id.clone());
            }
            let unwanted = Scheduled {
                state: ScheduledState::Unwanted,
                ..one.clone()
            };
            self.outbox.write_scheduled(unwanted.clone()).await?;
            if is_plain {
                // It is not held until there is another one, as others are.
                self.clear(unwanted, can, now).await?;
            }
        }
        let new = Scheduled {
            txn_id: TxnId::generate(),
            room: settings.room.clone(),
            delay_id: None,
            state: ScheduledState::Wanted,
            delay,
            scheduled_at: now,
            pushed_at: now,
        };
        self.outbox.begin_scheduled(new).await?;
        // It may be another relay's.
        let all = self.outbox.scheduled().await?;
        let Some(one) = all.iter().find(is_wanted) else {
            let reason = "another relay took it away".to_owned();
            return Err(OutboxError::Unavailable { reason }.into());
        };
        self.hold_first(one, can, now).await?;
        Ok(one.txn_id.clone())
    }

    /// Whether it may be in plain text though its room is encrypted by now. What another relay encrypts is that one's to know.
    async fn may_be_plain(&self, one: &Scheduled) -> Result<bool, Failure> {
        let is_known = one.delay_id.is_none() || self.sealed.as_ref() == Some(&one.txn_id);
        let may_tell = !is_known && self.client.encryption_state() != EncryptionState::Elsewhere;
        Ok(may_tell && self.client.is_encrypted(&one.room).await?)
    }

    /// Holds this one; until that works, those that it takes the place of.
    async fn hold_first(&mut self, one: &Scheduled, can: DelayedEvents, now: Timestamp) -> Result<bool, Trouble> {
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
        let mut scheduled = self
            .client
            .schedule(can, &one.room, &one.txn_id, &message, one.delay)
            .await;
        let is_absent = |failure: &Failure| {
            matches!(
                failure.verdict,
                Verdict::Room(RoomTrouble::NotJoined | RoomTrouble::Forbidden)
            )
        };
        if scheduled.as_ref().is_err_and(is_absent) && self.client.join(&one.room).await.is_ok() {
            scheduled = self
                .client
                .schedule(can, &one.room, &one.txn_id, &message, one.delay)
                .await;
        }
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
    async fn clear(&self, one: Scheduled, can: DelayedEvents, now: Timestamp) -> Result<bool, Trouble> {
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

    async fn can(&mut self, now: Timestamp) -> Result<Option<DelayedEvents>, Failure> {
        if let Some((can, at)) = self.can
            && now.duration_since(at).abs() < BELIEVED
        {
            return Ok(can);
        }
        let can = self.client.delayed_events().await?;
        self.can = Some((can, now));
        Ok(can)
    }

    /// Says once what is wrong, and once that it is over.
    fn say(&mut self, done: Result<bool, Trouble>) -> bool {
        let room = self
            .settings
            .as_ref()
            .map_or_else(String::new, |settings| settings.room.to_string());
        let why = match done {
            Ok(is_done) => {
                if self.said.take().is_some() && self.settings.is_some() {
                    tracing::info!("{room} is told again if the relay gives no sign of life");
                }
                self.reasons.set("dead man", BTreeSet::new());
                return is_done;
            }
            Err(Trouble::Cannot) => {
                "the homeserver does not say that it can send delayed events (MSC4140; in Synapse, \
                                     max_event_delay_duration switches them on)"
                    .to_owned()
            }
            Err(Trouble::Homeserver(failure)) => failure.to_string(),
            Err(Trouble::Outbox(error)) => error.to_string(),
            Err(Trouble::Waits) => return false,
        };
        if self.settings.is_some() {
            let why =
                format!("nobody in {room} is told if the relay gives no sign of life (RELAY_DEAD_MAN_ROOM): {why}");
            if self.said.as_ref() != Some(&why) {
                tracing::warn!("{why}");
            }
            self.reasons.set("dead man", BTreeSet::from([why.clone()]));
            self.said = Some(why);
        } else {
            tracing::debug!("what is left of RELAY_DEAD_MAN_ROOM cannot be cleared away now: {why}");
        }
        false
    }
}
