//! What is wrong with the routes file, in words that its author can act on.

use std::fmt;
use std::path::Path;

/// One problem of the routes file. No secret is ever part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteProblem {
    /// The file, as the operator named it.
    pub file: String,
    /// Counted from 1; `None` where it is the file as a whole.
    pub line: Option<usize>,
    /// What is wrong and what to write.
    pub message: String,
}

impl RouteProblem {
    /// A problem with the file as a whole.
    pub(super) fn whole(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.display().to_string(),
            line: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for RouteProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}
