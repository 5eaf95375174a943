//! How the parts are, asked by `/health/ready` and `/metrics`.
//!
//! Guarantees: however often and by whomever it is asked, the store is asked about once a second, and by one at a time; the
//! homeserver less often still. A probe must not become load, and what is not guarded must not keep acceptance from the store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;

use super::figures;
use super::remembered::Remembered;
use super::routes::InUse;
use crate::deliver::Sender;
use crate::intake::{Auth, Check, Checks, State};
use crate::matrix::{Client, EncryptionState, Transport};
use crate::outbox::{Outbox, RoomStats, Stats};
use crate::pipeline::Pipeline;
use crate::render::{Renderer, TemplateProblem};
use crate::silence::Reasons;
use crate::telemetry;

/// How long an answer of the store is believed.
const FRESH: Duration = Duration::from_secs(1);
/// How long an answer about the homeserver is believed.
const BELIEVED: Duration = Duration::from_secs(10);
/// How long the homeserver may take to answer a probe.
const PROBE: Duration = Duration::from_secs(3);
/// A delivery that waits longer than this is worth a word.
const LATE_SECONDS: i64 = 60;

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
    pub(super) fn new(
        outbox: Outbox,
        transport: Transport,
        renderer: Renderer,
        pipeline: Arc<Pipeline>,
        sender: Arc<Sender>,
        routes: Arc<InUse>,
        auth: Arc<Auth>,
    ) -> Self {
        Self {
            outbox,
            transport,
            renderer,
            pipeline,
            sender,
            routes,
            auth,
            metrics: None,
            data_dir: None,
            writes: Remembered::default(),
            stats: Remembered::default(),
            reached: Remembered::default(),
            gauged: Mutex::default(),
            silence: Reasons::default(),
        }
    }

    /// With the metrics of this recorder, and the folder of an outbox that is a file.
    pub(super) fn with_metrics(self, metrics: Option<PrometheusHandle>, data_dir: Option<PathBuf>) -> Self {
        figures::routes_taken(&self.routes.routes.load().table);
        Self {
            metrics,
            data_dir,
            ..self
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
        let lines = problems.iter().map(ToString::to_string);
        let lines: Vec<String> = lines.chain(self.renderer.remark_on_own_language()).collect();
        let reason = (!lines.is_empty()).then(|| lines.join("; "));
        Check {
            name: "templates",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    fn routes(&self) -> Check {
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

    async fn deliveries(&self) -> Check {
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
    fn encryption(&self) -> Check {
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
    fn senders(&self) -> Check {
        let reason = self.auth.lost(Timestamp::now());
        Check {
            name: "senders",
            state: degraded(reason.as_ref()),
            reason,
        }
    }

    /// Whether something gives no sign of life that should.
    fn silence(&self) -> Check {
        let reason = self.silence.text();
        Check {
            name: "silence",
            state: degraded(reason.as_ref()),
            reason,
        }
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

/// Why a room does not get what waits for it, as the outbox keeps it: a restart changes nothing about it.
fn trouble(room: &RoomStats) -> Option<String> {
    let trouble = room.trouble.as_ref().filter(|_| room.waiting > 0)?;
    let next = room.wait.as_ref().map_or_else(String::new, |wait| {
        let seconds = wait.until.duration_since(Timestamp::now()).as_secs().max(1);
        format!("; next attempt in {seconds} s")
    });
    Some(format!("{}: {trouble}{next}", room.room))
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
pub(super) fn count(rows: u64) -> f64 {
    rows as f64
}
