//! The metrics that `/metrics` serves, with their help texts.
//!
//! The rooms count where things happen; here the names are described once, and gauges are set when they are read.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};
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
    sum_every(SUMMING, handle).await;
}

async fn sum_every(interval: Duration, handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(interval).await;
        handle.run_upkeep();
        tracing::trace!("the samples of the metrics are summed up");
    }
}

fn try_install() -> Option<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("relay_render_seconds".to_owned()), &RENDER_BUCKETS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_delivery_seconds".to_owned()), &DELIVERY_BUCKETS)
        });
    let handle = builder.and_then(PrometheusBuilder::install_recorder).ok()?;
    describe();
    Some(handle)
}

fn describe() {
    describe_counter!(
        "relay_notifications_total",
        "Notifications by outcome: accepted, or recognised as a repetition."
    );
    describe_counter!("relay_refused_total", "Requests that were refused, by HTTP status.");
    describe_counter!(
        "relay_failed_credentials_total",
        "Requests that did not show the credential that was asked for, by reason."
    );
    describe_counter!(
        "relay_connections_closed_total",
        "Connections that were closed to make place for others; they had shown no credential."
    );
    metrics::counter!("relay_connections_closed_total").absolute(0);
    describe_counter!("relay_attempts_total", "Attempts to send a message, by verdict.");
    describe_counter!(
        "relay_deliveries_delivered_total",
        "Deliveries that reached their room since the start."
    );
    describe_counter!(
        "relay_deliveries_dead_total",
        "Deliveries given up since the start; they stay in the outbox."
    );
    describe_counter!(
        "relay_template_errors_total",
        "Renderings that fell back to a built-in template."
    );
    describe_counter!(
        "relay_budget_steps_total",
        "Renderings that needed a step to fit into a message, by step."
    );
    describe_gauge!("relay_deliveries_waiting", "Deliveries that wait for their room.");
    describe_gauge!(
        "relay_deliveries_dead",
        "Deliveries that were given up and are kept in the outbox."
    );
    describe_gauge!(
        "relay_oldest_waiting_seconds",
        "Age of the oldest waiting delivery, 0 if none waits."
    );
    describe_gauge!(
        "relay_templates_broken",
        "Template files that cannot be used as they are now."
    );
    describe_gauge!(
        "relay_routes_broken",
        "Problems of the routes file as it is now; while there are any, older routes or a built-in template are in use."
    );
    describe_counter!(
        "relay_routes_reloads_total",
        "Changes of the routes file since the start, by outcome: taken or refused."
    );
    describe_histogram!(
        "relay_acceptance_to_delivery_seconds",
        "From acceptance to the event in the room."
    );
    describe_histogram!(
        "relay_start_to_delivery_seconds",
        "From the alert's startsAt to the event in the room."
    );
    describe_histogram!("relay_render_seconds", "Routing and rendering of one notification.");
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: usize = 300_000;

    #[tokio::test]
    async fn samples_do_not_pile_up_where_nobody_reads_them() {
        let recorder = PrometheusBuilder::new().set_buckets(&DELIVERY_BUCKETS).unwrap();
        let recorder = recorder.build_recorder();
        let histogram = metrics::with_local_recorder(&recorder, || metrics::histogram!("seconds"));
        let summing = tokio::spawn(sum_every(Duration::from_millis(5), recorder.handle()));
        let mut before = 0;
        for round in 0..12 {
            histogram.record_many(0.5, SAMPLES);
            tokio::time::sleep(Duration::from_millis(50)).await;
            if round == 1 {
                before = resident();
            }
        }
        summing.abort();
        // Kept one by one, the ten rounds since then would take this for each sample at least.
        let kept = 10 * SAMPLES * size_of::<f64>();
        let grown = resident().saturating_sub(before);
        assert!(grown < kept / 2, "grown by {grown} bytes");
    }

    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }
}
