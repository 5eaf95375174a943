//! Builds what a template sees: Grafana's own names, and what a template author would otherwise have to compute.
//!
//! Guarantees: always the same names, whatever the sender left out; work grows with the alerts that are shown and not
//! with those that exist. `templates/README.md` lists every name, and a test compares the two.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::Value;

use super::facts::{AlertFacts, Facts, Kind};
use super::filters::More;
use super::links::{self, Link};
use super::shield::{clean, clean_line};
use super::values::{AlertList, Fields, Lookup, Moment, Which};
use crate::alert::{Labels, Source};

/// How much of a notification is shown: the rungs of the ladder that keeps a message below Matrix's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Alerts, counted from the worst.
    pub(crate) alerts: usize,
    /// Whether long labels and annotations are cut and long label lists end early.
    pub(crate) fold_labels: bool,
}

const FOLDED_LABELS: usize = 4;
const FOLDED_LABEL: usize = 60;
const FOLDED_ANNOTATION: usize = 240;

/// Everything that is needed to build the context; lives for one rendering.
pub(crate) struct Context<'a> {
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) zone: &'a TimeZone,
    pub(crate) limits: Limits,
    group_links: Vec<Link>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(facts: &'a Facts<'a>, zone: &'a TimeZone, limits: Limits) -> Self {
        Self {
            facts,
            zone,
            limits,
            group_links: links::of_group(facts),
        }
    }

    /// The root of the context.
    pub(crate) fn build(&self) -> Value {
        let mut fields = BTreeMap::new();
        self.sent(&mut fields);
        self.computed(&mut fields);
        self.lists(&mut fields);
        Value::from_object(Fields(fields))
    }

    /// What the sender wrote, by its own names.
    fn sent(&self, fields: &mut BTreeMap<&'static str, Value>) {
        let n = self.facts.notification;
        let source = match n.source {
            Source::Grafana => "grafana",
            Source::Alertmanager => "alertmanager",
            Source::Legacy => "legacy",
        };
        fields.extend([
            ("source", Value::from(source)),
            ("receiver", line(&n.receiver)),
            ("status", n.status.as_str().into()),
            ("groupLabels", self.labels(&n.group_labels)),
            ("commonLabels", self.labels(&n.common_labels)),
            ("commonAnnotations", self.annotations(&n.common_annotations)),
            ("externalURL", line(&n.external_url)),
            ("groupKey", line(&n.group_key.0)),
            ("truncatedAlerts", n.truncated_alerts.into()),
            ("orgId", optional(n.org_id)),
            ("version", line(&n.version)),
            ("appVersion", line(&n.app_version)),
            ("title", line(&n.title)),
            ("state", line(&n.state)),
            ("message", self.long(&n.message)),
            ("notification_reason", line(&n.notification_reason)),
            ("routeLabels", self.labels(&n.route_labels)),
        ]);
    }

    /// What follows from it, for the group.
    fn computed(&self, fields: &mut BTreeMap<&'static str, Value>) {
        let f = self.facts;
        let since = f.notification.starts_at();
        let severities = f.severities().into_iter().map(|(severity, level, count)| {
            record([
                ("severity", Value::from(severity)),
                ("count", count.into()),
                ("emoji", Kind::Firing.emoji(level).into()),
                ("color", Kind::Firing.color(level).into()),
            ])
        });
        let count = record([
            ("total", Value::from(f.total())),
            ("firing", f.firing.len().into()),
            ("resolved", f.resolved.len().into()),
            ("not_recovered", f.not_recovered().into()),
        ]);
        fields.extend([
            ("kind", Value::from(f.kind.as_str())),
            ("word", f.kind.word().into()),
            ("emoji", f.kind.emoji(f.level).into()),
            ("color", f.kind.color(f.level).into()),
            ("headline", f.headline().into()),
            ("name", f.name().into()),
            ("names", f.names.clone().into()),
            ("severity", f.severity.clone().into()),
            ("severities", severities.collect::<Vec<_>>().into()),
            ("folder", f.folder().into()),
            ("count", count),
            ("now", self.moment(Some(f.now))),
            ("since", self.moment(since)),
            (
                "duration",
                optional(since.map(|at| (f.now.as_second() - at.as_second()).max(0))),
            ),
            ("shared", self.label_list(f.shared_details())),
            ("links", link_list(&self.group_links)),
            ("overviewURL", links::overview(f.notification).into()),
        ]);
    }

    fn lists(&self, fields: &mut BTreeMap<&'static str, Value>) {
        let shown = |alerts: &[AlertFacts<'_>], room: usize| -> Vec<Value> {
            alerts.iter().take(room).map(|facts| self.alert(facts)).collect()
        };
        let firing = shown(&self.facts.firing, self.limits.alerts);
        let resolved = shown(&self.facts.resolved, self.limits.alerts - firing.len());
        let all = firing.iter().chain(&resolved).cloned().collect();
        let list = |which, alerts, total| Value::from_object(AlertList::new(which, alerts, total));
        let firing = list(Which::Firing, firing, self.facts.firing.len());
        let resolved = list(Which::Resolved, resolved, self.facts.resolved.len());
        let all = list(Which::All, all, self.facts.total());
        let notification = self.facts.notification;
        let sender = if notification.source == Source::Alertmanager {
            "Alertmanager"
        } else {
            "Grafana"
        };
        let more = More::new(
            [firing.clone(), resolved.clone(), all.clone()],
            links::overview(notification),
            sender,
        );
        fields.extend([
            ("firing", firing),
            ("resolved", resolved),
            ("alerts", all),
            ("sender", sender.into()),
            ("more", Value::from_object(more)),
        ]);
    }

    fn alert(&self, facts: &AlertFacts<'_>) -> Value {
        let mut fields = BTreeMap::new();
        self.alert_sent(facts, &mut fields);
        self.alert_computed(facts, &mut fields);
        Value::from_object(Fields(fields))
    }

    fn alert_sent(&self, facts: &AlertFacts<'_>, fields: &mut BTreeMap<&'static str, Value>) {
        let a = facts.alert;
        fields.extend([
            ("status", Value::from(a.status.as_str())),
            ("labels", self.labels(&a.labels)),
            ("annotations", self.annotations(&a.annotations)),
            ("startsAt", self.moment(a.starts_at)),
            ("endsAt", self.moment(a.ends_at)),
            ("generatorURL", line(&a.generator_url)),
            ("fingerprint", line(&a.fingerprint.0)),
            ("silenceURL", line(&a.silence_url)),
            ("dashboardURL", line(&a.dashboard_url)),
            ("panelURL", line(&a.panel_url)),
            ("imageURL", line(&a.image_url)),
            ("ruleUID", line(&a.rule_uid)),
            (
                "values",
                Lookup::of(
                    a.values
                        .iter()
                        .flatten()
                        .map(|(name, value)| (clean_line(name).into_owned(), *value)),
                ),
            ),
            ("valueString", self.long(&a.value_string)),
            ("orgId", optional(a.org_id)),
        ]);
    }

    fn alert_computed(&self, facts: &AlertFacts<'_>, fields: &mut BTreeMap<&'static str, Value>) {
        let annotation = |names: &[&str]| {
            let texts = names.iter().filter_map(|name| facts.alert.annotations.get(*name));
            texts
                .map(|text| text.trim())
                .find(|text| !text.is_empty())
                .unwrap_or_default()
        };
        let own_links = links::of_alert(self.facts.notification, facts);
        let own_links: Vec<_> = own_links
            .into_iter()
            .filter(|link| !self.group_links.contains(link))
            .collect();
        fields.extend([
            ("name", Value::from(facts.name.clone())),
            ("kind", facts.kind.as_str().into()),
            ("word", facts.kind.word().into()),
            ("emoji", facts.kind.emoji(facts.level).into()),
            ("color", facts.kind.color(facts.level).into()),
            ("severity", facts.severity.clone().into()),
            ("summary", self.long(annotation(&["summary", "title"]))),
            ("description", self.long(annotation(&["description", "message"]))),
            ("error", self.long(annotation(&["Error"]))),
            (
                "runbookURL",
                line(annotation(&["runbook_url", "runbook", "runbookURL"])),
            ),
            ("reason", line(facts.reason())),
            ("note", note(facts).into()),
            ("since", self.moment(facts.alert.starts_at)),
            ("duration", optional(facts.seconds(self.facts.now))),
            ("differing", self.label_list(self.facts.differing(facts.alert))),
            ("readings", super::readings::of(facts)),
            ("links", link_list(&own_links)),
        ]);
    }

    /// Text of several lines, such as an annotation.
    fn long(&self, text: &str) -> Value {
        let text = clean(text.trim());
        if self.limits.fold_labels {
            truncated(&text, FOLDED_ANNOTATION).into()
        } else {
            Value::from(text)
        }
    }

    fn labels(&self, labels: &Labels) -> Value {
        Lookup::of(
            labels
                .iter()
                .map(|(name, value)| (clean_line(name).into_owned(), self.label(value))),
        )
    }

    fn label(&self, value: &str) -> Value {
        let value = clean_line(value);
        if self.limits.fold_labels {
            truncated(&value, FOLDED_LABEL).into()
        } else {
            Value::from(value)
        }
    }

    fn annotations(&self, annotations: &Labels) -> Value {
        Lookup::of(
            annotations
                .iter()
                .map(|(name, text)| (clean_line(name).into_owned(), self.long(text))),
        )
    }

    /// Labels as a list of names and values.
    fn label_list<'b>(&self, labels: impl Iterator<Item = (&'b String, &'b String)>) -> Value {
        let entry = |name: Value, value: Value| record([("name", name), ("value", value)]);
        let mut list: Vec<_> = labels
            .map(|(name, value)| entry(line(name), self.label(value)))
            .collect();
        if self.limits.fold_labels && list.len() > FOLDED_LABELS {
            let left_out = list.len() - FOLDED_LABELS;
            list.truncate(FOLDED_LABELS);
            list.push(entry(Value::from("…"), Value::from(format!("{left_out} more labels"))));
        }
        list.into()
    }

    fn moment(&self, at: Option<Timestamp>) -> Value {
        at.map_or_else(
            || Value::from(""),
            |at| {
                Value::from_object(Moment {
                    at,
                    now: self.facts.now,
                    zone: self.zone.clone(),
                })
            },
        )
    }
}

/// Text that stays on one line.
fn line(text: &str) -> Value {
    Value::from(clean_line(text))
}

fn optional(number: Option<i64>) -> Value {
    number.map_or_else(|| Value::from(""), Value::from)
}

pub(super) fn record<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::from_object(Fields(fields.into_iter().collect()))
}

fn link_list(links: &[Link]) -> Value {
    links
        .iter()
        .map(|link| record([("text", link.text.into()), ("url", line(&link.url))]))
        .collect::<Vec<_>>()
        .into()
}

/// The text, or its beginning and an ellipsis; at most `length` characters.
pub(super) fn truncated(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Why the state is not simply what the query said, in words.
fn note(facts: &AlertFacts<'_>) -> Cow<'static, str> {
    let datasource = |name| {
        facts
            .alert
            .labels
            .get("alertname")
            .is_some_and(|alertname| alertname == name)
    };
    match facts.kind {
        Kind::Resolved if datasource("DatasourceNoData") => return "data is back".into(),
        Kind::Resolved if datasource("DatasourceError") => return "the rule can be evaluated again".into(),
        _ => {}
    }
    let words = facts
        .reason()
        .split(',')
        .map(str::trim)
        .filter(|reason| !reason.is_empty())
        .map(|reason| match reason {
            "MissingSeries" => Cow::Borrowed("the series disappeared"),
            "Paused" => "the rule was paused".into(),
            "Updated" => "the rule was edited".into(),
            "RuleDeleted" => "the rule was deleted".into(),
            "NoData" => "the query returns no data".into(),
            "Error" => "the query fails".into(),
            "KeepLast" => "the last state was kept".into(),
            other => clean_line(other).into_owned().into(),
        });
    words.collect::<Vec<_>>().join(", ").into()
}
