//! What is known about one alert.

use std::borrow::Cow;

use jiff::Timestamp;

use super::short;
use crate::alert::{Alert, AlertStatus};
use crate::render::kind::Kind;
use crate::render::severity::{Severity, severity};
use crate::render::words::spoken;

/// One alert and what is known about it.
#[derive(Debug, Clone)]
pub(crate) struct AlertFacts<'a> {
    pub(crate) alert: &'a Alert,
    pub(crate) kind: Kind,
    /// As the sender spells it; empty if there is none.
    pub(crate) severity: String,
    pub(crate) level: Severity,
    /// The rule's name, also where Grafana puts `DatasourceError` in its place.
    pub(crate) name: String,
}

impl<'a> AlertFacts<'a> {
    pub(super) fn new(alert: &'a Alert, is_test: bool) -> Self {
        let (severity, level) = severity(&alert.labels);
        let kind = if is_test { Kind::Test } else { alert.state().into() };
        Self {
            alert,
            kind,
            severity: short(severity),
            level,
            name: name_of(alert),
        }
    }

    /// The first of these annotations that says something.
    pub(crate) fn annotation(&self, names: &[&str]) -> &'a str {
        let texts = names.iter().filter_map(|name| self.alert.annotations.get(*name));
        let mut texts = texts.map(|text| text.trim());
        texts.find(|text| !text.is_empty()).unwrap_or_default()
    }

    pub(crate) fn summary(&self) -> &'a str {
        self.annotation(&["summary", "title"])
    }

    pub(crate) fn description(&self) -> &'a str {
        self.annotation(&["description", "message"])
    }

    /// What is the matter in one line, and what there is to say beyond it.
    pub(crate) fn text(&self) -> Text<'a> {
        Text::of(self.summary(), self.description())
    }

    /// What the data source said. Of Go's chains of errors only the cause and the host, because the rest fills a phone's screen:
    /// `Post "http://db:9090/api": dial tcp 10.0.0.1:9090: connect: connection refused` is "connection refused (db:9090)".
    pub(crate) fn error(&self) -> Cow<'a, str> {
        let error = self.annotation(&["Error"]);
        let request = ["Post \"", "Get \""].iter().find_map(|verb| error.split_once(verb));
        let shortened = request.and_then(|(_, rest)| {
            let (url, chain) = rest.split_once("\": ")?;
            let host = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            let cause = chain.rsplit(": ").next().filter(|cause| !cause.is_empty())?;
            Some(format!("{cause} ({host})"))
        });
        shortened.map_or(error.into(), Cow::Owned)
    }

    /// Grafana's own word for why the state is not what the query says.
    pub(crate) fn reason(&self) -> &'a str {
        self.alert
            .annotations
            .get("grafana_state_reason")
            .map_or("", |reason| reason.trim())
    }

    /// Seconds it has been firing, or was firing until it ended.
    pub(crate) fn seconds(&self, now: Timestamp) -> Option<i64> {
        let start = self.alert.starts_at?;
        let end = match self.alert.status {
            AlertStatus::Firing => now,
            AlertStatus::Resolved => self.alert.ends_at?,
        };
        Some(end.as_second().saturating_sub(start.as_second()).max(0))
    }

    /// Whether Grafana filled every value with -1, its sign for "no data or error now".
    pub(crate) fn has_no_values(&self) -> bool {
        let Some(values) = &self.alert.values else { return true };
        let all_minus_one = values.values().all(|value| (*value + 1.0).abs() < f64::EPSILON);
        all_minus_one && (values.len() != 1 || matches!(self.kind, Kind::NoData | Kind::Error))
    }
}

/// The text of an alert: the first line of its summary, or else of its description, and the rest of both. Nothing is said
/// twice, and no line break of a text makes a line that could be taken for one of the relay's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    pub(crate) line: &'a str,
    pub(crate) details: Cow<'a, str>,
}

impl<'a> Text<'a> {
    fn of(summary: &'a str, description: &'a str) -> Self {
        let (line, more) = first_line(summary);
        let (first, rest) = first_line(description);
        if line.is_empty() {
            return Self {
                line: first,
                details: rest.into(),
            };
        }
        // The same sentence in both is common.
        let further = if is_same(line, first) { rest } else { description };
        let details = if further.is_empty() || is_same(more, further) {
            more.into()
        } else if more.is_empty() {
            further.into()
        } else {
            format!("{more}\n{further}").into()
        };
        Self { line, details }
    }
}

/// The first line that says something, and what follows it.
fn first_line(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(['\n', '\r']) {
        Some((line, rest)) => (line.trim_end(), rest.trim()),
        None => (text, ""),
    }
}

/// Whether two texts differ in nothing but blanks, case, and the stop at the end.
fn is_same(a: &str, b: &str) -> bool {
    let words = |text: &'_ str| {
        let text = text.trim_end_matches(['.', '!', ' ']).to_lowercase();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    a == b || (a.len().abs_diff(b.len()) < 16 && words(a) == words(b))
}

fn is_datasource_alert(alert: &Alert) -> bool {
    matches!(
        alert.labels.get("alertname").map(String::as_str),
        Some("DatasourceNoData" | "DatasourceError")
    )
}

fn name_of(alert: &Alert) -> String {
    let label = |name| {
        alert
            .labels
            .get(name)
            .map(|value| short(value))
            .filter(|value| !value.is_empty())
    };
    let name = if is_datasource_alert(alert) {
        label("rulename").or_else(|| label("alertname"))
    } else {
        label("alertname")
    };
    name.unwrap_or_else(|| spoken().get("unnamed").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_said_once_and_lines_stay_apart() {
        let cases = [
            (("S", ""), ("S", "")),
            (("S", "D"), ("S", "D")),
            (("", "D1\nD2"), ("D1", "D2")),
            (("Disk is full", "disk is  full."), ("Disk is full", "")),
            (
                ("Disk is full", "Disk is full\nsince noon"),
                ("Disk is full", "since noon"),
            ),
            (("S1\r\n  S2\n\nS3", ""), ("S1", "S2\n\nS3")),
            (("S1\nS2", "D"), ("S1", "S2\nD")),
            (("S1\nS2", "S1\nS2"), ("S1", "S2")),
            (("", ""), ("", "")),
        ];
        for ((summary, description), (line, details)) in cases {
            let text = Text::of(summary, description);
            assert_eq!(
                (text.line, text.details.as_ref()),
                (line, details),
                "{summary:?} {description:?}"
            );
        }
    }
}
