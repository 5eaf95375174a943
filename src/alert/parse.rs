//! Bytes of a request body → [`Notification`], or a refusal that names the field.
//!
//! Guarantees: never panics, needs bounded memory whatever the body holds (see `bounds`), and what it returns has at least
//! one alert. Who sent
//! follows from its content, never from a header.

use poem_openapi::types::Any;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::address::{self, TooLong};
use super::body::{AlertBody, NotificationBody};
use super::{bounds, lenient};
use crate::alert::{Alert, AlertStatus, Fingerprint, GroupKey, Labels, Notification, Source};
use crate::text;

/// Bytes of a group key that is kept as it is. Alertmanager writes all matchers of a route and all labels of a group into it,
/// which takes some hundred bytes.
const LONGEST_GROUP_KEY: usize = 4096;

/// Why a body is no notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not JSON at all.
    #[error("the body is not valid JSON: {0}")]
    NotJson(String),
    /// It is JSON, but a field is missing or of the wrong kind.
    #[error("{field}: {reason}")]
    Field {
        /// Path of the field, for example `alerts[2].labels`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ParseError {
    fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// How many alerts a body holds, of which not all may be kept.
#[derive(Deserialize)]
struct Count {
    /// Takes no memory, and knows its length.
    alerts: Option<Vec<IgnoredAny>>,
}

/// Parses a request body.
pub fn notification(bytes: &[u8]) -> Result<Notification, ParseError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ParseError::NotJson("the body is empty".to_owned()));
    }
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        // serde would read an array as a struct, field by field.
        typed::<IgnoredAny>(bytes)?;
        return Err(ParseError::field("the body", "expected an object"));
    }
    let count: Count = match typed(bytes) {
        Ok(count) => count,
        // That it is no JSON at all is said before what is wrong in it.
        Err(wrong) => return typed::<IgnoredAny>(bytes).and(Err(wrong)),
    };
    let Some(alerts) = count.alerts else {
        return Err(ParseError::field(
            "alerts",
            "missing: this is not what Grafana or Alertmanager sends (expected `alerts` with `status` and `labels`; a custom payload \
             of Grafana has to keep them). For any other program, post to a route with `input = \"json\"`; in the workshop, choose \
             the template `webhook`",
        ));
    };
    group(typed(bytes)?, alerts.len())
}

/// Parses JSON into anything, and names the field where that fails.
pub(crate) fn typed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ParseError> {
    // To know the way to each field costs a third of the parsing, and is of use only where that fails.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let deserializer = &mut serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut *deserializer).map_err(|error| {
        let path = error.path().to_string();
        refusal(path, &error.into_inner())
    })?;
    deserializer
        .end()
        .map_err(|error| ParseError::NotJson(error.to_string()))?;
    Ok(value)
}

/// A serde error as a refusal. A missing field is part of the path, so that the caller sees one name.
fn refusal(path: String, error: &serde_json::Error) -> ParseError {
    let text = text::beginning(&without_value(error.to_string()), 200).to_owned();
    if error.classify() != serde_json::error::Category::Data {
        return ParseError::NotJson(text);
    }
    let path = if path == "." { String::new() } else { path };
    if let Some(name) = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        let field = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        return ParseError::field(field, "missing");
    }
    let field = if path.is_empty() { "the body".to_owned() } else { path };
    ParseError::field(field, text)
}

/// serde quotes a text that it did not expect, and Grafana would show it to everybody who sees the contact point.
fn without_value(text: String) -> String {
    let quoted = text.split_once(" \"").and_then(|(before, rest)| {
        let (_, after) = rest.rsplit_once("\", expected")?;
        Some(format!("{before}, expected{after}"))
    });
    quoted.unwrap_or(text)
}

/// `sent` is how many alerts the body holds, of which it may be that not all are kept.
fn group(body: NotificationBody, sent: usize) -> Result<Notification, ParseError> {
    if body.alerts.is_empty() {
        return Err(ParseError::field("alerts", "at least one alert is needed"));
    }
    let source = source(&body);
    let mut of_group = TooLong::default();
    let external_url = of_group.address(body.external_url);
    let common_annotations = of_group.annotations(body.common_annotations);
    let mut left_out = 0;
    let alerts = body
        .alerts
        .into_iter()
        .enumerate()
        // What the group loses is said by its first alert: it has no place of its own for that.
        .map(|(at, one)| alert(at, one, std::mem::take(&mut of_group), &mut left_out))
        .collect::<Result<Vec<_>, _>>()?;
    address::log(left_out);
    let status = match body.status.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => status(text).ok_or_else(|| ParseError::field("status", "neither `firing` nor `resolved`"))?,
        None if alerts.iter().any(|one| one.status == AlertStatus::Firing) => AlertStatus::Firing,
        None => AlertStatus::Resolved,
    };
    let cut_off: Option<u64> = body.truncated_alerts.and_then(|count| count.try_into().ok());
    let truncated_alerts = cut_off
        .unwrap_or(0)
        .saturating_add(bounds::left_out(sent, alerts.len()));
    let group_labels = body.group_labels.unwrap_or_default();
    let group_key = body
        .group_key
        .filter(|key| !key.is_empty())
        .unwrap_or_else(|| format!("{group_labels:?}"));
    Ok(Notification {
        source,
        receiver: unquote(&body.receiver.unwrap_or_default()),
        status,
        alerts,
        group_labels,
        common_labels: body.common_labels.unwrap_or_default(),
        common_annotations,
        external_url,
        group_key: GroupKey(bounded(group_key)),
        truncated_alerts,
        org_id: body.org_id,
        version: body.version.unwrap_or_default(),
        app_version: body.app_version.unwrap_or_default(),
        title: body.title.unwrap_or_default(),
        state: body.state.unwrap_or_default(),
        message: body.message.unwrap_or_default(),
        notification_reason: body.notification_reason.unwrap_or_default(),
        route_labels: body.route_labels.unwrap_or_default(),
        payload: None,
        route: String::new(),
    })
}

/// Who sent it, by all that tells it. Grafana 8 gave Alertmanager's version, and a custom payload may give none; but there are
/// fields that only Grafana sends. What is in the labels and in the address of the rule says who evaluated it, and that is no
/// sign: Grafana can hand its alerts to an Alertmanager.
fn source(body: &NotificationBody) -> Source {
    let is_said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let of_grafana = body.org_id.is_some()
        || [&body.title, &body.state, &body.message, &body.app_version]
            .into_iter()
            .any(is_said)
        || body.alerts.iter().any(AlertBody::is_of_grafana);
    let of_alertmanager = body.version.as_deref() == Some("4") || is_said(&body.notification_reason);
    if of_alertmanager && !of_grafana {
        Source::Alertmanager
    } else {
        Source::Grafana
    }
}

/// `left_out` counts the addresses that are too long.
fn alert(at: usize, body: AlertBody, mut too_long: TooLong, left_out: &mut usize) -> Result<Alert, ParseError> {
    let status = status(&body.status)
        .ok_or_else(|| ParseError::field(format!("alerts[{at}].status"), "neither `firing` nor `resolved`"))?;
    let fingerprint = body
        .fingerprint
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| fingerprint(&body.labels));
    let starts_at = lenient::time(body.starts_at.as_deref());
    let ends_at = lenient::time(body.ends_at.as_deref());
    let [generator_url, silence_url, dashboard_url, panel_url, image_url] = [
        body.generator_url,
        body.silence_url,
        body.dashboard_url,
        body.panel_url,
        body.image_url,
    ]
    .map(|sent| too_long.address(sent));
    let mut annotations = too_long.annotations(body.annotations);
    *left_out += too_long.note(&mut annotations);
    Ok(Alert {
        status,
        labels: body.labels,
        annotations,
        starts_at,
        // Alertmanager may put the expected end of a firing alert there.
        ends_at: ends_at.filter(|_| status == AlertStatus::Resolved),
        generator_url,
        fingerprint: Fingerprint(fingerprint),
        silence_url,
        dashboard_url,
        panel_url,
        rule_uid: body.rule_uid.unwrap_or_default(),
        values: body.values,
        last_values: None,
        departed: None,
        value_string: body.value_string.unwrap_or_default(),
        image_url,
        org_id: body.org_id,
        enrichments: body.enrichments.map(|Any(found)| found),
    })
}

fn status(text: &str) -> Option<AlertStatus> {
    match text.trim().to_ascii_lowercase().as_str() {
        "firing" => Some(AlertStatus::Firing),
        "resolved" => Some(AlertStatus::Resolved),
        _ => None,
    }
}

/// A group key that can be logged and compared for each room: of a longer one the beginning, and a hash of all of it.
fn bounded(group_key: String) -> String {
    if group_key.len() <= LONGEST_GROUP_KEY {
        return group_key;
    }
    format!("{}… {}", text::beginning(&group_key, 100), text::hash([&group_key]))
}

/// An identity for an alert that came without one: the first 16 hexadecimal digits of a hash over its labels.
fn fingerprint(labels: &Labels) -> String {
    let mut hash = text::hash(labels.iter().flat_map(|(name, value)| [name, value]));
    hash.truncate(16);
    hash
}

/// Undoes Go's `regexp.QuoteMeta`, which Grafana and Alertmanager put the receiver's name through.
fn unquote(receiver: &str) -> String {
    let mut plain = String::with_capacity(receiver.len());
    let mut characters = receiver.chars().peekable();
    while let Some(character) = characters.next() {
        let escapes = character == '\\' && characters.peek().is_some_and(|next| r"\.+*?()|[]{}^$".contains(*next));
        plain.extend(if escapes { characters.next() } else { Some(character) });
    }
    plain
}

#[cfg(test)]
mod tests;
