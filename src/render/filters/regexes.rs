//! Regular expressions, by the names of Ansible (`regex_replace`) and of Prometheus (`reReplaceAll`).
//!
//! Guarantees: an expression is bounded in length and size, takes time in proportion to the text, and what it makes is
//! paid for piece by piece.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use std::collections::HashMap;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value};
use regex::{Regex, RegexBuilder};

use super::{invalid, is_empty};
use crate::render::cost::{self, text};

/// A longer expression is a mistake.
const LONGEST: usize = 1_000;

/// What a compiled expression may take, in bytes.
const LARGEST: usize = 256 << 10;

/// What compiling one costs at least, in bytes of data: it is much more than its length.
const COMPILED: usize = 16 << 10;

/// Those of one rendering.
#[derive(Default)]
struct Compiled(HashMap<String, Regex>);

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("regex_replace", regex_replace);
    env.add_filter(
        "reReplaceAll",
        |state: &mut State<'_, '_>, value: &Value, pattern: &str, with: &str| replaced(state, value, pattern, with, 0),
    );
    env.add_filter("regex_search", regex_search);
    env.add_filter(
        "regex_findall",
        |state: &mut State<'_, '_>, value: &Value, pattern: &str, kwargs: Kwargs| {
            let regex = regex(state, &with_flags(pattern, &kwargs)?)?;
            let value = text(value)?;
            cost::pay(state, value.len() * 4)?;
            let mut found = Vec::new();
            for one in regex.find_iter(&value) {
                state.consume_fuel(1)?;
                found.push(Value::from(one.as_str()));
            }
            Ok::<_, Error>(Value::from(found))
        },
    );
    env.add_test("search", |state: &mut State<'_, '_>, value: &Value, pattern: &str| {
        is_match(state, value, pattern)
    });
    env.add_test("regex", |state: &mut State<'_, '_>, value: &Value, pattern: &str| {
        is_match(state, value, pattern)
    });
    // As in Ansible: from the beginning.
    env.add_test("match", |state: &mut State<'_, '_>, value: &Value, pattern: &str| {
        is_match(state, value, &format!("^(?:{pattern})"))
    });
}

fn regex(state: &mut State<'_, '_>, pattern: &str) -> Result<Regex, Error> {
    if pattern.len() > LONGEST {
        return Err(invalid(format!("a regular expression of more than {LONGEST} bytes")));
    }
    let known = state.get_or_insert_extension_with(Compiled::default);
    if let Some(regex) = known.0.get(pattern) {
        return Ok(regex.clone());
    }
    cost::pay(state, COMPILED + pattern.len() * 64)?;
    let built = RegexBuilder::new(pattern)
        .size_limit(LARGEST)
        .dfa_size_limit(LARGEST)
        .build();
    // Without what it is: it may have been put together of an alert's text.
    let regex = built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => invalid("a regular expression that takes too much memory"),
        _ => invalid("invalid regular expression (expected the syntax of RE2: no look-around, no back-references)"),
    })?;
    let known = state.get_or_insert_extension_with(Compiled::default);
    known.0.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}

fn with_flags(pattern: &str, kwargs: &Kwargs) -> Result<String, Error> {
    let ignores_case: Option<bool> = kwargs.get("ignorecase")?;
    let has_lines: Option<bool> = kwargs.get("multiline")?;
    kwargs
        .assert_all_used()
        .map_err(|_| invalid("regular expressions take the arguments `ignorecase` and `multiline`"))?;
    let flags: String = [(ignores_case, 'i'), (has_lines, 'm')]
        .into_iter()
        .filter_map(|(flag, letter)| (flag == Some(true)).then_some(letter))
        .collect();
    Ok(if flags.is_empty() {
        pattern.to_owned()
    } else {
        format!("(?{flags}){pattern}")
    })
}

/// `labels.instance | regex_replace(":.*", "")`; `\1` and `$1` stand for groups.
fn regex_replace(
    state: &mut State<'_, '_>,
    value: &Value,
    pattern: &str,
    with: Option<&str>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let count: Option<usize> = kwargs.get("count")?;
    let pattern = with_flags(pattern, &kwargs)?;
    // Python's way to name a group.
    let with = with.unwrap_or_default();
    let mut template = String::with_capacity(with.len());
    let mut rest = with.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek().copied()) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                rest.next();
                template.extend(["${", &digit.to_string(), "}"]);
            }
            ('\\', Some('g')) => {
                let rest: &mut dyn Iterator<Item = char> = &mut rest;
                let name: String = rest.skip(2).take_while(|c| *c != '>').collect();
                template.extend(["${", &name, "}"]);
            }
            _ => template.push(c),
        }
    }
    replaced(state, value, &pattern, &template, count.unwrap_or(0))
}

fn replaced(state: &mut State<'_, '_>, value: &Value, pattern: &str, with: &str, most: usize) -> Result<Value, Error> {
    if is_empty(value) {
        return Ok(Value::from(""));
    }
    let regex = regex(state, pattern)?;
    let text = text(value)?;
    cost::pay(state, text.len() * 4)?;
    let (mut out, mut at) = (String::new(), 0);
    for (number, groups) in regex.captures_iter(&text).enumerate() {
        state.consume_fuel(1)?;
        let Some(whole) = groups.get(0).filter(|_| most == 0 || number < most) else {
            break;
        };
        cost::push(state, &mut out, &text[at..whole.start()])?;
        // A group may stand in it as often as it is short.
        cost::pay(state, with.len() * (1 + whole.len()))?;
        groups.expand(with, &mut out);
        at = whole.end();
    }
    cost::push(state, &mut out, &text[at..])?;
    Ok(Value::from(out))
}

/// What is found first, or nothing; with groups (`"\\1"`), a list of them.
fn regex_search(
    state: &mut State<'_, '_>,
    value: &Value,
    pattern: &str,
    wanted: Rest<String>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let regex = regex(state, &with_flags(pattern, &kwargs)?)?;
    let text = text(value)?;
    cost::pay(state, text.len() * 4)?;
    let Some(groups) = regex.captures(&text) else {
        return Ok(Value::from(""));
    };
    if wanted.is_empty() {
        return Ok(Value::from(groups.get(0).map_or("", |found| found.as_str())));
    }
    let group = |name: &String| {
        let name = name.trim_start_matches(['\\', '$']);
        let named = name.strip_prefix("g<").map_or(name, |name| name.trim_end_matches('>'));
        let found = match named.parse::<usize>() {
            Ok(number) => groups.get(number),
            Err(_) => groups.name(named),
        };
        Value::from(found.map_or("", |found| found.as_str()))
    };
    Ok(wanted.iter().map(group).collect())
}

fn is_match(state: &mut State<'_, '_>, value: &Value, pattern: &str) -> Result<bool, Error> {
    let regex = regex(state, pattern)?;
    let text = text(value)?;
    cost::pay(state, text.len() * 4)?;
    Ok(!text.is_empty() && regex.is_match(&text))
}
