//! A setting by its field: the names that people know it by, and what was given for it.

use std::fmt::{self, Display};

use secrecy::SecretString;

use super::super::declared;
use super::set;

/// A setting by its field in the flags: the one declaration that holds its flag, its variable and its help.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Name(pub(in crate::config) &'static str);

impl Name {
    pub(super) fn flag(self) -> &'static str {
        declared::find(self.0)
            .map(|setting| setting.flag.as_str())
            .unwrap_or_default()
    }

    pub(super) fn variable(self) -> &'static str {
        declared::find(self.0)
            .map(|setting| setting.variable.as_str())
            .unwrap_or_default()
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.flag(), self.variable())
    }
}

/// What was given of a setting.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Given<'a> {
    pub(in crate::config) name: Name,
    pub(in crate::config) text: Option<&'a str>,
}

impl<'t> Given<'t> {
    /// The text, or the declared default.
    pub(in crate::config) fn or_default(self) -> &'t str {
        set(self.text).unwrap_or_else(|| declared::default(self.name.0))
    }
}

/// What was given of a secret: itself, or the file that holds it.
#[derive(Clone, Copy)]
pub(in crate::config) struct Secret<'a> {
    pub(in crate::config) name: Name,
    pub(in crate::config) value: Option<&'a SecretString>,
    pub(in crate::config) file: Option<&'a str>,
}
