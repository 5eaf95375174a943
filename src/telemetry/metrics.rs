//! The metrics that `/metrics` serves, with their help texts.
//!
//! The rooms count where things happen; here the names are described once, and gauges are set when they are read.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds; from one send on a fast homeserver to a long outage.
const DELIVERY_BUCKETS: [f64; 14] = [
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 21_600.0,
];
/// Seconds; from an acceptance to a database that does not answer.
const REQUEST_BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];
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

/// Sets what the system says of this process.
pub fn read_process() {
    #[cfg(target_os = "linux")]
    metrics_process::Collector::default().collect();
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
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(OF_REQUESTS.to_owned()), &REQUEST_BUCKETS))
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
        "Notifications by route and outcome: accepted, or recognised as a repetition.",
        // The routes are known to the configuration alone, which begins them.
        Some(("outcome", &[])),
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
        "Requests without the right credential, by reason.",
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
        "Connections without a credential that were closed to make room for others.",
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
        "Notifications for a group in a room, by what they changed: it begins, has changed, or nothing is new.",
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

const OF_REQUESTS: &str = "grafana_matrix_relay_http_request_duration_seconds";

const HISTOGRAMS: [(&str, &str); 4] = [
    (
        "grafana_matrix_relay_acceptance_to_delivery_seconds",
        "From acceptance to the event in the room.",
    ),
    (
        "grafana_matrix_relay_start_to_delivery_seconds",
        "From the alert's startsAt to the event in the room.",
    ),
    (
        "grafana_matrix_relay_render_seconds",
        "Comparing a notification with what is known of its groups, and rendering its messages.",
    ),
    (
        OF_REQUESTS,
        "From the head of a request to the head of its answer, by path and status.",
    ),
];

const GAUGES: [(&str, &str); 12] = [
    (
        "grafana_matrix_relay_deliveries_waiting",
        "Deliveries that wait for their room.",
    ),
    (
        "grafana_matrix_relay_deliveries_dead",
        "Deliveries that were given up and are kept in the outbox.",
    ),
    (
        "grafana_matrix_relay_room_blocked",
        "Whether something waits for a room that refused the last attempt (1) or not (0).",
    ),
    (
        "grafana_matrix_relay_last_delivery_timestamp_seconds",
        "When the relay last delivered something, 0 if it has not since its start.",
    ),
    (
        "grafana_matrix_relay_homeserver_reachable",
        "Whether the homeserver answers (1) or not (0).",
    ),
    (
        "grafana_matrix_relay_outbox_writable",
        "Whether the outbox can be written (1) or not (0); while it cannot, notifications are refused with 503.",
    ),
    (
        "grafana_matrix_relay_data_dir_free_bytes",
        "What can still be written to the disk of the outbox; not there with PostgreSQL.",
    ),
    (
        "grafana_matrix_relay_routes_last_reload_successful",
        "Whether the last change of the routes file was taken (1) or refused (0).",
    ),
    (
        "grafana_matrix_relay_routes_last_reload_success_timestamp_seconds",
        "When the routes that are in use were read.",
    ),
    (
        "grafana_matrix_relay_oldest_waiting_seconds",
        "Age of the oldest waiting delivery, 0 if none waits.",
    ),
    (
        "grafana_matrix_relay_templates_broken",
        "Template files that are invalid now.",
    ),
    (
        "grafana_matrix_relay_routes_broken",
        "Problems of the routes file as it is now; while there are any, older routes or a built-in template are in use.",
    ),
];

/// Gauges that have a series for each room, and one that a relay with PostgreSQL does not have.
const BEGUN_ELSEWHERE: [&str; 3] = [
    "grafana_matrix_relay_deliveries_waiting",
    "grafana_matrix_relay_room_blocked",
    "grafana_matrix_relay_data_dir_free_bytes",
];

/// Describes them, and begins at 0 what can be begun: a rule that watches for an increase misses the first one of a series
/// that was not there before. What has a series for each room or route is begun by `startup`, which knows them.
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
        if !BEGUN_ELSEWHERE.contains(&name) {
            gauge!(name).set(0.0);
        }
    }
    for (name, help) in HISTOGRAMS {
        describe_histogram!(name, help);
        drop(if name == OF_REQUESTS {
            histogram!(name, "path" => "/alert", "status" => "202")
        } else {
            histogram!(name)
        });
    }
    #[cfg(target_os = "linux")]
    metrics_process::Collector::default().describe();
    describe_gauge!(
        "grafana_matrix_relay_build_info",
        "The running version, and the commit it was built from."
    );
    let revision = super::REVISION.unwrap_or_default();
    gauge!("grafana_matrix_relay_build_info", "version" => env!("CARGO_PKG_VERSION"), "revision" => revision).set(1.0);
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
