//! Where the value begins and ends that follows a name and its sign.

use std::ops::Range;

/// Words that say how the credential behind them is meant.
const SCHEMES: [&str; 10] = [
    "bearer",
    "basic",
    "token",
    "apikey",
    "api-key",
    "key",
    "negotiate",
    "ntlm",
    "geniekey",
    "splunk",
];
/// The same, where parameters follow until the end of the line.
const SCHEMES_OF_LINES: [&str; 5] = ["digest", "oauth", "signature", "hmac", "aws4-hmac-sha256"];

/// What ends a sentence or what is in brackets, and so no value.
const SENTENCE: [char; 10] = [',', ';', '.', ':', '!', ')', ']', '}', '\\', '*'];
/// Bytes of a value by which it is judged.
const LOOKED_AT: usize = 64;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As in a text: up to the next blank, quote or bracket of a tag.
    Word,
    /// As in the query of an address, where `&` and `#` end it as well.
    Query,
    /// Until the end of the line, as in a header of cookies.
    Line,
    /// As in JSON, where it may be an object or a list.
    Json,
}

/// The range of the value that begins behind `start`; empty where there is none.
pub(super) fn range(text: &str, start: usize, form: Form) -> Range<usize> {
    let start = begin(text, start);
    let rest = &text[start..];
    if let Some((opening, slashes)) = quote(rest) {
        let start = start + slashes + opening.len_utf8();
        return start..start + closing(&text[start..], opening, slashes);
    }
    if form == Form::Json && rest.starts_with(['{', '[']) {
        return start..start + balanced(rest);
    }
    let range = start..start + end(rest, form);
    let value = text[range.clone()].to_ascii_lowercase();
    if SCHEMES_OF_LINES.contains(&value.as_str()) {
        let start = begin_of_word(text, range.end);
        return start..start + end(&text[start..], Form::Line);
    }
    if SCHEMES.contains(&value.as_str()) {
        let start = begin_of_word(text, range.end);
        return start..start + end(&text[start..], Form::Word);
    }
    range
}

/// Behind blanks with one line end at most, marks of Markdown, and the mark of a block in YAML.
fn begin(text: &str, start: usize) -> usize {
    let start = begin_of_word(text, start);
    let rest = &text[start..];
    let block = rest
        .strip_prefix(['|', '>'])
        .map(|rest| rest.trim_start_matches(['-', '+']));
    if let Some(block) = block.filter(|block| block.starts_with('\n')) {
        return begin_of_word(text, text.len() - block.len());
    }
    // `**Password:** …`; three are a mask.
    match rest.len() - rest.trim_start_matches('*').len() {
        marks @ 1..=2 => begin_of_word(text, start + marks),
        _ => start,
    }
}

/// The first characters of a value, enough to judge it by.
pub(super) fn beginning(text: &str, start: usize) -> &str {
    let rest = &text[begin(text, start)..];
    let rest = rest.trim_start_matches('\\').trim_start_matches(is_quote);
    let ends = |(at, c): &(usize, char)| {
        *at >= LOOKED_AT || c.is_whitespace() || is_quote(*c) || matches!(c, '<' | '>' | '&' | '#')
    };
    let end = rest.char_indices().find(ends).map_or(rest.len(), |(at, _)| at);
    rest[..end].trim_end_matches(SENTENCE)
}

fn begin_of_word(text: &str, start: usize) -> usize {
    let rest = text[start..].trim_start_matches([' ', '\t', '\r']);
    let rest = rest
        .strip_prefix('\n')
        .map_or(rest, |next| next.trim_start_matches([' ', '\t']));
    text.len() - rest.len()
}

/// A quote with the backslashes before it: a text may quote JSON that quotes JSON.
fn quote(text: &str) -> Option<(char, usize)> {
    let rest = text.trim_start_matches('\\');
    let opening = rest.chars().next().filter(|c| is_quote(*c))?;
    Some((opening, text.len() - rest.len()))
}

pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '“' | '”' | '„' | '«' | '»')
}

/// The length of what stands in quotes; one with more backslashes than the opening one had is part of it.
fn closing(text: &str, opening: char, slashes: usize) -> usize {
    let closes = |c: char| match opening {
        '“' | '„' => matches!(c, '”' | '“'),
        '«' | '»' => matches!(c, '«' | '»'),
        _ => c == opening,
    };
    let mut before = 0;
    for (at, c) in text.char_indices() {
        if closes(c) && before <= slashes {
            return at - before;
        }
        before = if c == '\\' { before + 1 } else { 0 };
    }
    text.len()
}

/// The length of a value without quotes. Signs of a sentence at its end are not part of it.
fn end(text: &str, form: Form) -> usize {
    let ends = |c: char| match form {
        Form::Line => c == '\n',
        Form::Query => c.is_whitespace() || is_quote(c) || matches!(c, '<' | '>' | '&' | '#'),
        Form::Word | Form::Json => c.is_whitespace() || is_quote(c) || matches!(c, '<' | '>'),
    };
    let value = &text[..text.find(ends).unwrap_or(text.len())];
    value
        .trim_end_matches([',', ';', '.', ':', '!', ')', ']', '}', '\\', '*'])
        .len()
}

/// The length of an object or a list that may be cut off.
fn balanced(text: &str) -> usize {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !is_escaped => in_text = !in_text,
            '{' | '[' if !in_text => depth += 1,
            '}' | ']' if !in_text => depth -= 1,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        if depth == 0 {
            return at + c.len_utf8();
        }
    }
    text.len()
}
