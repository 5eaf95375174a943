//! The metrics that `/metrics` serves, with their help texts.
//!
//! Each module counts where things happen; here the names are described once, and gauges are set when they are read.

mod table;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use self::table::{ALL, Kind, Metric};
use self::table::{BUILD, FREE, OF_REQUESTS};

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

/// Describes them, and begins at 0 what can be begun: a rule that watches for an increase misses the first one of a series
/// that was not there before. What has a series for each room or route is begun by `startup`, which knows them.
fn describe() {
    for metric in &ALL {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
        begin(metric);
    }
    let revision = super::REVISION.unwrap_or_default();
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION"), "revision" => revision).set(1.0);
    drop(histogram!(OF_REQUESTS, "path" => "/alert", "status" => "202"));
    #[cfg(target_os = "linux")]
    metrics_process::Collector::default().describe();
}

fn begin(metric: &Metric) {
    let name = metric.name;
    match metric.labels {
        // A relay with PostgreSQL has no such disk.
        [] if name == FREE => {}
        [] => match metric.kind {
            Kind::Counter => counter!(name).increment(0),
            Kind::Gauge => gauge!(name).set(0.0),
            Kind::Histogram => drop(histogram!(name)),
        },
        [(label, values)] if metric.kind == Kind::Counter => {
            for value in *values {
                counter!(name, *label => *value).increment(0);
            }
        }
        _ => {}
    }
}

/// Those of the process: name, kind and help, as `/metrics` serves them.
pub fn of_process() -> Vec<(String, String, String)> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    #[cfg(target_os = "linux")]
    metrics::with_local_recorder(&recorder, || {
        let collector = metrics_process::Collector::default();
        collector.describe();
        collector.collect();
    });
    let text = handle.render();
    let words = |start: &'static str| {
        let lines = text
            .lines()
            .filter_map(move |line| line.strip_prefix(start)?.split_once(' '));
        lines.map(|(name, rest)| (name.to_owned(), rest.to_owned()))
    };
    let helps: BTreeMap<_, _> = words("# HELP ").collect();
    let kinds: BTreeMap<_, _> = words("# TYPE ").collect();
    let of = |name: String, kind: String| {
        let help = helps.get(&name).cloned().unwrap_or_default();
        (name, kind, help)
    };
    kinds.into_iter().map(|(name, kind)| of(name, kind)).collect()
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
