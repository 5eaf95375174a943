//! Whether a route takes alerts or bodies of any shape, and what it says of those.
//!
//! Guarantees: an expression is tried as far as that goes without a body; one that cannot be used is a problem with its line.

use super::source::Section;
use crate::render::check_expression;
use crate::route::Input;

/// `None`: alerts.
pub(super) fn read(section: &Section<'_>) -> Option<Input> {
    let input = section.text("input");
    let is_json = match &input {
        Some((text, span)) if !["alerts", "json"].contains(text) => {
            let message = format!("invalid input `{text}` (expected `alerts` or `json`)");
            section.source.error(span.clone(), message);
            false
        }
        Some((text, _)) => *text == "json",
        None => false,
    };
    let expression = |key: &str| {
        let (text, span) = section.text(key)?;
        if let Err(why) = check_expression(text) {
            let message =
                format!("invalid `{key}`: {why} (expected an expression of `payload`, such as `payload.title`)");
            section.source.error(span.clone(), message);
        }
        if !is_json {
            let message =
                format!("`{key}` has no meaning for a route that takes alerts (expected `input = \"json\"` beside it)");
            section.source.error(span, message);
        }
        Some(text.to_owned())
    };
    let read = Input {
        group: expression("group"),
        state: expression("state"),
        title: expression("title"),
        severity: expression("severity"),
    };
    is_json.then_some(read)
}
