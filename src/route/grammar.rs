//! Alertmanager's notation of matchers: `team=~"db|infra"`, `{alertname="Watchdog", severity!=info}`.
//!
//! It is the grammar of its UTF-8 mode (0.27 and newer): names and values are bare words or texts in double quotes with
//! Go's escapes, and names may hold any character. Its classic notation, which it is about to give up, is not read; an
//! error says what to write instead. Guarantees: any text at all is either read or refused with the column.

use super::matcher::{Matcher, Operator, is_reserved};
use super::quoted::{self, Unreadable};

/// Why a text is no matcher, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct MatcherError {
    /// Character of the text, counted from 1.
    pub column: usize,
    /// What is wrong there, and what to write.
    pub reason: String,
}

/// More matchers than this in one text are refused.
const MOST: usize = 100;

/// Reads any number of matchers, which all have to match; an empty text has none.
pub fn matchers(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    let mut reader = Reader { text, at: 0 };
    let braced = reader.take(|token| matches!(token, Token::Open))?.is_some();
    let mut read = Vec::new();
    loop {
        let (start, token) = reader.next()?;
        match token {
            Token::End if !braced => break,
            Token::End => return reader.refuse(start, "the closing `}` is missing"),
            Token::Close if braced => {
                let (start, token) = reader.next()?;
                if !matches!(token, Token::End) {
                    return reader.refuse(start, "nothing may follow the closing `}`");
                }
                break;
            }
            Token::Close => return reader.refuse(start, "this `}` has no opening `{`"),
            token => read.push(reader.matcher(start, token)?),
        }
        if read.len() > MOST {
            return reader.refuse(start, "these are too many matchers");
        }
        if reader.take(|token| matches!(token, Token::Comma))?.is_none() {
            let (start, token) = reader.peek()?;
            if !matches!(token, Token::End | Token::Close) {
                return reader.refuse(
                    start,
                    "a comma belongs between two matchers, and quotes around a value with other characters than letters and digits",
                );
            }
        }
    }
    Ok(read)
}

#[derive(Debug, Clone, Copy)]
enum Token<'t> {
    Open,
    Close,
    Comma,
    Operator(Operator),
    /// With its quotes and escapes.
    Quoted(&'t str),
    Bare(&'t str),
    End,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn matcher(&mut self, start: usize, token: Token<'t>) -> Result<Matcher, MatcherError> {
        let name = match token {
            Token::Bare(name) => name.to_owned(),
            Token::Quoted(raw) => self.unquote(start, raw)?,
            _ => return self.refuse(start, "the name of a label is expected here"),
        };
        if name.is_empty() {
            return self.refuse(start, "a label has a name");
        }
        let (place, token) = self.next()?;
        let Token::Operator(operator) = token else {
            return self.refuse(place, "after the label's name comes one of `=`, `!=`, `=~` and `!~`");
        };
        let (place, token) = self.next()?;
        let value = match token {
            Token::Bare(value) => value.to_owned(),
            Token::Quoted(raw) => self.unquote(place, raw)?,
            _ => {
                let written = operator.as_str();
                let reason = format!("a value is expected here; an empty one is written `{name}{written}\"\"`");
                return self.refuse(place, reason);
            }
        };
        Matcher::new(name, operator, value).or_else(|error| self.refuse(place, error.to_string()))
    }

    fn peek(&mut self) -> Result<(usize, Token<'t>), MatcherError> {
        let before = self.at;
        let read = self.next();
        self.at = before;
        read
    }

    fn take(&mut self, wanted: impl Fn(&Token<'t>) -> bool) -> Result<Option<Token<'t>>, MatcherError> {
        let (_, token) = self.peek()?;
        if !wanted(&token) {
            return Ok(None);
        }
        self.next().map(|(_, token)| Some(token))
    }

    /// The next token, and where it starts.
    fn next(&mut self) -> Result<(usize, Token<'t>), MatcherError> {
        let rest = self.text[self.at..].trim_start();
        let start = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            self.at = start;
            return Ok((start, Token::End));
        };
        let (length, token) = match first {
            '{' => (1, Token::Open),
            '}' => (1, Token::Close),
            ',' => (1, Token::Comma),
            '=' if rest.starts_with("=~") => (2, Token::Operator(Operator::Matches)),
            '=' => (1, Token::Operator(Operator::Equal)),
            '!' if rest.starts_with("!=") => (2, Token::Operator(Operator::NotEqual)),
            '!' if rest.starts_with("!~") => (2, Token::Operator(Operator::NotMatches)),
            '"' => {
                let Some(length) = quoted::length(rest) else {
                    return self.refuse(start, "the closing `\"` is missing");
                };
                (length, Token::Quoted(&rest[..length]))
            }
            c if is_reserved(c) => return self.refuse(start, misplaced(c)),
            _ => {
                let length = rest.find(is_reserved).unwrap_or(rest.len());
                (length, Token::Bare(&rest[..length]))
            }
        };
        self.at = start + length;
        Ok((start, token))
    }

    /// What a text in quotes, which starts here, means.
    fn unquote(&self, start: usize, raw: &str) -> Result<String, MatcherError> {
        quoted::meaning(raw).or_else(|Unreadable { at, reason }| self.refuse(start + at, reason))
    }

    fn refuse<T>(&self, at: usize, reason: impl Into<String>) -> Result<T, MatcherError> {
        Err(MatcherError {
            column: self.text[..at].chars().count() + 1,
            reason: reason.into(),
        })
    }
}

fn misplaced(c: char) -> String {
    match c {
        '\'' | '`' => "texts stand in double quotes (`\"`) only".to_owned(),
        '!' => "`!` is followed by `=` or `~`".to_owned(),
        c => format!("`{c}` may stand only inside quotes"),
    }
}
