//! How each part of the relay is, in words.

use std::time::Instant;

use jiff::Timestamp;

use super::Parts;
use crate::intake::{Check, State};
use crate::matrix::{Client, EncryptionState};
use crate::outbox::RoomStats;
use crate::render::TemplateProblem;

/// A delivery that waits longer than this is worth a word.
pub(super) const LATE_SECONDS: i64 = 60;

impl Parts {
    /// What is broken since it was loaded, and what went wrong while notifications were rendered.
    pub(super) fn template_problems(&self) -> Vec<TemplateProblem> {
        let mut problems = self.renderer.problems();
        let rendering = self.pipeline.template_problems(Timestamp::now());
        let is_new: Vec<_> = rendering.into_iter().filter(|one| !problems.contains(one)).collect();
        problems.extend(is_new);
        problems
    }

    pub(super) fn templates(&self) -> Check {
        let problems = self.template_problems();
        let lines = problems.iter().map(ToString::to_string);
        let lines: Vec<String> = lines.chain(self.renderer.remark_on_own_language()).collect();
        let reason = (!lines.is_empty()).then(|| lines.join("; "));
        Check {
            name: "templates",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    pub(super) fn routes(&self) -> Check {
        let problems = self.routes.problems(&self.renderer.names());
        let languages = self.routes.routes.load().remarks_on_languages(&self.renderer);
        let all = problems.iter().chain(languages.iter().map(|(_, problem)| problem));
        let lines: Vec<String> = all.map(ToString::to_string).collect();
        let reason = (!lines.is_empty()).then(|| lines.join("; "));
        Check {
            name: "routes",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    pub(super) async fn deliveries(&self) -> Check {
        let mut reasons = Vec::new();
        match self.stats().await {
            Ok(stats) => {
                let age = stats
                    .oldest()
                    .map_or(0, |oldest| Timestamp::now().duration_since(oldest).as_secs());
                if age >= LATE_SECONDS {
                    reasons.push(format!(
                        "{} deliveries wait, the oldest for {age} s",
                        stats.pending + stats.in_flight
                    ));
                }
                if stats.dead > 0 {
                    reasons.push(format!(
                        "{} deliveries are dead: `outbox list --state dead` shows them",
                        stats.dead
                    ));
                }
                reasons.extend(stats.rooms.iter().filter_map(trouble));
            }
            Err(error) => reasons.push(error),
        }
        let unclaimed = self.outbox.unclaimed();
        reasons.extend(unclaimed.map(|reason| format!("the relay sends nothing: {reason}")));
        reasons.extend(self.sender.trouble(Instant::now()));
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        Check {
            name: "deliveries",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    /// Whether messages get into encrypted rooms, and clients trust them.
    pub(super) fn encryption(&self) -> Check {
        let state = self.transport.client().map(Client::encryption_state);
        let reason = match state {
            None | Some(EncryptionState::Unused | EncryptionState::Elsewhere | EncryptionState::Opening) => None,
            Some(EncryptionState::Off(reason) | EncryptionState::Unusable(reason)) => {
                Some(format!("nothing is sent into encrypted rooms: {reason}"))
            }
            Some(EncryptionState::Working(trouble)) => trouble,
        };
        Check {
            name: "encryption",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    /// Whether alerts are being lost because senders are refused.
    pub(super) fn senders(&self) -> Check {
        let reason = self.auth.lost(Timestamp::now());
        Check {
            name: "senders",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    /// Whether something gives no sign of life that should.
    pub(super) fn silence(&self) -> Check {
        let reason = self.silence.text();
        Check {
            name: "silence",
            state: degraded(reason.as_ref()),
            reason,
        }
    }
}

/// Why a room does not get what waits for it, as the outbox keeps it: a restart changes nothing about it.
pub(super) fn trouble(room: &RoomStats) -> Option<String> {
    let trouble = room.trouble.as_ref().filter(|_| room.waiting > 0)?;
    let next = room.wait.as_ref().map_or_else(String::new, |wait| {
        let seconds = wait.until.duration_since(Timestamp::now()).as_secs().max(1);
        format!("; next attempt in {seconds} s")
    });
    Some(format!("{}: {trouble}{next}", room.room))
}

pub(super) fn degraded(reason: Option<&String>) -> State {
    if reason.is_some() {
        State::Degraded
    } else {
        State::Ready
    }
}
