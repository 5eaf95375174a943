//! The table of the module, row by row, and what holds for any run of notifications.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::alert::{Fingerprint, GroupKey, Labels, Source};

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
        source: Source::Grafana,
        receiver: String::new(),
        status: AlertStatus::Firing,
        alerts,
        group_labels: Labels::new(),
        common_labels: Labels::new(),
        common_annotations: Labels::new(),
        external_url: String::new(),
        group_key: GroupKey("{}:{}".to_owned()),
        truncated_alerts: 0,
        org_id: None,
        version: String::new(),
        app_version: String::new(),
        title: String::new(),
        state: String::new(),
        message: String::new(),
        notification_reason: String::new(),
        route_labels: Labels::new(),
    }
}

/// What is said of a run of notifications, each with the second of its arrival.
fn told(run: Vec<(i64, Vec<Alert>)>) -> Vec<String> {
    let cut = run.into_iter().map(|(second, alerts)| (second, alerts, 0)).collect();
    told_of(cut)
}

fn told_of(run: Vec<(i64, Vec<Alert>, u64)>) -> Vec<String> {
    let mut known: Option<State> = None;
    let mut said = Vec::new();
    for (second, alerts, cut) in run {
        let mut notification = group(alerts);
        notification.truncated_alerts = cut;
        let compared = compare(known.as_ref(), notification, at(second));
        said.push(words(&compared));
        // What is remembered survives being stored.
        let stored = serde_json::to_string(&compared.state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), compared.state);
        known = Some(compared.state);
    }
    said
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
        News::Nothing if change.doubtful => "doubtful",
        News::Nothing => "nothing",
    };
    let over = match (change.over, change.recovered) {
        (true, true) => ", over",
        (true, false) => ", over but not recovered",
        _ => "",
    };
    let (starting, returned, ended, gone) = (
        names("+", &change.starting),
        names("*", &change.returned),
        names("-", &change.ended),
        names("?", &change.gone),
    );
    format!("{news}{starting}{returned}{ended}{gone}{over}")
}

#[test]
fn a_group_begins_changes_and_is_over() {
    let said = told(vec![
        (0, vec![fires("a", -60)]),
        (300, vec![fires("a", -60)]),
        (600, vec![fires("a", -60), fires("b", 550)]),
        (900, vec![ended("a", -60), fires("b", 550), fires("c", 880)]),
        (1200, vec![fires("b", 550), fires("c", 880)]),
        (1500, vec![ended("b", 550), ended("c", 880)]),
        (1600, vec![ended("b", 550), ended("c", 880)]),
        (9000, vec![fires("a", 8900)]),
    ]);
    assert_eq!(
        said,
        [
            "begins",
            "nothing",
            "changed +b",
            "changed +c -a",
            "nothing",
            "changed -b -c, over",
            "nothing, over",
            "begins"
        ]
    );
}

#[test]
fn a_resolve_of_what_was_never_seen_is_told_once_and_not_undone_by_its_late_firing() {
    let said = told(vec![
        (0, vec![ended("a", -400)]),
        (10, vec![fires("a", -400)]),
        (20, vec![ended("a", -400)]),
        (400, vec![fires("a", 390)]),
    ]);
    assert_eq!(said, ["begins, over", "doubtful, over", "nothing, over", "begins"]);
    let in_a_group = told(vec![
        (0, vec![fires("a", -10)]),
        (300, vec![fires("a", -10), ended("b", -100)]),
    ]);
    assert_eq!(in_a_group, ["begins", "changed -b"]);
}

#[test]
fn what_comes_late_changes_nothing_and_is_put_right() {
    let first = compare(None, group(vec![fires("a", -600), fires("b", -600)]), at(0));
    let then = compare(
        Some(&first.state),
        group(vec![ended("a", -600), fires("b", -600)]),
        at(100),
    );
    let late = compare(
        Some(&then.state),
        group(vec![fires("a", -600), fires("b", -600)]),
        at(110),
    );
    assert_eq!(words(&late), "doubtful");
    let alert = &late.notification.alerts[0];
    assert_eq!((alert.status, alert.ends_at), (AlertStatus::Resolved, Some(at(-300))));
    assert_eq!(last(alert), "96.5");
    // An older snapshot, from before `b` fired, does not take `b` away.
    let said = told(vec![
        (0, vec![fires("a", -60)]),
        (300, vec![fires("a", -60), fires("b", 299)]),
        (330, vec![fires("a", -60)]),
    ]);
    assert_eq!(said, ["begins", "changed +b", "doubtful"]);
    // The end of an earlier episode does not end this one; an end with odd times does.
    let said = told(vec![
        (0, vec![fires("a", -900), fires("b", -10)]),
        (10, vec![fires("a", -1), fires("b", -10)]),
        (20, vec![ended("a", -900), fires("b", -10)]),
        (30, vec![ended("a", -5000), fires("b", -10)]),
    ]);
    assert_eq!(said, ["begins", "changed +a", "doubtful", "changed -a"]);
}

#[test]
fn the_same_start_after_the_end_is_believed_once_it_cannot_be_late_any_more() {
    let said = told(vec![
        (0, vec![fires("a", -400), fires("b", -400)]),
        (60, vec![ended("a", -400), fires("b", -400)]),
        (400, vec![fires("a", -400), fires("b", -400)]),
    ]);
    assert_eq!(said, ["begins", "changed -a", "changed +a"]);
}

#[test]
fn replicas_say_everything_twice_and_it_is_told_once() {
    let said = told(vec![
        (0, vec![fires("a", -10)]),
        (5, vec![fires("a", -1)]),
        (300, vec![fires("a", -10), fires("b", 290)]),
        (302, vec![fires("a", -1), fires("b", 291)]),
        (600, vec![ended("a", -10), ended("b", 290)]),
        (605, vec![ended("a", -1), ended("b", 291)]),
        (606, vec![fires("a", -1), fires("b", 291)]),
    ]);
    let expected = [
        "begins",
        "nothing",
        "changed +b",
        "nothing",
        "changed -a -b, over",
        "nothing, over",
        "doubtful, over",
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_older_start_moves_nothing_back_and_rings_nobody() {
    // A snapshot from before the alert fired again comes late.
    let run = vec![
        (0, vec![fires("a", -600)]),
        (300, vec![fires("a", 250)]),
        (330, vec![fires("a", -600)]),
        (600, vec![fires("a", 250)]),
        (900, vec![fires("a", 850)]),
        (1200, vec![ended("a", 850)]),
    ];
    assert_eq!(
        told(run),
        [
            "begins",
            "changed +a",
            "nothing",
            "nothing",
            "changed +a",
            "changed -a, over"
        ]
    );
    // Replicas that evaluate the rule a cycle apart ring once each, and then only for what really fires again.
    let run = vec![
        (0, vec![fires("a", -10)]),
        (300, vec![fires("a", 290)]),
        (600, vec![fires("a", -10)]),
        (605, vec![fires("a", 290)]),
        (900, vec![fires("a", -10)]),
        (905, vec![fires("a", 290)]),
        (1200, vec![fires("a", 1100)]),
        (1210, vec![fires("a", 290)]),
        (1500, vec![fires("a", 1400)]),
        (1505, vec![fires("a", 1100)]),
    ];
    let expected = [
        "begins",
        "changed +a",
        "nothing",
        "nothing",
        "nothing",
        "nothing",
        "changed +a",
        "nothing",
        "changed +a",
        "nothing",
    ];
    assert_eq!(told(run), expected);
    // Alertmanager moves a start back, by however much.
    let run = vec![
        (0, vec![fires("a", -10)]),
        (60, vec![fires("a", -50)]),
        (120, vec![fires("a", -900)]),
        (180, vec![fires("a", -10)]),
        (240, vec![fires("a", 45)]),
        (300, vec![ended("a", -900)]),
        (600, vec![fires("a", 590)]),
    ];
    let expected = [
        "begins",
        "nothing",
        "nothing",
        "nothing",
        "nothing",
        "changed -a, over",
        "begins",
    ];
    assert_eq!(told(run), expected);
}

#[test]
fn an_episode_keeps_the_start_that_it_was_first_told_with() {
    let first = compare(None, group(vec![fires("a", -10)]), at(0));
    for start in [-900, -20, 30] {
        let then = compare(Some(&first.state), group(vec![fires("a", start)]), at(300));
        assert_eq!(then.notification.alerts[0].starts_at, Some(at(-10)), "{start}");
    }
}

#[test]
fn an_episode_whose_end_was_missed_starts_again() {
    let said = told(vec![
        (0, vec![fires("a", -10)]),
        (900, vec![fires("a", 800)]),
        (1800, vec![ended("a", 800)]),
    ]);
    assert_eq!(said, ["begins", "changed +a", "changed -a, over"]);
}

#[test]
fn what_is_cut_off_is_never_called_resolved() {
    let said = told_of(vec![
        (0, vec![fires("a", -10), fires("b", -10)], 0),
        (300, vec![fires("a", -10)], 1),
        (600, vec![ended("a", -10)], 1),
        (900, vec![ended("a", -10)], 3),
        (1200, vec![ended("a", -10), ended("b", -10)], 0),
        (1300, vec![ended("a", -10)], 4),
    ]);
    let expected = [
        "begins",
        "nothing",
        "changed -a",
        "nothing",
        "changed -b, over",
        "nothing, over",
    ];
    assert_eq!(said, expected);
}

#[test]
fn what_is_not_listed_any_more_is_gone_and_not_recovered() {
    let said = told(vec![
        (0, vec![fires("a", -10), fires("b", -10)]),
        (300, vec![fires("a", -10)]),
        (310, vec![fires("a", -10), fires("b", -10)]),
        (600, vec![fires("a", -10), fires("b", -10)]),
        (900, vec![ended("b", -10), fires("a", -10)]),
        (1200, vec![ended("c", -10)]),
    ]);
    assert_eq!(
        said,
        [
            "begins",
            "changed ?b",
            "changed *b",
            "nothing",
            "changed -b",
            "changed -c ?a, over but not recovered"
        ]
    );
    let said = told(vec![
        (0, vec![fires("a", -10)]),
        (300, vec![lost("a", -10)]),
        (900, vec![fires("a", 890)]),
        (1200, vec![ended("a", 890)]),
    ]);
    assert_eq!(
        said,
        [
            "begins",
            "changed -a, over but not recovered",
            "begins",
            "changed -a, over"
        ]
    );
}

#[test]
fn what_is_gone_and_listed_again_rings_if_it_is_another_episode() {
    let gone = || {
        vec![
            (0, vec![fires("a", -10), fires("b", -10)]),
            (300, vec![fires("a", -10), fires("c", 290)]),
        ]
    };
    let rows = [
        // The same episode, also by another replica; later it may be one whose start Alertmanager has kept.
        (330, fires("b", -10), "changed *b"),
        (330, fires("b", 30), "changed *b"),
        (400, fires("b", -10), "changed +b"),
        // Another one, however soon.
        (320, fires("b", 310), "changed +b"),
        (400, fires("b", 310), "changed +b"),
        // A snapshot of an earlier one.
        (330, fires("b", -400), "doubtful"),
    ];
    for (second, again, expected) in rows {
        let mut run = gone();
        run.push((second, vec![fires("a", -10), again.clone(), fires("c", 290)]));
        run.push((second + 100, vec![fires("a", -10), again.clone(), fires("c", 290)]));
        let said = told(run);
        assert_eq!(said[1..3], ["changed +c ?b", expected], "{second} {again:?}");
        assert_eq!(
            said[3],
            if expected == "doubtful" {
                "changed +b"
            } else {
                "nothing"
            }
        );
    }
    // Of a group of which all was gone, and is again: the message that shows it goes on, unless something begins.
    let over = |last: Vec<Alert>| {
        let share = compare(None, group(vec![fires("a", -10)]), at(0)).state;
        let nothing = compare(Some(&share), group(Vec::new()), at(300));
        assert_eq!(words(&nothing), "changed ?a, over but not recovered");
        compare(Some(&nothing.state), group(last), at(320))
    };
    assert_eq!(words(&over(vec![fires("a", -10)])), "changed *a");
    assert_eq!(words(&over(vec![fires("a", -10), fires("b", 310)])), "begins *a");
    assert_eq!(words(&over(vec![fires("a", 310)])), "begins");
}

#[test]
fn an_end_that_nobody_gave_a_time_for_hides_no_later_beginning() {
    let endless = Alert {
        ends_at: None,
        ..ended("a", -10)
    };
    let said = told(vec![
        (0, vec![fires("a", -10)]),
        (300, vec![endless]),
        (310, vec![fires("a", -10)]),
        (320, vec![fires("a", 315)]),
    ]);
    assert_eq!(said, ["begins", "changed -a, over", "doubtful, over", "begins"]);
}

#[test]
fn what_is_gone_is_named_by_what_is_remembered() {
    let first = compare(None, group(vec![fires("a", -10), fires("b", -10)]), at(0));
    let then = compare(Some(&first.state), group(vec![fires("a", -10)]), at(300));
    let gone = &then.change.gone[0];
    assert_eq!(
        (gone.labels["alertname"].as_str(), gone.starts_at),
        ("b", Some(at(-10)))
    );
    assert_eq!(last(gone), "96.5");
}

#[test]
fn an_alert_knows_what_it_last_fired_with() {
    let first = compare(None, group(vec![fires("a", -10)]), at(0));
    let then = compare(Some(&first.state), group(vec![ended("a", -10)]), at(300));
    assert_eq!(last(&then.change.ended[0]), "96.5");
    assert_eq!(last(&then.notification.alerts[0]), "96.5");
    let again = compare(Some(&then.state), group(vec![ended("a", -10)]), at(400));
    assert_eq!(last(&again.notification.alerts[0]), "96.5");
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
    let said = told(
        (0..)
            .step_by(10)
            .zip(run)
            .map(|(second, status)| (second, vec![timeless(status)]))
            .collect(),
    );
    assert_eq!(
        said,
        ["begins", "nothing", "changed -a, over", "nothing, over", "begins"]
    );
}

#[test]
fn more_alerts_than_are_remembered_neither_grow_it_nor_ring_again() {
    let storm = |count: usize, start: i64| (0..count).map(|n| fires(&format!("{n:05}"), start)).collect::<Vec<_>>();
    let first = compare(None, group(storm(3 * state::MOST, -10)), at(0));
    assert_eq!(first.state.alerts.len(), state::MOST);
    let again = compare(Some(&first.state), group(storm(3 * state::MOST, -10)), at(300));
    assert_eq!(words(&again), "nothing");
    let mut more = storm(3 * state::MOST, -10);
    more.push(fires("new", 590));
    let then = compare(Some(&again.state), group(more), at(600));
    assert_eq!(words(&then), "changed +new");
    let over: Vec<_> = (0..3 * state::MOST).map(|n| ended(&format!("{n:05}"), -10)).collect();
    assert!(compare(Some(&then.state), group(over), at(900)).change.over);
}

#[test]
fn what_is_kept_of_an_alert_is_bounded_however_much_is_said_of_it() {
    let long = |n: usize, text: &str| format!("{n:03}{}", text.repeat(2_000));
    let mut huge = fires("a", -10);
    huge.fingerprint = Fingerprint(long(0, "f"));
    huge.annotations.insert("summary".to_owned(), long(0, "ü"));
    for n in 0..500 {
        huge.labels.insert(long(n, "l"), "v".to_owned());
        huge.labels.insert(format!("aa{n:03}"), long(n, "v"));
    }
    let values = (0..1_000).map(|n| (format!("V{n:03}"), 1.0));
    huge.values = Some(values.chain([(long(0, "V"), 2.0)]).collect());
    let first = compare(None, group(vec![huge.clone(), fires("b", -10)]), at(0));
    let size = serde_json::to_string(&first.state).unwrap().len();
    assert!(size < 2_500, "{size} bytes");
    // It is known again all the same, and named where it is gone.
    let again = compare(Some(&first.state), group(vec![huge.clone(), fires("b", -10)]), at(300));
    assert_eq!(words(&again), "nothing");
    let then = compare(Some(&again.state), group(vec![fires("b", -10)]), at(600));
    assert_eq!(then.change.gone[0].labels["alertname"], "a");
    assert!(then.change.gone[0].labels.len() > 2);
}

/// One alert at a time begins or ends; the sender posts what it knows, and then what it posted again.
#[derive(Debug, Clone)]
enum Step {
    Toggle(usize),
    Post,
    Again,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![4 => (0_usize..5).prop_map(Step::Toggle), 3 => Just(Step::Post), 1 => Just(Step::Again)]
}

proptest! {
    /// Whatever happens between two notifications, each beginning that lasts until one of them is told once, each end
    /// once, and what is known afterwards is what is the case.
    #[test]
    fn everything_is_told_once(steps in proptest::collection::vec(step(), 1..60)) {
        let mut known: Option<State> = None;
        let mut truth: BTreeMap<usize, i64> = BTreeMap::new();
        let mut told: BTreeMap<usize, i64> = BTreeMap::new();
        let mut ends: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
        let mut last = None;
        let mut now = 0;
        for step in steps {
            now += 100;
            match step {
                Step::Toggle(n) => if let Some(start) = truth.remove(&n) {
                    ends.insert(n, (start, now));
                } else {
                    truth.insert(n, now);
                    ends.remove(&n);
                },
                Step::Post => {
                    let name = |n: &usize| format!("{n}");
                    let mut alerts: Vec<Alert> = truth.iter().map(|(n, start)| fires(&name(n), *start)).collect();
                    alerts.extend(ends.iter().map(|(n, (start, end))| Alert {
                        ends_at: Some(at(*end)),
                        ..ended(&name(n), *start)
                    }));
                    if alerts.is_empty() {
                        continue;
                    }
                    let begins = known.as_ref().is_none_or(State::is_over);
                    let compared = compare(known.as_ref(), group(alerts.clone()), at(now));
                    let starting: Vec<usize> = truth.iter().filter(|(n, start)| told.get(n) != Some(start)).map(|(n, _)| *n).collect();
                    let named = |alerts: &[Alert]| -> Vec<usize> {
                        alerts.iter().map(|alert| alert.fingerprint.0.parse().unwrap()).collect()
                    };
                    if begins && compared.change.news == News::Begins {
                        prop_assert_eq!(compared.state.is_over(), truth.is_empty());
                    } else {
                        prop_assert_eq!(named(&compared.change.starting), starting);
                        let over: Vec<usize> = ends.keys().copied().collect();
                        prop_assert_eq!(named(&compared.change.ended), over);
                        prop_assert!(compared.change.gone.is_empty());
                    }
                    prop_assert_eq!(compared.state.is_over(), truth.is_empty());
                    (told, last) = (truth.clone(), Some(alerts));
                    ends.clear();
                    known = Some(compared.state);
                }
                Step::Again => if let Some(alerts) = &last {
                    let compared = compare(known.as_ref(), group(alerts.clone()), at(now));
                    prop_assert_eq!(compared.change.news, News::Nothing);
                    known = Some(compared.state);
                },
            }
        }
    }
}
