//! Delayed events (MSC4140): messages that the homeserver keeps, and sends by itself unless it is asked in time to wait longer.
//!
//! Guarantees: nothing is asked of a homeserver that does not say that it can: others ignore the delay and send at once. The form
//! that was merged is tried first, since a homeserver that does not know it refuses it and sends nothing. Into an encrypted
//! room a message goes encrypted, or not at all. A limit that is met here says nothing about the account's other messages.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::content;
use super::search::Mark;
use super::verdict::RequestKind;
use super::{Client, Failure};
use crate::message::{RenderedMessage, RoomAddress, TxnId};

/// What the homeserver can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelayedEvents {
    /// The longest delay that it takes; `None`: it does not say.
    pub longest: Option<Duration>,
    is_stable: bool,
}

/// What became of a message that was scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits anew, or is cancelled, as was asked.
    Done,
    /// It was sent, or the homeserver knows nothing of it.
    Gone,
}

/// The names of the capability: as it was merged, and before.
const STABLE: &str = "m.delayed_events";
const UNSTABLE: &str = "org.matrix.msc4140.delayed_events";
/// Where the paths are that have no stable name yet.
const PREFIX: [&str; 4] = ["_matrix", "client", "unstable", "org.matrix.msc4140"];

impl Client {
    /// Whether it can, and how long; `None` where it does not say so.
    pub async fn delayed_events(&self) -> Result<Option<DelayedEvents>, Failure> {
        let path = ["_matrix", "client", "v3", "capabilities"];
        let answer = self.json(RequestKind::Account, Method::GET, &path, &[], None).await?;
        let answer = &answer["capabilities"];
        if answer.get(STABLE).is_some() || answer.get(UNSTABLE).is_some() {
            return Ok(ability(answer));
        }
        // Before there was a capability, it was a feature.
        let path = ["_matrix", "client", "versions"];
        let answer = self.json(RequestKind::Account, Method::GET, &path, &[], None).await?;
        let is_feature = answer["unstable_features"]["org.matrix.msc4140"] == json!(true);
        Ok(is_feature.then_some(DelayedEvents {
            longest: None,
            is_stable: false,
        }))
    }

    /// Schedules a message; returns the name by which the homeserver knows it. With the same `txn` it schedules once.
    pub async fn schedule(
        &self,
        can: DelayedEvents,
        room: &RoomAddress,
        txn: &TxnId,
        message: &RenderedMessage,
        delay: Duration,
    ) -> Result<String, Failure> {
        let id = self.resolve(room).await?;
        if self.encrypted(&id).await? {
            self.encryption().must_be_on()?;
        }
        let (kind, content) = self.sealed(&id, &content::event(message)).await?;
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let (kind, kind_of_request) = (kind.to_string(), RequestKind::Send);
        let tail = ["rooms", id.as_str(), "delayed_event", kind.as_str(), txn.as_str()];
        let merged = [
            if can.is_stable {
                &["_matrix", "client", "v3"][..]
            } else {
                &PREFIX
            },
            &tail,
        ]
        .concat();
        let body = json!({"delay_ms": ms, "content": content});
        let mut answer = self.json(kind_of_request, Method::PUT, &merged, &[], Some(&body)).await;
        let is_unknown = |failure: &Failure| {
            matches!(failure.status, Some(404 | 405)) && failure.errcode.as_deref() == Some("M_UNRECOGNIZED")
        };
        if !can.is_stable && answer.as_ref().is_err_and(is_unknown) {
            let path = [
                "_matrix",
                "client",
                "v3",
                "rooms",
                id.as_str(),
                "send",
                kind.as_str(),
                txn.as_str(),
            ];
            let query = [("org.matrix.msc4140.delay", ms.to_string())];
            answer = self
                .json(kind_of_request, Method::PUT, &path, &query, Some(&content))
                .await;
        }
        let answer = answer?;
        let delay_id = answer["delay_id"]
            .as_str()
            .filter(|id| !id.is_empty() && id.len() <= 255);
        delay_id
            .map(str::to_owned)
            .ok_or_else(|| Failure::unreadable(200, "no delay_id"))
    }

    /// Lets the homeserver wait for the whole delay once more.
    pub async fn restart(&self, can: DelayedEvents, delay_id: &str) -> Result<Pushed, Failure> {
        self.manage(can, delay_id, "restart").await
    }

    /// Lets the homeserver forget it.
    pub async fn cancel(&self, can: DelayedEvents, delay_id: &str) -> Result<Pushed, Failure> {
        self.manage(can, delay_id, "cancel").await
    }

    async fn manage(&self, can: DelayedEvents, delay_id: &str, action: &str) -> Result<Pushed, Failure> {
        let tail = ["delayed_events", delay_id, action];
        let path = [
            if can.is_stable {
                &["_matrix", "client", "v1"][..]
            } else {
                &PREFIX
            },
            &tail,
        ]
        .concat();
        let answer = self
            .json(RequestKind::Account, Method::POST, &path, &[], Some(&json!({})))
            .await;
        match answer {
            Ok(_) => Ok(Pushed::Done),
            // The merged form tells a message that was sent from one that it never knew.
            Err(failure) if failure.is(404, "M_NOT_FOUND") || failure.status == Some(409) => Ok(Pushed::Gone),
            Err(failure) => Err(failure),
        }
    }

    /// The event that a scheduled message has become, if it is among the last thousand events of the account in the room.
    pub async fn find_sent(
        &self,
        room: &RoomAddress,
        delay_id: &str,
        since: Timestamp,
    ) -> Result<Option<String>, Failure> {
        self.find_marked(room, &Mark::Delay(delay_id.to_owned()), since).await
    }
}

/// What the capabilities say. A homeserver that names it and takes no delay has it switched off.
fn ability(capabilities: &Value) -> Option<DelayedEvents> {
    let (answer, is_stable) = match (&capabilities[STABLE], &capabilities[UNSTABLE]) {
        (answer @ Value::Object(_), _) => (answer, true),
        (_, answer @ Value::Object(_)) => (answer, false),
        _ => return None,
    };
    let number = |name: &str| answer.get(name).and_then(Value::as_u64);
    let is_off = number("max_delay_ms") == Some(0) || number("max_scheduled") == Some(0);
    (!is_off).then(|| DelayedEvents {
        longest: number("max_delay_ms").map(Duration::from_millis),
        is_stable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_homeserver_that_says_so_can() {
        let can = |seconds: Option<u64>, is_stable| {
            Some(DelayedEvents {
                longest: seconds.map(Duration::from_secs),
                is_stable,
            })
        };
        for (capabilities, expected) in [
            (json!(null), None),
            (json!({}), None),
            (json!({UNSTABLE: {"max_delay_ms": 0, "max_scheduled": 100}}), None),
            (json!({UNSTABLE: {"max_delay_ms": 9000, "max_scheduled": 0}}), None),
            (
                json!({UNSTABLE: {"max_delay_ms": 9000, "max_scheduled": 100}}),
                can(Some(9), false),
            ),
            (json!({STABLE: {}}), can(None, true)),
            (
                json!({STABLE: {"max_delay_ms": 9000}, UNSTABLE: {"max_delay_ms": 1}}),
                can(Some(9), true),
            ),
            (json!({STABLE: true}), None),
        ] {
            assert_eq!(ability(&capabilities), expected, "{capabilities}");
        }
    }
}
