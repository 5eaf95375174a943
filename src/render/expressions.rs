//! Expressions of templates by themselves, over `payload`: what the routes file says of bodies of any shape.
//!
//! Guarantees: operators and filters mean what they do in templates, and take no more time; what comes out is one short line.

use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Expression, UndefinedBehavior, Value, context};

use super::cost;
use super::engine::environment;
use super::filters::is_empty;
use super::problem::{TemplateProblem, nearest};
use super::shield::clean_line;
use super::syntax::{self, NEGATIVE, OPERATE};
use super::tree::Tree;
use crate::text::truncated;

/// A longer expression is none, in bytes.
const LONGEST: usize = 2_000;
/// Characters of what comes out.
const LONGEST_LINE: usize = 200;
/// The one name that an expression sees.
const PAYLOAD: &str = "payload";

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = environment(Vec::new());
    // Of a text where somebody expects an object nothing can be looked up, and that is no fault of the expression.
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env
});

/// What is wrong with an expression, whatever it is evaluated over.
pub fn check_expression(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("longer than {LONGEST} bytes"));
    }
    let prepared = prepared(text);
    let expression = compiled(prepared).map_err(|error| reason(&error))?;
    let env: &Environment<'_> = &ENVIRONMENT;
    let globals: Vec<&str> = env.globals().map(|(name, _)| name).collect();
    let is_known = |name: &str| [PAYLOAD, OPERATE, NEGATIVE].contains(&name) || globals.contains(&name);
    let mut unknown = expression.undeclared_variables(false).into_iter();
    match unknown.find(|name| !is_known(name)) {
        // What an expression calls is looked up when it runs; what else it does depends on the body.
        None => match expression.eval(Expressions::over(&serde_json::Value::Null).0) {
            Err(error) if is_call_of_nothing(error.kind()) => Err(error.detail().unwrap_or("unknown name").to_owned()),
            _ => Ok(()),
        },
        Some(name) => {
            let near = nearest(&name, &mut std::iter::once(PAYLOAD)).is_some();
            let meant = if near {
                PAYLOAD.to_owned()
            } else {
                format!("{PAYLOAD}.{name}")
            };
            Err(format!("unknown name `{name}`; did you mean `{meant}`?"))
        }
    }
}

fn is_call_of_nothing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::UnknownMethod
    )
}

/// What expressions make of one body.
pub struct Expressions(Value);

impl Expressions {
    /// Over this body.
    pub fn over(payload: &serde_json::Value) -> Self {
        Self(context! { payload => Tree::of(payload) })
    }

    /// What an expression comes to, as one line; empty where it comes to nothing.
    pub fn evaluate(&self, text: &str) -> Result<String, String> {
        let prepared = prepared(text);
        let value = compiled(prepared)
            .and_then(|expression| expression.eval(&self.0))
            .map_err(|error| reason(&error))?;
        if is_empty(&value) {
            return Ok(String::new());
        }
        let said = match value.kind() {
            ValueKind::Bool => value.is_true().to_string(),
            _ => cost::text(&value).map_err(|error| reason(&error))?.to_string(),
        };
        let first = said.lines().find(|line| !line.trim().is_empty());
        Ok(truncated(&clean_line(first.unwrap_or_default()), LONGEST_LINE))
    }
}

/// An expression whose operators are ours.
fn prepared(text: &str) -> String {
    let whole = format!("{{{{ {text} }}}}");
    let prepared = syntax::read(&whole).prepared;
    let inside = prepared.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    inside.map_or_else(|| text.to_owned(), |inside| inside.trim().to_owned())
}

fn compiled(prepared: String) -> Result<Expression<'static, 'static>, Error> {
    let env: &'static Environment<'static> = &ENVIRONMENT;
    env.compile_expression_owned(prepared)
}

fn reason(error: &Error) -> String {
    TemplateProblem::from_error("<expression>", error).message
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_are_those_of_templates() {
        let body =
            json!({"a": {"n": 3, "list": ["x", "y"]}, "text": "a\nb", "on": true, "markup": "**b**", "no": null});
        let over = Expressions::over(&body);
        for (text, expected) in [
            ("payload.a.n", "3"),
            ("payload.a.list[1]", "y"),
            ("payload.a.list[9].b.c", ""),
            ("payload.no.b.c", ""),
            ("payload.b.c.d", ""),
            ("payload.text.c.d", ""),
            ("payload.on", "true"),
            ("payload.a.n > 2", "true"),
            ("payload.b.n > 2", "false"),
            ("'resolved' if payload.a.n == 1 else 'firing'", "firing"),
            ("payload.b.c | default('d')", "d"),
            ("payload.b or payload.text", "a"),
            ("payload.a.list | join('/')", "x/y"),
            ("payload.markup", "**b**"),
            (
                "'x' in payload.a.list and 'n' in payload.a and 'm' not in payload.a",
                "true",
            ),
            ("payload.markup | upper ~ 1", "**B**1"),
        ] {
            assert_eq!(check_expression(text), Ok(()), "{text}");
            assert_eq!(over.evaluate(text).as_deref(), Ok(expected), "{text}");
        }
        let long = json!({"a": "x".repeat(10_000)});
        assert_eq!(
            Expressions::over(&long).evaluate("payload.a").unwrap().chars().count(),
            LONGEST_LINE
        );
    }

    #[test]
    fn what_is_wrong_is_said_before_anything_comes() {
        for (text, expected) in [
            ("payload.", "unexpected"),
            ("payload | uper", "uper"),
            ("paylod.a", "did you mean `payload`"),
            ("heartbeat.status", "did you mean `payload.heartbeat`"),
            ("", "unexpected"),
            ("payload }} {{ payload", "unexpected"),
        ] {
            let error = check_expression(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(check_expression(&"x".repeat(LONGEST + 1)).is_err());
        let huge = "'x' * 2000000";
        assert!(Expressions::over(&json!({})).evaluate(huge).is_err());
    }
}
