//! Request bodies: read in full and within limits, then parsed with the path of whatever is wrong in them.
//!
//! Guarantees: the order of refusals is that of the room (size, then content type, then JSON, then schema), for every
//! operation that takes a body.

use poem::error::ReadBodyError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;

use super::authenticate::door;
use super::door::{Door, declared_size};
use super::error::Problem;
use super::flight::Place;
use super::parse;

/// A JSON body that is a `T`, and its place among the bodies in flight.
#[derive(Debug)]
pub struct JsonBody<T>(pub T, pub Place);

/// A body as it came.
pub(super) struct Raw {
    pub(super) bytes: Vec<u8>,
    /// Held as long as anything that was made of the bytes is worked on.
    pub(super) place: Place,
}

/// Refuses what is not JSON by its own declaration.
pub(super) fn declaration(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        // Unpacking would make a small body large; no sender of notifications compresses.
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to come uncompressed, without `Content-Encoding`",
        ));
    }
    if !declared_json(request) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be JSON, with `Content-Type: application/json`",
        ));
    }
    Ok(())
}

/// The bytes of a body that is not too large, once there is place for them and within their time.
pub(super) async fn bytes(door: &Door, request: &Request, body: &mut RequestBody) -> Result<Raw, Problem> {
    let limits = door.flight.settings;
    // What declares no size may be as large as the largest.
    let size = declared_size(request.headers()).unwrap_or(limits.max_body_bytes);
    let place = door.flight.body(size).await?;
    let body = body
        .take()
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the request has no body"))?;
    match tokio::time::timeout(limits.body_time, body.into_bytes_limit(limits.max_body_bytes)).await {
        Ok(Ok(bytes)) => Ok(Raw {
            bytes: bytes.into(),
            place,
        }),
        Ok(Err(ReadBodyError::PayloadTooLarge)) => Err(door.flight.too_large()),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        )),
    }
}

/// `application/json`, anything `+json`, or no declaration at all.
fn declared_json(request: &Request) -> bool {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return true;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
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
            let door = door(request)?;
            declaration(request)?;
            let raw = bytes(door, request, body).await?;
            Ok::<_, Problem>(Self(parse::typed(&raw.bytes)?, raw.place))
        };
        read.await.map_err(Problem::into_error)
    }
}
