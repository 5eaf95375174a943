//! Request bodies: read in full and within limits, then parsed with the path of whatever is wrong in them.
//!
//! Guarantees: the order of refusals is that of the room (size, then content type, then JSON, then schema), for every
//! operation that takes a body.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::auth::declared_size;
use super::caller::auth;
use super::connections::Connection;
use super::error::Problem;
use super::limits::{self, Limits, Permit, Work};
use crate::alert::parse;
use crate::alert::payload::Declared;

/// How far a body's permit is ahead of its bytes: a connection's buffer holds about as much.
const STEP: usize = 64 * 1024;
/// How long a body waits for its permit before somebody who has proven nothing is asked for one. A body that comes at the
/// pace of a network is here by then.
const ASK: Duration = Duration::from_secs(1);
/// The largest body of what people ask for; it is kept as it came, beside what is made of it.
const PAGE_LIMIT: usize = 1024 * 1024;

/// A JSON body that is a `T`, and its permit.
#[derive(Debug)]
pub struct JsonBody<T>(pub T, pub Permit);

/// A body as it came.
pub(super) struct Raw {
    pub(super) bytes: Vec<u8>,
    /// Held as long as anything that was made of the bytes is worked on.
    pub(super) permit: Permit,
}

/// How the body of a route is declared that takes any: as it stands, and never in parts or compressed.
pub(super) fn declared(request: &Request) -> Result<Declared, Problem> {
    uncompressed(request)?;
    if declared_json(request) && request.headers().contains_key(header::CONTENT_TYPE) {
        return Ok(Declared::Json);
    }
    match essence(request).as_str() {
        "application/x-www-form-urlencoded" => Ok(Declared::Form),
        essence if essence.starts_with("multipart/") => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body is declared to be in parts: send JSON, a form without files, or plain text",
        )),
        _ => Ok(Declared::Text),
    }
}

/// Refuses what is not JSON by its own declaration.
pub(super) fn declaration(request: &Request) -> Result<(), Problem> {
    uncompressed(request)?;
    if !declared_json(request) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body is not declared as JSON: send it with `Content-Type: application/json`",
        ));
    }
    Ok(())
}

fn uncompressed(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        // Unpacking would make a small body large; no sender of notifications compresses.
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body is compressed: send it without `Content-Encoding`",
        ));
    }
    Ok(())
}

/// The bytes of a body of at most `limit`, as the limits allow and within their time. What waits for a permit does
/// not use up the sender's time.
pub(super) async fn bytes(
    limits: &Limits,
    limit: usize,
    request: &Request,
    body: &mut RequestBody,
) -> Result<Raw, Problem> {
    let declared = declared_size(request.headers()).unwrap_or(limit);
    if declared > limit {
        return Err(limits.too_large(limit));
    }
    let body = body
        .take()
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the request has no body"))?;
    let mut stream = body.into_bytes_stream();
    let (mut bytes, mut permit) = (Vec::new(), Permit::default());
    let body_time = limits.settings.body_time;
    let connection = request.data::<Arc<Connection>>();
    let (mut arrival, mut patience) = (Budget(body_time), Budget(body_time));
    loop {
        let next = (bytes.len() + STEP).min(declared);
        let grown = patience.within(grow(limits, &mut permit, next, connection)).await;
        grown.ok_or_else(limits::full)?;
        match arrival.within(stream.next()).await {
            Some(Some(Ok(chunk))) if bytes.len() + chunk.len() > limit => return Err(limits.too_large(limit)),
            Some(Some(Ok(chunk))) => bytes.extend_from_slice(&chunk),
            Some(None) => return Ok(Raw { bytes, permit }),
            Some(Some(Err(_))) => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "the connection broke before the body was complete",
                ));
            }
            None => {
                let late = "the body did not arrive in time";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, late));
            }
        }
    }
}

/// Makes a permit large enough, if need be by taking from who holds most and has proven nothing.
async fn grow(limits: &Limits, permit: &mut Permit, bytes: usize, connection: Option<&Arc<Connection>>) {
    {
        let grown = limits.grow(permit, bytes);
        tokio::pin!(grown);
        while tokio::time::timeout(ASK, &mut grown).await.is_err() {
            if let Some(connection) = connection {
                connection.wants_bytes(Instant::now());
            }
        }
    }
    if let Some(connection) = connection {
        connection.holds(bytes);
    }
}

/// Says that a request has shown what it has to, and its body is here where that is part of it: nobody else's takes its
/// permit.
pub(super) async fn prove(limits: &Limits, request: &Request) -> Result<(), Problem> {
    let Some(connection) = request.data::<Arc<Connection>>() else {
        return Ok(());
    };
    let is_in = connection.prove(limits.settings.body_time).await;
    is_in.then_some(()).ok_or_else(limits::full)
}

/// Time that is used up bit by bit.
struct Budget(Duration);

impl Budget {
    /// What comes within the time that is left; `None` where that is over.
    async fn within<T>(&mut self, what: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let done = tokio::time::timeout(self.0, what).await;
        self.0 = self.0.saturating_sub(began.elapsed());
        done.ok()
    }
}

/// `application/json`, anything `+json`, or no declaration at all.
fn declared_json(request: &Request) -> bool {
    if !request.headers().contains_key(header::CONTENT_TYPE) {
        return true;
    }
    let essence = essence(request);
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The declared type, without parameters.
fn essence(request: &Request) -> String {
    let value = request.headers().get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

impl<'a, T: DeserializeOwned + Type + Send> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            required: true,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: T::schema_ref(),
            }],
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let read = async {
            let auth = auth(request)?;
            declaration(request)?;
            let limit = auth.limits.settings.max_body_bytes.min(PAGE_LIMIT);
            let mut raw = bytes(&auth.limits, limit, request, body).await?;
            prove(&auth.limits, request).await?;
            auth.limits.admit(&mut raw.permit).await?;
            auth.limits.start(&mut raw.permit, Work::Page).await?;
            Ok::<_, Problem>(Self(parse::typed(&raw.bytes)?, raw.permit))
        };
        read.await.map_err(Problem::into_error)
    }
}
