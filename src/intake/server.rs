//! All paths in one place, and what holds for each answer: problem details, safe headers, a count of refusals.

use std::sync::Arc;

use poem::endpoint::{BoxEndpoint, make_sync};
use poem::http::StatusCode;
use poem::http::header::{self, HeaderName};
use poem::web::Html;
use poem::{Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Request, Response, Route, get};
use poem_openapi::OpenApi;
use serde_json::Value;

use super::authenticate::{BodyLimit, Credentials};
use super::document::{self, Example};
use super::error::{Problem, ProblemJson};
use super::health::{self, Checks};
use super::recorder::Recorder;
use crate::pipeline::Pipeline;

/// What the HTTP side is made of.
pub struct Parts {
    /// Where notifications go.
    pub pipeline: Arc<Pipeline>,
    /// How the relay is.
    pub checks: Arc<dyn Checks>,
    /// Keeps what was accepted for the workshop.
    pub recorder: Arc<Recorder>,
    /// Who may post.
    pub credentials: Credentials,
    /// Largest request body in bytes.
    pub max_body_bytes: usize,
    /// Example bodies for Swagger UI.
    pub examples: Vec<Example>,
    /// The workshop's page and its files, under `/workshop/` and at `/`.
    pub workshop: Route,
    /// What is served at `/` in its place, in the demo.
    pub page: Option<BoxEndpoint<'static, Response>>,
}

/// Where the operations of the document begin; everything else is a page or a probe.
const OPERATIONS: [&str; 6] = [
    "/alert",
    "/preview",
    "/workshop/state",
    "/workshop/recorded",
    "/workshop/samples",
    "/workshop/deliveries",
];

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

/// The whole HTTP side; `others` are the operations of other rooms.
pub fn endpoint(parts: Parts, others: impl OpenApi + 'static) -> BoxEndpoint<'static, Response> {
    let service = document::service(others);
    let document = document::document(&service, &parts.examples);
    let served: Arc<str> = serde_json::to_string_pretty(&document).unwrap_or_default().into();
    drop(document);
    let shown = Arc::clone(&served);

    let docs = make_sync(move |_| {
        Html(document::swagger_page(&shown))
            .with_header(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)
            .into_response()
    });
    let json = make_sync(move |_| served.to_string().with_content_type("application/json").into_response());
    let routes = Route::new()
        .at("/docs", get(docs))
        .at("/openapi.json", get(json))
        .at("/health/live", get(health::live))
        .at("/health/ready", get(health::ready))
        .at("/metrics", get(health::metrics));
    let (service, workshop) = (Arc::new(service.into_endpoint()), Arc::new(parts.workshop));
    let routes = OPERATIONS
        .iter()
        .fold(routes, |routes, path| routes.nest_no_strip(path, Arc::clone(&service)));
    let routes = routes.nest_no_strip("/workshop", Arc::clone(&workshop));
    let routes = match parts.page {
        Some(page) => routes.nest("/", page),
        None => routes.nest("/", workshop),
    };
    routes
        .data(parts.pipeline)
        .data(parts.recorder)
        .data(parts.checks)
        .data(parts.credentials)
        .data(BodyLimit(parts.max_body_bytes))
        .catch_all_error(problem)
        .around(with_headers)
        .map_to_response()
        .boxed()
}

/// The document without a running relay.
pub fn openapi(examples: &[Example], others: impl OpenApi) -> Value {
    document::document(&document::service(others), examples)
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
    let path = request.uri().path();
    let takes = if path.starts_with("/alert") {
        "POST, PUT"
    } else if path == "/preview" || path.ends_with("/retry") {
        "POST"
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
