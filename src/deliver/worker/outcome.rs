//! Writing down how an attempt ended, and saying so once it is on disk.

use jiff::Timestamp;

use super::super::time::Clock;
use super::RECORD_AGAIN;
use super::flight::Landing;
use crate::outbox::{Delivery, DigestPolicy, Outbox, Outcome, Part, Recorded};

/// Records an outcome, again and again until the store takes it: the message may be in the room already. With a policy what the
/// room sends next is claimed in the same commit; only at the first try, because the answer to that may have been lost.
pub(super) async fn record(
    outbox: &Outbox,
    delivery: &Delivery,
    outcome: Outcome,
    clock: &Clock,
    mut policy: Option<DigestPolicy>,
) -> Landing {
    let mut said = false;
    // The same moment each time, by which the store knows an outcome again whose first answer was lost.
    let now = clock().wall;
    loop {
        let recorded = if let Some(policy) = policy.take() {
            let recorded = outbox
                .record_and_claim(delivery.id, outcome.clone(), now, &policy)
                .await;
            let landing = |next: Option<_>| next.map_or(Landing::Nothing, |next| Landing::Next(Box::new(next)));
            recorded.map(|(recorded, next)| (recorded, landing(next)))
        } else {
            let recorded = outbox.record(delivery.id, outcome.clone(), now).await;
            recorded.map(|recorded| (recorded, Landing::Claim))
        };
        match recorded {
            Ok((recorded, landing)) => {
                tally(delivery, &outcome, recorded, now);
                return landing;
            }
            Err(error) if !std::mem::replace(&mut said, true) => {
                tracing::warn!(delivery.id = %delivery.id, error.message = %error, "cannot record an outcome yet");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RECORD_AGAIN).await;
    }
}

/// Counts and says what a delivery came to, once, and only when that is on disk: an outcome that came too late is another
/// relay's to count.
pub(super) fn tally(delivery: &Delivery, outcome: &Outcome, recorded: Recorded, now: Timestamp) {
    let (id, room, attempts) = (delivery.id, &delivery.room, delivery.attempts);
    match (outcome, recorded) {
        (_, Recorded::Superseded)
        | (Outcome::Wait { .. } | Outcome::Rewrite { .. } | Outcome::Detached { .. }, Recorded::Done) => {}
        (Outcome::Delivered { event_id }, Recorded::Done) => {
            tracing::info!(
                delivery.id = %id, delivery.attempt = attempts, matrix.room_id = %room, matrix.event_id = event_id,
                "delivered"
            );
            metrics::counter!("grafana_matrix_relay_deliveries_delivered_total").increment(1);
            metrics::gauge!("grafana_matrix_relay_last_delivery_timestamp_seconds")
                .set(now.as_duration().as_secs_f64());
        }
        (Outcome::Dead { error }, Recorded::Done) => {
            let kept = match delivery.part {
                Part::Edit => "the next change of its group brings the message up to date".to_owned(),
                _ => format!("`grafana-matrix-relay outbox show {id}` shows it, `outbox retry {id}` sends it again"),
            };
            tracing::error!(
                delivery.id = %id, delivery.attempt = attempts, matrix.room_id = %room, error.message = error,
                "given up after {attempts} attempts: {error}; {kept}"
            );
            metrics::counter!("grafana_matrix_relay_deliveries_dead_total").increment(1);
        }
    }
}
