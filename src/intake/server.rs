//! All paths in one place, and what holds for each answer: problem details, safe headers, a count of refusals.

use std::sync::Arc;

use poem::endpoint::{BoxEndpoint, make_sync};
use poem::http::StatusCode;
use poem::http::header::{self, HeaderName};
use poem::web::{Html, Redirect};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Route, get};
use serde_json::Value;

use super::authenticate::{BodyLimit, Credentials};
use super::document::{self, Example};
use super::error::{Problem, ProblemJson};
use super::health::{self, Checks};
use super::webhook::Webhook;
use crate::pipeline::Pipeline;

/// What the HTTP side is made of.
pub struct Parts {
    /// Where notifications go.
    pub pipeline: Arc<Pipeline>,
    /// How the relay is.
    pub checks: Arc<dyn Checks>,
    /// Who may post.
    pub credentials: Credentials,
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Example bodies for Swagger UI.
    pub examples: Vec<Example>,
    /// What is served at `/`, in the demo; nothing otherwise.
    pub page: Option<BoxEndpoint<'static, Response>>,
}

/// Nothing may be loaded, framed or run from an API answer.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// Swagger UI is one page with inline scripts and styles.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, API_POLICY),
];

/// The whole HTTP side.
pub fn endpoint(parts: Parts) -> BoxEndpoint<'static, Response> {
    let service = document::service(Webhook);
    let document = document::document(&service, &parts.examples);
    let page = document::swagger_page(&service, &document);
    let served = serde_json::to_string_pretty(&document).unwrap_or_default();

    let docs = make_sync(move |_| {
        Html(page.clone())
            .with_header(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)
            .into_response()
    });
    let json = make_sync(move |_| served.clone().with_content_type("application/json").into_response());
    let routes = Route::new()
        .at("/docs", get(docs))
        .at("/openapi.json", get(json))
        .at("/health/live", get(health::live))
        .at("/health/ready", get(health::ready))
        .at("/metrics", get(health::metrics));
    let routes = routes.nest_no_strip("/alert", service);
    let routes = match parts.page {
        Some(page) => routes.nest("/", page),
        None => routes.at("/", get(make_sync(|_| Redirect::see_other("/docs").into_response()))),
    };
    routes
        .data(parts.pipeline)
        .data(parts.checks)
        .data(parts.credentials)
        .data(BodyLimit(parts.max_body_bytes))
        .catch_all_error(problem)
        .around(with_headers)
        .map_to_response()
        .boxed()
}

/// The document without a running relay.
pub fn openapi(examples: &[Example]) -> Value {
    document::document(&document::service(Webhook), examples)
}

async fn problem(error: poem::Error) -> Response {
    let response = match Problem::of_error(&error) {
        Some(problem) => ProblemJson(problem).into_response(),
        None => error.into_response(),
    };
    let status = response.status();
    metrics::counter!("relay_refused_total", "status" => status.as_str().to_owned()).increment(1);
    tracing::debug!(http.response.status_code = status.as_u16(), "refused");
    response
}

async fn with_headers<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let takes = if request.uri().path().starts_with("/alert") {
        "POST, PUT"
    } else {
        "GET, HEAD"
    };
    let mut response = endpoint.call(request).await?.into_response();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(header::ALLOW, header::HeaderValue::from_static(takes));
    }
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(header::HeaderValue::from_static(value));
    }
    Ok(response)
}
