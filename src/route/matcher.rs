//! One condition on one label, with Alertmanager's meaning.
//!
//! Guarantees: a label that is missing counts as empty, a regular expression has to match the whole value, and what
//! [`Matcher`] prints is read back as the same matcher. Reading is done in the module `grammar`.

use std::fmt;

use super::pattern::{LONGEST_VALUE, Pattern, PatternError};
use crate::alert::Labels;

/// How the value of a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    NotMatches,
}

impl Operator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::NotMatches => "!~",
        }
    }
}

/// One condition, such as `severity="critical"` or `team=~"db|infra"`.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    operator: Operator,
    value: String,
    /// Only where the operator takes a regular expression.
    pattern: Option<Pattern>,
}

impl Matcher {
    /// A matcher of its parts; fails only on a regular expression that cannot be used.
    pub fn new(name: impl Into<String>, operator: Operator, value: impl Into<String>) -> Result<Self, PatternError> {
        let (name, value) = (name.into(), value.into());
        let pattern = match operator {
            Operator::Equal | Operator::NotEqual => None,
            Operator::Matches | Operator::NotMatches => Some(Pattern::new(&value)?),
        };
        Ok(Self {
            name,
            operator,
            value,
            pattern,
        })
    }

    /// The label that it looks at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a value is too long for the condition to look at.
    pub fn is_beyond(&self, value: &str) -> bool {
        self.pattern.is_some() && value.len() > LONGEST_VALUE
    }

    /// Whether these labels meet the condition.
    pub fn matches(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.name).map_or("", String::as_str);
        let matched = |pattern: &Option<Pattern>| pattern.as_ref().is_some_and(|pattern| pattern.matches(found));
        match self.operator {
            Operator::Equal => found == self.value,
            Operator::NotEqual => found != self.value,
            Operator::Matches => matched(&self.pattern),
            Operator::NotMatches => !matched(&self.pattern),
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.operator, &self.value) == (&other.name, other.operator, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() || self.name.chars().any(is_reserved) {
            quoted(f, &self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        f.write_str(self.operator.as_str())?;
        quoted(f, &self.value)
    }
}

/// Characters that stand for themselves only inside quotes.
pub(super) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || matches!(c, '{' | '}' | '!' | '=' | '~' | ',' | '\\' | '"' | '\'' | '`')
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c if u32::from(c) < 0x20 || c == '\u{7f}' => write!(f, "\\x{:02x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
