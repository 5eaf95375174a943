//! How the engine is set up: strict, escaping, bounded, with the relay's filters.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value};

use crate::render::cost;
use crate::render::empties::{MARK, MARKS_NOTHING};
use crate::render::filters;
use crate::render::shield::shield_to;
use crate::render::tree::Nothing;

/// Instructions, and 64 bytes of data each: a quarter of a second of work and 32 MB at the very worst. The shipped templates
/// take less than a twentieth of it for the largest notification.
const FUEL: u64 = 500_000;

/// An environment without templates. `sources` are the texts in which people may be named.
pub(in crate::render) fn environment(sources: Vec<String>) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::Custom("markdown".into()));
    env.set_formatter(print);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(100);
    env.set_debug(true);
    // A line that holds only a tag leaves no line behind.
    if let Ok(syntax) = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
    {
        env.set_syntax(syntax);
    }
    filters::add_to(&mut env, sources);
    env
}

fn is_nothing(value: &Value) -> bool {
    value.is_undefined() || value.is_none() || value.as_str().is_some_and(str::is_empty) || Nothing::is(value)
}

/// How a value is printed.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let escape = !value.is_safe() && *state.auto_escape() != AutoEscape::None;
    let write = |out: &mut Output<'_>, text: &str| {
        cost::check(text)?;
        let written = if escape {
            shield_to(out, text)
        } else {
            out.write_str(text)
        };
        written.map_err(minijinja::Error::from)
    };
    if is_nothing(value) && state.lookup(MARKS_NOTHING).is_some() {
        return out.write_str(MARK).map_err(minijinja::Error::from);
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(()),
        ValueKind::String => write(out, value.as_str().unwrap_or_default()),
        ValueKind::Bool => write(out, if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if !value.is_integer() => write(
            out,
            &f64::try_from(value.clone())
                .map(filters::number_text)
                .unwrap_or_default(),
        ),
        _ => {
            let text = cost::text(value)?;
            write(out, &text)
        }
    }
}
