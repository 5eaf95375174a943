//! Log lines in the Elastic Common Schema: one JSON object each.
//!
//! Guarantees: `@timestamp`, `log.level` and `message` come first, `ecs.version` follows, as the ECS logging
//! specification asks; dotted fields of the relay's own vocabulary are nested, and every other field stands under
//! `labels` as text, so that no line can break an index mapping. Long texts are cut as in lines for people.

use serde_json::{Map, Value, json};
use tracing::{Event, Level};

use super::fields::Fields;

/// The version whose field set is used.
const ECS_VERSION: &str = "8.11.0";
/// Top-level objects that fields may nest in: ECS's own, and the relay's.
const OBJECTS: [&str; 10] = [
    "error", "event", "http", "url", "client", "alert", "delivery", "matrix", "template", "outbox",
];

pub(super) fn line(event: &Event<'_>, around: Vec<(&'static str, Value)>, now: jiff::Timestamp) -> Value {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let metadata = event.metadata();
    let mut line = Map::new();
    line.insert("@timestamp".to_owned(), format!("{now:.3}").into());
    line.insert("log.level".to_owned(), level(*metadata.level()).into());
    line.insert("message".to_owned(), fields.message.into());
    line.insert("ecs.version".to_owned(), ECS_VERSION.into());
    line.insert("log".to_owned(), json!({"logger": metadata.target()}));
    line.insert(
        "service".to_owned(),
        json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")}),
    );
    line.insert("process".to_owned(), json!({"pid": std::process::id()}));
    for (name, value) in fields.others.into_iter().chain(around) {
        put(&mut line, name, value);
    }
    let dataset = json!(env!("CARGO_PKG_NAME"));
    if let Some(Value::Object(event)) = line.get_mut("event") {
        event.entry("dataset").or_insert(dataset);
    } else {
        line.insert("event".to_owned(), json!({"dataset": dataset}));
    }
    Value::Object(line)
}

pub(super) fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Puts a field where it belongs: `alert.group_key` becomes `{"alert": {"group_key": …}}`.
fn put(line: &mut Map<String, Value>, name: &str, value: Value) {
    let mut parts = name.split('.');
    let top = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let value = if name == "delivery.id" { ids(value) } else { value };
    if OBJECTS.contains(&top) && !rest.is_empty() {
        let mut object = line.entry(top).or_insert_with(|| json!({}));
        for part in &rest[..rest.len() - 1] {
            object = &mut object[*part];
        }
        object[rest[rest.len() - 1]] = value;
    } else {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line.entry("labels").or_insert_with(|| json!({}))[name.replace(['.', '*', '\\'], "_")] = text.into();
    }
}

/// The deliveries of an acceptance are named one by one, so that a search for one of them finds the line.
fn ids(value: Value) -> Value {
    match value.as_str() {
        Some(text) if text.contains(',') => text.split(',').collect(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::json::tests::logged;

    #[test]
    fn a_line_is_valid_ecs() {
        let line = logged(line, || {
            tracing::warn!(
                delivery.id = 7,
                matrix.errcode = "M_LIMIT_EXCEEDED",
                odd.name = 1,
                plain = true,
                "wait {}",
                5
            );
        });
        let text = line.to_string();
        assert!(
            text.starts_with(
                r#"{"@timestamp":"2026-11-20T09:14:10.123Z","log.level":"warn","message":"wait 5","ecs.version":"#
            ),
            "{text}"
        );
        assert_eq!(line["delivery"], json!({"id": 7}));
        assert_eq!(line["matrix"]["errcode"], "M_LIMIT_EXCEEDED");
        assert_eq!(line["labels"], json!({"odd_name": "1", "plain": "true"}));
        assert_eq!(line["event"]["dataset"], "grafana-matrix-relay");
    }
}
