//! Request bodies: read in full and within limits, then parsed with the path of whatever is wrong in them.
//!
//! Guarantees: the order of refusals is that of the room (size, then content type, then JSON, then schema), for every
//! operation that takes a body.

use std::time::Duration;

use poem::error::ReadBodyError;
use poem::http::{StatusCode, header};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;

use super::authenticate::BodyLimit;
use super::error::Problem;
use super::parse;

/// How long a body may take to arrive. Grafana itself gives up after 30 seconds.
const BODY_TIME: Duration = Duration::from_secs(30);

/// A JSON body that is a `T`.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// The bytes of a body that is declared as JSON and not too large.
pub(super) async fn bytes(request: &Request, body: &mut RequestBody) -> Result<Vec<u8>, Problem> {
    let limit = *request.data::<BodyLimit>().unwrap_or(&BodyLimit(8 * 1024 * 1024));
    if !declared_json(request) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be JSON, with `Content-Type: application/json`",
        ));
    }
    let body = body
        .take()
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the request has no body"))?;
    match tokio::time::timeout(BODY_TIME, body.into_bytes_limit(limit.0)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(ReadBodyError::PayloadTooLarge)) => Err(limit.refusal()),
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
        let read = async { Ok::<_, Problem>(Self(parse::typed(&bytes(request, body).await?)?)) };
        read.await.map_err(Problem::into_error)
    }
}
