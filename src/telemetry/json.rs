//! Log lines as JSON: one flat object each, with a field for each fact.
//!
//! Guarantees: `time`, `level`, `message` and `part` come first; further fields stand under the names that they have in lines for
//! people (`delivery.id`), and none of them can take the place of one of these. Long texts are cut as there.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::{ecs, spans};

/// What becomes of an event, with the fields of the spans around it.
type Line = fn(&Event<'_>, Vec<(&'static str, Value)>, jiff::Timestamp) -> Value;

/// Writes each event as one line of JSON.
pub(super) struct Json(pub(super) Line);

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let around = spans::around(context, event);
        writeln!(writer, "{}", (self.0)(event, around, jiff::Timestamp::now()))
    }
}

pub(super) fn line(event: &Event<'_>, around: Vec<(&'static str, Value)>, now: jiff::Timestamp) -> Value {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let metadata = event.metadata();
    let mut line = Map::new();
    line.insert("time".to_owned(), format!("{now:.6}").into());
    line.insert("level".to_owned(), ecs::level(*metadata.level()).into());
    line.insert("message".to_owned(), fields.message.into());
    line.insert("part".to_owned(), metadata.target().into());
    for (name, value) in fields.others.into_iter().chain(around) {
        line.entry(name).or_insert(value);
    }
    Value::Object(line)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;

    /// Keeps what would be written.
    struct Keep(Line, Arc<Mutex<Vec<Value>>>);

    impl<S: Subscriber> Layer<S> for Keep {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let around = vec![("http.request.id", json!("a1"))];
            let now = "2026-11-20T09:14:10.1234567Z".parse().unwrap();
            self.1.lock().unwrap().push((self.0)(event, around, now));
        }
    }

    /// The line of the one event that `log` logs, which a request is around.
    pub(in crate::telemetry) fn logged(line: Line, log: impl FnOnce()) -> Value {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Keep(line, Arc::clone(&kept)));
        tracing::subscriber::with_default(subscriber, log);
        kept.lock().unwrap().remove(0)
    }

    #[test]
    fn a_line_has_a_field_for_each_fact() {
        let line = logged(line, || tracing::warn!(delivery.id = 7, level = "mine", "wait\n{}", 5));
        assert_eq!(
            line,
            json!({
                "time": "2026-11-20T09:14:10.123456Z", "level": "warn", "message": "wait\n5", "part": module_path!(),
                "delivery.id": 7, "http.request.id": "a1",
            })
        );
        assert!(line.to_string().starts_with(r#"{"time":"#) && !line.to_string().contains('\n'));
    }
}
