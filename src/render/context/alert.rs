//! What a template sees of one alert.

use std::borrow::Cow;
use std::collections::BTreeMap;

use minijinja::Value;

use super::{Context, optional};
use crate::alert::{Departure, LINKS_LEFT_OUT};
use crate::render::facts::{AlertFacts, short};
use crate::render::kind::Kind;
use crate::render::shield::{clean, clean_line};
use crate::render::values::{Fields, Lookup};
use crate::render::words::spoken;
use crate::render::{links, readings};

/// Grafana gives one reason, or two.
const MOST_REASONS: usize = 10;

impl Context<'_> {
    pub(super) fn alert(&self, facts: &AlertFacts<'_>) -> Value {
        let mut fields = Fields::with_capacity(32);
        self.alert_sent(facts, &mut fields);
        self.alert_computed(facts, &mut fields);
        Value::from_object(fields)
    }

    fn alert_sent(&self, facts: &AlertFacts<'_>, fields: &mut Fields) {
        let a = facts.alert;
        fields.extend([
            ("status", Value::from(a.status.as_str())),
            ("labels", self.labels(&a.labels)),
            ("annotations", self.annotations(&a.annotations)),
            ("startsAt", self.moment(a.starts_at)),
            ("endsAt", self.moment(a.ends_at)),
            ("generatorURL", self.address(&a.generator_url)),
            ("fingerprint", self.line(&a.fingerprint.0)),
            ("silenceURL", self.address(&a.silence_url)),
            ("dashboardURL", self.address(&a.dashboard_url)),
            ("panelURL", self.address(&a.panel_url)),
            ("imageURL", self.address(&a.image_url)),
            ("ruleUID", self.line(&a.rule_uid)),
            ("values", lookup(a.values.as_ref())),
            ("valueString", self.long(&a.value_string)),
            ("orgId", optional(a.org_id)),
            ("enrichments", a.enrichments.as_ref().map_or_else(nothing, sent_as)),
        ]);
    }

    fn alert_computed(&self, facts: &AlertFacts<'_>, fields: &mut Fields) {
        let text = facts.text();
        let own_links = links::of_alert(self.facts.notification, facts);
        let own_links: Vec<_> = own_links
            .into_iter()
            .filter(|link| !self.facts.links.contains(link))
            .collect();
        fields.extend([
            ("name", Value::from(facts.name.clone())),
            ("kind", facts.kind.as_str().into()),
            ("word", facts.kind.word().into()),
            ("emoji", facts.kind.emoji(facts.level).into()),
            ("color", facts.kind.color(facts.level).into()),
            ("severity", facts.severity.clone().into()),
            ("summary", self.long(facts.summary())),
            ("description", self.long(facts.description())),
            ("text", self.line(text.line)),
            ("details", self.long(&text.details)),
            ("error", self.line(&facts.error())),
            ("runbookURL", self.address(facts.annotation(&links::RUNBOOK))),
            ("reason", self.line(facts.reason())),
            ("note", self.line(&self.note(facts))),
            ("since", self.moment(facts.alert.starts_at)),
            ("duration", optional(facts.seconds(self.facts.now))),
            ("differing", self.label_list(self.facts.differing(facts.alert))),
            ("readings", readings::of(facts)),
            ("last_values", lookup(facts.alert.last_values.as_ref())),
            ("last_readings", readings::of_last(facts)),
            ("links", self.link_list(&own_links)),
        ]);
    }
}

impl Context<'_> {
    fn note(&self, facts: &AlertFacts<'_>) -> Cow<'static, str> {
        match facts.alert.departed {
            Some(Departure::Unlisted) => spoken().say("not_listed", &[("sender", &self.sender())]).into(),
            Some(Departure::Elsewhere) => spoken().get("elsewhere").to_owned().into(),
            None => {
                let left_out = facts.alert.annotations.get(LINKS_LEFT_OUT);
                let left_out = left_out.map(|count| spoken().say("links_left_out", &[("count", count)]));
                match (note_of_sender(facts), left_out) {
                    (note, None) => note,
                    (note, Some(left_out)) if note.is_empty() => left_out.into(),
                    (note, Some(left_out)) => format!("{note}; {left_out}").into(),
                }
            }
        }
    }
}

/// Names with values of which there are none.
fn nothing() -> Value {
    Lookup::of(std::iter::empty::<(Cow<'_, str>, Value)>())
}

/// JSON as its sender wrote it; a name that is missing in it is the empty text, as everywhere.
fn sent_as(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Object(members) => {
            let members = members.iter();
            Lookup::of(members.map(|(name, member)| (clean_line(name), sent_as(member))))
        }
        serde_json::Value::Array(members) => members.iter().map(sent_as).collect(),
        serde_json::Value::String(text) => Value::from(clean(text)),
        serde_json::Value::Null => Value::from(""),
        serde_json::Value::Bool(is) => Value::from(*is),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
    }
}

fn lookup(values: Option<&BTreeMap<String, f64>>) -> Value {
    let values = values.into_iter().flatten();
    Lookup::of(values.map(|(name, value)| (Cow::Owned(short(name)), *value)))
}

/// Why the state is not simply what the query said, in words.
fn note_of_sender(facts: &AlertFacts<'_>) -> Cow<'static, str> {
    let datasource = |name| {
        facts
            .alert
            .labels
            .get("alertname")
            .is_some_and(|alertname| alertname == name)
    };
    match facts.kind {
        Kind::Resolved if datasource("DatasourceNoData") => return spoken().get("data_is_back").to_owned().into(),
        Kind::Resolved if datasource("DatasourceError") => return spoken().get("evaluated_again").to_owned().into(),
        _ => {}
    }
    let words = facts
        .reason()
        .split(',')
        .map(str::trim)
        .filter(|reason| !reason.is_empty())
        .take(MOST_REASONS)
        .map(|reason| {
            let words = spoken();
            let known = words.find(&format!("reason_{reason}"));
            known.map_or_else(|| clean_line(reason).into_owned(), str::to_owned)
        });
    words.collect::<Vec<_>>().join(", ").into()
}
