//! What a message announces of its alerts, for a digest that may stand for it.
//!
//! Guarantees: bounded by [`MOST`] alerts and [`BYTES`], whatever was sent; the worst come first, and the others are counted.

use super::facts::{AlertFacts, Facts};
use super::kind::Kind;
use super::links;
use super::shield::clean_line;
use super::words::spoken;
use crate::alert::Labels;
use crate::group::name_of;
use crate::message::{Announced, AnnouncedAlert};
use crate::text::{hash, truncated};

/// Alerts of one message.
const MOST: usize = 20;
/// Bytes of them together.
const BYTES: usize = 12 * 1024;
/// Labels that say where.
const LABELS: usize = 4;
/// Severities of which the alerts that are not listed are counted.
const SEVERITIES: usize = 8;
/// Characters of a label, of a text, and bytes of an address.
const LABEL: usize = 60;
const TEXT: usize = 160;
const ADDRESS: usize = 1_000;

/// What a message about these facts announces.
pub(super) fn announced(facts: &Facts<'_>) -> Announced {
    // What says nothing of a state is named by its headline.
    if facts.digest.is_some() || facts.notification.is_message() {
        return Announced::default();
    }
    let change = facts.change.as_ref().filter(|change| change.kind() == "changed");
    // A reminder says again what fires.
    let (firing, over): (&[AlertFacts<'_>], Vec<&AlertFacts<'_>>) = match change {
        Some(change) => (&change.starting, change.ended.iter().chain(&change.gone).collect()),
        None => (&facts.firing, facts.resolved.iter().collect()),
    };
    let alerts = firing.iter().map(|alert| (alert, true));
    let alerts = alerts.chain(over.into_iter().map(|alert| (alert, false)));
    let mut all = Announced {
        cut_off: usize::try_from(facts.notification.truncated_alerts).unwrap_or(usize::MAX),
        ..Announced::default()
    };
    let mut room = BYTES;
    for (alert, firing) in alerts {
        if all.alerts.len() < MOST && room > 0 {
            let one = AnnouncedAlert {
                firing,
                begins: firing && change.is_some(),
                ..entry(facts, alert)
            };
            room = room.saturating_sub(size(&one));
            all.alerts.push(one);
        } else if firing {
            count(&mut all, &alert.severity);
        } else {
            all.more_over += 1;
        }
    }
    all
}

/// One more fires of this severity. A sender with a severity for each alert gets the last of them counted as one without.
fn count(all: &mut Announced, severity: &str) {
    let mut word = label(severity);
    if all.more_firing.len() >= SEVERITIES && !all.more_firing.contains_key(&word) {
        word.clear();
    }
    *all.more_firing.entry(word).or_default() += 1;
}

fn entry(facts: &Facts<'_>, alert: &AlertFacts<'_>) -> AnnouncedAlert {
    let line = |text: &str, length| truncated(&clean_line(text), length);
    let (text, reason) = match alert.kind {
        Kind::Error => (alert.error(), "Error"),
        Kind::NoData => ("".into(), "NoData"),
        _ => (alert.text().line.into(), alert.reason()),
    };
    let links = links::of_alert(facts.notification, alert);
    let words = ["link_rule", "link_query"].map(|word| spoken().get(word).to_owned());
    let rule = links.iter().find(|link| words.iter().any(|word| *word == link.text));
    let link = rule.or(links.first()).filter(|link| link.url.len() <= ADDRESS);
    AnnouncedAlert {
        id: id(facts, alert),
        name: alert.name.clone(),
        labels: labels(facts, alert),
        text: line(&text, TEXT),
        reason: line(reason, LABEL),
        link: link.map(|link| (link.text.to_string(), link.url.to_string())),
        starts_at: alert.alert.starts_at,
        ..AnnouncedAlert::default()
    }
}

/// The severity, and where it is: what tells it from the others of its group, or what is known of one that is alone.
fn labels(facts: &Facts<'_>, alert: &AlertFacts<'_>) -> Labels {
    let place: Vec<_> = if facts.total() > 1 {
        facts.differing(alert.alert).take(LABELS).collect()
    } else {
        facts.shared_details().take(LABELS).collect()
    };
    let cut = |(name, value): (&String, &String)| (label(name), label(value));
    let mut labels: Labels = place.into_iter().map(cut).collect();
    if !alert.severity.is_empty() {
        labels.insert("severity".to_owned(), label(&alert.severity));
    }
    labels
}

/// As much as is kept of the name of a label, and of its value.
fn label(text: &str) -> String {
    truncated(&clean_line(text), LABEL)
}

/// The same in each message about the same alert.
fn id(facts: &Facts<'_>, alert: &AlertFacts<'_>) -> String {
    let (route, group) = (facts.notification.route.as_str(), &facts.notification.group_key.0);
    let mut id = hash([route, group, &name_of(&alert.alert.fingerprint)]);
    id.truncate(16);
    id
}

fn size(alert: &AnnouncedAlert) -> usize {
    let labels = alert.labels.iter().map(|(name, value)| name.len() + value.len());
    let link = alert.link.as_ref().map_or(0, |(_, url)| url.len());
    labels.sum::<usize>() + alert.name.len() + alert.text.len() + link
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::trial;

    #[test]
    fn what_a_message_announces_is_bounded_and_counts_the_rest() {
        let mut notification = trial::notifications().remove(9);
        for alert in &mut notification.alerts {
            alert.annotations.insert("summary".to_owned(), "é".repeat(5_000));
            alert.labels.insert("pod".to_owned(), "é".repeat(5_000));
        }
        let all = announced(&Facts::new(&notification, trial::now()));
        assert!((5..=MOST).contains(&all.alerts.len()), "{}", all.alerts.len());
        assert_eq!(
            all.alerts.len() + all.more_firing.values().sum::<usize>() + all.more_over,
            60
        );
        let bytes = serde_json::to_string(&all).unwrap().len();
        assert!(bytes < 2 * BYTES, "{bytes}");
    }

    #[test]
    fn severities_of_what_is_not_listed_are_counted_and_bounded() {
        let mut notification = trial::notifications().remove(9);
        for (number, alert) in notification.alerts.iter_mut().enumerate() {
            let word = if number < 30 {
                "critical".to_owned()
            } else {
                format!("s{number}")
            };
            alert.status = crate::alert::AlertStatus::Firing;
            alert.labels.insert("severity".to_owned(), word);
        }
        let all = announced(&Facts::new(&notification, trial::now()));
        assert_eq!(all.more_firing["critical"], 30 - all.alerts.len());
        assert!(all.more_firing.len() <= SEVERITIES + 1, "{:?}", all.more_firing);
        assert_eq!(all.alerts.len() + all.more_firing.values().sum::<usize>(), 60);
    }

    #[test]
    fn of_a_change_it_is_what_is_new() {
        let (notification, change) = trial::changes().remove(0);
        let all = announced(&Facts::of_change(&notification, &change, trial::now()));
        let begins = all.alerts.iter().filter(|alert| alert.begins).count();
        assert_eq!((begins, all.alerts.iter().filter(|one| one.firing).count()), (20, 20));
        assert!(all.more_over > 0 || !all.more_firing.is_empty());
    }
}
