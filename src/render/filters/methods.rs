//! Python's methods on texts and maps, as far as they are of use: `name.startswith("Disk")`.
//!
//! Guarantees: no method makes more than can be paid for. Those that can make much of little are minijinja's own filters,
//! which count before; the others work on texts of bounded length.

use minijinja::{Error, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::operators::number_of;
use super::{invalid, is_empty};
use crate::render::cost::{self, pay};

/// Wider fields are a mistake.
const WIDEST: usize = 1_000;

/// What a value in a list takes.
const SLOT: usize = 32;

/// Calls one.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        cost::check(text)?;
        match (method, args) {
            ("replace", [from, to, rest @ ..]) => return filter(state, "replace", value, &[from, to], rest),
            ("join", [list]) => return filter(state, "join", list, &[value], &[]),
            ("format", _) => {
                pay(state, formatted_length(text, args)?)?;
                return formatted(state, value, args);
            }
            ("split" | "splitlines", _) => pay(state, text.len() * SLOT)?,
            _ => {}
        }
    }
    unknown_method_callback(state, value, method, args)
}

/// `"{:.1f}".format(alert.values.A)`; nothing where a number is wanted that is missing, as for the filter of that name.
fn formatted(state: &mut State<'_, '_>, text: &Value, args: &[Value]) -> Result<Value, Error> {
    let error = match unknown_method_callback(state, text, "format", args) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    if args.iter().any(is_empty) {
        return Ok(Value::from(""));
    }
    let number = |value: &Value| value.as_str().and_then(number_of).unwrap_or_else(|| value.clone());
    let numbers: Vec<Value> = args.iter().map(number).collect();
    unknown_method_callback(state, text, "format", &numbers).map_err(|_| error)
}

fn filter(
    state: &mut State<'_, '_>,
    name: &str,
    value: &Value,
    args: &[&Value],
    rest: &[Value],
) -> Result<Value, Error> {
    let args: Vec<Value> = [value]
        .into_iter()
        .chain(args.iter().copied())
        .chain(rest)
        .cloned()
        .collect();
    state.apply_filter(name, &args)
}

/// How long the result of a format can be at the most.
fn formatted_length(format: &str, args: &[Value]) -> Result<usize, Error> {
    let mut fields = 0;
    for field in format.split('{').skip(1) {
        let field = field.split('}').next().unwrap_or_default();
        let mut numbers = field
            .split(|c: char| !c.is_ascii_digit())
            .filter(|digits| !digits.is_empty());
        if numbers.any(|digits| digits.parse::<usize>().map_or(true, |number| number > WIDEST)) {
            return Err(invalid(format!("a number above {WIDEST} in a format")));
        }
        fields += 1;
    }
    let mut longest = 0;
    for arg in args {
        longest = longest.max(cost::text(arg)?.len());
    }
    Ok(longest
        .saturating_add(WIDEST)
        .saturating_mul(fields)
        .saturating_add(format.len()))
}
