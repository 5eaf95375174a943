//! An answer that is not a success, reduced to what a verdict needs.
//!
//! Guarantees: reading it never fails, whatever the bytes are; its errcode and text are cleaned here, and only here; the
//! text comes only from the `error` field of a Matrix error, never from any other body. It does not decide anything.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{CONTENT_TYPE, DATE, HeaderName, LOCATION, RETRY_AFTER};
use ruma::api::error::{ErrorBody, ErrorKind, LimitExceededErrorData, RetryAfter};
use serde_json::Value;

use super::clean;
pub(super) use super::clean::one_line;

/// Longer waits are taken as this: a day is what a delivery may take by default, and an absurd number must not
/// overflow a clock.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Status, errcode and hints of an unsuccessful answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The Matrix error code, where the body has one.
    pub errcode: Option<String>,
    /// The homeserver's explanation, or what the answer looked like instead.
    pub text: String,
    /// `Retry-After` (seconds or date), else `retry_after_ms`.
    pub retry_after: Option<Duration>,
    /// `soft_logout` of `M_UNKNOWN_TOKEN`.
    pub soft_logout: bool,
}

impl Answer {
    /// Reads an answer. A `Retry-After` that is a date is compared with the answer's own `Date`, because it was computed by
    /// the same clock, and with `now` only where there is none.
    pub fn read(status: u16, headers: &HeaderMap, body: &ErrorBody, now: SystemTime) -> Self {
        let now = date(headers, DATE).unwrap_or(now);
        let mut answer = match body {
            ErrorBody::Standard(error) => Self {
                errcode: clean::errcode(error.kind.errcode().as_str()),
                text: one_line(&error.message),
                retry_after: match &error.kind {
                    ErrorKind::LimitExceeded(LimitExceededErrorData {
                        retry_after: Some(wait),
                        ..
                    }) => Some(from_now(*wait, now)),
                    _ => None,
                },
                soft_logout: matches!(&error.kind, ErrorKind::UnknownToken(data) if data.soft_logout),
                ..Self::default()
            },
            // ruma's errors are strict: a missing `error` or `admin_contact` or a negative wait ends up here.
            ErrorBody::Json(json) => Self::loosely(json),
            ErrorBody::NotJson { .. } => Self::default(),
        };
        answer.status = status;
        // The header goes before the field in the body, which is deprecated since v1.10 of the specification.
        if let Some(wait) = retry_after_header(headers, now) {
            answer.retry_after = Some(wait);
        }
        answer.retry_after = answer.retry_after.map(|wait| wait.min(LONGEST_WAIT));
        if answer.errcode.is_none() {
            answer.text = foreign(status, headers);
        }
        answer
    }

    fn loosely(json: &Value) -> Self {
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        Self {
            errcode: text("errcode").and_then(clean::errcode),
            text: one_line(text("error").unwrap_or_default()),
            retry_after: json
                .get("retry_after_ms")
                .and_then(Value::as_f64)
                .and_then(|ms| Duration::try_from_secs_f64((ms / 1000.0).max(0.0)).ok()),
            soft_logout: json.get("soft_logout").and_then(Value::as_bool).unwrap_or(false),
            ..Self::default()
        }
    }
}

fn from_now(wait: RetryAfter, now: SystemTime) -> Duration {
    match wait {
        RetryAfter::Delay(delay) => delay,
        RetryAfter::DateTime(time) => time.duration_since(now).unwrap_or_default(),
    }
}

/// A header that is a date.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    match RetryAfter::try_from(headers.get(name)?) {
        Ok(RetryAfter::DateTime(date)) => Some(date),
        Ok(RetryAfter::Delay(_)) | Err(_) => None,
    }
}

fn retry_after_header(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?;
    match RetryAfter::try_from(value) {
        Ok(wait) => Some(from_now(wait, now)),
        // A negative number means "now"; anything else that is neither number nor date is ignored.
        Err(_) => value.to_str().ok()?.trim().parse::<i64>().ok().map(|_| Duration::ZERO),
    }
}

/// Says what answered instead of a homeserver, without quoting it: a redirect's origin, or the type of the page; and what a
/// proxy has to be named.
fn foreign(status: u16, headers: &HeaderMap) -> String {
    if let Some(target) = headers.get(LOCATION).and_then(|value| value.to_str().ok()) {
        return match url::Url::parse(target) {
            Ok(url) => format!("redirected to {}", url.origin().ascii_serialization()),
            Err(_) => "redirected".to_owned(),
        };
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.map_or_else(String::new, |kind| one_line(&format!(" with {kind}")));
    let remedy = match status {
        401 | 403 => ": let it pass the relay's requests",
        407 => ": the proxy of HTTPS_PROXY needs a login",
        413 => ": raise its limit for bodies to at least 128 KiB",
        _ => "",
    };
    format!("a proxy in between answered{kind}{remedy}")
}

/// Whether a proxy refused what it was to pass on: for another text or size it may not.
pub(super) fn is_refused_by_proxy(status: Option<u16>, errcode: Option<&str>) -> bool {
    matches!(status, Some(403 | 413)) && errcode.is_none()
}

#[cfg(test)]
pub(super) mod tests;
