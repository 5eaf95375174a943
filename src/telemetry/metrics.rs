//! The metrics that `/metrics` serves, with their help texts.
//!
//! The rooms count where things happen; here the names are described once, and gauges are set when they are read.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds; from one send on a fast homeserver to a long outage.
const DELIVERY_BUCKETS: [f64; 14] = [
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 21_600.0,
];
const RENDER_BUCKETS: [f64; 9] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0];

/// How often the samples of the histograms are summed up.
const SUMMING: Duration = Duration::from_secs(2);

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts counting. One recorder serves the whole process, so further calls return the same handle.
pub fn install() -> Option<PrometheusHandle> {
    HANDLE.get_or_init(try_install).clone()
}

/// Sums up the samples of the histograms for ever. Until then each is kept by itself, so that without this the memory
/// would grow with every notification where nobody reads the metrics.
pub async fn keep_summed(handle: PrometheusHandle) {
    every(SUMMING, || {
        handle.run_upkeep();
        tracing::trace!("the samples of the metrics are summed up");
    })
    .await;
}

async fn every(interval: Duration, upkeep: impl Fn()) {
    loop {
        tokio::time::sleep(interval).await;
        upkeep();
    }
}

fn try_install() -> Option<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full("grafana_matrix_relay_render_seconds".to_owned()),
            &RENDER_BUCKETS,
        )
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_delivery_seconds".to_owned()), &DELIVERY_BUCKETS)
        });
    let handle = builder.and_then(PrometheusBuilder::install_recorder).ok()?;
    describe();
    Some(handle)
}

/// A counter: its name, what it counts, and the label that divides it with all values.
type Counter = (
    &'static str,
    &'static str,
    Option<(&'static str, &'static [&'static str])>,
);

const COUNTERS: [Counter; 11] = [
    (
        "grafana_matrix_relay_notifications_total",
        "Notifications by outcome: accepted, or recognised as a repetition.",
        Some(("outcome", &["accepted", "recognised"])),
    ),
    (
        "grafana_matrix_relay_refused_total",
        "Requests that were refused, by HTTP status.",
        Some((
            "status",
            &[
                "400", "401", "403", "404", "405", "408", "413", "415", "422", "429", "500", "503",
            ],
        )),
    ),
    (
        "grafana_matrix_relay_failed_credentials_total",
        "Requests that did not show the credential that was asked for, by reason.",
        Some((
            "reason",
            &[
                "missing",
                "malformed",
                "wrong",
                "unsigned",
                "signature_malformed",
                "signature_wrong",
                "signature_stale",
            ],
        )),
    ),
    (
        "grafana_matrix_relay_connections_closed_total",
        "Connections that were closed to make place for others; they had shown no credential.",
        None,
    ),
    (
        "grafana_matrix_relay_attempts_total",
        "Attempts to send a message, by verdict.",
        Some((
            "verdict",
            &[
                "delivered",
                "rate_limited",
                "transient",
                "bridge",
                "room",
                "token",
                "message",
                "relation",
            ],
        )),
    ),
    (
        "grafana_matrix_relay_group_news_total",
        "What notifications brought for a group in a room: it begins, has changed, or nothing is new.",
        Some(("news", &["begins", "changed", "nothing"])),
    ),
    (
        "grafana_matrix_relay_deliveries_delivered_total",
        "Deliveries that reached their room since the start.",
        None,
    ),
    (
        "grafana_matrix_relay_deliveries_dead_total",
        "Deliveries given up since the start; they stay in the outbox.",
        None,
    ),
    (
        "grafana_matrix_relay_template_errors_total",
        "Renderings that fell back to a built-in template.",
        None,
    ),
    (
        "grafana_matrix_relay_budget_steps_total",
        "Renderings that needed a step to fit into a message, by step.",
        Some(("step", &["labels_truncated", "alerts_hidden", "split", "cut"])),
    ),
    (
        "grafana_matrix_relay_routes_reloads_total",
        "Changes of the routes file since the start, by outcome: taken or refused.",
        Some(("outcome", &["taken", "refused"])),
    ),
];

const GAUGES: [(&str, &str); 5] = [
    (
        "grafana_matrix_relay_deliveries_waiting",
        "Deliveries that wait for their room.",
    ),
    (
        "grafana_matrix_relay_deliveries_dead",
        "Deliveries that were given up and are kept in the outbox.",
    ),
    (
        "grafana_matrix_relay_oldest_waiting_seconds",
        "Age of the oldest waiting delivery, 0 if none waits.",
    ),
    (
        "grafana_matrix_relay_templates_broken",
        "Template files that cannot be used as they are now.",
    ),
    (
        "grafana_matrix_relay_routes_broken",
        "Problems of the routes file as it is now; while there are any, older routes or a built-in template are in use.",
    ),
];

/// Describes them, and begins all counters and gauges at 0: a rule that watches for an increase misses the first one of a series
/// that was not there before. Only what waits has a series for each room, which `startup` knows.
fn describe() {
    for (name, help, label) in COUNTERS {
        describe_counter!(name, help);
        match label {
            Some((label, values)) => {
                for value in values {
                    counter!(name, label => *value).increment(0);
                }
            }
            None => counter!(name).increment(0),
        }
    }
    for (name, help) in GAUGES {
        describe_gauge!(name, help);
        if name != "grafana_matrix_relay_deliveries_waiting" {
            gauge!(name).set(0.0);
        }
    }
    describe_histogram!(
        "grafana_matrix_relay_acceptance_to_delivery_seconds",
        "From acceptance to the event in the room."
    );
    describe_histogram!(
        "grafana_matrix_relay_start_to_delivery_seconds",
        "From the alert's startsAt to the event in the room."
    );
    describe_histogram!(
        "grafana_matrix_relay_render_seconds",
        "Comparing a notification with what is known of its groups, and rendering its messages."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn samples_are_summed_up_again_and_again() {
        let (said, mut heard) = tokio::sync::mpsc::channel(1);
        let upkeep = || {
            let _ = said.try_send(());
        };
        let hear = async {
            for _ in 0..3 {
                heard.recv().await.unwrap();
            }
        };
        tokio::select! {
            () = every(Duration::ZERO, upkeep) => {}
            () = hear => {}
        }
    }
}
