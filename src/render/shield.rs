//! Keeps text from alerts out of the Markdown parser's hands.
//!
//! A template author writes `**{{ name }}**`, `` `{{ labels.pod }}` `` or `[Rule]({{ url }})` and means the value, in
//! each of these places, as the text that it is. Backslashes would do for the first only. So every ASCII character of
//! a value that is neither letter nor digit travels through the parser as a private-use character, which means nothing
//! in Markdown anywhere, and is turned back when the parser is done.
//!
//! Guarantees: `restore(shield(clean(text))) == clean(text)`, and no shielded text ever opens or closes a construct.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// The 128 private-use characters that stand for ASCII; nothing that is assigned or in use by icon fonts.
const BASE: u32 = 0x0010_FF00;
/// The byte in UTF-8 with which they begin.
const LEAD: u8 = 0xF4;

fn is_shielded(c: char) -> bool {
    (BASE..BASE + 0x80).contains(&(c as u32))
}

fn original(c: char) -> char {
    char::from_u32((c as u32).wrapping_sub(BASE))
        .filter(char::is_ascii)
        .unwrap_or(c)
}

fn shielded(c: char) -> char {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        char::from_u32(BASE + c as u32).unwrap_or(c)
    } else {
        c
    }
}

/// Makes text from outside harmless to read: what is invisible or turns the reading direction becomes visible.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    // Without an early end, which lets the compiler look at many bytes at once.
    if text
        .bytes()
        .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~' | b'\n'))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\n' => out.push(c),
            '\t' => out.push(' '),
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or(c)),
            '\x7f' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}' => out.push('\u{fffd}'),
            // Direction overrides, embeddings and isolates: they would reorder the text that follows, ours included.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(out, "⟨U+{:04X}⟩", c as u32);
            }
            '\u{feff}' => {}
            c if is_shielded(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The same for text that has to stay on one line, as every label does: a line break becomes a visible sign.
pub(crate) fn clean_line(text: &str) -> Cow<'_, str> {
    let cleaned = clean(text.trim());
    if cleaned.contains('\n') {
        Cow::Owned(cleaned.replace('\n', "⏎"))
    } else {
        cleaned
    }
}

/// Text as it may stand anywhere in Markdown.
pub(crate) fn shield(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text.as_ref();
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric())
    {
        out.push_str(&rest[..at]);
        out.push(shielded(char::from(rest.as_bytes()[at])));
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out
}

/// As [`shield`], into a writer.
pub(crate) fn shield_to(out: &mut impl Write, text: &str) -> fmt::Result {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return out.write_str(text);
    }
    // In one piece, because each one passes several layers of the engine.
    out.write_str(&shield(text))
}

/// How many bytes the text has that was meant.
pub(crate) fn restored_length(text: &str) -> usize {
    // Exact where nothing else begins with that byte, and nothing that is assigned does.
    let shielded = text.bytes().filter(|byte| *byte == LEAD).count();
    text.len().saturating_sub(shielded * 3)
}

/// How many of them one character stands for.
pub(crate) fn restored_bytes(c: char) -> usize {
    // As above: all that begin with that byte.
    if u32::from(c) >= 0x0010_0000 { 1 } else { c.len_utf8() }
}

/// The text that was meant.
pub(crate) fn restore(text: &str) -> Cow<'_, str> {
    let count = text.bytes().filter(|byte| *byte == LEAD).count();
    if count == 0 {
        return Cow::Borrowed(text);
    }
    // Exact where nothing else begins with that byte, and nothing that is assigned does.
    let mut out = String::with_capacity(text.len().saturating_sub(count * 3));
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte == LEAD) {
        out.push_str(&rest[..at]);
        let mut chars = rest[at..].chars();
        out.extend(chars.next().map(|c| if is_shielded(c) { original(c) } else { c }));
        rest = chars.as_str();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The text that was meant, for a place where HTML is written as it stands.
pub(crate) fn restore_in_html(text: &str) -> String {
    if !text.as_bytes().contains(&LEAD) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match if is_shielded(c) { original(c) } else { '\0' } {
            '\0' => out.push(c),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Markdown for people: the shield replaced by backslashes where Markdown would otherwise read a construct.
///
/// `verbatim` says for a byte position whether backslashes mean nothing there, as inside code; it is asked from front to
/// back.
pub(crate) fn restore_as_markdown(text: &str, mut verbatim: impl FnMut(usize) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = '\n';
    // "1." and "1)" begin a list, but only at the beginning of a line.
    let mut only_digits = true;
    let mut rest = text;
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let Some(c) = rest.chars().next().filter(|c| is_shielded(*c)) else {
            // Up to the next character that may be shielded.
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let run = rest[first..].bytes().position(|byte| byte == LEAD);
            let (run, after) = rest.split_at(run.map_or(rest.len(), |length| first + length));
            out.push_str(run);
            let (line, begins) = run
                .rsplit_once('\n')
                .map_or((run, only_digits), |(_, line)| (line, true));
            only_digits = begins
                && line
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'>'));
            before = run.chars().next_back().unwrap_or(before);
            rest = after;
            continue;
        };
        rest = &rest[c.len_utf8()..];
        let c = original(c);
        let after = rest.chars().next().unwrap_or('\n');
        let inside_word = before.is_alphanumeric() && after.is_alphanumeric();
        let escape = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '|' | '~' => true,
            '_' => !inside_word,
            '&' => after.is_alphanumeric() || after == shielded('#'),
            '!' => after == '[',
            '#' | '>' | '+' | '-' | '=' => before == '\n',
            '.' | ')' => before.is_ascii_digit() && only_digits,
            _ => false,
        };
        if verbatim(at) {
            out.push(c);
        } else if c == '\n' {
            out.push_str("<br>");
        } else {
            if escape {
                out.push('\\');
            }
            out.push(c);
        }
        only_digits = c == '\n';
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shielded_text_comes_back_as_it_was() {
        let text = "a_b *c* `d` <e> [f](g) | é\n\\";
        assert_eq!(restore(&shield(text)), text);
        assert!(!shield(text).contains(['*', '`', '<', '[', '|', '\n', '\\', ' ']));
    }

    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        assert_eq!(clean("a\u{202e}b\r\nc\u{1b}\u{10ff2a}"), "a⟨U+202E⟩b\nc␛\u{fffd}");
        assert_eq!(clean_line(" a\nb "), "a⏎b");
    }

    #[test]
    fn characters_beside_the_shield_stay_as_they_are() {
        let text = "\u{10fffd} x \u{f4} \u{10fe80}é";
        assert_eq!(restore(text), text);
        assert_eq!(restore(&shield(text)), text);
        assert_eq!(restore_in_html(&shield("<&>")), "&lt;&amp;&gt;");
    }

    #[test]
    fn markdown_for_people_has_few_backslashes() {
        let text = shield("web_1-a.example [x](y) *z* 3.5");
        assert_eq!(
            restore_as_markdown(&text, |_| false),
            r"web_1-a.example \[x\](y) \*z\* 3.5"
        );
        assert_eq!(restore_as_markdown(&shield("a*b"), |_| true), "a*b");
    }
}
