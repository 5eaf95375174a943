//! Regular expressions as Alertmanager has them: RE2's syntax, matched against the whole value.
//!
//! Guarantees: matching takes linear time, memory is bounded, and no alert can make it slow: a value longer than
//! [`LONGEST_VALUE`] is matched by no expression. What is accepted means what RE2 makes of it (see `dialect`).

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::parse::Parser;

use super::dialect;

/// Values of labels that are longer, in bytes, are matched by no expression.
pub const LONGEST_VALUE: usize = 16 * 1024;
/// Expressions may not be longer than this, in bytes.
const LONGEST_PATTERN: usize = 4 * 1024;
/// Nor need more memory than this once compiled, in bytes.
const LARGEST_PROGRAM: usize = 512 * 1024;

/// A regular expression for whole values.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

/// Why a regular expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is not one.
    #[error("{0}")]
    Syntax(String),
    /// It is longer or needs more memory than any sensible one.
    #[error("the regular expression is too large")]
    TooLarge,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST_PATTERN {
            return Err(PatternError::TooLarge);
        }
        // Read alone first: what is balanced by itself cannot close the group that anchors it.
        let ast = Parser::new()
            .parse(text)
            .map_err(|error| PatternError::Syntax(error.kind().to_string()))?;
        let anchored = format!("^(?:{})$", dialect::as_re2(text, &ast).map_err(PatternError::Syntax)?);
        RegexBuilder::new(&anchored)
            .size_limit(LARGEST_PROGRAM)
            .dfa_size_limit(LARGEST_PROGRAM)
            .build()
            .map(Self)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
                error => PatternError::Syntax(last_line(&error.to_string())),
            })
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        value.len() <= LONGEST_VALUE && self.0.is_match(value)
    }
}

/// The crate explains over several lines, with the pattern; the last one says what is wrong.
fn last_line(explained: &str) -> String {
    let line = explained.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}
