//! What a homeserver, a bridge or a proxy wrote, fit to be logged, stored and shown.
//!
//! Guarantees: a secret that an answer repeats is taken out before anything reads the answer; a text is one bounded line that
//! neither moves a cursor nor colours anything; an errcode and an event ID have only what such names have, in bounded length,
//! so that nothing that is cleaned can become one that it was not.

use http::HeaderMap;
use http::header::HeaderValue;

use crate::text::is_unseen;

/// Characters of an explanation.
const TEXT_LIMIT: usize = 240;
/// Characters of an errcode; the longest of the specification has 40.
const ERRCODE_LIMIT: usize = 80;
/// Bytes of an identifier, after the specification (appendices, "Common Identifier Format").
const ID_LIMIT: usize = 255;
/// What stands for a secret.
const HIDDEN: &str = "[hidden]";

/// One bounded line without control characters.
pub(super) fn one_line(text: &str) -> String {
    bounded(text, TEXT_LIMIT)
}

/// The same for a line that quotes other lines.
pub(super) fn long_line(text: &str) -> String {
    bounded(text, 4 * TEXT_LIMIT)
}

fn bounded(text: &str, limit: usize) -> String {
    let mut characters = text.chars().map(|c| if misleads(c) { ' ' } else { c });
    let mut line: String = characters.by_ref().take(limit).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

/// Control characters, and what turns the direction of text or is not seen.
fn misleads(c: char) -> bool {
    c.is_control() || is_unseen(c)
}

/// An errcode. `None` where there is nothing in it.
pub(super) fn errcode(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let code = text.chars().map(|c| if is_part(c) { c } else { '?' });
    Some(code.take(ERRCODE_LIMIT).collect()).filter(|code: &String| !code.is_empty())
}

/// The ID of an event. One that is no ID stands in no room, so that what refers to it goes out by itself.
pub(super) fn event_id(text: &str) -> String {
    let mut id = String::new();
    for c in text
        .chars()
        .map(|c| if c.is_whitespace() || misleads(c) { '?' } else { c })
    {
        if id.len() + c.len_utf8() > ID_LIMIT {
            break;
        }
        id.push(c);
    }
    id
}

/// Takes secrets out of an answer as it came, its headers included; the longest has to be the first.
pub(super) fn take_out(secrets: &[&str], headers: &mut HeaderMap, body: &mut Vec<u8>) {
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        // JSON may be written with an escaped slash.
        for spelling in [(*secret).to_owned(), secret.replace('/', "\\/")] {
            if let Some(cleaned) = without(body, spelling.as_bytes()) {
                *body = cleaned;
            }
        }
        for value in headers.values_mut() {
            let cleaned = without(value.as_bytes(), secret.as_bytes());
            if let Some(cleaned) = cleaned.and_then(|cleaned| HeaderValue::from_bytes(&cleaned).ok()) {
                *value = cleaned;
            }
        }
    }
}

/// The bytes without a secret; `None` where it is not in them.
fn without(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let find = |from: usize| {
        let rest = bytes.get(from..)?;
        rest.windows(secret.len())
            .position(|window| window == secret)
            .map(|at| from + at)
    };
    let (mut cleaned, mut done) = (Vec::new(), 0);
    while let Some(at) = find(done) {
        cleaned.extend_from_slice(&bytes[done..at]);
        cleaned.extend_from_slice(HIDDEN.as_bytes());
        done = at + secret.len();
    }
    (done > 0).then(|| [&cleaned, &bytes[done..]].concat())
}
