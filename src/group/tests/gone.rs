//! What is cut off, and what is not listed any more.

use super::*;

#[test]
fn what_is_cut_off_is_never_called_resolved() {
    let said = sentences_of(vec![
        (0, vec![fires("a", -10), fires("b", -10)], 0),
        (300, vec![fires("a", -10)], 1),
        (600, vec![ended("a", -10)], 1),
        (900, vec![ended("a", -10)], 3),
        (1200, vec![ended("a", -10), ended("b", -10)], 0),
        (1300, vec![ended("a", -10)], 4),
    ]);
    let expected = [
        "begins +a +b",
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
    let said = sentences(vec![
        (0, vec![fires("a", -10), fires("b", -10)]),
        (300, vec![fires("a", -10)]),
        (310, vec![fires("a", -10), fires("b", -10)]),
        (900, vec![ended("b", -10), fires("a", -10)]),
        (1200, vec![ended("c", -10)]),
    ]);
    let expected = [
        "begins +a +b",
        "changed ?b",
        "changed +b",
        "changed -b",
        "changed ?a, over but not recovered",
    ];
    assert_eq!(said, expected);
    let said = sentences(vec![
        (0, vec![fires("a", -10)]),
        (300, vec![lost("a", -10)]),
        (900, vec![fires("a", 890)]),
        (1200, vec![ended("a", 890)]),
    ]);
    let expected = [
        "begins +a",
        "changed -a, over but not recovered",
        "begins +a",
        "changed -a, over",
    ];
    assert_eq!(said, expected);
    // A share that has nothing any more.
    let share = compare(None, group(vec![fires("a", -10)]), at(0));
    let nothing = then(&share, Vec::new(), 1);
    assert_eq!(words(&nothing), "changed ?a, over but not recovered");
    assert_eq!(nothing.notification.alerts, nothing.change.gone);
}
