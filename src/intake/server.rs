//! All paths in one place, and what holds for each answer: problem details, safe headers, a count of refusals.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use hyper::body::Bytes;
use poem::endpoint::{BoxEndpoint, make, make_sync};
use poem::http::header::{self, HeaderName};
use poem::http::{Method, StatusCode};
use poem::middleware::CatchPanic;
use poem::{Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Request, Response, Route, get};
use poem_openapi::OpenApi;
use serde_json::Value;
use tracing::Instrument as _;

use super::auth::{Auth, Resource};
use super::caller::{auth, enter};
use super::compat;
use super::connections::Connection;
use super::document::{self, Example};
use super::error::{Problem, ProblemJson};
use super::health::{self, Checks};
use super::recorder::Recorder;
use super::timing::timed;
use super::webhook;
use crate::pipeline::Pipeline;

/// What the HTTP side is made of.
pub struct Parts {
    /// Where notifications go.
    pub pipeline: Arc<Pipeline>,
    /// How the relay is.
    pub checks: Arc<dyn Checks>,
    /// Keeps what was accepted for the workshop.
    pub recorder: Arc<Recorder>,
    /// Who may come in, and how much at once.
    pub auth: Arc<Auth>,
    /// What is there for people and for Prometheus.
    pub pages: PageSettings,
    /// Example bodies for Swagger UI.
    pub examples: Vec<Example>,
    /// The workshop's page and its files, under `/workshop/` and at `/`.
    pub workshop: Route,
    /// What is served at `/` in its place, in the demo.
    pub page: Option<BoxEndpoint<'static, Response>>,
}

/// Which of the paths that no notification needs are served; what is switched off answers 404.
#[derive(Debug, Clone, Copy)]
pub struct PageSettings {
    /// The workshop: `/`, `/workshop/…` and `/preview`.
    pub workshop: bool,
    /// `/docs` and `/openapi.json`.
    pub docs: bool,
    /// `/metrics`.
    pub metrics: bool,
}

/// Where the operations for senders begin.
const SENDING: [&str; 1] = ["/alert"];
/// Where those of the workshop begin; everything else is a page or a probe.
const WORKSHOP: [&str; 9] = [
    "/preview",
    "/workshop/state",
    "/workshop/recorded",
    "/workshop/samples",
    "/workshop/reference",
    "/workshop/values",
    "/workshop/template",
    "/workshop/send",
    "/workshop/deliveries",
];
/// Those of them that only take POST.
const POSTED: [&str; 3] = ["/preview", "/workshop/values", "/workshop/send"];

/// Nothing may be loaded, framed or run from an API answer.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// Swagger UI is one page with inline scripts and styles.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";
/// What no page here uses, so that nothing that gets into one can.
const NO_FEATURES: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
                           magnetometer=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()";
const HEADERS: [(HeaderName, &str); 8] = [
    // The pages' own files say otherwise: they are the same for everybody.
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), NO_FEATURES),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, API_POLICY),
];

/// The whole HTTP side; `others` are the operations of the workshop.
pub fn endpoint(parts: Parts, others: impl OpenApi + 'static) -> BoxEndpoint<'static, Response> {
    let service = document::service(others);
    let document = document::document(&service, &parts.examples);
    let document = document::without(document, &absent(parts.pages));
    let document = Bytes::from(serde_json::to_string_pretty(&document).unwrap_or_default());
    let has_home = parts.page.is_some() || parts.pages.workshop;

    let service = Arc::new(service.into_endpoint());
    let mut routes = Route::new()
        .at("/health/live", get(health::live))
        .at("/health/ready", get(health::ready));
    for path in SENDING {
        routes = routes.nest_no_strip(path, Arc::clone(&service).before(put_as_post));
    }
    for path in compat::FORWARDER
        .into_iter()
        .chain([compat::ALERTMANAGER, compat::RECEIVER])
    {
        // All methods: one that is not taken is not even said to be, while the address is not enabled.
        routes = routes.at(path, make(webhook::foreign));
    }
    if parts.pages.docs {
        routes = routes
            .at("/docs", get(docs(document.clone(), has_home)).around(with_login))
            .at("/openapi.json", get(json(document)).around(with_login));
    }
    if parts.pages.metrics {
        routes = routes.at("/metrics", get(health::metrics).around(with_metrics_token));
    }
    let workshop = Arc::new(parts.workshop.around(with_login).map_to_response());
    if parts.pages.workshop {
        for path in WORKSHOP {
            routes = routes.nest_no_strip(path, Arc::clone(&service));
        }
        routes = routes.nest_no_strip("/workshop", Arc::clone(&workshop));
    }
    let routes = match parts.page {
        Some(page) => routes.nest("/", page.around(with_login)),
        None if parts.pages.workshop => routes.nest("/", workshop),
        None => routes,
    };
    routes
        .data(parts.pipeline)
        .data(parts.recorder)
        .data(parts.checks)
        .around(in_flight)
        .data(parts.auth)
        .with(CatchPanic::new().with_handler(our_fault))
        .catch_all_error(problem)
        .around(with_headers)
        .around(timed)
        .around(in_span)
        .map_to_response()
        .boxed()
}

/// The paths that are not served, which the document then leaves out.
fn absent(pages: PageSettings) -> Vec<&'static str> {
    let workshop = WORKSHOP.into_iter().filter(|_| !pages.workshop);
    workshop.chain((!pages.metrics).then_some("/metrics")).collect()
}

/// Swagger UI. There is one copy of it, or two, however many are slow to read it.
fn docs(document: Bytes, has_home: bool) -> impl Endpoint<Output = Response> {
    let pages = [OnceLock::<Bytes>::new(), OnceLock::new()];
    make_sync(move |request| {
        // The routes, and what they ask for, change while it runs.
        let is_open = auth(&request).is_ok_and(|auth| auth.is_open());
        let document = || String::from_utf8_lossy(&document);
        let page =
            pages[usize::from(is_open)].get_or_init(|| document::swagger_page(&document(), has_home, is_open).into());
        page.clone()
            .with_content_type("text/html; charset=utf-8")
            .with_header(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)
            .into_response()
    })
}

fn json(document: Bytes) -> impl Endpoint<Output = Response> {
    make_sync(move |_| document.clone().with_content_type("application/json").into_response())
}

/// Senders that use PUT mean the same.
async fn put_as_post(mut request: Request) -> poem::Result<Request> {
    if request.method() == Method::PUT {
        request.set_method(Method::POST);
    }
    Ok(request)
}

/// Gives a request an ID that all its log lines have in common. The span has the level of an error so that no filter hides it
/// from one.
async fn in_span<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let id = format!("{:016x}", rand::random::<u64>());
    let span = tracing::error_span!("request", http.request.id = id);
    let answered = endpoint.call(request).instrument(span).await;
    answered.map(IntoResponse::into_response)
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
    metrics::counter!("grafana_matrix_relay_refused_total", "status" => status.as_str().to_owned()).increment(1);
    tracing::debug!(http.response.status_code = status.as_u16(), "refused");
    response
}

/// The last resort: nothing is known that gets here, and what does is ours to mend.
fn our_fault(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a request made the relay fail unexpectedly: please report it");
    let problem = Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the relay could not answer this request",
    );
    ProblemJson(problem).into_response()
}

/// Bounds the requests that are worked on at once. One that brings a body is counted when that is here: see `request`.
async fn in_flight<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let auth = auth(&request).map_err(Problem::into_error)?;
    if let Some((connection, client)) = request.data::<Arc<Connection>>().zip(auth.client(&request)) {
        connection.is_of(client);
    }
    let is_counted = matches!(*request.method(), Method::GET | Method::HEAD) && !is_probe(&request);
    let permit = if is_counted {
        Some(auth.limits.request().await.map_err(Problem::into_error)?)
    } else {
        None
    };
    let answered = endpoint.call(request).await.map(IntoResponse::into_response);
    drop(permit);
    answered
}

/// Those of the orchestrator never wait.
fn is_probe(request: &Request) -> bool {
    request.uri().path().starts_with("/health/")
}

/// Pages are public unless browsers are to log in, or called a relay without a credential by a name that is not its own;
/// what they ask the relay for is checked by itself.
async fn with_login<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    if auth(&request).map_err(Problem::into_error)?.guards_page_files() {
        enter(Resource::PageFiles, &request)
            .await
            .map_err(Problem::into_error)?;
    }
    endpoint.call(request).await.map(IntoResponse::into_response)
}

async fn with_metrics_token<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    enter(Resource::Metrics, &request).await.map_err(Problem::into_error)?;
    endpoint.call(request).await.map(IntoResponse::into_response)
}

async fn with_headers<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let path = request.uri().path();
    let takes = if compat::is_address(path) {
        "POST"
    } else if path.starts_with("/alert") {
        "POST, PUT"
    } else if POSTED.contains(&path) || path.ends_with("/retry") || path.ends_with("/give-up") {
        "POST"
    } else if path == "/workshop/template" {
        "PUT"
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
