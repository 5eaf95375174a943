//! A body of any shape as a notification, by what its route says of it.
//!
//! Guarantees: an expression that fails for a body costs its own result, and never the body; the log says so.

use serde_json::Value;

use crate::alert::Notification;
use crate::alert::payload::{self, Meaning};
use crate::message::RouteName;
use crate::render::Expressions;
use crate::route::Input;

/// See the module.
pub fn notification(route: &RouteName, input: &Input, tree: Value) -> Notification {
    let meaning = meaning(route, input, &tree);
    payload::notification(tree, &meaning)
}

fn meaning(route: &RouteName, input: &Input, tree: &Value) -> Meaning {
    if *input == Input::default() {
        return Meaning::default();
    }
    let over = Expressions::over(tree);
    let [group, state, title, severity] = input.expressions().map(|(key, text)| {
        let said = text.map(|text| over.evaluate(text)).transpose();
        said.unwrap_or_else(|error| {
            tracing::warn!(alert.route = %route, "`{key}` of the route `{route}` fails for a body, and counts as empty: {error}");
            None
        })
        .unwrap_or_default()
    });
    let state = match state.to_ascii_lowercase().as_str() {
        "firing" | "true" => "firing",
        "resolved" | "false" => "resolved",
        "" | "none" => "",
        _ => {
            tracing::warn!(
                alert.route = %route,
                "`state` of the route `{route}` is `{state}` for a body, and counts as none (expected `firing`, `resolved` or nothing)"
            );
            ""
        }
    };
    Meaning {
        group,
        state: state.to_owned(),
        title,
        severity,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_is_a_word_or_whether_something_is_the_case() {
        let of = |state: &str| {
            let input = Input {
                state: Some(state.to_owned()),
                title: Some("payload.name".to_owned()),
                ..Input::default()
            };
            let tree = json!({"up": false, "name": "Shop", "n": 1});
            let meaning = meaning(&RouteName::default(), &input, &tree);
            assert_eq!(meaning.title, "Shop");
            meaning.state
        };
        for (state, expected) in [
            ("'firing'", "firing"),
            ("'Resolved'", "resolved"),
            ("not payload.up", "firing"),
            ("payload.up", "resolved"),
            ("payload.missing.too", ""),
            ("'none'", ""),
            ("'down'", ""),
            ("payload.n // 0", ""),
        ] {
            assert_eq!(of(state), expected, "{state}");
        }
    }
}
