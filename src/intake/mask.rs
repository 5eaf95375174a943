//! Takes secrets out of a body before it is kept for people to look at.
//!
//! Guarantees: the password of a URL (`user:password@`), the value of anything that is named like a secret (`token=…`,
//! `password: …`, a field `password`), and credentials of HTTP's Bearer and Basic are gone; everything else stays, and the
//! body stays JSON. It is careful and not omniscient: a secret that nothing names as one is not recognised.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;

const MASK: &str = "***";

/// A name is one of a secret if it has one of these in it.
const TELLING: [&str; 9] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "credential",
    "signature",
    "authorization",
];
/// Or if one of these is a word of it.
const TELLING_WORDS: [&str; 7] = ["sig", "key", "auth", "pass", "pwd", "session", "jwt"];

/// Masks every text of a body.
pub(super) fn body(value: &mut Value) {
    match value {
        Value::String(text) => *text = masked(text),
        Value::Array(items) => items.iter_mut().for_each(body),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if !text.is_empty() && has_telling_part(name) => MASK.clone_into(text),
                    value => body(value),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn masked(text: &str) -> String {
    let text = credentials(&user_infos(text), "bearer ", is_token);
    assignments(&credentials(&text, "basic ", is_basic))
}

/// `scheme://user:password@host` → `scheme://***@host`.
fn user_infos(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let authority = &after[..after.find(ends_authority).unwrap_or(after.len())];
        rest = match authority.rfind('@') {
            Some(at) => {
                out.push_str(MASK);
                &after[at..]
            }
            None => after,
        };
    }
    out.push_str(rest);
    out
}

fn ends_authority(c: char) -> bool {
    c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '(' | ')' | '`' | '\\')
}

/// `name=value`, `name="value"`, `name: value` and `name%3Dvalue` → `name=***`, where the name tells a secret.
fn assignments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['=', '%', ':']) {
        let sign = sign_length(&rest[at..]);
        let is_loose = rest[at..].starts_with(':') || rest[at..].starts_with("= ");
        let (before, after) = rest.split_at(at + sign.unwrap_or(1));
        out.push_str(before);
        rest = after;
        // A text may quote JSON: `"password":"…"`, and YAML may have a space before the colon.
        let before = &before[..at];
        let is_field = before.trim_end().ends_with(['"', '\'']);
        let name = before.trim_end_matches(['"', '\'', ' ']);
        let name = name.rsplit(|c: char| !is_name(c)).next().unwrap_or_default();
        // What stands before a colon or a space is often a word of a sentence; only the plain ones count there.
        let is_telling = has_telling_part(name) || ((!is_loose || is_field) && has_telling_word(name));
        if sign.is_none() || !is_telling {
            continue;
        }
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let start = usize::from(quote.is_some());
        let value = &after[start..];
        let value = &value[..quote
            .map_or_else(|| value.find(ends_value), |quote| end_of_quoted(value, quote))
            .unwrap_or(value.len())];
        let is_scheme = ["Bearer", "Basic"]
            .iter()
            .any(|scheme| value.eq_ignore_ascii_case(scheme));
        if !value.is_empty() && !is_scheme {
            out.extend(quote);
            out.push_str(MASK);
            rest = &after[start + value.len()..];
        }
    }
    out.push_str(rest);
    out
}

/// The length of the sign of an assignment that a text begins with.
fn sign_length(text: &str) -> Option<usize> {
    if text.starts_with(":\"") || text.starts_with(":'") {
        return Some(1);
    }
    let signs = ["= ", "=", "%3D", "%3d", ": "];
    signs
        .iter()
        .find(|sign| text.starts_with(**sign))
        .map(|sign| sign.len())
}

/// Where a value in quotes ends; a quote behind a backslash is part of it.
fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.find(|c| {
        let ends = c == quote && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '&' | '#' | '"' | '\'' | '<' | '>' | '(' | ')' | '`' | ',' | ';' | '}' | ']'
        )
}

/// `Bearer abc` → `Bearer ***`, if what follows the word looks like a credential.
fn credentials(text: &str, scheme: &str, is_credential: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    // ASCII letters keep their places.
    for (at, _) in text.to_ascii_lowercase().match_indices(scheme) {
        let start = at + scheme.len();
        let token = &text[start..];
        let token = &token[..token.find(ends_value).unwrap_or(token.len())];
        if start >= done && is_credential(token) {
            out.push_str(&text[done..start]);
            out.push_str(MASK);
            done = start + token.len();
        }
    }
    out.push_str(&text[done..]);
    out
}

/// A short word without a digit is not a token but part of a sentence.
fn is_token(word: &str) -> bool {
    word.len() >= 16 || word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Base64 of a name, a colon and a password; "basic monitoring" is none.
fn is_basic(word: &str) -> bool {
    let decoded = STANDARD.decode(word).or_else(|_| STANDARD_NO_PAD.decode(word));
    decoded.is_ok_and(|decoded| decoded.contains(&b':'))
}

fn has_telling_part(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let plain = plain.to_ascii_lowercase();
    TELLING.iter().any(|part| plain.contains(part))
}

fn has_telling_word(name: &str) -> bool {
    name.split(|c: char| !c.is_alphanumeric())
        .any(|word| TELLING_WORDS.contains(&word.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_in_urls_and_texts_are_masked() {
        for (text, expected) in [
            (
                "https://ada:s3cr3t@grafana.example.org/a?b=c",
                "https://***@grafana.example.org/a?b=c",
            ),
            (
                "see https://e.org/x?token=abc&tab=1 now",
                "see https://e.org/x?token=***&tab=1 now",
            ),
            (
                "https://e.org/?X-Amz-Signature=ff&X-Amz-Date=1",
                "https://e.org/?X-Amz-Signature=***&X-Amz-Date=1",
            ),
            (
                "https://e.org/?matcher=api_key%3Dabc&x=1",
                "https://e.org/?matcher=api_key%3D***&x=1",
            ),
            ("{}:{token=\"a b\", job=\"node\"}", "{}:{token=\"***\", job=\"node\"}"),
            (
                "Authorization: Bearer abc123 failed",
                "Authorization: Bearer *** failed",
            ),
            (
                "Authorization: Basic YWRhOnMzY3IzdA== failed",
                "Authorization: Basic *** failed",
            ),
            (
                "basic monitoring of Basic c2VydmVycw==",
                "basic monitoring of Basic c2VydmVycw==",
            ),
            (
                "login ada, password: s3cr3t, in vain",
                "login ada, password: ***, in vain",
            ),
            ("api_token: \"a b\" next: step", "api_token: \"***\" next: step"),
            (
                "sent {\"password\": \"s3cr3t\", \"a\": 1}",
                "sent {\"password\": \"***\", \"a\": 1}",
            ),
            (
                r#"{"api_key":"SECRETKEY1","a":"b"} and {"auth" : "x"}"#,
                r#"{"api_key":"***","a":"b"} and {"auth" : "***"}"#,
            ),
            (r#"{"token":"a\"b","c":1}"#, r#"{"token":"***","c":1}"#),
            ("passwd='hunter3 x' next", "passwd='***' next"),
            ("password = 'hunter3', key = 3", "password = '***', key = 3"),
            ("{'pwd': 'hunter3'}", "{'pwd': '***'}"),
            ("client_secret : \"x\"", "client_secret : \"***\""),
            ("at 10:\"x\", it's key: 'x'", "at 10:\"x\", it's key: 'x'"),
            (
                "the key: restart it, then the auth: fails",
                "the key: restart it, then the auth: fails",
            ),
            ("Authorization: Bearer of news", "Authorization: Bearer of news"),
            ("the bearer of bad news", "the bearer of bad news"),
            ("https://e.org/user@host?sig=", "https://e.org/user@host?sig="),
            ("a == b, key", "a == b, key"),
            ("97.9 % of token%20x=1", "97.9 % of token%20x=1"),
            ("bearer a1 Bearer b2, token=c", "bearer *** Bearer ***, token=***"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn fields_named_like_secrets_are_masked_and_the_rest_stays() {
        let mut value = json!({"groupKey": "{}", "labels": {"api_token": "abc", "instance": "db-3"},
            "values": {"A": 1.5}, "list": ["x", {"Password": "p", "empty_secret": ""}]});
        body(&mut value);
        assert_eq!(
            value,
            json!({"groupKey": "{}", "labels": {"api_token": "***", "instance": "db-3"},
                "values": {"A": 1.5}, "list": ["x", {"Password": "***", "empty_secret": ""}]})
        );
    }
}
