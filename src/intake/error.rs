//! Refusals as problem details (RFC 9457): what the caller reads, and nothing of the inside.
//!
//! Guarantees: every answer that is not a success has this form, in at most a few hundred bytes, because Grafana shows
//! the first 1,024 bytes of it to its users. No body, token or path of this machine is ever part of it.

use std::fmt;

use poem::error::ResponseError;
use poem::http::{StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::Object;
use poem_openapi::error::{ParseParamError, ParsePathError};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::{ToJSON, Type};

use crate::alert::parse::ParseError;
use crate::text;

/// Problem details after RFC 9457.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[oai(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong and what to do, in a sentence.
    detail: String,
    /// Path of the field that is missing or wrong, for example `alerts[0].labels`.
    field: Option<String>,
    #[oai(skip)]
    retry_after: Option<u64>,
    #[oai(skip)]
    challenge: Challenge,
}

/// The schemes that a 401 asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Challenge {
    pub(super) bearer: bool,
    pub(super) basic: bool,
}

impl Problem {
    /// A problem with a detail for the caller.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            retry_after: None,
            challenge: Challenge::default(),
        }
    }

    /// The same problem with the seconds after which it may be over.
    #[must_use]
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        let retry_after = Some(seconds);
        Self { retry_after, ..self }
    }

    /// The same problem with the schemes that would solve it.
    #[must_use]
    pub(super) fn challenge(self, challenge: Challenge) -> Self {
        Self { challenge, ..self }
    }

    /// The same problem with the path of the field that it is about.
    #[must_use]
    pub fn with_field(self, field: impl Into<String>) -> Self {
        let field = Some(field.into());
        Self { field, ..self }
    }

    /// A request that is understood and has something wrong in `field`.
    pub fn of_field(field: &str, reason: impl fmt::Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{field}: {reason}")).with_field(field)
    }

    /// Its HTTP status.
    pub(super) fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST)
    }

    /// The same problem as an error of poem, for extractors.
    pub(super) fn into_error(self) -> poem::Error {
        Refusal(self).into()
    }

    /// An error on its way out in this form: our own refusal, or what the framework refuses by itself (404, 405, a bad
    /// path). `None` where the error is a whole response already.
    pub(super) fn of_error(error: &poem::Error) -> Option<Self> {
        if error.is_from_response() {
            return None;
        }
        Some(
            error
                .downcast_ref()
                .map_or_else(|| Self::of_framework(error), |Refusal(problem)| problem.clone()),
        )
    }

    fn of_framework(error: &poem::Error) -> Self {
        if let Some(error) = error.downcast_ref::<ParseParamError>() {
            return Self::of_field(error.name, &error.reason);
        }
        if error.is::<ParsePathError>() {
            return Self::new(StatusCode::NOT_FOUND, "there is nothing of that name");
        }
        let status = error.status();
        let detail = match status {
            StatusCode::NOT_FOUND => "nothing is at this path; notifications go to /alert".to_owned(),
            StatusCode::METHOD_NOT_ALLOWED => {
                "this path does not take that method; /alert takes PUT and POST, the addresses of other relays POST"
                    .to_owned()
            }
            _ if status.is_client_error() => text::beginning(&error.to_string(), 300).to_owned(),
            _ => "the relay could not answer this request".to_owned(),
        };
        Self::new(status, detail)
    }
}

impl From<ParseError> for Problem {
    fn from(error: ParseError) -> Self {
        match &error {
            ParseError::NotJson(_) => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            ParseError::Field { field, .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).with_field(field)
            }
        }
    }
}

/// A problem on its way through poem.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.detail)]
struct Refusal(Problem);

impl ResponseError for Refusal {
    fn status(&self) -> StatusCode {
        self.0.code()
    }

    fn as_response(&self) -> Response {
        ProblemJson(self.0.clone()).into_response()
    }
}

/// The challenge that makes browsers ask.
const BASIC: &str = "Basic realm=\"grafana-matrix-relay\", charset=\"UTF-8\"";

/// A problem as `application/problem+json`.
pub struct ProblemJson(pub Problem);

impl Payload for ProblemJson {
    const CONTENT_TYPE: &'static str = "application/problem+json";

    fn schema_ref() -> MetaSchemaRef {
        Problem::schema_ref()
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

impl IntoResponse for ProblemJson {
    fn into_response(self) -> Response {
        let mut response = Response::builder()
            .status(self.0.code())
            .content_type(Self::CONTENT_TYPE);
        if self.0.challenge.bearer {
            response = response.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        if self.0.challenge.basic {
            response = response.header(header::WWW_AUTHENTICATE, BASIC);
        }
        if let Some(seconds) = self.0.retry_after {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        response.body(Body::from_string(self.0.to_json_string()))
    }
}
