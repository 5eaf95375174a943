//! Where the tags of a template are.

use std::ops::Range;

/// What a tag does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::render) enum Kind {
    /// `{{ … }}`
    Print,
    /// `{% … %}`
    Statement,
    /// `{# … #}`
    Comment,
}

/// One tag.
#[derive(Debug)]
pub(in crate::render) struct Tag {
    pub(in crate::render) kind: Kind,
    /// The line in which it begins, counted from 1.
    pub(in crate::render) line: usize,
    /// The bytes between its signs, without those that trim spaces.
    pub(in crate::render) inside: Range<usize>,
    /// Whether it ends before the template does.
    pub(in crate::render) is_closed: bool,
}

impl Tag {
    fn end(&self) -> usize {
        self.inside.end + if self.is_closed { 2 } else { 0 }
    }
}

/// All tags in their order, without what stands in `{% raw %}`.
pub(in crate::render) fn tags(source: &str) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    let (mut at, mut line, mut counted) = (0, 1, 0);
    while let Some((start, kind)) = next_start(source, at) {
        line += source[counted..start].matches('\n').count();
        counted = start;
        let tag = tag(source, start, kind, line);
        at = tag.end();
        let word = source[tag.inside.clone()].trim();
        let is_raw = tag.kind == Kind::Statement && word == "raw";
        tags.push(tag);
        if is_raw {
            match after_raw(source, at) {
                Some(end) => at = end,
                None => break,
            }
        }
    }
    tags
}

/// Where the next tag begins.
pub(in crate::render) fn next_start(source: &str, from: usize) -> Option<(usize, Kind)> {
    source[from..].match_indices('{').find_map(|(offset, _)| {
        let at = from + offset;
        let kind = match source.as_bytes().get(at + 1)? {
            b'{' => Kind::Print,
            b'%' => Kind::Statement,
            b'#' => Kind::Comment,
            _ => return None,
        };
        Some((at, kind))
    })
}

fn tag(source: &str, start: usize, kind: Kind, line: usize) -> Tag {
    let mut from = start + 2;
    if source[from..].starts_with(['-', '+']) {
        from += 1;
    }
    let end = match kind {
        Kind::Comment => source[from..].find("#}").map(|at| from + at),
        Kind::Print => end_of_code(source, from, *b"}}"),
        Kind::Statement => end_of_code(source, from, *b"%}"),
    };
    let is_closed = end.is_some();
    let mut end = end.unwrap_or(source.len());
    if is_closed && end > from && source[from..end].ends_with(['-', '+']) {
        end -= 1;
    }
    // The sign that trims stands between the inside and the end.
    Tag {
        kind,
        line,
        inside: from..end,
        is_closed,
    }
}

/// Where code ends: at the sign that is not in a text, nor closes a bracket of the code.
fn end_of_code(source: &str, from: usize, sign: [u8; 2]) -> Option<usize> {
    let bytes = source.as_bytes();
    let (mut at, mut open) = (from, 0_usize);
    while at < bytes.len() {
        if open == 0 && bytes[at..].starts_with(&sign) {
            return Some(at);
        }
        match bytes[at] {
            quote @ (b'"' | b'\'') => at = end_of_text(bytes, at, quote)?,
            b'{' | b'(' | b'[' => open += 1,
            b'}' | b')' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    // Brackets that are not closed: what looks like the end is it.
    let sign = std::str::from_utf8(&sign).ok()?;
    source[from..].find(sign).map(|at| from + at)
}

/// Where the quote is that ends a text.
fn end_of_text(bytes: &[u8], start: usize, quote: u8) -> Option<usize> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            byte if byte == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the tag begins that ends the raw part.
pub(in crate::render) fn after_raw(source: &str, from: usize) -> Option<usize> {
    source[from..].match_indices("{%").find_map(|(offset, _)| {
        let inside = source[from + offset + 2..].trim_start_matches(['-', '+']);
        inside.trim_start().starts_with("endraw").then_some(from + offset)
    })
}
