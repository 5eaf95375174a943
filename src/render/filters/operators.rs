//! Operators between values, where some may be missing: the one rule for templates.
//!
//! **Nothing stays nothing.** What an alert does not have is the empty text. A calculation with it gives nothing, a
//! comparison with it by `<`, `<=`, `>`, `>=` or `in` is false, filters of numbers leave it as it is or pass over it. It
//! equals only the empty text. `check` names every comparison of a sample that came to this.
//!
//! Beside it: a text that is a number counts as one beside a number, since labels are texts; times can be compared and
//! subtracted, which gives seconds. What is no number and no time is an error that says so.

mod compare;

use std::collections::HashMap;
use std::sync::LazyLock;

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, Expression, State, Value, context};

pub(super) use self::compare::compared;
use self::compare::{is_list, is_moment};
use super::{invalid, is_empty};
use crate::render::cost::{self, text};
use crate::render::problem::TemplateProblem;
use crate::render::shield::shield;
use crate::render::syntax::{NEGATIVE, OPERATE};
use crate::render::values::Moment;

/// More remarks of one kind help nobody.
const MOST_NOTES: usize = 20;

/// What a template's author should know although it worked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(pub(crate) Vec<TemplateProblem>);

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_function(OPERATE, operate);
    env.add_function(NEGATIVE, |state: &mut State<'_, '_>, value: &Value| {
        calculated(state, &Value::from(0), "-", value)
    });
    for (names, sign) in [
        (["lt", "lessthan", "<"].as_slice(), "<"),
        (&["le", "<="], "<="),
        (&["gt", "greaterthan", ">"], ">"),
        (&["ge", ">="], ">="),
        (&["in"], "in"),
    ] {
        for name in names {
            env.add_test(*name, move |state: &mut State<'_, '_>, value: &Value, other: &Value| {
                compared(state, value, sign, other)
            });
        }
    }
}

/// `a < b`, `a - b * c`, `1 < a <= 10`: a line, the first operand, and operators with operands. Operators of one rank
/// come together.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]
fn operate(state: &mut State<'_, '_>, operands: Rest<Value>) -> Result<Value, Error> {
    let [line, first, rest @ ..] = operands.as_slice() else {
        return Err(invalid("an operator without operands"));
    };
    let mut value = first.clone();
    let mut is_true = true;
    let mut compares = false;
    for pair in rest.chunks_exact(2) {
        let (sign, other) = (pair[0].as_str().unwrap_or_default(), &pair[1]);
        if matches!(sign, "+" | "-" | "*" | "/" | "//" | "%" | "**") {
            value = calculated(state, &value, sign, other)?;
            continue;
        }
        compares = true;
        if is_true {
            is_true = match sign {
                "==" => value == *other,
                "!=" => value != *other,
                sign => {
                    if (is_empty(&value) || is_empty(other)) && !sign.ends_with("in") {
                        note(state, line, sign);
                    }
                    compared(state, &value, sign, other)?
                }
            };
        }
        value = other.clone();
    }
    Ok(if compares { Value::from(is_true) } else { value })
}

/// Remembers that a missing value was compared.
fn note(state: &mut State<'_, '_>, line: &Value, sign: &str) {
    let problem = TemplateProblem {
        file: state.name().to_owned(),
        line: line.as_usize(),
        message: format!("`{sign}` compares a missing value here, which is false; `default(0)` gives it a value"),
    };
    let notes = state.get_or_insert_extension::<Notes>(Notes::default());
    if notes.0.len() < MOST_NOTES && !notes.0.contains(&problem) {
        notes.0.push(problem);
    }
}

/// The number that a text is.
pub(super) fn number_of(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Value::from(whole));
    }
    text.parse::<f64>().ok().map(Value::from)
}

/// What a value is called in messages. The value itself is left out: it may be an alert's, and errors are logged.
pub(super) fn kind_of(value: &Value) -> &'static str {
    if is_moment(value) {
        return "time";
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => "missing value",
        ValueKind::Bool => "true or false",
        ValueKind::Number => "number",
        ValueKind::String => "text that is no number",
        ValueKind::Seq | ValueKind::Iterable => "list",
        ValueKind::Map => "record of names and values",
        _ => "thing",
    }
}

/// What an operator of numbers, texts, lists or times makes of two values.
fn calculated(state: &mut State<'_, '_>, a: &Value, sign: &str, b: &Value) -> Result<Value, Error> {
    let is_joining = |value: &Value| value.as_str().is_some() || is_list(value);
    if (is_empty(a) || is_empty(b)) && !(sign == "+" && is_joining(a) && is_joining(b)) {
        return Ok(Value::from(""));
    }
    if let Some(time) = calculated_time(a, sign, b)? {
        return Ok(time);
    }
    if sign == "+"
        && let (Some(left), Some(right)) = (a.as_str(), b.as_str())
    {
        cost::pay(state, left.len() + right.len())?;
        if a.is_safe() == b.is_safe() {
            let joined = [left, right].concat();
            return Ok(if a.is_safe() {
                Value::from_safe_string(joined)
            } else {
                Value::from(joined)
            });
        }
        let part = |value: &Value, text: &str| if value.is_safe() { text.to_owned() } else { shield(text) };
        return Ok(Value::from_safe_string(part(a, left) + part(b, right).as_str()));
    }
    let number = |value: &Value, other: &Value| -> Value {
        let text = value.as_str().filter(|_| other.is_number());
        text.and_then(number_of).unwrap_or_else(|| value.clone())
    };
    let (a, b) = (&number(a, b), &number(b, a));
    if b.is_number() && !b.is_true() && matches!(sign, "/" | "//" | "%") {
        return Err(invalid("divides by zero; put `{% if … %}` around it"));
    }
    if sign == "*" {
        let repeated = |value: &Value, times: &Value| {
            value
                .as_str()
                .map_or(0, |text| text.len() * times.as_usize().unwrap_or(0))
        };
        cost::pay(state, repeated(a, b).max(repeated(b, a)))?;
    }
    let operation = OPERATIONS.get(sign).ok_or_else(|| invalid("an unknown operator"))?;
    operation.eval(context! { a, b }).map_err(|_| {
        let texts = if sign == "+" { "; `~` joins texts" } else { "" };
        invalid(format!(
            "cannot calculate a {} {sign} a {} (expected two numbers{texts})",
            kind_of(a),
            kind_of(b)
        ))
    })
}

/// `now - alert.startsAt` in seconds, `now - 3600` as a time; nothing where no time takes part.
fn calculated_time(a: &Value, sign: &str, b: &Value) -> Result<Option<Value>, Error> {
    let (first, second) = (a.downcast_object_ref::<Moment>(), b.downcast_object_ref::<Moment>());
    let wrong = || {
        invalid(format!(
            "cannot calculate a {} {sign} a {} (expected time - time, or time + seconds)",
            kind_of(a),
            kind_of(b)
        ))
    };
    let shifted = |moment: &Moment, by: &Value, back: bool| {
        let seconds = f64::try_from(by.clone()).map_err(|_| wrong())?;
        let moved = moment.moved(if back { -seconds } else { seconds });
        moved.map(Some).ok_or_else(wrong)
    };
    match (first, sign, second) {
        (None, _, None) => Ok(None),
        (Some(first), "-", Some(second)) => {
            let apart = first.at.as_millisecond() - second.at.as_millisecond();
            #[expect(
                clippy::cast_precision_loss,
                reason = "milliseconds of a few thousand years are exact"
            )]
            let seconds = if apart % 1000 == 0 {
                Value::from(apart / 1000)
            } else {
                Value::from(apart as f64 / 1000.0)
            };
            Ok(Some(seconds))
        }
        (Some(moment), "+" | "-", None) => shifted(moment, b, sign == "-"),
        (None, "+", Some(moment)) => shifted(moment, a, false),
        _ => Err(wrong()),
    }
}

/// The engine's own operators.
static OPERATIONS: LazyLock<HashMap<&'static str, Expression<'static, 'static>>> = LazyLock::new(|| {
    static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(Environment::empty);
    let signs = [
        ("+", "a + b"),
        ("-", "a - b"),
        ("*", "a * b"),
        ("/", "a / b"),
        ("//", "a // b"),
        ("%", "a % b"),
        ("**", "a ** b"),
    ];
    let compiled = signs
        .into_iter()
        .filter_map(|(sign, code)| Some((sign, ENGINE.compile_expression(code).ok()?)));
    compiled.collect()
});

/// The number that a value is, perhaps as a text.
pub(super) fn as_number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => number_of(text).and_then(|number| f64::try_from(number).ok()),
        None => f64::try_from(value.clone()).ok(),
    }
}

/// What a value is not.
pub(super) fn not_a(what: &str, value: &Value) -> Error {
    match value.as_str() {
        Some(_) => {
            let length = text(value).map_or(0, |text| text.chars().count());
            invalid(format!("a text of {length} characters is not a {what}"))
        }
        None => invalid(format!("a {} is not a {what}", kind_of(value))),
    }
}
