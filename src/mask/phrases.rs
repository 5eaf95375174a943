//! Secrets that follow their name without a sign: `Bearer …`, `--password …`, `curl -u name:…`, `the password is …`.

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use regex::{Captures, Regex};

use super::MASK;
use super::names;
use super::value::{self, Form};

static PHRASES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?-u:\b)(?P<named>[a-z][a-z0-9_-]{1,40})[ \t]+(?:is|was|ist|war|est|es)[ \t]",
        r"|(?-u:\b)(?P<scheme>bearer|basic|token|apikey|api-key)[ \t]",
        r"|(?:^|[\s\x22'`(])(?P<dashes>--?)(?P<flag>[a-z][^\s=\x22'`]*)",
    ))
    .ok()
});

/// Masks what such a phrase names.
pub(super) fn masked(text: &str) -> String {
    let Some(phrases) = &*PHRASES else {
        return MASK.to_owned();
    };
    let (mut out, mut done, mut at) = (String::with_capacity(text.len()), 0, 0);
    while let Some(found) = phrases.captures_at(text, at) {
        let end = found.get(0).map_or(text.len(), |whole| whole.end());
        // What follows may be the beginning of another phrase, with the blank before it.
        at = if text[..end].ends_with([' ', '\t']) {
            end - 1
        } else {
            end
        };
        let Some(range) = secret(&found, text, end).filter(|range| !range.is_empty() && range.start >= done) else {
            continue;
        };
        out.push_str(&text[done..range.start]);
        out.push_str(MASK);
        (done, at) = (range.end, range.end);
    }
    out.push_str(&text[done..]);
    out
}

/// The secret that a phrase names, if it does.
fn secret(found: &Captures<'_>, text: &str, end: usize) -> Option<Range<usize>> {
    let range = value::range(text, end, Form::Word);
    let held = &text[range.clone()];
    let is_secret = if let Some(name) = found.name("named") {
        names::is_telling(name.as_str()) && names::looks_random(held)
    } else if let Some(scheme) = found.name("scheme") {
        match scheme.as_str().to_ascii_lowercase().as_str() {
            "basic" => is_login(held),
            "bearer" => names::looks_random(held) || held.len() >= 16 || held.contains(|c: char| c.is_ascii_digit()),
            _ => names::looks_random(held) && !held.contains(':'),
        }
    } else {
        return of_flag(&found["dashes"], &found["flag"], text, end, range);
    };
    is_secret.then_some(range)
}

/// `-pSECRET`, `-u name:SECRET`, `--password SECRET`.
fn of_flag(dashes: &str, flag: &str, text: &str, end: usize, range: Range<usize>) -> Option<Range<usize>> {
    let held = &text[range.clone()];
    if let Some(attached) = flag.strip_prefix('p').filter(|_| dashes == "-")
        && !is_ports(attached)
        && names::looks_random(attached)
    {
        return Some(end - attached.len()..end);
    }
    if matches!(flag, "u" | "user" | "proxy-user") {
        let colon = held.find(':')?;
        return Some(range.start + colon + 1..range.end);
    }
    let is_next = range.start > end && !held.starts_with('-') && names::is_telling(flag);
    is_next.then_some(range)
}

/// Base64 of a name, a colon and a password; "basic monitoring" is none.
fn is_login(word: &str) -> bool {
    let decoded = STANDARD.decode(word).or_else(|_| STANDARD_NO_PAD.decode(word));
    decoded.is_ok_and(|decoded| decoded.contains(&b':'))
}

/// `-p8080:80` of a container.
fn is_ports(word: &str) -> bool {
    word.bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'))
}
