//! What a text assigns to a telling name: `name=value`, `"name": "value"`, `name%3Dvalue`, `<name>value</name>` and the like.

use super::MASK;
use super::names::{self, Certainty};
use super::value::{self, Form};

/// How far before a sign its name is looked for; a longer one is none.
const LONGEST_NAME: usize = 160;

/// A sign of an assignment.
struct Sign {
    /// Bytes of it.
    length: usize,
    /// Whether sentences have it, too.
    is_loose: bool,
    /// It is written as addresses escape it.
    is_escaped: bool,
    /// It ends a tag.
    is_tag: bool,
}

/// A name and what it says of the value behind its sign.
struct Name {
    certainty: Certainty,
    /// It stands in quotes.
    is_quoted: bool,
    form: Form,
}

/// Masks the values of telling names.
pub(super) fn masked(text: &str) -> String {
    let (mut out, mut done, mut at) = (String::with_capacity(text.len()), 0, 0);
    while let Some(found) = text[at..].find(['=', ':', '%', '>', '-', '＝', '：']) {
        let place = at + found;
        let Some(sign) = sign(&text[place..]) else {
            at = place + text[place..].chars().next().map_or(1, char::len_utf8);
            continue;
        };
        let behind = place + sign.length;
        at = behind;
        let Some(name) = name(text, done, place, &sign) else {
            continue;
        };
        let is_sure = name.certainty == Certainty::Surely || !sign.is_loose || name.is_quoted;
        // Of a value that may be none a part is looked at, so that many names before one long word cost no more.
        if !is_sure && !names::looks_random(value::beginning(text, behind)) {
            continue;
        }
        let range = value::range(text, behind, name.form);
        if range.is_empty() {
            continue;
        }
        out.push_str(&text[done..range.start]);
        out.push_str(MASK);
        (done, at) = (range.end, range.end);
    }
    out.push_str(&text[done..]);
    out
}

/// The sign that a text begins with.
fn sign(text: &str) -> Option<Sign> {
    let sign = |length, is_loose| Sign {
        length,
        is_loose,
        is_escaped: false,
        is_tag: false,
    };
    let second = text.chars().nth(1);
    Some(match (text.chars().next()?, second) {
        // A path of names, as in `std::env`.
        (':', Some(':')) => return None,
        (':', Some('=')) => sign(2, false),
        (':', Some(c)) if value::is_quote(c) || c == '\\' => sign(1, true),
        ('：' | ':', _) => sign(text.chars().next()?.len_utf8(), true),
        ('-', Some('>')) => sign(2, true),
        ('=', _) => {
            let signs = text.len() - text.trim_start_matches(['=', '~', '>']).len();
            sign(signs, text[signs..].starts_with([' ', '\t']))
        }
        ('＝', _) => sign('＝'.len_utf8(), false),
        ('>', _) => Sign {
            is_tag: true,
            ..sign(1, false)
        },
        ('%', _) => {
            let escaped = ["%3d", "%3a", "%253d", "%253a"];
            let length = |one: &&str| text.get(..one.len()).is_some_and(|head| head.eq_ignore_ascii_case(one));
            Sign {
                is_escaped: true,
                ..sign(escaped.iter().find(|one| length(one))?.len(), false)
            }
        }
        _ => return None,
    })
}

/// The name before a sign at `place`, if it tells anything. What stands before `done` is masked already.
fn name(text: &str, done: usize, place: usize, sign: &Sign) -> Option<Name> {
    let mut from = place.saturating_sub(LONGEST_NAME).max(done);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let mut before = &text[from..place];
    if sign.is_escaped {
        // `%22password%22%3A%22…`
        before = before
            .trim_end_matches("%22")
            .trim_end_matches("%27")
            .trim_end_matches("%20");
    }
    let is_closing = |c: char| value::is_quote(c) || matches!(c, ' ' | '\t' | '\\' | ']' | ')' | '!' | '*' | '\u{a0}');
    let trimmed = before.trim_end_matches(is_closing);
    let is_quoted = before[trimmed.len()..].contains(value::is_quote);
    let rest = trimmed.trim_end_matches(names::is_part);
    let word = &trimmed[rest.len()..];
    if word.is_empty() || (sign.is_tag && !rest.ends_with(['<', ':'])) {
        return None;
    }
    let mut certainty = names::judge(word);
    let blank = rest.trim_end_matches([' ', '\t']);
    if certainty != Certainty::Surely && blank.len() < rest.len() {
        // `api key`, `session id`
        let previous = &blank[blank.trim_end_matches(names::is_part).len()..];
        if names::judge(&format!("{previous}{word}")) == Certainty::Surely && !previous.is_empty() {
            certainty = Certainty::Surely;
        }
    }
    let is_query = sign.is_escaped || rest.ends_with(['?', '&', '#']);
    if is_query && word.eq_ignore_ascii_case("code") {
        // Of a login by OAuth; the status of an answer is no secret.
        let held = value::beginning(text, place + sign.length);
        let is_status = held.len() < 4 && held.bytes().all(|byte| byte.is_ascii_digit());
        if names::looks_random(held) && !is_status {
            certainty = Certainty::Surely;
        }
    }
    let lower = word.to_lowercase();
    let form = if is_query {
        Form::Query
    } else if lower.contains("cookie") || lower.contains("passphrase") {
        Form::Line
    } else if is_quoted {
        Form::Json
    } else {
        Form::Word
    };
    (certainty != Certainty::No).then_some(Name {
        certainty,
        is_quoted,
        form,
    })
}
