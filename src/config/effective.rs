//! The settings that hold, and where each of them comes from.
//!
//! Guarantees: no secret is shown; each setting is there once, in the order of the help.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::{Value, json};

use super::declared::{self, Setting};
use super::value::{Values, given, set};
use super::{Flags, auth, store};
use crate::telemetry::LogFormat;

/// What was given on the command line and in the environment, without secrets, by the fields of the flags.
#[derive(Debug, Clone, Default)]
pub struct Sources(BTreeMap<String, Given>);

#[derive(Debug, Clone)]
struct Given {
    origin: Origin,
    /// `None` for a secret.
    text: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Flag,
    Variable,
    DotEnv,
}

impl Sources {
    /// What `matches` holds; `dotenv` are the variables that the file `.env` set.
    pub fn new(matches: &ArgMatches, dotenv: &[String]) -> Self {
        let given = declared::all().iter().filter_map(|setting| {
            let origin = match matches.value_source(&setting.id)? {
                ValueSource::CommandLine => Origin::Flag,
                ValueSource::EnvVariable if dotenv.contains(&setting.variable) => Origin::DotEnv,
                ValueSource::EnvVariable => Origin::Variable,
                _ => return None,
            };
            let text = matches.get_raw(&setting.id)?.next()?.to_string_lossy().into_owned();
            let text = set(Some(&text))?.to_owned();
            let text = (!setting.is_secret).then_some(text);
            Some((setting.id.clone(), Given { origin, text }))
        });
        Self(given.collect())
    }

    /// Takes back what something else overrules.
    pub(super) fn forget(&mut self, ids: &[&str]) {
        self.0.retain(|id, _| !ids.contains(&id.as_str()));
    }
}

/// A setting as it holds.
#[derive(Debug, Clone)]
pub struct Effective {
    /// Its declaration.
    pub setting: &'static Setting,
    /// What holds; `None` if nothing does, or if it is a secret.
    pub value: Option<String>,
    /// Where that comes from.
    pub from: From,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The command line.
    Flag,
    /// A variable of the environment, by its name.
    Variable(String),
    /// The file `.env`.
    DotEnv,
    /// The default route of a routes file, by its path.
    RoutesFile(String),
    /// The file that another setting names, by its path.
    SecretFile(String),
    /// Another setting, by its variable.
    Setting(&'static str),
    /// The declaration.
    Default,
    /// Nowhere: it is not set.
    Unset,
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::DotEnv => f.write_str(".env"),
            Self::RoutesFile(path) => write!(f, "routes file {path}"),
            Self::SecretFile(path) => write!(f, "file {path}"),
            Self::Setting(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("not set"),
        }
    }
}

impl Effective {
    /// The same for programs.
    pub fn json(&self) -> Value {
        let (kind, place) = match &self.from {
            From::Flag => ("flag", None),
            From::Setting(name) => ("setting", Some(*name)),
            From::Variable(name) => ("variable", Some(name.as_str())),
            From::DotEnv => (".env", None),
            From::RoutesFile(path) => ("routes file", Some(path.as_str())),
            From::SecretFile(path) => ("file", Some(path.as_str())),
            From::Default => ("default", None),
            From::Unset => ("unset", None),
        };
        json!({
            "variable": self.setting.variable,
            "flag": self.setting.flag,
            "value": self.value,
            "secret": self.setting.is_secret,
            "from": kind,
            "place": place,
        })
    }

    /// The value for people; a secret says only that it is set.
    pub fn shown(&self) -> &str {
        match &self.value {
            Some(value) => value,
            None if self.from != From::Unset => "(secret)",
            None => "-",
        }
    }
}

/// All settings.
pub fn effective(flags: &Flags) -> Vec<Effective> {
    let path = set(flags.routes_file.as_deref());
    let routes = path.map(|path| (path, DefaultRoute::read(Path::new(path))));
    let shown = declared::all().iter().filter(|setting| setting.is_shown);
    shown
        .map(|setting| {
            let (value, from) = given(flags, setting)
                .or_else(|| {
                    let (path, route) = routes.as_ref()?;
                    let value = route.value(&setting.id).filter(|_| !is_overruled(flags, setting))?;
                    let value = Some(value).filter(|_| !setting.is_secret);
                    Some((value, From::RoutesFile((*path).to_owned())))
                })
                .or_else(|| default(flags, setting))
                .unwrap_or((None, From::Unset));
            Effective { setting, value, from }
        })
        .collect()
}

/// Credentials of flags and variables stand in the place of all that the file asks for.
fn is_overruled(flags: &Flags, setting: &Setting) -> bool {
    const CREDENTIALS: [&str; 3] = ["relay_token", "basic_auth", "hmac_secret"];
    let is_given = |id: &str| {
        let sources = &flags.sources.0;
        sources.contains_key(id) || sources.contains_key(&format!("{id}_file"))
    };
    CREDENTIALS.contains(&setting.id.as_str()) && CREDENTIALS.iter().any(|id| is_given(id))
}

/// What flags and the environment say, or the file that they name.
fn given(flags: &Flags, setting: &Setting) -> Option<(Option<String>, From)> {
    let sources = &flags.sources.0;
    if let Some(Given { origin, text }) = sources.get(&setting.id) {
        let from = match origin {
            Origin::Flag => From::Flag,
            Origin::Variable => From::Variable(setting.variable.clone()),
            Origin::DotEnv => From::DotEnv,
        };
        return Some((text.clone(), from));
    }
    let file = sources.get(&format!("{}_file", setting.id))?.text.clone()?;
    setting.is_secret.then_some((None, From::SecretFile(file)))
}

/// What holds otherwise: what the declaration says, unless another setting bounds it.
fn default(flags: &Flags, setting: &Setting) -> Option<(Option<String>, From)> {
    let values = &mut Values::default();
    let bounded = match setting.id.as_str() {
        "timezone" => {
            let zone = set(flags.messages.system_timezone.as_deref()).map(str::to_owned);
            return Some(zone.map_or((Some("UTC".to_owned()), From::Default), |zone| {
                (Some(zone), From::Variable("TZ".to_owned()))
            }));
        }
        "log" => {
            if let Some(level) = std::env::var("RUST_LOG").ok().filter(|level| !level.trim().is_empty()) {
                return Some((Some(level), From::Variable("RUST_LOG".to_owned())));
            }
            None
        }
        "log_format" if flags.log_format() == LogFormat::Ecs => {
            return Some((Some("ecs".to_owned()), From::Setting("ECS_LOGGING")));
        }
        "max_bodies_bytes" => Some(
            auth::auth(&flags.auth, values.count(given!(flags.http.max_body_bytes), 0), values)
                .limits
                .max_bodies_bytes
                .to_string(),
        ),
        "hmac_tolerance" => Some(written(auth::usual_tolerance(
            store::outbox(flags, values).repeat_window,
        ))),
        "keep_groups" => Some(written(store::outbox(flags, values).keep_groups)),
        _ => None,
    };
    let declared = setting.default.clone();
    // A bound that changes nothing leaves the words of the declaration.
    let value = match (bounded, declared) {
        (Some(bounded), Some(declared)) if same(&bounded, &declared) => Some(declared),
        (Some(bounded), _) => Some(bounded),
        (None, declared) => declared,
    };
    value.map(|value| (Some(value), From::Default))
}

fn written(duration: std::time::Duration) -> String {
    format!("{}s", duration.as_secs())
}

fn same(one: &str, other: &str) -> bool {
    let read = |text| super::value::duration(text).ok();
    one == other || read(one).is_some_and(|one| Some(one) == read(other))
}

/// What the routes file says of the default route; a file that cannot be read says nothing here.
struct DefaultRoute(Option<toml::Table>);

impl DefaultRoute {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let document: Option<toml::Table> = text.parse().ok();
        Self(document.and_then(|document| document.get("routes")?.get("default")?.as_table().cloned()))
    }

    /// What it says in the place of a setting.
    fn value(&self, id: &str) -> Option<String> {
        let route = self.0.as_ref()?;
        let value = match id {
            "default_room" => route.get("rooms")?,
            "default_template" => route.get("template")?,
            "message_mode" => route.get("mode")?,
            "reminders" => route.get("reminders")?,
            "relay_token" => route.get("credentials")?.get("bearer")?,
            "basic_auth" => route.get("credentials")?.get("basic")?,
            "hmac_secret" => route.get("credentials")?.get("signature")?,
            _ => return None,
        };
        Some(match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Boolean(on) => if *on { "on" } else { "off" }.to_owned(),
            toml::Value::Array(several) => {
                let texts = several.iter().filter_map(toml::Value::as_str);
                texts.collect::<Vec<_>>().join(", ")
            }
            // Credentials, which are not shown.
            _ => String::new(),
        })
    }
}

#[cfg(test)]
mod tests;
