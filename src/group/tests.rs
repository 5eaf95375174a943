//! The three rules.

mod any_run;
mod gone;
mod remembered;

use std::collections::BTreeMap;

use super::*;
use crate::alert::{Fingerprint, GroupKey, Labels};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_166_000 + seconds).unwrap()
}

fn alert(name: &str, status: AlertStatus, start: i64) -> Alert {
    let resolved = status == AlertStatus::Resolved;
    Alert {
        status,
        labels: Labels::from([("alertname".to_owned(), name.to_owned())]),
        starts_at: Some(at(start)),
        ends_at: resolved.then(|| at(start + 300)),
        values: Some(BTreeMap::from([("A".to_owned(), if resolved { 0.0 } else { 96.5 })])),
        ..Alert::unknown(Fingerprint(name.to_owned()))
    }
}

fn fires(name: &str, start: i64) -> Alert {
    alert(name, AlertStatus::Firing, start)
}

/// Resolved 300 s after it began.
fn ended(name: &str, start: i64) -> Alert {
    alert(name, AlertStatus::Resolved, start)
}

fn lost(name: &str, start: i64) -> Alert {
    let reason = ("grafana_state_reason".to_owned(), "MissingSeries".to_owned());
    Alert {
        annotations: Labels::from([reason]),
        ..ended(name, start)
    }
}

fn last(alert: &Alert) -> String {
    alert.last_values.as_ref().unwrap()["A"].to_string()
}

fn group(alerts: Vec<Alert>) -> Notification {
    Notification {
        group_key: GroupKey("{}:{}".to_owned()),
        ..Notification::of(alerts)
    }
}

/// What is said of a run of notifications, each with the second of its arrival.
fn sentences(run: Vec<(i64, Vec<Alert>)>) -> Vec<String> {
    let cut = run.into_iter().map(|(second, alerts)| (second, alerts, 0)).collect();
    sentences_of(cut)
}

fn sentences_of(run: Vec<(i64, Vec<Alert>, u64)>) -> Vec<String> {
    let (mut rest, mut rows) = (None, BTreeMap::new());
    let mut said = Vec::new();
    for (second, alerts, cut) in run {
        let mut notification = group(alerts);
        notification.truncated_alerts = cut;
        let known = rest.map(|rest| read(rest, &rows, &notification));
        let compared = compare(known, notification, at(second));
        said.push(words(&compared));
        let changed = compared.state.changed();
        rows.extend(changed.map(|(name, known, _)| (name.clone(), known.clone())));
        rest = Some(compared.state.with_alerts([], 0));
    }
    said
}

/// What is read of what is remembered: where alerts were cut off, no more than those that are listed.
fn read(rest: State, rows: &BTreeMap<String, Known>, notification: &Notification) -> State {
    let listed: HashSet<_> = notification
        .alerts
        .iter()
        .map(|one| name_of(&one.fingerprint))
        .collect();
    let is_whole = notification.truncated_alerts == 0;
    let (read, others): (Vec<_>, Vec<_>) = rows
        .iter()
        .partition(|(name, known)| listed.contains(name.as_str()) || (is_whole && known.firing));
    let others_firing = others.iter().filter(|(_, known)| known.firing).count();
    let read = read.into_iter().map(|(name, known)| (name.clone(), known.clone()));
    let alerts = stored(&rest.clone().with_alerts(read, 0)).alerts;
    rest.with_alerts(alerts, others_firing)
}

/// What is remembered survives being stored, each alert by itself.
fn stored(state: &State) -> State {
    let alerts = state.alerts.iter().map(|(name, known)| {
        let mut read: Known = serde_json::from_str(&serde_json::to_string(known).unwrap()).unwrap();
        read.firing = known.firing;
        assert_eq!(&read, known);
        (name.clone(), read)
    });
    let rest: State = serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap();
    rest.with_alerts(alerts.collect::<Vec<_>>(), 0)
}

fn words(compared: &Compared) -> String {
    let names = |mark: &str, alerts: &[Alert]| -> String {
        let names = alerts.iter().map(|alert| format!(" {mark}{}", alert.fingerprint));
        names.collect::<Vec<_>>().concat()
    };
    let change = &compared.change;
    let news = match change.news {
        News::Begins => "begins",
        News::Changed => "changed",
        News::Nothing => "nothing",
    };
    let over = match (change.over, change.recovered) {
        (true, true) => ", over",
        (true, false) => ", over but not recovered",
        _ => "",
    };
    let (starting, ended, gone) = (
        names("+", &change.starting),
        names("-", &change.ended),
        names("?", &change.gone),
    );
    format!("{news}{starting}{ended}{gone}{over}")
}

fn then(before: &Compared, alerts: Vec<Alert>, second: i64) -> Compared {
    compare(Some(stored(&before.state)), group(alerts), at(second))
}

#[test]
fn a_group_begins_changes_and_is_over() {
    let said = sentences(vec![
        (0, vec![fires("a", -60)]),
        (300, vec![fires("a", -60)]),
        (600, vec![fires("a", -60), fires("b", 550)]),
        (900, vec![ended("a", -60), fires("b", 550), fires("c", 880)]),
        (1200, vec![fires("b", 550), fires("c", 880)]),
        (1500, vec![ended("b", 550), ended("c", 880)]),
        (1600, vec![ended("b", 550), ended("c", 880)]),
        (9000, vec![fires("a", 8900)]),
    ]);
    let expected = [
        "begins +a",
        "nothing",
        "changed +b",
        "changed +c -a",
        "nothing",
        "changed -b -c, over",
        "nothing, over",
        "begins +a",
    ];
    assert_eq!(said, expected);
}

#[test]
fn the_last_snapshot_is_the_truth_whatever_its_age() {
    // Firing, resolved by a late evaluation, and firing again with the same start, at once.
    let said = sentences(vec![
        (0, vec![fires("a", -400)]),
        (10, vec![ended("a", -400)]),
        (20, vec![fires("a", -400)]),
        (30, vec![fires("a", -400), fires("b", 25)]),
        (31, vec![fires("a", -400)]),
        (32, vec![fires("b", 25)]),
    ]);
    let expected = [
        "begins +a",
        "changed -a, over",
        "begins +a",
        "changed +b",
        "changed ?b",
        "changed +b ?a",
    ];
    assert_eq!(said, expected);
}

#[test]
fn what_ends_was_known_to_fire() {
    let said = sentences(vec![
        (0, vec![ended("a", -400)]),
        (10, vec![ended("a", -400)]),
        (20, vec![fires("b", 15), ended("a", -400)]),
        (30, vec![fires("b", 15), ended("c", -100)]),
        (40, vec![ended("b", 15), ended("c", -100)]),
    ]);
    let expected = [
        "begins, over",
        "nothing, over",
        "begins +b",
        "nothing",
        "changed -b, over",
    ];
    assert_eq!(said, expected);
}

#[test]
fn replicas_say_everything_twice_and_it_is_said_once() {
    let said = sentences(vec![
        (0, vec![fires("a", -10)]),
        (5, vec![fires("a", -1)]),
        (300, vec![fires("a", -10), fires("b", 290)]),
        (302, vec![fires("a", -1), fires("b", 291)]),
        (600, vec![ended("a", -10), ended("b", 290)]),
        (605, vec![ended("a", -1), ended("b", 291)]),
        (900, vec![fires("a", 890)]),
    ]);
    let expected = [
        "begins +a",
        "nothing",
        "changed +b",
        "nothing",
        "changed -a -b, over",
        "nothing, over",
        "begins +a",
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_episode_keeps_the_start_that_it_was_first_seen_with_and_a_later_one_is_another() {
    let first = compare(None, group(vec![fires("a", -10)]), at(0));
    for start in [-900, -20, 30] {
        let again = then(&first, vec![fires("a", start)], 300);
        assert_eq!(words(&again), "nothing");
        assert_eq!(again.notification.alerts[0].starts_at, Some(at(-10)), "{start}");
    }
    let another = then(&first, vec![fires("a", 800)], 900);
    assert_eq!(words(&another), "changed +a", "its end was missed");
    assert_eq!(words(&then(&another, vec![ended("a", 800)], 1800)), "changed -a, over");
}

#[test]
fn alerts_without_times_go_by_their_state() {
    let timeless = |status| Alert {
        starts_at: None,
        ends_at: None,
        ..alert("a", status, 0)
    };
    let (firing, resolved) = (AlertStatus::Firing, AlertStatus::Resolved);
    let run = [firing, firing, resolved, resolved, firing];
    let run = (0..).step_by(10).zip(run);
    let said = sentences(run.map(|(second, status)| (second, vec![timeless(status)])).collect());
    let expected = ["begins +a", "nothing", "changed -a, over", "nothing, over", "begins +a"];
    assert_eq!(said, expected);
}
