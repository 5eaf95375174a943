//! Tags as they stand in a text that is half typed: each ends where it meets what cannot belong to it, and says what it lacks.
//!
//! The engine reads on to the next sign that could close a tag, and then blames what stands there.
//!
//! Guarantees: a tag that lacks something has one fault, and those behind it are read as if it were whole.

use std::ops::Range;

use crate::render::syntax::{Kind, Tag, after_raw, next_start};

/// A tag, and what it lacks.
pub(super) struct Seen {
    /// `is_closed` says whether the sign that ends it is there, in whatever state the inside is.
    pub(super) tag: Tag,
    /// The line, and what is wrong there.
    pub(super) fault: Option<(usize, String)>,
}

/// Where a tag breaks off.
struct Break {
    /// The place of what is not closed.
    at: usize,
    fault: String,
    inside: Range<usize>,
    is_closed: bool,
    /// Where the next tag is looked for; nothing if all that follows may belong to this one.
    next: Option<usize>,
}

/// All tags in their order, without what stands in `{% raw %}` or behind a comment that is not closed.
pub(super) fn tags(source: &str) -> Vec<Seen> {
    let mut seen = Vec::new();
    let (mut from, mut line, mut counted) = (Some(0), 1, 0);
    while let Some((start, kind)) = from.and_then(|from| next_start(source, from)) {
        line += source[counted..start].matches('\n').count();
        counted = start;
        let read = if kind == Kind::Comment {
            comment(source, start)
        } else {
            Code::new(source, start, kind).read()
        };
        let (inside, is_closed, next, mut fault) = match read {
            Ok(inside) => {
                let end = inside.end + 2;
                (inside, true, Some(end), None)
            }
            Err(broken) => {
                let at = line + source[start..broken.at].matches('\n').count();
                (broken.inside, broken.is_closed, broken.next, Some((at, broken.fault)))
            }
        };
        let inside = without_trims(source, inside);
        from = next;
        if kind == Kind::Statement && source[inside.clone()].trim() == "raw" {
            from = next.and_then(|at| after_raw(source, at));
            if from.is_none() {
                fault = Some((line, not_closed("{% raw %}", &["{% endraw %}"])));
            }
        }
        let tag = Tag {
            kind,
            line,
            inside,
            is_closed,
        };
        seen.push(Seen { tag, fault });
    }
    seen
}

/// Without the signs that trim spaces.
fn without_trims(source: &str, mut inside: Range<usize>) -> Range<usize> {
    if source[inside.clone()].starts_with(['-', '+']) {
        inside.start += 1;
    }
    if source[inside.clone()].ends_with(['-', '+']) {
        inside.end -= 1;
    }
    inside
}

/// The inside of a comment. One that runs over the beginning of another in a later line lacks its end.
fn comment(source: &str, start: usize) -> Result<Range<usize>, Break> {
    let from = start + 2;
    let end = source[from..].find("#}").map(|at| from + at);
    let is_run_over = |end: usize| {
        let later = source[from..end].split_once('\n');
        later.is_some_and(|(_, later)| later.contains("{#"))
    };
    match end.filter(|end| !is_run_over(*end)) {
        Some(end) => Ok(from..end),
        None => Err(Break {
            at: start,
            fault: not_closed("{#", &["#}"]),
            inside: from..end_of_line(source, from),
            is_closed: false,
            next: None,
        }),
    }
}

/// Reads the inside of a tag that holds code.
struct Code<'s> {
    source: &'s str,
    start: usize,
    sign: &'static str,
    end: &'static str,
    /// What is open: the place, and what closes it.
    brackets: Vec<(usize, char)>,
    /// Signs of a tag inside of this one, which has none: the expression is to blame, and not an end that lacks.
    nested: usize,
}

impl<'s> Code<'s> {
    fn new(source: &'s str, start: usize, kind: Kind) -> Self {
        let (sign, end) = if kind == Kind::Print {
            ("{{", "}}")
        } else {
            ("{%", "%}")
        };
        Self {
            source,
            start,
            sign,
            end,
            brackets: Vec::new(),
            nested: 0,
        }
    }

    fn read(mut self) -> Result<Range<usize>, Break> {
        let from = self.start + 2;
        let mut at = from;
        while let Some(c) = self.source[at..].chars().next() {
            let rest = &self.source[at..];
            if self.nested > 0 && rest.starts_with("}}") {
                self.nested -= 1;
                at += 2;
                continue;
            }
            let is_end = rest.starts_with(self.end);
            match self.brackets.last() {
                None if is_end => return Ok(from..at),
                // Two braces may close two dictionaries.
                Some((place, closer)) if is_end && (*closer != '}' || self.end == "%}") => {
                    return Err(self.lacks_bracket(*place, *closer, at));
                }
                _ => {}
            }
            match c {
                '{' if rest.starts_with("{{") && self.is_nested(at) => {
                    self.nested += 1;
                    at += 1;
                }
                '{' if ["{{", "{%", "{#"].iter().any(|sign| rest.starts_with(sign)) => return Err(self.lacks_end(at)),
                '}' if self.brackets.is_empty() => return Err(self.lacks_end(at)),
                '{' => self.brackets.push((at, '}')),
                '(' => self.brackets.push((at, ')')),
                '[' => self.brackets.push((at, ']')),
                '"' | '\'' => match end_of_text(self.source, at, c) {
                    Some(end) => at = end,
                    None => return Err(self.lacks_quote(at, c)),
                },
                c if self.brackets.last().is_some_and(|(_, closer)| *closer == c) => {
                    self.brackets.pop();
                }
                _ => {}
            }
            at += c.len_utf8();
        }
        Err(self.lacks_end(at))
    }

    /// Whether both a tag that begins here and this one end in this line.
    fn is_nested(&self, at: usize) -> bool {
        let line = &self.source[at + 2..end_of_line(self.source, at)];
        let Some((inner, rest)) = line.split_once("}}") else {
            return false;
        };
        let until = rest.find(self.end).map(|end| &rest[..end]);
        until.is_some_and(|rest| !inner.contains('{') && !rest.contains("{{") && !rest.contains("{%"))
    }

    fn lacks_end(&self, at: usize) -> Break {
        let closers = self.closers();
        let wanted: Vec<&str> = [closers.as_str(), self.end]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        Break {
            at: self.start,
            fault: not_closed(self.sign, &wanted),
            inside: self.start + 2..at,
            is_closed: false,
            next: Some(at),
        }
    }

    fn lacks_bracket(&self, place: usize, closer: char, end: usize) -> Break {
        let opener = &self.source[place..=place];
        Break {
            at: place,
            fault: not_closed(opener, &[&closer.to_string()]),
            inside: self.start + 2..end,
            is_closed: true,
            next: Some(end + 2),
        }
    }

    fn lacks_quote(&self, place: usize, quote: char) -> Break {
        let line = place..end_of_line(self.source, place);
        let end = self.source[line.clone()].find(self.end).map(|at| place + at);
        let is_later_line = self.source[self.start..place].contains('\n');
        match end {
            // Hardly a text, more likely an apostrophe behind a tag that lacks its end.
            None if is_later_line => self.lacks_end(place + 1),
            None => {
                let (quote, closers) = (quote.to_string(), self.closers());
                let wanted = [quote.as_str(), closers.as_str(), self.end].into_iter();
                let wanted: Vec<&str> = wanted.filter(|text| !text.is_empty()).collect();
                Break {
                    at: place,
                    fault: not_closed(&quote, &wanted),
                    inside: self.start + 2..line.end,
                    is_closed: false,
                    next: Some(line.end),
                }
            }
            Some(end) => Break {
                at: place,
                fault: not_closed(&quote.to_string(), &[&quote.to_string()]),
                inside: self.start + 2..end,
                is_closed: true,
                next: Some(end + 2),
            },
        }
    }

    /// What closes the brackets that are open.
    fn closers(&self) -> String {
        self.brackets.iter().rev().map(|(_, closer)| closer).collect()
    }
}

/// Where the quote is that ends a text. One that would run over signs of tags into another line lacks it.
fn end_of_text(source: &str, start: usize, quote: char) -> Option<usize> {
    let (mut is_escaped, mut has_sign, mut has_line) = (false, false, false);
    let mut before = quote;
    for (offset, c) in source[start..].char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return Some(start + offset),
            _ => {}
        }
        has_line |= c == '\n';
        has_sign |= matches!((before, c), ('{', '{' | '%' | '#') | ('}' | '%' | '#', '}'));
        if has_line && has_sign {
            return None;
        }
        before = c;
    }
    None
}

fn end_of_line(source: &str, from: usize) -> usize {
    source[from..].find('\n').map_or(source.len(), |at| from + at)
}

fn not_closed(sign: &str, wanted: &[&str]) -> String {
    let wanted: Vec<String> = wanted.iter().map(|text| format!("`{text}`")).collect();
    let wanted = match wanted.as_slice() {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        wanted => wanted.concat(),
    };
    format!("`{sign}` is not closed (expected {wanted})")
}
