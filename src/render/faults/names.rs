//! Filters and tests that do not exist, and arguments that are written out and cannot work.

use std::collections::HashMap;

use super::ENGINE;
use crate::render::filters::{check_format, translated_format};
use crate::render::problem::remedies;
use crate::render::syntax::{Use, What};
use crate::render::zones::time_zone;

pub(super) fn unknown(uses: &[Use<'_>]) -> Vec<(usize, String)> {
    let mut known: HashMap<(What, &str), bool> = HashMap::new();
    let mut found = Vec::new();
    for used in uses {
        let mut exists = |kind| {
            *known
                .entry((used.what, used.name))
                .or_insert_with(|| is_known(used.name, kind))
        };
        let message = match used.what {
            What::Filter if !exists("filter") => Some(remedies::unknown_filter(used.name)),
            What::Test if !exists("test") => Some(remedies::unknown_test(used.name)),
            What::Filter => argument(used),
            _ => None,
        };
        found.extend(message.map(|message| (used.line, message)));
    }
    found
}

fn is_known(name: &str, kind: &str) -> bool {
    let asked = ENGINE.compile_expression(if kind == "filter" {
        "name is filter"
    } else {
        "name is test"
    });
    asked
        .and_then(|asked| asked.eval(minijinja::context! { name }))
        .is_ok_and(|answer| answer.is_true())
}

/// A zone that is missing is the relay's own.
fn check_zone(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Ok(());
    }
    time_zone(name).map(drop)
}

/// What is wrong with an argument that is written out.
fn argument(used: &Use<'_>) -> Option<String> {
    let takes_time = matches!(used.name, "time" | "strftime" | "humanizeTimestamp");
    let named = |name: &str| used.arguments.iter().find(|argument| argument.name == Some(name))?.text;
    if !takes_time {
        return None;
    }
    if let Some(Err(why)) = named("tz").map(check_zone) {
        return Some(why);
    }
    let format = used
        .arguments
        .first()
        .filter(|argument| argument.name.is_none())?
        .text?;
    check_format(format).err().map(|why| match translated_format(format) {
        Some(here) => format!("`{format}` is no time format here (expected `{here}`)"),
        None => why,
    })
}
