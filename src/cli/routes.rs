//! The routing table in words, for `check`; and `route`: why the alerts of a notification go where they go.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::{Map, Value, json};

use super::material::Material;
use super::print::line;
use crate::alert::Alert;
use crate::config::routes::{RouteProblem, Routes};
use crate::config::{ConfigError, Flags, Settings};
use crate::intake::CredentialSettings;
use crate::message::RouteName;
use crate::pipeline;
use crate::route::{Destination, Explanation, LONGEST_VALUE, Matcher, Rule, Step};

/// Which notification, and by which route.
#[derive(Debug, Clone, Args)]
pub struct Options {
    #[command(flatten)]
    material: Material,
    /// Route of the routes file.
    #[arg(long, value_name = "NAME", default_value_t)]
    route: RouteName,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(flags: &Flags, options: &Options) -> anyhow::Result<ExitCode> {
    let source = Settings::routes_only(flags)?;
    let routes = source.load().map_err(|problems| ConfigError {
        problems: problems.iter().map(RouteProblem::to_string).collect(),
    })?;
    let input = routes.table.input(&options.route);
    let (mut notification, _) = options.material.read(input.is_some())?;
    // What the route says of the body, and not what a sample does.
    if let Some((input, payload)) = input.zip(notification.payload.take()) {
        notification = pipeline::notification_of(&options.route, input, payload);
    }
    let count = notification.alerts.len();
    let mut report = Vec::new();
    for (index, alert) in notification.alerts.iter().enumerate() {
        let Some(explanation) = routes.table.explain(&options.route, alert) else {
            let names: Vec<_> = routes.table.routes().keys().map(RouteName::as_str).collect();
            bail!(
                "unknown route `{}` (expected one of {})",
                options.route,
                names.join(", ")
            );
        };
        if options.json {
            report.push(json(alert, &explanation));
            continue;
        }
        line(&format!("alert {} of {count}: {}", index + 1, title(alert)))?;
        for text in explained(&explanation) {
            line(&format!("  {text}"))?;
        }
    }
    if options.json {
        line(&serde_json::to_string_pretty(&json!({"alerts": report}))?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn json(alert: &Alert, explanation: &Explanation) -> Value {
    let labels: Map<String, Value> = alert
        .labels
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let steps = explanation.steps.iter();
    let steps =
        steps.map(|step| json!({"rule": step.place, "taken": step.taken, "why": self::step(step).trim_start()}));
    let destinations = explanation.destinations.iter().map(|to| {
        json!({
            "room": to.room.as_str(),
            "template": to.template.as_str(),
            "mode": to.policy.mode.to_string(),
            "reminders": to.policy.reminders,
            "mentions": !to.policy.mentions.is_empty(),
        })
    });
    json!({
        "status": alert.status.to_string(),
        "labels": labels,
        "steps": steps.collect::<Vec<_>>(),
        "destinations": destinations.collect::<Vec<_>>(),
    })
}

fn title(alert: &Alert) -> String {
    let labels: Vec<_> = alert
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{} {{{}}}", alert.status, labels.join(", "))
}

fn explained(explanation: &Explanation) -> Vec<String> {
    let mut lines: Vec<_> = explanation.steps.iter().map(step).collect();
    if !explanation.steps.iter().any(|step| step.taken) {
        lines.push("no rule takes it, so it stays with the route".to_owned());
    }
    lines.extend(
        explanation
            .destinations
            .iter()
            .map(|to| format!("→ {}, {}", to.room, manner(to))),
    );
    lines
}

fn step(step: &Step) -> String {
    let indent = "  ".repeat(step.depth);
    let conditions = step.conditions.iter();
    if step.taken {
        let met: Vec<_> = conditions
            .map(|(matcher, _, found)| met(matcher, found.as_deref()))
            .collect();
        let ends = match (step.ends_here, step.continues) {
            (true, false) => "",
            (true, true) => ", and goes on (`continue`)",
            (false, false) => ", and a rule inside it decides",
            (false, true) => ", a rule inside it decides, and it goes on (`continue`)",
        };
        return format!("{indent}{} takes it: {}{ends}", step.place, conjunction(met));
    }
    let failed: Vec<_> = conditions
        .filter(|(_, holds, _)| !holds)
        .map(|(matcher, _, found)| match found {
            Some(value) if matcher.is_beyond(value) => {
                format!("{matcher} fails, it is {}", too_long(value))
            }
            Some(value) => format!("{matcher} fails, it is {value:?}"),
            None => format!("{matcher} fails, there is no such label"),
        })
        .collect();
    format!("{indent}{} does not: {}", step.place, failed.join("; "))
}

/// A condition that holds, and why if that is not because of what it says.
fn met(matcher: &Matcher, found: Option<&str>) -> String {
    match found {
        Some(value) if matcher.is_beyond(value) => format!("{matcher} ({})", too_long(value)),
        _ => matcher.to_string(),
    }
}

fn too_long(value: &str) -> String {
    format!("too long to be matched, {} bytes of {LONGEST_VALUE}", value.len())
}

fn conjunction(matchers: impl IntoIterator<Item = impl ToString>) -> String {
    let texts: Vec<_> = matchers.into_iter().map(|matcher| matcher.to_string()).collect();
    if texts.is_empty() {
        return "every alert".to_owned();
    }
    texts.join(", ")
}

/// The routes as lines.
pub(super) fn table(routes: &Routes) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, route) in routes.table.routes() {
        let path = if *name == RouteName::default() {
            format!("/alert and /alert/{name}")
        } else {
            format!("/alert/{name}")
        };
        let asked = routes
            .credentials
            .get(name)
            .map_or_else(|| credentials(&CredentialSettings::default()), credentials);
        lines.push(format!("{path} ({}), {asked}", route.place));
        lines.extend(rule_lines(route, 1));
    }
    let is_route = |name: &str| routes.table.routes().keys().any(|route| route.as_str() == name);
    let addresses = routes.compat.addresses(is_route);
    lines.extend(addresses.map(|(address, route)| format!("{address}: as /alert/{route}")));
    lines
}

fn rule_lines(rule: &Rule, depth: usize) -> Vec<String> {
    let indent = "  ".repeat(depth);
    let mut lines = Vec::new();
    for inner in &rule.rules {
        let goes_on = if inner.continues { ", continue" } else { "" };
        let place = &inner.place;
        lines.push(format!("{indent}{}{goes_on} ({place})", conjunction(&inner.matchers)));
        lines.extend(rule_lines(inner, depth + 1));
    }
    let otherwise = if rule.rules.is_empty() { "" } else { "else " };
    lines.extend(
        rule.destinations
            .iter()
            .map(|to| format!("{indent}{otherwise}→ {}, {}", to.room, manner(to))),
    );
    lines
}

/// How an alert group appears in a room.
fn manner(destination: &Destination) -> String {
    let policy = &destination.policy;
    let mut words = match &policy.expected {
        Some(expected) => format!("{expected}: no message while it comes; where it stays away, "),
        None => String::new(),
    };
    let _ = write!(words, "template {}, {}", destination.template, policy.mode);
    if policy.reminders {
        words.push_str(", reminders");
    }
    if policy.mentions.can_mention_room() {
        words.push_str(", mentions @room");
    } else if !policy.mentions.is_empty() {
        words.push_str(", mentions users");
    }
    words
}

/// What a caller has to show, without showing it.
fn credentials(credentials: &CredentialSettings) -> String {
    let count = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(one.to_owned()),
        several => Some(format!("{several} {one}s")),
    };
    let logins = [
        count(credentials.bearer.len(), "token"),
        count(credentials.basic.len(), "login"),
    ];
    let mut asked = logins.into_iter().flatten().collect::<Vec<_>>().join(" or ");
    if credentials.signature.is_some() {
        asked.push_str(if asked.is_empty() {
            "signature"
        } else {
            " and signature"
        });
    }
    if asked.is_empty() {
        "open to everybody".to_owned()
    } else {
        format!("asks for {asked}")
    }
}
