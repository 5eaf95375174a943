//! What callers of a route have to show, and where its secrets are.
//!
//! Guarantees: a secret is a text, a `${VARIABLE}` in it, or a file; where several may be, each line is one, as in the files
//! of the environment's variables. A variable that is not set is named and nothing of a value is ever part of a problem.

use std::ops::Range;
use std::time::Duration;

use http::HeaderName;
use secrecy::SecretString;
use toml::de::DeValue;

use super::source::{Section, Value};
use super::watch::Seen;
use crate::config::value::{duration, secret_file};
use crate::intake::{BasicLogin, CredentialSettings, SignatureScheme, SignatureSettings};

/// What Grafana calls it by default.
const SIGNATURE_HEADER: &str = "X-Grafana-Alerting-Signature";
/// Half of the default time within which a repeat is recognised, so that no replay can outlive it.
const TOLERANCE: Duration = Duration::from_secs(45);

pub(super) fn read(section: &Section<'_>, seen: &mut Vec<Seen>) -> CredentialSettings {
    section.only(&["bearer", "basic", "signature"]);
    if section.entries().next().is_none() {
        section
            .error("invalid credentials: without `bearer`, `basic` or `signature` anybody may post (expected one of them, or no such table)");
    }
    CredentialSettings {
        bearer: secrets(section, "bearer", seen),
        basic: section
            .list("basic")
            .unwrap_or_default()
            .iter()
            .filter_map(|login| basic(login, seen))
            .collect(),
        signature: section.section("signature").map(|section| signature(&section, seen)),
    }
}

fn basic(section: &Section<'_>, seen: &mut Vec<Seen>) -> Option<BasicLogin> {
    section.only(&["user", "password"]);
    let (user, span) = section.text("user").or_else(|| missing(section, "user"))?;
    if user.is_empty() || user.contains(':') {
        section.source.error(
            span,
            "invalid user name: it is empty or has a `:` (expected a name without `:`)",
        );
    }
    let password = section.get("password").or_else(|| missing(section, "password"))?;
    let mut lines = lines(section, "password", password, seen)?;
    if lines.len() > 1 {
        let message = "invalid password: it has several lines (expected one)";
        section.source.error(password.span(), message);
    }
    Some(BasicLogin {
        user: user.to_owned(),
        password: lines.swap_remove(0),
    })
}

fn signature(section: &Section<'_>, seen: &mut Vec<Seen>) -> SignatureSettings {
    section.only(&["scheme", "secrets", "header", "timestamp_header", "tolerance"]);
    if section.get("secrets").is_none() {
        missing::<()>(section, "secrets");
    }
    let tolerance = section.text("tolerance").and_then(|(text, span)| {
        duration(text)
            .map_err(|error| {
                section
                    .source
                    .error(span, format!("invalid duration: {error} (expected one such as `5m`)"));
            })
            .ok()
    });
    let (scheme, name, time) = scheme(section);
    SignatureSettings {
        scheme,
        secrets: secrets(section, "secrets", seen),
        header: header(section, "header").unwrap_or_else(|| name.to_owned()),
        timestamp_header: header(section, "timestamp_header").or_else(|| time.map(str::to_owned)),
        tolerance: tolerance.unwrap_or(TOLERANCE),
    }
}

/// The scheme with its usual headers; Grafana's by default.
fn scheme(section: &Section<'_>) -> (SignatureScheme, &'static str, Option<&'static str>) {
    let grafana = (SignatureScheme::Grafana, SIGNATURE_HEADER, None);
    let Some((text, span)) = section.text("scheme") else {
        return grafana;
    };
    SignatureScheme::named(text).unwrap_or_else(|| {
        let message = format!("invalid scheme `{text}` (expected `grafana`, `gitea`, `github` or `standard`)");
        section.source.error(span, message);
        grafana
    })
}

fn header(section: &Section<'_>, key: &str) -> Option<String> {
    let (text, span) = section.text(key)?;
    if text.parse::<HeaderName>().is_err() {
        section.source.error(
            span,
            format!("invalid header `{text}`: not a name (expected the name of an HTTP header)"),
        );
    }
    Some(text.to_owned())
}

fn missing<T>(section: &Section<'_>, key: &str) -> Option<T> {
    section.error(format!("missing `{key}`"));
    None
}

/// One secret, or an array of them; none of them is a problem.
fn secrets(section: &Section<'_>, key: &str, seen: &mut Vec<Seen>) -> Vec<SecretString> {
    let Some(value) = section.get(key) else {
        return Vec::new();
    };
    let items = match value.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    if items.is_empty() {
        let message =
            format!("invalid `{key}`: it is empty, so that anybody may post (expected a secret, or no such line)");
        section.source.error(value.span(), message);
    }
    let read = items.into_iter().filter_map(|item| lines(section, key, item, seen));
    read.flatten().collect()
}

/// The secrets in one value, at least one.
fn lines<'t>(
    section: &Section<'t>,
    key: &str,
    value: &'t Value<'t>,
    seen: &mut Vec<Seen>,
) -> Option<Vec<SecretString>> {
    let error = |span: Range<usize>, message: String| {
        section.source.error(span, message);
        None
    };
    let text = match value.get_ref() {
        DeValue::String(text) => match expanded(text, &|name| section.source.variable(name)) {
            Ok(text) => text,
            Err(problem) => return error(value.span(), problem),
        },
        DeValue::Table(_) => {
            let table = section.as_section(key, value)?;
            table.only(&["file"]);
            let (file, span) = table.text("file").or_else(|| missing(&table, "file"))?;
            let folder = section.source.path.parent().unwrap_or(section.source.path);
            let path = folder.join(file);
            // Looked at again even if it could not be read, because it may come.
            seen.push(Seen::now(&path));
            match secret_file(&path) {
                Ok(text) => text,
                Err(problem) => return error(span, format!("cannot read {file}: {problem}")),
            }
        }
        other => {
            let found = other.type_str();
            let message =
                format!("invalid `{key}`: its type is {found} (expected a text in quotes or `{{ file = \"…\" }}`)");
            return error(value.span(), message);
        }
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.map(SecretString::from).collect();
    if lines.is_empty() {
        return error(value.span(), format!("invalid `{key}`: this secret is empty"));
    }
    Some(lines)
}

/// The text with the values of its `${VARIABLE}`s; `$${` stands for `${`.
fn expanded(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut written, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            written.push_str(&rest[..at - 1]);
            written.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        written.push_str(&rest[..at]);
        let Some((name, after)) = rest[at + 2..].split_once('}') else {
            return Err("invalid `${`: the closing `}` is missing".to_owned());
        };
        let known = variable(name).filter(|value| !value.trim().is_empty());
        // What stands in the braces is the name of a variable; anything else might be part of a secret.
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match known {
            Some(value) if is_name => written.push_str(&value),
            _ if is_name => return Err(format!("the variable {name} is not set")),
            _ => return Err("invalid `${…}`: not a name (expected the name of a variable)".to_owned()),
        }
        rest = after;
    }
    written.push_str(rest);
    Ok(written)
}
