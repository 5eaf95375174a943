//! A body of any shape, from whichever program, as a [`Notification`] of one alert.
//!
//! Guarantees: the rules of a route say what such a body means (see [`Meaning`]); nothing is guessed but a title and a text to show.
//! What is kept of it is bounded: see [`tree()`].

mod tree;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use self::tree::Kept;
pub use self::tree::{Declared, tree};
use super::parse::ParseError;
use super::{Alert, AlertStatus, Fingerprint, GroupKey, Labels, Notification, Source};
use crate::text::{hash, truncated};

/// Fields of the body that become labels, for rules and mentions, and characters of one.
const LABELS: usize = 100;
const LABEL: usize = 1_000;
/// Characters of a title, and of what else rules say of a body.
const TITLE: usize = 200;

/// Where a title and a text are looked for.
const TITLES: [&str; 5] = ["title", "subject", "name", "summary", "event"];
const TEXTS: [&str; 6] = ["text", "message", "msg", "body", "content", "description"];

/// What the rules of a route say of a body; empty where they say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meaning {
    /// What it is about: bodies with the same group and a state share a message. The title where it is empty.
    pub group: String,
    /// `firing` or `resolved`; without one each body is a message of its own.
    pub state: String,
    /// What the message is called.
    pub title: String,
    /// How bad it is.
    pub severity: String,
}

/// A body together with its meaning: as samples and recordings hold one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enveloped {
    payload: Kept,
    #[serde(default)]
    group: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    severity: String,
}

/// What is to be tried or shown: a notification, or a body of any other shape together with its meaning.
pub fn any(bytes: &[u8]) -> Result<Notification, ParseError> {
    #[derive(Deserialize)]
    struct Sent {
        alerts: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Sent>(bytes) {
        Ok(Sent { alerts: None }) => {}
        _ => return super::parse::notification(bytes),
    }
    if let Ok(Enveloped {
        payload: Kept(tree @ Value::Object(_)),
        group,
        state,
        title,
        severity,
    }) = serde_json::from_slice(bytes)
    {
        let meaning = Meaning {
            group,
            state,
            title,
            severity,
        };
        return Ok(notification(tree, &meaning));
    }
    super::parse::notification(bytes)
}

/// A body of any shape of which no rule says anything.
pub fn alone(bytes: &[u8]) -> Result<Notification, ParseError> {
    Ok(notification(tree(bytes, Declared::Text)?, &Meaning::default()))
}

/// The reverse of [`any`] for a body of any shape.
pub fn enveloped(notification: &Notification) -> Option<Value> {
    let payload = notification.payload.clone()?;
    let alert = notification.alerts.first()?;
    let label = |name: &str| alert.labels.get(name).cloned().unwrap_or_default();
    let all = [
        (
            "group",
            notification.group_labels.get("group").cloned().unwrap_or_default(),
        ),
        ("state", notification.state.clone()),
        ("title", label("alertname")),
        ("severity", label("severity")),
    ];
    let mut fields = Map::from_iter([("payload".to_owned(), payload)]);
    let said = all.into_iter().filter(|(_, text)| !text.is_empty());
    fields.extend(said.map(|(name, text)| (name.to_owned(), Value::from(text))));
    Some(Value::Object(fields))
}

/// A notification of one alert: its labels are the fields of the body that are texts or numbers, with its title as the name.
pub fn notification(tree: Value, meaning: &Meaning) -> Notification {
    let text = found(&tree, &TEXTS).unwrap_or_default();
    let title = Some(line(&meaning.title)).filter(|title| !title.is_empty());
    let title = title
        .or_else(|| found(&tree, &TITLES).map(|title| line(&title)))
        .or_else(|| text.lines().map(line).find(|line| !line.is_empty()))
        .unwrap_or_else(|| "Webhook".to_owned());
    let status = match meaning.state.as_str() {
        "resolved" => AlertStatus::Resolved,
        _ => AlertStatus::Firing,
    };
    let has_state = matches!(meaning.state.as_str(), "firing" | "resolved");
    let group = if meaning.group.is_empty() {
        &title
    } else {
        &meaning.group
    };
    let mut labels = labels(&tree);
    labels.insert("alertname".to_owned(), title.clone());
    if !meaning.severity.is_empty() {
        labels.insert("severity".to_owned(), line(&meaning.severity));
    }
    let mut annotations = Labels::new();
    // What a body about an end says is not what was the matter.
    if status == AlertStatus::Firing && text.trim() != title {
        annotations.insert("summary".to_owned(), text);
    }
    let alert = Alert {
        status,
        labels,
        annotations,
        ..Alert::unknown(Fingerprint(hash([group.as_str()])))
    };
    let (group_key, group_labels) = if has_state {
        let labels = Labels::from([("group".to_owned(), group.clone())]);
        (format!("json:{}", hash([group.as_str()])), labels)
    } else {
        ("{}".to_owned(), Labels::new())
    };
    Notification {
        source: Source::Json,
        group_key: GroupKey(group_key),
        group_labels,
        state: if has_state {
            meaning.state.clone()
        } else {
            String::new()
        },
        title,
        payload: Some(tree),
        ..Notification::of(vec![alert])
    }
}

/// The first of these fields that is a text with something in it.
fn found(tree: &Value, names: &[&str]) -> Option<String> {
    let texts = names.iter().filter_map(|name| tree.get(*name)?.as_str());
    let mut texts = texts.filter(|text| !text.trim().is_empty());
    texts.next().map(str::to_owned)
}

fn labels(tree: &Value) -> Labels {
    let scalar = |value: &Value| match value {
        Value::String(text) if text.len() <= LABEL => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    let fields = tree.as_object().into_iter().flatten();
    let scalars = fields.filter_map(|(name, value)| Some((name.clone(), scalar(value)?)));
    scalars.take(LABELS).collect()
}

/// One line, not too long.
fn line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    truncated(line.unwrap_or_default(), TITLE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_body_is_one_alert_with_what_the_rules_say() {
        let meaning = Meaning {
            group: "7".to_owned(),
            state: "firing".to_owned(),
            title: "Shop".to_owned(),
            severity: "high".to_owned(),
        };
        let body = json!({"text": "down\nsince noon", "n": 1, "deep": {"a": 1}, "alertname": "x"});
        let firing = notification(body.clone(), &meaning);
        let labels = &firing.alerts[0].labels;
        assert_eq!(
            (labels["alertname"].as_str(), labels["severity"].as_str()),
            ("Shop", "high")
        );
        assert!(labels.contains_key("n") && !labels.contains_key("deep"));
        assert_eq!(firing.alerts[0].annotations["summary"], "down\nsince noon");
        let over = Meaning {
            state: "resolved".to_owned(),
            title: "Other".to_owned(),
            ..meaning.clone()
        };
        let over = notification(body.clone(), &over);
        assert_eq!(
            (&over.group_key, &over.alerts[0].fingerprint),
            (&firing.group_key, &firing.alerts[0].fingerprint)
        );
        assert_eq!(over.status, AlertStatus::Resolved);
        let alone = notification(body, &Meaning::default());
        assert_eq!((alone.group_key.0.as_str(), alone.title.as_str()), ("{}", "down"));
        let again = any(enveloped(&firing).unwrap().to_string().as_bytes()).unwrap();
        assert_eq!(again, firing);
        assert_eq!(notification(json!({"n": 1}), &Meaning::default()).title, "Webhook");
    }
}
