//! The metrics as a page, from the table that describes them to Prometheus.

use std::fmt::Write as _;

use super::cell;
use crate::telemetry::metrics::{self, Metric};

const INTRODUCTION: &str = "\
# Metrics

`/metrics` serves them in Prometheus' text format. Each is there from the first scrape, at 0 where nothing has happened yet, so that
`increase` misses no first event. [Monitoring](../operate/monitoring.md) has rules and a dashboard made of them.

| metric | kind | labels | meaning |
|---|---|---|---|
";

const OF_PROCESS: &str = "
About the process, under the names that Prometheus' own libraries use (on Linux):

| metric | kind | meaning |
|---|---|---|
";

/// The page of the reference.
pub(super) fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    let mut all: Vec<&Metric> = metrics::ALL.iter().collect();
    all.sort_by_key(|metric| metric.name);
    for metric in all {
        let labels: Vec<_> = metric.labels.iter().map(|(label, _)| format!("`{label}`")).collect();
        let (name, kind, help) = (metric.name, metric.kind.word(), cell(metric.help));
        let _ = writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", "));
    }
    page.push_str(OF_PROCESS);
    for (name, kind, help) in metrics::of_process() {
        let _ = writeln!(page, "| `{name}` | {kind} | {} |", cell(&help));
    }
    page
}
