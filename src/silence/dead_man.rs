//! The homeserver as a dead man's switch: a message that it keeps and sends by itself, unless the relay pushes it back in time.
//!
//! Guarantees: one message is kept in the room, by however many relays; it is written down before the homeserver is asked to keep
//! it, so the next start adopts it; one that came though the relay is there, because it was away or the homeserver was, is
//! brought up to date; one in plain text is taken away from a room that has become encrypted. Trouble with it is no trouble of
//! deliveries: it has requests of its own and waits by itself.
//!
//! Deliberate limits: a relay that ends before it sees that the room has become encrypted leaves the plain one to come. The message
//! says for how long there was no sign of life and not since when, because its text is fixed when it is scheduled. A relay that is killed in the very moment of scheduling, and starts only after the homeserver has forgotten the
//! transaction, leaves one that comes and is not taken back.

mod one;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics::gauge;

use super::Reasons;
use crate::matrix::{Client, DelayedEvents, Failure};
use crate::message::{RoomAddress, TxnId};
use crate::outbox::{Outbox, OutboxError, Scheduled, ScheduledState};
use crate::pipeline::Pipeline;

/// How often it is pushed back at the least, and how often it is tried while that fails.
const PUSH: Duration = Duration::from_mins(1);
const PUSH_AGAIN: Duration = Duration::from_secs(15);
/// How long a kept message may get: who enters an encrypted room later can read the next one.
const RENEW: SignedDuration = SignedDuration::from_hours(6);
/// How long it is believed what the homeserver can.
const BELIEVED: SignedDuration = SignedDuration::from_hours(1);

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
