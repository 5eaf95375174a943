//! How the parts are, asked by `/health/ready` and `/metrics`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;

use super::routes::InUse;
use crate::deliver::Courier;
use crate::intake::{Check, Checks, State};
use crate::matrix::Carrier;
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::render::{Renderer, TemplateProblem};

/// How long an answer about the homeserver is believed; a probe must not become load.
const BELIEVED: Duration = Duration::from_secs(10);
/// How long the homeserver may take to answer a probe.
const PROBE: Duration = Duration::from_secs(3);
/// A delivery that waits longer than this is worth a word.
const LATE_SECONDS: i64 = 60;

pub(super) struct Parts {
    outbox: Outbox,
    carrier: Carrier,
    renderer: Renderer,
    pipeline: Arc<Pipeline>,
    courier: Arc<Courier>,
    routes: Arc<InUse>,
    metrics: Option<PrometheusHandle>,
    probed: Mutex<Option<(Instant, Option<String>)>>,
    gauged: Mutex<Vec<String>>,
}

impl Parts {
    pub(super) fn new(
        outbox: Outbox,
        carrier: Carrier,
        renderer: Renderer,
        pipeline: Arc<Pipeline>,
        courier: Arc<Courier>,
        routes: Arc<InUse>,
        metrics: Option<PrometheusHandle>,
    ) -> Self {
        Self {
            outbox,
            carrier,
            renderer,
            pipeline,
            courier,
            routes,
            metrics,
            probed: Mutex::default(),
            gauged: Mutex::default(),
        }
    }

    async fn outbox(&self) -> Check {
        let reason = self.outbox.probe().await.err().map(|error| error.to_string());
        let state = if reason.is_some() {
            State::Unavailable
        } else {
            State::Ready
        };
        Check {
            name: "outbox",
            state,
            reason,
        }
    }

    async fn homeserver(&self) -> Check {
        let mut probed = self.probed.lock().await;
        let fresh = probed.as_ref().filter(|(at, _)| at.elapsed() < BELIEVED);
        let reason = if let Some((_, reason)) = fresh {
            reason.clone()
        } else {
            let reason = match tokio::time::timeout(PROBE, self.carrier.probe()).await {
                Ok(Ok(())) => None,
                Ok(Err(failure)) => Some(failure.to_string()),
                Err(_) => Some(format!("no answer within {} s", PROBE.as_secs())),
            };
            *probed = Some((Instant::now(), reason.clone()));
            reason
        };
        Check {
            name: "homeserver",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    /// What is broken since it was loaded, and what went wrong while notifications were rendered.
    fn template_problems(&self) -> Vec<TemplateProblem> {
        let mut problems = self.renderer.problems();
        let rendering = self.pipeline.template_problems(Timestamp::now());
        let is_new: Vec<_> = rendering.into_iter().filter(|one| !problems.contains(one)).collect();
        problems.extend(is_new);
        problems
    }

    fn templates(&self) -> Check {
        let problems = self.template_problems();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let reason = (!lines.is_empty()).then(|| lines.join("; "));
        Check {
            name: "templates",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    fn routes(&self) -> Check {
        let problems = self.routes.problems(&self.renderer.names());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let reason = (!lines.is_empty()).then(|| lines.join("; "));
        Check {
            name: "routes",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    async fn deliveries(&self) -> Check {
        let mut reasons = Vec::new();
        match self.outbox.stats(Timestamp::now()).await {
            Ok(stats) => {
                let age = stats
                    .oldest()
                    .map_or(0, |oldest| Timestamp::now().duration_since(oldest).as_secs());
                if age >= LATE_SECONDS {
                    reasons.push(format!(
                        "{} wait, the oldest for {age} s",
                        stats.pending + stats.in_flight
                    ));
                }
                if stats.dead > 0 {
                    reasons.push(format!("{} were given up, see `outbox list --state dead`", stats.dead));
                }
            }
            Err(error) => reasons.push(error.to_string()),
        }
        let troubles = self.courier.troubles(Instant::now());
        reasons.extend(troubles.account);
        reasons.extend(
            troubles
                .rooms
                .into_iter()
                .map(|(room, reason)| format!("{room}: {reason}")),
        );
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        Check {
            name: "deliveries",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    async fn set_gauges(&self) {
        metrics::gauge!("relay_templates_broken").set(count(self.template_problems().len() as u64));
        let routes = self.routes.problems(&self.renderer.names());
        metrics::gauge!("relay_routes_broken").set(count(routes.len() as u64));
        let Ok(stats) = self.outbox.stats(Timestamp::now()).await else {
            return;
        };
        metrics::gauge!("relay_deliveries_dead").set(count(stats.dead));
        let age = stats
            .oldest()
            .map_or(0.0, |oldest| Timestamp::now().duration_since(oldest).as_secs_f64());
        metrics::gauge!("relay_oldest_waiting_seconds").set(age.max(0.0));
        let mut gauged = self.gauged.lock().await;
        // A room that has drained is no longer in the figures; its gauge must not stay where it was.
        for room in std::mem::take(&mut *gauged) {
            metrics::gauge!("relay_deliveries_waiting", "room" => room).set(0.0);
        }
        for room in stats.rooms {
            metrics::gauge!("relay_deliveries_waiting", "room" => room.room.to_string()).set(count(room.waiting));
            gauged.push(room.room.to_string());
        }
    }
}

#[async_trait::async_trait]
impl Checks for Parts {
    async fn checks(&self) -> Vec<Check> {
        vec![
            self.outbox().await,
            self.homeserver().await,
            self.templates(),
            self.routes(),
            self.deliveries().await,
        ]
    }

    async fn metrics(&self) -> String {
        self.set_gauges().await;
        let Some(handle) = &self.metrics else {
            return String::new();
        };
        handle.run_upkeep();
        let mut text = handle.render();
        let _ = writeln!(
            text,
            "# HELP relay_build_info The running version.\n# TYPE relay_build_info gauge"
        );
        let _ = writeln!(text, "relay_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        text
    }
}

fn degraded(reason: Option<&String>) -> State {
    if reason.is_some() {
        State::Degraded
    } else {
        State::Ready
    }
}

/// Counts of rows are far below what a double holds exactly.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn count(rows: u64) -> f64 {
    rows as f64
}
