//! The words and signs of an expression.

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::render) enum Sort {
    Name,
    Number,
    /// In its quotes.
    Text,
    Sign,
}

/// A word or sign, and the spaces before it.
#[derive(Debug, Clone, Copy)]
pub(in crate::render) struct Piece<'s> {
    pub(in crate::render) sort: Sort,
    pub(in crate::render) text: &'s str,
    pub(in crate::render) space: &'s str,
    /// Where the text begins.
    pub(in crate::render) at: usize,
}

impl<'s> Piece<'s> {
    pub(in crate::render) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// What stands between the quotes of a text, unless it holds a backslash.
    pub(in crate::render) fn literal(&self) -> Option<&'s str> {
        let text = self.text.get(1..self.text.len() - 1)?;
        (self.sort == Sort::Text && !text.contains('\\')).then_some(text)
    }
}

const PAIRS: [&str; 6] = ["==", "!=", "<=", ">=", "//", "**"];

/// All pieces; nothing if there is a sign that no expression has.
pub(in crate::render) fn pieces(source: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    loop {
        let rest = &source[at..];
        let word = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let space = &rest[..rest.len() - word.len()];
        at += space.len();
        let Some(first) = word.chars().next() else {
            return Some(pieces);
        };
        let (sort, length) = match first {
            '"' | '\'' => (Sort::Text, text_length(word, first)?),
            '0'..='9' => (Sort::Number, number_length(word)),
            c if c == '_' || c.is_alphabetic() => {
                let is_end = |c: char| c != '_' && !c.is_alphanumeric();
                (Sort::Name, word.find(is_end).unwrap_or(word.len()))
            }
            _ if PAIRS.iter().any(|pair| word.starts_with(pair)) => (Sort::Sign, 2),
            '+' | '-' | '*' | '/' | '%' | '~' | '.' | ',' | ':' | '=' | '|' | '(' | ')' | '[' | ']' | '{' | '}'
            | '<' | '>' => (Sort::Sign, 1),
            _ => return None,
        };
        pieces.push(Piece {
            sort,
            text: &word[..length],
            space,
            at,
        });
        at += length;
    }
}

fn text_length(word: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in word.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn number_length(word: &str) -> usize {
    let bytes = word.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let next_is_digit = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        let is_exponent = at > 0 && matches!(bytes[at - 1], b'e' | b'E') && !word.starts_with("0x");
        let belongs = match byte {
            b'.' => next_is_digit && !word[..at].contains('.'),
            b'+' | b'-' => is_exponent && next_is_digit,
            byte => byte.is_ascii_alphanumeric() || *byte == b'_',
        };
        if !belongs {
            break;
        }
        at += 1;
    }
    at
}
