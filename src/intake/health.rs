//! Whether the relay lives and whether it can take notifications, for orchestrators and people.
//!
//! Guarantees: `ready` fails only when notifications cannot be accepted. A homeserver that is down, a token that is
//! refused, a broken template or routes file make it `degraded` and are named, but stay 200: taking the relay out of service then
//! would turn a delay into a loss, because Grafana does not send again. Only those see why a part is not well who
//! may see the pages or the metrics, since it names rooms, routes and files; which part it is, to everybody.

use std::sync::Arc;

use jiff::Timestamp;
use poem::http::StatusCode;
use poem::web::Data;
use poem::web::Json;
use poem::{IntoResponse, Request, Response, handler};
use serde::Serialize;

use super::caller::auth;

/// How one part of the relay is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The part: `outbox`, `homeserver`, `templates`, `routes`, `deliveries`, `encryption`, `senders`, `silence`.
    pub name: &'static str,
    /// Its state.
    pub state: State,
    /// Why, where it is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How well a part, or the whole, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is wrong.
    Ready,
    /// Notifications are accepted and kept, but something needs attention.
    Degraded,
    /// Notifications cannot be accepted.
    Unavailable,
}

/// Asks every part; implemented by the composition root, which knows them all.
#[async_trait::async_trait]
pub trait Checks: Send + Sync {
    /// The parts as they are now.
    async fn checks(&self) -> Vec<Check>;

    /// The metrics in Prometheus' text format.
    async fn metrics(&self) -> String;
}

#[derive(Serialize)]
struct Report {
    status: State,
    checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// What stands in the place of reasons.
const WITHHELD: &str = "why is shown with the credential of the workshop or of /metrics; `grafana-matrix-relay health \
                        --ready` sends it, and the log says it too";

/// The process answers, so it lives.
#[handler]
pub(super) fn live() -> Response {
    Json(serde_json::json!({"status": "live"})).into_response()
}

/// Whether notifications can be accepted.
#[handler]
pub(super) async fn ready(request: &Request, checks: Data<&Arc<dyn Checks>>) -> Response {
    let mut checks = checks.checks().await;
    let status = checks.iter().map(|check| check.state).max().unwrap_or(State::Ready);
    let code = if status == State::Unavailable {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let sees_reasons = auth(request).is_ok_and(|auth| auth.sees_reasons(request, Timestamp::now()));
    let withheld = !sees_reasons && checks.iter().any(|check| check.reason.is_some());
    if withheld {
        for check in &mut checks {
            check.reason = None;
        }
    }
    let detail = withheld.then_some(WITHHELD);
    Json(Report { status, checks, detail })
        .with_status(code)
        .into_response()
}

/// Metrics for Prometheus.
#[handler]
pub(super) async fn metrics(checks: Data<&Arc<dyn Checks>>) -> Response {
    checks
        .metrics()
        .await
        .with_content_type("text/plain; version=0.0.4; charset=utf-8")
        .into_response()
}
