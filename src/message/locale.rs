//! How the messages of a route are written: in which language, and in which zone they tell the time.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;

/// What a route says of it; what is left out is as the relay's settings say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Locale {
    /// The language of its messages.
    pub language: Option<Language>,
    /// The zone in which they tell the time.
    pub time_zone: Option<TimeZone>,
}

/// The name of a language, such as `de` or `pt-BR`. Whether anybody has words of it is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Language(String);

/// Why a text is no name of a language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid language: `{0:.40}` (expected a name such as `de` or `pt-BR`)")]
pub struct LanguageError(String);

impl Language {
    /// A longer name is of no language.
    const LONGEST: usize = 35;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        // `de_DE` is how the environment of a program calls it.
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (2..=Self::LONGEST).contains(&name.len()) && name.bytes().all(is_letter) {
            Ok(Self(name.to_owned()))
        } else {
            Err(LanguageError(name.to_owned()))
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_names_and_no_sentences() {
        for name in ["de", "pt-BR", "de_AT", "zh-Hant"] {
            assert_eq!(name.parse::<Language>().unwrap().as_str(), name);
        }
        for name in ["", "d", "d e", "Deutsch!", &"x".repeat(36)] {
            let error = name.parse::<Language>().unwrap_err().to_string();
            assert!(error.contains("expected a name such as `de`"), "{error}");
        }
    }
}
