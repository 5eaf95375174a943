//! Alerts by how bad they are.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Environment, Error, State, Value};

use super::operators::not_a;
use crate::render::cost::text;
use crate::render::kind::Kind;
use crate::render::severity::{Severity, level};

pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("sort_severity", |state: &State<'_, '_>, list: &Value| {
        let mut alerts = with_levels(state, list)?;
        alerts.sort_by_key(|(level, ..)| std::cmp::Reverse(*level));
        Ok::<_, Error>(alerts.into_iter().map(|(.., alert)| alert).collect::<Value>())
    });
    env.add_filter("by_severity", by_severity);
}

/// Each with its level and its severity.
fn with_levels(state: &State<'_, '_>, list: &Value) -> Result<Vec<(Severity, String, Value)>, Error> {
    let members = list.try_iter().map_err(|_| not_a("list of alerts", list))?;
    members
        .map(|alert| {
            state.consume_fuel(1)?;
            let severity = alert.get_attr("severity")?;
            let severity = text(&severity)?.into_owned();
            Ok((level(&severity), severity, alert))
        })
        .collect()
}

/// `for severity, alerts in firing | by_severity`: worst first; or `group.severity`, `group.alerts`, `group.count`.
fn by_severity(state: &State<'_, '_>, list: &Value) -> Result<Value, Error> {
    let mut alerts = with_levels(state, list)?;
    alerts.sort_by(|(a, a_name, _), (b, b_name, _)| b.cmp(a).then_with(|| a_name.cmp(b_name)));
    let mut groups: Vec<Group> = Vec::new();
    for (level, severity, alert) in alerts {
        match groups.last_mut().filter(|group| group.severity == severity) {
            Some(group) => group.alerts.push(alert),
            None => groups.push(Group {
                level,
                severity,
                alerts: vec![alert],
            }),
        }
    }
    Ok(groups.into_iter().map(Value::from_object).collect())
}

/// Alerts of one severity: a pair, and a record.
#[derive(Debug)]
struct Group {
    level: Severity,
    severity: String,
    alerts: Vec<Value>,
}

impl Object for Group {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let alerts = || Value::from(self.alerts.clone());
        match (key.as_usize(), key.as_str()) {
            (Some(0), _) | (_, Some("severity")) => Some(Value::from(self.severity.clone())),
            (Some(1), _) | (_, Some("alerts")) => Some(alerts()),
            (_, Some("count")) => Some(self.alerts.len().into()),
            (_, Some("emoji")) => Some(Kind::Firing.emoji(self.level).into()),
            (_, Some("color")) => Some(Kind::Firing.color(self.level).into()),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(2)
    }
}
