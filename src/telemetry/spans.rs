//! The fields of the spans round an event: what request or delivery a log line belongs to.
//!
//! Guarantees: only the relay's own spans count, because those of libraries hold what nobody has looked through. The inner
//! span goes before the outer one where both name a field.

use serde_json::Value;
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::{FmtContext, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;

/// Keeps the fields of each span beside it, for as long as it lives.
pub(super) struct KeepFields;

struct Kept(Vec<(&'static str, Value)>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for KeepFields {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| is_own(span.metadata())) else {
            return;
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(Kept(fields.others));
    }
}

fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// The fields of the spans round an event that the event does not name itself.
pub(super) fn around<S, N>(context: &FmtContext<'_, S, N>, event: &Event<'_>) -> Vec<(&'static str, Value)>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut found: Vec<(&'static str, Value)> = Vec::new();
    for span in context.event_scope().into_iter().flatten() {
        let extensions = span.extensions();
        let Some(Kept(fields)) = extensions.get::<Kept>() else {
            continue;
        };
        for (name, value) in fields {
            let is_named = event.metadata().fields().field(name).is_some();
            if !is_named && found.iter().all(|(known, _)| known != name) {
                found.push((name, value.clone()));
            }
        }
    }
    found
}
