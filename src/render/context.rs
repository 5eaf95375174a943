//! Builds what a template sees: Grafana's own names, and what a template author would otherwise have to compute.
//!
//! Guarantees: always the same names, whatever the sender left out; work grows with the alerts that are shown and not
//! with those that exist. `templates/README.md` lists every name, and a test compares the two.

mod alert;
mod shortened;

use std::sync::LazyLock;

use minijinja::Value;

use super::digest::{Counted, Digest};
use super::empties::MARKS_NOTHING;
use super::facts::{AlertFacts, ChangeFacts, Facts};
use super::filters::More;
use super::kind::Kind;
use super::links::{self};
use super::look::Look;
use super::tree::{Nothing, Tree};
use super::values::{AlertList, Fields, NoSingle, Which};
use crate::alert::Source;

/// How much of a notification is shown: the rungs of the ladder that keeps a message below Matrix's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Limits {
    /// Alerts, counted from the worst.
    pub(crate) alerts: usize,
    /// Whether long labels and annotations are cut and long label lists end early.
    pub(crate) truncate_labels: bool,
    /// Whether a mark is printed in place of what is missing: see `empties`.
    pub(crate) marks_nothing: bool,
}

/// Everything that is needed to build the context; lives for one rendering.
pub(crate) struct Context<'a> {
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) look: &'a Look,
    pub(crate) limits: Limits,
}

impl<'a> Context<'a> {
    pub(crate) fn new(facts: &'a Facts<'a>, look: &'a Look, limits: Limits) -> Self {
        Self { facts, look, limits }
    }

    /// The root of the context.
    pub(crate) fn build(&self) -> Value {
        let mut fields = Fields::with_capacity(50);
        self.sent(&mut fields);
        self.computed(&mut fields);
        self.lists(&mut fields);
        fields.extend([
            ("change", self.change()),
            ("digest", self.digest()),
            ("route", self.line(&self.facts.notification.route)),
        ]);
        if self.limits.marks_nothing {
            fields.extend([(MARKS_NOTHING, Value::from(true))]);
        }
        Value::from_object(fields)
    }

    /// What the sender wrote, by its own names.
    fn sent(&self, fields: &mut Fields) {
        let n = self.facts.notification;
        let source = match n.source {
            Source::Grafana => "grafana",
            Source::Alertmanager => "alertmanager",
            Source::Json => "json",
        };
        fields.extend([
            ("source", Value::from(source)),
            ("receiver", self.line(&n.receiver)),
            ("status", n.status.as_str().into()),
            ("groupLabels", self.labels(&n.group_labels)),
            ("commonLabels", self.labels(&n.common_labels)),
            ("commonAnnotations", self.annotations(&n.common_annotations)),
            ("externalURL", self.address(&n.external_url)),
            ("groupKey", self.line(&n.group_key.0)),
            ("truncatedAlerts", n.truncated_alerts.into()),
            ("orgId", optional(n.org_id)),
            ("version", self.line(&n.version)),
            ("appVersion", self.line(&n.app_version)),
            ("title", self.line(&n.title)),
            ("state", self.line(&n.state)),
            ("message", self.long(&n.message)),
            ("notification_reason", self.line(&n.notification_reason)),
            ("routeLabels", self.labels(&n.route_labels)),
            ("payload", n.payload.as_ref().map_or_else(Nothing::value, Tree::of)),
        ]);
    }

    /// What follows from it, for the group.
    fn computed(&self, fields: &mut Fields) {
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
        let states = f.states();
        let of_kind = |kind| {
            states
                .iter()
                .find(|(known, _)| *known == kind)
                .map_or(0, |(_, count)| *count)
        };
        let count = record([
            ("total", Value::from(f.total())),
            ("firing", f.firing_count().into()),
            ("resolved", f.resolved.len().into()),
            ("not_recovered", f.not_recovered().into()),
            ("error", of_kind(Kind::Error).into()),
            ("no_data", of_kind(Kind::NoData).into()),
        ]);
        let states = states.iter().map(|(kind, count)| {
            record([
                ("kind", Value::from(kind.as_str())),
                ("count", (*count).into()),
                ("text", Value::from(kind.counted())),
                ("word", kind.word().into()),
                ("emoji", kind.emoji(f.level).into()),
                ("color", kind.color(f.level).into()),
            ])
        });
        fields.extend([
            ("kind", Value::from(f.kind.as_str())),
            ("template", self.look.template.clone().into()),
            ("states", states.collect::<Vec<_>>().into()),
            ("word", f.kind.word().into()),
            ("emoji", f.kind.emoji(f.level).into()),
            ("color", f.kind.color(f.level).into()),
            ("headline", f.headline().into()),
            ("name", f.name().into()),
            ("names", f.names.clone().into()),
            ("severity", f.severity.clone().into()),
            ("severities", severities.collect::<Vec<_>>().into()),
            ("folder", f.folder().into()),
            ("error", self.line(&f.error())),
            ("count", count),
            ("now", self.moment(Some(f.now))),
            ("since", self.moment(since)),
            (
                "duration",
                optional(since.map(|at| (f.now.as_second() - at.as_second()).max(0))),
            ),
            ("shared", self.label_list(f.shared_details())),
            ("links", self.link_list(&self.facts.links)),
            ("overviewURL", links::overview(f.notification).into()),
        ]);
    }

    fn lists(&self, fields: &mut Fields) {
        let shown = |alerts: &[AlertFacts<'_>], room: usize| -> Vec<Value> {
            alerts.iter().take(room).map(|facts| self.alert(facts)).collect()
        };
        // Those that fire come first, but not so far that no resolved one is left.
        let (firing_count, resolved_count) = (self.facts.firing.len(), self.facts.resolved.len());
        let room = self
            .limits
            .alerts
            .saturating_sub(firing_count)
            .max(self.limits.alerts / 5);
        let resolved = shown(&self.facts.resolved, room.min(resolved_count));
        let firing = shown(&self.facts.firing, self.limits.alerts - resolved.len());
        let all: Vec<Value> = firing.iter().chain(&resolved).cloned().collect();
        let single = match all.as_slice() {
            [single] if self.facts.total() == 1 => single.clone(),
            _ => Value::from_object(NoSingle),
        };
        let list = |which, alerts, total| Value::from_object(AlertList::new(which, alerts, total));
        let firing = list(Which::Firing, firing, self.facts.firing_count());
        let resolved = list(Which::Resolved, resolved, self.facts.resolved.len());
        let all = list(Which::All, all, self.facts.total());
        let notification = self.facts.notification;
        let sender = self.sender();
        let more = More::new(
            [firing.clone(), resolved.clone(), all.clone()],
            links::overview(notification),
            sender,
        );
        fields.extend([
            ("firing", firing),
            ("resolved", resolved),
            ("alerts", all),
            ("alert", single),
            ("sender", sender.into()),
            ("more", Value::from_object(more)),
        ]);
    }

    fn sender(&self) -> &'static str {
        match self.facts.notification.source {
            Source::Alertmanager => "Alertmanager",
            Source::Grafana => "Grafana",
            Source::Json => "Webhook",
        }
    }

    /// What is new in the group; empty lists where the message shows the whole notification.
    fn change(&self) -> Value {
        // Most messages show the whole notification, and for all of those it is the same.
        static NOTHING: LazyLock<Value> = LazyLock::new(|| change(None, &|_| Vec::new()));
        match &self.facts.change {
            None => NOTHING.clone(),
            some => change(some.as_ref(), &|alerts| {
                let shown = alerts.iter().take(self.limits.alerts);
                shown.map(|facts| self.alert(facts)).collect()
            }),
        }
    }

    /// What waited; empty in every other template.
    fn digest(&self) -> Value {
        let digest = self.facts.digest;
        let counted = |of: fn(&Digest) -> &Vec<Counted>| -> Value {
            let all = digest.map(of).into_iter().flatten();
            let one = |one: &Counted| record([("name", self.line(&one.name)), ("count", one.count.into())]);
            all.map(one).collect::<Vec<_>>().into()
        };
        let number = |of: fn(&Digest) -> usize| Value::from(digest.map_or(0, of));
        let others = digest.into_iter().flat_map(|digest| &digest.others);
        let count = record([
            ("messages", number(|digest| digest.messages)),
            ("came_and_went", number(|digest| digest.went)),
            ("over", number(|digest| digest.ended)),
            ("cut_off", number(|digest| digest.cut_off)),
        ]);
        record([
            ("from", self.moment(digest.map(|digest| digest.from))),
            ("until", self.moment(digest.map(|digest| digest.until))),
            ("count", count),
            ("rules", counted(|digest| &digest.rules)),
            ("came_and_went", counted(|digest| &digest.came_and_went)),
            ("over", counted(|digest| &digest.over)),
            ("others", others.map(|line| self.line(line)).collect::<Vec<_>>().into()),
        ])
    }
}

fn change(change: Option<&ChangeFacts<'_>>, shown: &dyn Fn(&[AlertFacts<'_>]) -> Vec<Value>) -> Value {
    let of = |alerts: Option<&Vec<AlertFacts<'_>>>| -> (Value, Value) {
        let alerts = alerts.map_or(&[][..], Vec::as_slice);
        (shown(alerts).into(), alerts.len().into())
    };
    let (starting, starting_count) = of(change.map(|change| &change.starting));
    let (ended, ended_count) = of(change.map(|change| &change.ended));
    let (gone, gone_count) = of(change.map(|change| &change.gone));
    let count = [
        ("starting", starting_count),
        ("ended", ended_count),
        ("gone", gone_count),
    ];
    record([
        ("kind", change.map_or("", ChangeFacts::kind).into()),
        ("starting", starting),
        ("ended", ended),
        ("gone", gone),
        ("count", record(count)),
        ("over", change.is_some_and(|change| change.change.over).into()),
        ("recovered", change.is_some_and(|change| change.change.recovered).into()),
    ])
}

fn optional(number: Option<i64>) -> Value {
    number.map_or_else(|| Value::from(""), Value::from)
}

pub(super) fn record<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    let mut all = Fields::with_capacity(N);
    all.extend(fields);
    Value::from_object(all)
}
