//! What the author of a template should know of it.

use poem_openapi::{Enum, Object};

use super::problem::TemplateProblem;

/// Whether the template does not work, or works and could be better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum Level {
    /// The relay would go on with an older version.
    Error,
    /// It works, but something will not be seen as it was meant.
    Warning,
}

/// One thing that a template's author should know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Object)]
pub struct Diagnostic {
    /// How bad it is.
    #[oai(rename = "severity")]
    pub level: Level,
    /// Where, and what.
    #[serde(flatten)]
    #[oai(flatten)]
    pub problem: TemplateProblem,
}

impl Diagnostic {
    /// What the relay would do about a problem of a draft that works for what is shown.
    pub(super) fn refused(problem: TemplateProblem) -> Self {
        if problem.is_partial() {
            let level = Level::Warning;
            return Self { level, problem };
        }
        let message = format!("the relay would go on with the version before: {}", problem.message);
        Self {
            level: Level::Error,
            problem: TemplateProblem { message, ..problem },
        }
    }
}
