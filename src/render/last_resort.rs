//! What goes out if rendering itself breaks: a defect of this program, or of a crate that it renders with.
//!
//! Guarantees: a panic costs the looks of a message and never the notification; what is written here uses nothing that
//! may have panicked, so no facts, templates or Markdown, and is bounded however large the notification is.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{BudgetSteps, Rendered, TemplateProblem};
use crate::alert::{AlertStatus, Notification};
use crate::message::words::Words;
use crate::message::{Mentions, MsgType, RenderedMessage, TemplateName};

/// How many alerts are listed; the others are counted.
const LISTED: usize = 20;
/// How many characters of one line are kept.
const LINE: usize = 300;

/// What `render` makes, or a bare list of the alerts, in these words, if it panics.
pub(super) fn unless_it_panics(
    template: &TemplateName,
    notification: &Notification,
    words: &Words,
    render: impl FnOnce() -> Rendered,
) -> Rendered {
    // Nothing that `render` may leave half done outlives it: it only reads.
    catch_unwind(AssertUnwindSafe(render)).unwrap_or_else(|_| bare(template, notification, words))
}

fn bare(template: &TemplateName, notification: &Notification, words: &Words) -> Rendered {
    let alerts = &notification.alerts;
    let labels = alerts.iter().map(|alert| &alert.labels);
    let name = std::iter::once(&notification.group_labels)
        .chain(labels)
        .find_map(|labels| labels.get("alertname"))
        .map_or(words.get("unnamed"), String::as_str);
    let status = words.get(notification.status.as_str());
    let headline = line(&format!("{status} · {name} ({})", alerts.len()));
    let mut body = headline.clone();
    for alert in alerts.iter().take(LISTED) {
        let labels = alert.labels.iter().map(|(name, value)| format!("{name}={value}"));
        let labels = labels.collect::<Vec<_>>().join(" · ");
        let status = words.get(alert.status.as_str());
        let _ = write!(body, "\n• {}", line(&format!("{status} · {labels}")));
    }
    if alerts.len() > LISTED {
        let more = words
            .say("more", &[("count", &(alerts.len() - LISTED))])
            .replace("**", "");
        let _ = write!(body, "\n{}", words.say("and_more", &[("what", &more)]));
    }
    let _ = write!(body, "\n({})", words.get("unformatted"));
    let msgtype = match notification.status {
        AlertStatus::Firing => MsgType::Text,
        AlertStatus::Resolved => MsgType::Notice,
    };
    let message = RenderedMessage {
        body: body.clone(),
        formatted_body: String::new(),
        msgtype,
        mentions: Mentions::default(),
        headline,
        ..RenderedMessage::default()
    };
    let why = "rendering broke off inside the relay, so the notification goes out unformatted; please report it";
    Rendered {
        messages: vec![message],
        markdown: body.into(),
        problem: Some(TemplateProblem::new(template.file_name(), why)),
        notes: Vec::new(),
        budget: BudgetSteps::default(),
    }
}

/// One bounded line without control characters.
fn line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LINE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{content_size, trial};

    #[test]
    fn a_panic_costs_no_notification() {
        let template = TemplateName::default();
        let mut german = Words::default();
        german.set("firing", "ALARM");
        german.set("resolved", "BEHOBEN");
        german.set("unformatted", "Dies ist unformatiert.");
        german.set("and_more", "… und {what}");
        german.set("more", "**{count} weitere**");
        for mut notification in trial::notifications() {
            let alert = notification.alerts[0].clone();
            notification.alerts.resize(LISTED + 3, alert);
            let rendered = unless_it_panics(&template, &notification, &german, || panic!("a defect"));
            let [message] = rendered.messages.as_slice() else {
                panic!()
            };
            let status = german.get(notification.status.as_str());
            assert!(message.headline.starts_with(status), "{}", message.headline);
            assert!(message.body.contains(&notification.alerts[0].labels["alertname"]));
            assert!(
                message.body.ends_with("\n… und 3 weitere\n(Dies ist unformatiert.)"),
                "{}",
                message.body
            );
            assert!(content_size(message) < 16 * 1024);
            assert!(rendered.problem.is_some());
        }
    }
}
