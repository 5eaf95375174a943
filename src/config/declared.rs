//! Each setting as it is declared: the names, the default and the help that stand in the declaration of its flag.
//!
//! Guarantees: there is no second place for any of them. Help, `.env.example`, the reference, `config` and the defaults that
//! hold are all read from here.

use std::sync::OnceLock;

use clap::builder::{Resettable, StyledStr};
use clap::{Arg, Args as _, Command};
use secrecy::SecretString;

use super::Flags;

/// A setting.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The field in the flags.
    pub id: String,
    /// The flag, with its dashes.
    pub flag: String,
    /// The variable.
    pub variable: String,
    /// What holds where nothing is given.
    pub default: Option<String>,
    /// What it is, in Markdown without line breaks.
    pub about: String,
    /// A value for an example.
    pub example: Option<String>,
    /// The heading under which help lists it.
    pub section: String,
    /// Whether its value is shown to nobody.
    pub is_secret: bool,
    /// Whether people know of it; the others belong to the system.
    pub is_shown: bool,
}

impl Setting {
    /// Whether it names the file that holds another setting.
    pub fn is_file_of_secret(&self) -> bool {
        let secret = self.id.strip_suffix("_file");
        secret.is_some_and(|secret| all().iter().any(|one| one.id == secret))
    }

    fn new(arg: &Arg) -> Self {
        let help = arg.get_long_help().or(arg.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        let (about, example) = help.split_once("\n\nExample: ").unwrap_or((help.as_str(), ""));
        let default = arg.get_default_values().first();
        Self {
            id: arg.get_id().to_string(),
            flag: arg.get_long().map(|long| format!("--{long}")).unwrap_or_default(),
            variable: arg.get_env().unwrap_or_default().to_string_lossy().into_owned(),
            default: default.map(|default| default.to_string_lossy().into_owned()),
            about: sentences(about),
            example: Some(example.trim_matches('`').to_owned()).filter(|example| !example.is_empty()),
            section: arg.get_help_heading().unwrap_or_default().to_owned(),
            is_secret: arg.get_value_parser().type_id() == std::any::TypeId::of::<SecretString>(),
            is_shown: !arg.is_hide_set(),
        }
    }
}

/// A text on one line, with the full stop that short help leaves out.
fn sentences(text: &str) -> String {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !text.is_empty() && !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// All of them, in the order of the help.
pub fn all() -> &'static [Setting] {
    static ALL: OnceLock<Vec<Setting>> = OnceLock::new();
    ALL.get_or_init(|| {
        let command = Flags::augment_args(Command::new("settings"));
        command.get_arguments().map(Setting::new).collect()
    })
}

/// The setting of a field.
pub(super) fn find(id: &str) -> Option<&'static Setting> {
    all().iter().find(|one| one.id == id)
}

/// What holds for a field where nothing is given.
pub(super) fn default(id: &str) -> &'static str {
    let default = find(id).and_then(|setting| setting.default.as_deref());
    default.unwrap_or_default()
}

/// An argument that says its default and does not set it: what a routes file says goes before a default, and a value that the
/// command line had set would go before both.
pub fn said_only(arg: Arg) -> Arg {
    let Some(default) = arg.get_default_values().first() else {
        return arg;
    };
    let said = |help: &StyledStr| {
        let help = help.to_string();
        let (about, rest) = help.split_once("\n\n").unwrap_or((&help, ""));
        let about = about.trim_end_matches('.');
        let rest = if rest.is_empty() {
            String::new()
        } else {
            format!("\n\n{rest}")
        };
        StyledStr::from(format!("{about} [default: {}]{rest}", default.to_string_lossy()))
    };
    let (help, long) = (arg.get_help().map(said), arg.get_long_help().map(said));
    arg.help(Resettable::from(help))
        .long_help(Resettable::from(long))
        .default_value(Resettable::Reset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_says_all_of_its_setting() {
        let timeout = find("matrix_timeout").unwrap();
        assert_eq!(
            (timeout.flag.as_str(), timeout.variable.as_str()),
            ("--matrix-timeout", "RELAY_MATRIX_TIMEOUT")
        );
        assert_eq!(timeout.default.as_deref(), Some("30s"));
        let zone = find("timezone").unwrap();
        assert_eq!(zone.example.as_deref(), Some("Europe/Berlin"));
        assert!(!zone.about.contains("Example"), "{zone:?}");
    }

    #[test]
    fn what_has_a_file_beside_it_is_secret_and_nothing_else_is() {
        for setting in all() {
            let has_file = find(&format!("{}_file", setting.id)).is_some();
            assert_eq!(setting.is_secret, has_file, "{}", setting.id);
        }
        assert!(find("relay_token_file").unwrap().is_file_of_secret());
        assert!(!find("routes_file").unwrap().is_file_of_secret());
    }

    #[test]
    fn every_setting_that_people_know_of_says_what_it_is_under_a_heading() {
        for setting in all().iter().filter(|one| one.is_shown) {
            assert!(!setting.about.is_empty() && !setting.section.is_empty(), "{setting:?}");
        }
    }
}
