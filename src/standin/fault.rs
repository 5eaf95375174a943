//! What goes wrong on purpose: a plan of faults, each for some requests and some time.
//!
//! Guarantees: the same plan over the same requests gives the same faults (chance has a seed). It only picks; the
//! server carries the fault out.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::answer::Refusal;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// 429 with `retry_after_ms` in the body and `Retry-After` in whole seconds, rounded up.
    RateLimited(u64),
    /// 429 with `retry_after_ms` only.
    RateLimitedInBody(u64),
    /// 429 with `Retry-After` only, in seconds.
    RateLimitedInHeader(u64),
    /// 429 with `Retry-After` as a date so many seconds later, by a clock that is so many seconds ahead, as is `Date`.
    RateLimitedUntil {
        /// How long to wait.
        wait: u32,
        /// How far the clock of the homeserver, or of the proxy that answers, is ahead.
        ahead: u32,
    },
    /// 500 `M_UNKNOWN`.
    InternalError,
    /// 502 with a page of HTML.
    BadGateway,
    /// Any other status with an HTML page, as a proxy gives it.
    Page(u16),
    /// Any status with any errcode.
    Refused(u16, &'static str),
    /// Any status with any JSON; `{token}` in it is the access token of the request, as somebody else's proxy might say it.
    Says(u16, String),
    /// 413 `M_TOO_LARGE`, whatever the size.
    TooLarge,
    /// 403 `M_FORBIDDEN`.
    Forbidden,
    /// 401 `M_UNKNOWN_TOKEN`.
    UnknownToken,
    /// The request is never answered and has no effect.
    Hang,
    /// The connection is closed before anything happens.
    DropRequest,
    /// The request takes effect, then the connection is closed without an answer.
    DropReply,
    /// The answer comes so much later; whatever else is planned applies too.
    Latency(Duration),
}

/// Which requests it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Everything,
    /// Everything about one room, by its ID.
    Room(String),
    /// Sending, to any room.
    Sends,
    /// Sending to one room, by its ID.
    SendsTo(String),
    /// Looking at single events of one room, by its ID.
    LooksInto(String),
    /// Paging through the events of one room, by its ID.
    Reads(String),
}

/// What a request does, as far as faults tell requests apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Sends an event.
    Send,
    /// Looks at a single event.
    Look,
    /// Pages through events.
    Read,
    /// Anything else.
    Other,
}

/// How long it lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// The next so many requests in its scope.
    Next(u32),
    /// Until it is healed.
    Always,
    /// Each request with this probability (0 to 1), by a generator with this seed, until it is healed.
    Chance {
        /// Between 0 and 1.
        probability: f64,
        /// Of the generator.
        seed: u64,
    },
}

/// Names a planned fault, to heal it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultId(u64);

#[derive(Debug, Default)]
pub(super) struct Plan {
    entries: Vec<Entry>,
    next_id: u64,
}

#[derive(Debug)]
struct Entry {
    id: FaultId,
    scope: Scope,
    when: When,
    dice: StdRng,
    fault: Fault,
}

/// What to do to one request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Picked {
    pub(super) latency: Duration,
    pub(super) fault: Option<Fault>,
}

impl Plan {
    pub(super) fn add(&mut self, scope: Scope, when: When, fault: Fault) -> FaultId {
        self.next_id += 1;
        let id = FaultId(self.next_id);
        let seed = if let When::Chance { seed, .. } = when { seed } else { 0 };
        self.entries.push(Entry {
            id,
            scope,
            when,
            dice: StdRng::seed_from_u64(seed),
            fault,
        });
        id
    }

    pub(super) fn heal(&mut self, id: FaultId) {
        self.entries.retain(|entry| entry.id != id);
    }

    pub(super) fn heal_all(&mut self) {
        self.entries.clear();
    }

    /// The faults for a request about `room` (if it is about one); the first that applies, and all latencies.
    pub(super) fn pick(&mut self, room: Option<&str>, act: Act) -> Picked {
        let mut picked = Picked::default();
        for entry in &mut self.entries {
            let latency = matches!(entry.fault, Fault::Latency(_));
            if !latency && picked.fault.is_some() {
                continue;
            }
            if entry.scope.covers(room, act) && entry.strikes() {
                match &entry.fault {
                    Fault::Latency(delay) => picked.latency += *delay,
                    fault => picked.fault = Some(fault.clone()),
                }
            }
        }
        self.entries.retain(|entry| entry.when != When::Next(0));
        picked
    }
}

impl Scope {
    fn covers(&self, room: Option<&str>, act: Act) -> bool {
        match self {
            Self::Everything => true,
            Self::Room(id) => room == Some(id.as_str()),
            Self::Sends => act == Act::Send,
            Self::SendsTo(id) => act == Act::Send && room == Some(id.as_str()),
            Self::Reads(id) => act == Act::Read && room == Some(id.as_str()),
            Self::LooksInto(id) => act == Act::Look && room == Some(id.as_str()),
        }
    }
}

impl Entry {
    fn strikes(&mut self) -> bool {
        match &mut self.when {
            When::Next(0) => false,
            When::Next(left) => {
                *left -= 1;
                true
            }
            When::Always => true,
            When::Chance { probability, .. } => self.dice.random_bool(probability.clamp(0.0, 1.0)),
        }
    }
}

impl Fault {
    /// The refusal that it stands for, if it is one with a Matrix error.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::RateLimited(ms) => Refusal::limited(*ms),
            Self::RateLimitedInBody(ms) => Refusal::limited(*ms).without_header(),
            Self::RateLimitedInHeader(seconds) => Refusal::limited(seconds * 1000).without("retry_after_ms"),
            Self::RateLimitedUntil { wait, ahead } => Refusal::limited_until(*wait, *ahead),
            Self::InternalError => Refusal::new(500, "M_UNKNOWN", "Internal server error"),
            Self::Refused(status, errcode) => Refusal::new(*status, errcode, "refused on purpose"),
            Self::TooLarge => Refusal::new(413, "M_TOO_LARGE", "event too large"),
            Self::Forbidden => Refusal::forbidden("refused on purpose"),
            Self::UnknownToken => {
                Refusal::new(401, "M_UNKNOWN_TOKEN", "Unknown access token").with("soft_logout", json!(false))
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_n_strikes_n_times_and_only_in_its_room() {
        let mut plan = Plan::default();
        plan.add(Scope::SendsTo("!a".into()), When::Next(2), Fault::Hang);
        assert_eq!(plan.pick(Some("!b"), Act::Send).fault, None);
        assert_eq!(plan.pick(Some("!a"), Act::Other).fault, None);
        assert_eq!(plan.pick(Some("!a"), Act::Send).fault, Some(Fault::Hang));
        assert_eq!(plan.pick(Some("!a"), Act::Send).fault, Some(Fault::Hang));
        assert_eq!(plan.pick(Some("!a"), Act::Send).fault, None);
    }

    #[test]
    fn chance_with_the_same_seed_strikes_the_same_requests() {
        let strikes = || {
            let mut plan = Plan::default();
            plan.add(
                Scope::Sends,
                When::Chance {
                    probability: 0.3,
                    seed: 7,
                },
                Fault::DropReply,
            );
            (0..100)
                .map(|_| plan.pick(None, Act::Send).fault.is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(strikes(), strikes());
        assert!((10..60).contains(&strikes().iter().filter(|struck| **struck).count()));
    }

    #[test]
    fn latency_adds_to_another_fault_and_healing_ends_it() {
        let mut plan = Plan::default();
        let slow = plan.add(Scope::Everything, When::Always, Fault::Latency(Duration::from_secs(1)));
        plan.add(Scope::Everything, When::Always, Fault::BadGateway);
        let picked = plan.pick(None, Act::Other);
        assert_eq!(
            (picked.latency, picked.fault),
            (Duration::from_secs(1), Some(Fault::BadGateway))
        );
        plan.heal(slow);
        assert_eq!(plan.pick(None, Act::Other).latency, Duration::ZERO);
        plan.heal_all();
        assert_eq!(plan.pick(None, Act::Other), Picked::default());
    }
}
