//! How the parts are, asked by `/health/ready` and `/metrics`.
//!
//! Guarantees: however often and by whomever it is asked, the store is asked about once a second, and by one at a time; the
//! homeserver less often still. A probe must not become load, and what is not guarded must not keep acceptance from the store.

mod states;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;

use self::states::degraded;
use super::figures;
use super::modules::Modules;
use super::remembered::Remembered;
use super::routes::InUse;
use crate::deliver::Sender;
use crate::intake::{Auth, Check, Checks, State};
use crate::matrix::Transport;
use crate::outbox::{Outbox, Stats};
use crate::pipeline::Pipeline;
use crate::render::Renderer;
use crate::silence::Reasons;
use crate::telemetry;

/// How long an answer of the store is believed.
const FRESH: Duration = Duration::from_secs(1);
/// How long an answer about the homeserver is believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// How long the homeserver may take to answer a probe.
const PROBE: Duration = Duration::from_secs(3);
pub(super) struct Parts {
    outbox: Outbox,
    transport: Transport,
    renderer: Renderer,
    pipeline: Arc<Pipeline>,
    sender: Arc<Sender>,
    routes: Arc<InUse>,
    auth: Arc<Auth>,
    metrics: Option<PrometheusHandle>,
    data_dir: Option<PathBuf>,
    /// Why the outbox cannot be written.
    writes: Remembered<Option<String>>,
    /// What is in it, or why that cannot be said.
    stats: Remembered<Result<Stats, String>>,
    /// Why the homeserver is not reached.
    reached: Remembered<Option<String>>,
    gauged: Mutex<Vec<String>>,
    /// What gives no sign of life.
    pub(super) silence: Reasons,
}

impl Parts {
    /// `metrics` is the recorder of all, `data_dir` the folder of an outbox that is a file.
    pub(super) fn new(modules: &Modules, metrics: Option<PrometheusHandle>, data_dir: Option<PathBuf>) -> Self {
        figures::routes_taken(&modules.in_use.routes.load().table);
        Self {
            outbox: modules.outbox.clone(),
            transport: modules.transport.clone(),
            renderer: modules.renderer.clone(),
            pipeline: Arc::clone(&modules.pipeline),
            sender: Arc::clone(&modules.sender),
            routes: Arc::clone(&modules.in_use),
            auth: Arc::clone(&modules.auth),
            metrics,
            data_dir,
            writes: Remembered::default(),
            stats: Remembered::default(),
            reached: Remembered::default(),
            gauged: Mutex::default(),
            silence: Reasons::default(),
        }
    }

    async fn outbox(&self) -> Check {
        let probe = async { self.outbox.probe().await.err().map(|error| error.to_string()) };
        let reason = self.writes.or_ask(FRESH, probe).await;
        let state = if reason.is_some() {
            State::Unavailable
        } else {
            degraded(self.outbox.remark().as_ref())
        };
        Check {
            name: "outbox",
            state,
            reason: reason.or_else(|| self.outbox.remark()),
        }
    }

    async fn stats(&self) -> Result<Stats, String> {
        let ask = async {
            self.outbox
                .stats(Timestamp::now())
                .await
                .map_err(|error| error.to_string())
        };
        self.stats.or_ask(FRESH, ask).await
    }

    async fn homeserver(&self) -> Check {
        let probe = async {
            match tokio::time::timeout(PROBE, self.transport.probe()).await {
                Ok(Ok(())) => None,
                Ok(Err(failure)) => Some(failure.to_string()),
                Err(_) => Some(format!("no answer within {} s", PROBE.as_secs())),
            }
        };
        let reason = self.reached.or_ask(BELIEVED, probe).await;
        Check {
            name: "homeserver",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    /// Whether notifications are taken and the homeserver is there for them.
    pub(super) async fn is_well(&self) -> bool {
        let (outbox, homeserver) = tokio::join!(self.outbox(), self.homeserver());
        outbox.state != State::Unavailable && homeserver.state == State::Ready
    }

    async fn set_gauges(&self) {
        telemetry::metrics::read_process();
        let (outbox, homeserver) = tokio::join!(self.outbox(), self.homeserver());
        let is_writable = outbox.state != State::Unavailable;
        gauge!("grafana_matrix_relay_outbox_writable").set(f64::from(u8::from(is_writable)));
        let is_reachable = homeserver.state == State::Ready;
        gauge!("grafana_matrix_relay_homeserver_reachable").set(f64::from(u8::from(is_reachable)));
        figures::of_encryption(self.transport.client());
        gauge!("grafana_matrix_relay_templates_broken").set(count(self.template_problems().len() as u64));
        let routes = self.routes.problems(&self.renderer.names());
        gauge!("grafana_matrix_relay_routes_broken").set(count(routes.len() as u64));
        if let Some(data_dir) = &self.data_dir {
            figures::of_disk(data_dir.clone()).await;
        }
        let Ok(stats) = self.stats().await else {
            return;
        };
        gauge!("grafana_matrix_relay_deliveries_dead").set(count(stats.dead));
        let age = stats
            .oldest()
            .map_or(0.0, |oldest| Timestamp::now().duration_since(oldest).as_secs_f64());
        gauge!("grafana_matrix_relay_oldest_waiting_seconds").set(age.max(0.0));
        figures::of_rooms(&stats, &mut *self.gauged.lock().await);
    }
}

#[async_trait::async_trait]
impl Checks for Parts {
    async fn checks(&self) -> Vec<Check> {
        // At once: each may take as long as what it asks has patience.
        let (outbox, homeserver, deliveries) = tokio::join!(self.outbox(), self.homeserver(), self.deliveries());
        vec![
            outbox,
            homeserver,
            self.templates(),
            self.routes(),
            deliveries,
            self.encryption(),
            self.senders(),
            self.silence(),
        ]
    }

    async fn metrics(&self) -> String {
        self.set_gauges().await;
        let Some(handle) = &self.metrics else {
            return String::new();
        };
        handle.render()
    }
}

/// Counts of rows are far below what a double holds exactly.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn count(rows: u64) -> f64 {
    rows as f64
}
