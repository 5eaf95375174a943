//! What the stand-in answers: JSON, and Matrix's standard error response.

use jiff::{Timestamp, ToSpan as _};
use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use serde_json::{Value, json};

/// A request that is refused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    status: u16,
    body: Value,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// Any status with any errcode.
    pub(super) fn new(status: u16, errcode: &str, error: impl Into<String>) -> Self {
        Self {
            status,
            body: json!({"errcode": errcode, "error": error.into()}),
            headers: Vec::new(),
        }
    }

    /// As the bridge of a webhook refuses.
    pub(super) fn hook(status: u16, error: &str) -> Self {
        Self {
            status,
            body: json!({"ok": false, "error": error}),
            headers: Vec::new(),
        }
    }

    /// 403 `M_FORBIDDEN`.
    pub(super) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(403, "M_FORBIDDEN", error)
    }

    /// 404 `M_NOT_FOUND`.
    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(404, "M_NOT_FOUND", error)
    }

    /// 429, which tells how long to wait in the body and, rounded up to seconds, in the header.
    pub(super) fn limited(ms: u64) -> Self {
        let mut refusal = Self::new(429, "M_LIMIT_EXCEEDED", "Too Many Requests").with("retry_after_ms", json!(ms));
        refusal.headers = vec![("retry-after", ms.div_ceil(1000).to_string())];
        refusal
    }

    /// 429, which tells in the header alone until when to wait, by a clock that may be ahead.
    pub(super) fn limited_until(wait: u32, ahead: u32) -> Self {
        let date = |seconds: u32| {
            let time = Timestamp::now() + i64::from(seconds).seconds();
            time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        };
        let mut refusal = Self::new(429, "M_LIMIT_EXCEEDED", "Too Many Requests");
        refusal.headers = vec![("date", date(ahead)), ("retry-after", date(ahead + wait))];
        refusal
    }

    /// With one more field in the body.
    pub(super) fn with(mut self, field: &str, value: Value) -> Self {
        self.body[field] = value;
        self
    }

    /// Without the field in the body.
    pub(super) fn without(mut self, field: &str) -> Self {
        if let Some(body) = self.body.as_object_mut() {
            body.shift_remove(field);
        }
        self
    }

    /// Without headers of its own.
    pub(super) fn without_header(mut self) -> Self {
        self.headers.clear();
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json_response(&self.body);
        response.set_status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        for (name, value) in self.headers {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// JSON with its content type.
pub(super) fn json_response(body: &Value) -> Response {
    Response::builder()
        .content_type("application/json")
        .body(body.to_string())
}

/// Any text as JSON.
pub(super) fn said(status: u16, text: &str) -> Response {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
        .content_type("application/json")
        .body(text.to_owned())
}

/// A page as reverse proxies write it, which no Matrix client can read.
pub(super) fn html_response(status: u16) -> Response {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
        .content_type("text/html")
        .body(format!(
            "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
        ))
}
