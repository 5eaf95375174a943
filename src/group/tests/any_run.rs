//! What holds for any run of notifications.

use proptest::prelude::*;

use super::*;

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
    /// Whatever happens between two notifications, each beginning that lasts until a notification is said once, each end
    /// once, and what is known afterwards is what is the case.
    #[test]
    fn everything_is_said_once(steps in proptest::collection::vec(step(), 1..60)) {
        let mut known: Option<State> = None;
        let mut truth: BTreeMap<usize, i64> = BTreeMap::new();
        let mut seen: BTreeMap<usize, i64> = BTreeMap::new();
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
                    let compared = compare(known.take(), group(alerts.clone()), at(now));
                    let starting: Vec<usize> = truth.iter().filter(|(n, start)| seen.get(n) != Some(start)).map(|(n, _)| *n).collect();
                    let named = |alerts: &[Alert]| -> Vec<usize> {
                        alerts.iter().map(|alert| alert.fingerprint.0.parse().unwrap()).collect()
                    };
                    prop_assert_eq!(named(&compared.change.starting), starting);
                    let over: Vec<usize> = ends.keys().filter(|n| seen.contains_key(n)).copied().collect();
                    prop_assert_eq!(named(&compared.change.ended), over);
                    prop_assert!(compared.change.gone.is_empty());
                    prop_assert_eq!(compared.state.is_over(), truth.is_empty());
                    (seen, last) = (truth.clone(), Some(alerts));
                    ends.clear();
                    known = Some(compared.state);
                }
                Step::Again => if let Some(alerts) = &last {
                    let compared = compare(known.take(), group(alerts.clone()), at(now));
                    prop_assert_eq!(compared.change.news, News::Nothing);
                    known = Some(compared.state);
                },
            }
        }
    }
}
