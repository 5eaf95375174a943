//! How long requests take, by path and status.

use std::sync::Arc;
use std::time::Instant;

use poem::{Endpoint, IntoResponse, Request, Response};

/// What is counted by itself. The rest is `other`: a path that somebody makes up must not become a series.
const PATHS: [&str; 7] = [
    "/alert",
    "/docs",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/preview",
    "/workshop",
];

/// Measures a request to the head of its answer.
pub(super) async fn timed<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let (path, begun) = (known(request.uri().path()), Instant::now());
    let answered = endpoint.call(request).await.map(IntoResponse::into_response);
    if let Ok(response) = &answered {
        let status = response.status().as_str().to_owned();
        metrics::histogram!("grafana_matrix_relay_http_request_duration_seconds", "path" => path, "status" => status)
            .record(begun.elapsed());
    }
    answered
}

fn known(path: &str) -> &'static str {
    let is_under = |known: &str| {
        let rest = path.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    PATHS.into_iter().find(|known| is_under(known)).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_made_up_is_no_series_of_its_own() {
        for (path, expected) in [
            ("/alert", "/alert"),
            ("/alert/ops", "/alert"),
            ("/alerting", "other"),
            ("/health/live", "/health/live"),
            ("/health", "other"),
            ("/workshop/", "/workshop"),
            ("/", "other"),
        ] {
            assert_eq!(known(path), expected, "{path}");
        }
    }
}
