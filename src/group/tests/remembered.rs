//! What is remembered of alerts: as much as is needed, and no more.

use super::*;

#[test]
fn what_is_gone_is_named_by_what_is_remembered() {
    let first = compare(None, group(vec![fires("a", -10), fires("b", -10)]), at(0));
    let then = then(&first, vec![fires("a", -10)], 300);
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
    let over = then(&first, vec![ended("a", -10)], 300);
    assert_eq!(last(&over.change.ended[0]), "96.5");
    assert_eq!(last(&over.notification.alerts[0]), "96.5");
    let again = then(&over, vec![ended("a", -10)], 400);
    assert_eq!(last(&again.notification.alerts[0]), "96.5");
}

#[test]
fn only_what_is_known_otherwise_than_before_has_to_be_written() {
    let changed = |compared: &Compared| {
        let changed = compared.state.changed();
        changed
            .map(|(name, known, is_new)| (name.clone(), known.firing, is_new))
            .collect::<Vec<_>>()
    };
    let (a, b) = ("a".to_owned(), "b".to_owned());
    let first = compare(None, group(vec![fires("a", -10), fires("b", -10)]), at(0));
    assert_eq!(changed(&first), [(a.clone(), true, true), (b.clone(), true, true)]);
    let again = then(&first, vec![fires("a", -10), fires("b", -10)], 300);
    assert_eq!(changed(&again), []);
    let over = then(&again, vec![ended("a", -10)], 600);
    assert_eq!(changed(&over), [(a, false, false), (b, false, false)]);
}

#[test]
fn more_alerts_than_are_remembered_neither_grow_it_nor_ring_again() {
    let storm = |count: usize, start: i64| (0..count).map(|n| fires(&format!("{n:05}"), start)).collect::<Vec<_>>();
    let first = compare(None, group(storm(3 * state::MOST, -10)), at(0));
    assert_eq!(first.state.alerts.len(), state::MOST);
    let again = then(&first, storm(3 * state::MOST, -10), 300);
    assert_eq!(words(&again), "nothing");
    let mut more = storm(3 * state::MOST, -10);
    more.push(fires("new", 590));
    let new = then(&again, more, 600);
    assert_eq!(words(&new), "changed +new");
    let over: Vec<_> = (0..3 * state::MOST).map(|n| ended(&format!("{n:05}"), -10)).collect();
    assert!(then(&new, over, 900).change.over);
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
    for (name, known) in &first.state.alerts {
        let size = name.len() + serde_json::to_string(known).unwrap().len();
        assert!(size < 2_500, "{size} bytes");
    }
    // It is known again all the same, and named where it is gone.
    let again = then(&first, vec![huge, fires("b", -10)], 300);
    assert_eq!(words(&again), "nothing");
    let gone = then(&again, vec![fires("b", -10)], 600);
    assert_eq!(gone.change.gone[0].labels["alertname"], "a");
    assert!(gone.change.gone[0].labels.len() > 2);
}
