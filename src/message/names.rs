//! Names that an operator gives, which are safe in paths of URLs and of files because of what they are made of.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::text::beginning;

/// A name with other characters than it may have, or too many of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} name `{text}` (expected 1 to 64 letters, digits, `-` and `_`)")]
pub struct NameError {
    kind: &'static str,
    text: String,
}

fn checked(kind: &'static str, text: &str) -> Result<String, NameError> {
    let fits = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits {
        return Ok(text.to_owned());
    }
    let text = beginning(text, 80).to_owned();
    Err(NameError { kind, text })
}

/// The name of a template: the file name in the templates folder without `.md.j2`, so never a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TemplateName(String);

impl TemplateName {
    /// The name of the template that is used where nothing else was chosen.
    pub const DEFAULT: &'static str = "alert";

    /// The name without ending.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file that holds it, inside the templates folder.
    pub fn file_name(&self) -> String {
        format!("{}.md.j2", self.0)
    }
}

impl TemplateName {
    /// The template of what changes in a group: lines of a thread, and replies.
    pub fn update() -> Self {
        Self("update".to_owned())
    }

    /// The template of what is sent in place of many messages that waited.
    pub fn digest() -> Self {
        Self("digest".to_owned())
    }

    /// The template of bodies of any shape, where nothing else was chosen.
    pub fn webhook() -> Self {
        Self("webhook".to_owned())
    }

    /// Whether it shows a notification as a whole: not what changes in a group, and not a digest.
    pub fn is_of_whole(&self) -> bool {
        *self != Self::update() && *self != Self::digest()
    }
}

impl Default for TemplateName {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl FromStr for TemplateName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        checked("template", text).map(Self)
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a route: what stands in the path `/alert/{route}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RouteName(String);

impl RouteName {
    /// The route that `/alert` alone reaches.
    pub const DEFAULT: &'static str = "default";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RouteName {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl FromStr for RouteName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        checked("route", text).map(Self)
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
