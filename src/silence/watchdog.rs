//! Watches over what is expected to give signs of life, and lets its rooms know when it is silent and when it is back.
//!
//! Guarantees: nothing is called silent before this relay has itself waited for as long as it may be, without a gap: after a
//! start, a change of the routes, a sleep of the machine or an outage of the outbox, in which signs were refused, the wait begins
//! anew. What the rooms know is decided where it is stored, so several relays say it once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use metrics::gauge;

use super::Reasons;
use crate::outbox::{Outbox, Sign};
use crate::pipeline::{Pipeline, Standing, Watched};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(5);
/// A longer time between two looks is one in which signs of life may have been missed.
const GAP: SignedDuration = SignedDuration::from_mins(1);

const LAST_SIGN: &str = "grafana_matrix_relay_watchdog_last_sign_timestamp_seconds";
const SILENT: &str = "grafana_matrix_relay_watchdog_silent";

/// See the module.
pub struct Watchdog {
    pipeline: Arc<Pipeline>,
    outbox: Outbox,
    reasons: Reasons,
    /// Since when this relay waits for each, without a gap.
    waits_since: HashMap<String, Timestamp>,
    last_look: Option<Timestamp>,
}

impl Watchdog {
    /// One that says in `reasons` what is silent.
    pub fn new(pipeline: Arc<Pipeline>, outbox: Outbox, reasons: Reasons) -> Self {
        Self {
            pipeline,
            outbox,
            reasons,
            waits_since: HashMap::new(),
            last_look: None,
        }
    }

    /// Watches for ever.
    pub async fn keep(mut self) {
        loop {
            self.look(Timestamp::now()).await;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One look. What cannot be done now is done by a later one.
    pub async fn look(&mut self, now: Timestamp) {
        let watched = self.pipeline.watched();
        let names: BTreeSet<String> = watched.iter().map(|one| one.expected.from.clone()).collect();
        forget_others(&mut self.waits_since, &names);
        let signs = if names.is_empty() {
            Vec::new()
        } else {
            match self.outbox.expect_signs(names, now).await {
                Ok(signs) => signs,
                Err(error) => {
                    tracing::debug!(error.message = %error, "cannot read when signs of life came");
                    return;
                }
            }
        };
        if self
            .last_look
            .replace(now)
            .is_none_or(|last| now.duration_since(last) > GAP)
        {
            self.waits_since.clear();
        }
        let mut reasons = BTreeSet::new();
        for one in &watched {
            let Some(sign) = signs.iter().find(|sign| sign.name == one.expected.from) else {
                continue;
            };
            let waits_since = *self.waits_since.entry(sign.name.clone()).or_insert(now);
            let standing = judge(sign, one.expected.every, waits_since, now);
            show(sign, standing);
            if matches!(standing, Some(Standing::Silent { .. })) {
                reasons.insert(format!("no sign of life from {} since {:.0}", sign.name, sign.at));
            }
            if let Some(standing) = standing {
                self.tell(one, standing, now).await;
            }
        }
        self.reasons.set("watchdog", reasons);
    }

    async fn tell(&self, one: &Watched, standing: Standing, now: Timestamp) {
        let name = &one.expected.from;
        match (self.pipeline.tell_standing(one, standing, now).await, standing) {
            (Ok(true), Standing::Silent { since, .. }) => {
                tracing::warn!(alert.route = %one.route, "no sign of life from {name} since {since:.0}");
            }
            (Ok(true), Standing::Alive { .. }) => {
                tracing::info!(alert.route = %one.route, "{name} gives signs of life again");
            }
            (Ok(false), _) => {}
            (Err(error), _) => tracing::warn!(
                alert.route = %one.route, error.message = %error,
                "the room cannot be told now how {name} is; the relay tries again"
            ),
        }
    }
}

/// What is not expected any more is not silent either.
fn forget_others(waits_since: &mut HashMap<String, Timestamp>, names: &BTreeSet<String>) {
    waits_since.retain(|name, _| {
        let is_expected = names.contains(name);
        if !is_expected {
            gauge!(SILENT, "watchdog" => name.clone()).set(0.0);
        }
        is_expected
    });
}

/// How something is whose last sign came then; `None`: nobody can say yet.
fn judge(sign: &Sign, every: Duration, waits_since: Timestamp, now: Timestamp) -> Option<Standing> {
    let is_over = |from: Timestamp| now.duration_since(from).unsigned_abs() > every && now > from;
    if sign.count > 0 && !is_over(sign.at) {
        return Some(Standing::Alive { at: sign.at });
    }
    let is_silent = is_over(sign.at) && is_over(waits_since);
    is_silent.then_some(Standing::Silent {
        since: sign.at,
        ever: sign.count > 0,
    })
}

fn show(sign: &Sign, standing: Option<Standing>) {
    let last = if sign.count > 0 {
        sign.at.as_duration().as_secs_f64()
    } else {
        0.0
    };
    gauge!(LAST_SIGN, "watchdog" => sign.name.clone()).set(last);
    let is_silent = matches!(standing, Some(Standing::Silent { .. }));
    gauge!(SILENT, "watchdog" => sign.name.clone()).set(f64::from(u8::from(is_silent)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    #[test]
    fn what_is_not_expected_any_more_is_not_shown_as_silent() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let shown = recorder.handle();
        let is_silent = |name: &str, value: u8| {
            let line = format!("{SILENT}{{watchdog=\"{name}\"}} {value}");
            shown.render().lines().any(|shown| shown == line)
        };
        metrics::with_local_recorder(&recorder, || {
            let mut waits_since = HashMap::new();
            for name in ["kept", "gone"] {
                waits_since.insert(name.to_owned(), at(0));
                gauge!(SILENT, "watchdog" => name).set(1.0);
            }
            forget_others(&mut waits_since, &BTreeSet::from(["kept".to_owned()]));
        });
        assert!(is_silent("kept", 1) && is_silent("gone", 0), "{}", shown.render());
    }

    #[test]
    fn silence_begins_when_both_the_last_sign_and_the_wait_are_long_enough_ago() {
        let sign = |seconds, count| Sign {
            name: "p".to_owned(),
            at: at(seconds),
            count,
        };
        let every = Duration::from_mins(5);
        let silent = |since, ever| Some(Standing::Silent { since: at(since), ever });
        for (sign, waits_since, now, expected) in [
            (sign(0, 1), 0, 300, Some(Standing::Alive { at: at(0) })),
            (sign(0, 1), 0, 301, silent(0, true)),
            // A start.
            (sign(0, 1), 1000, 1300, None),
            (sign(0, 1), 1000, 1301, silent(0, true)),
            // Never seen.
            (sign(0, 0), 0, 300, None),
            (sign(0, 0), 0, 301, silent(0, false)),
            // Of another relay, whose clock goes ahead; and a clock that was set back.
            (sign(10, 1), 0, 0, Some(Standing::Alive { at: at(10) })),
            (sign(9000, 1), 9000, 0, Some(Standing::Alive { at: at(9000) })),
        ] {
            let judged = judge(&sign, every, at(waits_since), at(now));
            assert_eq!(judged, expected, "{sign:?} {waits_since} {now}");
        }
    }
}
