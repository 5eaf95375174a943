//! How values are read, and what is said of wrong ones.

use super::*;

const NAME: Name = Name("retry_horizon");

#[test]
fn durations_are_written_as_people_write_them() {
    let mut values = Values::default();
    let given = |text| Given {
        name: NAME,
        text: Some(text),
    };
    let mut read = |text| values.duration_or(given(text), Duration::from_secs(1)).as_secs();
    assert_eq!(
        [read("90s"), read("24h"), read("7d"), read("1h 30m"), read("")],
        [90, 86_400, 604_800, 5_400, 1]
    );
    values.duration(given("soon"));
    assert_eq!(values.duration(given("-5s")), Duration::from_hours(24));
    assert_eq!(values.problems.len(), 2);
    let named = "invalid --retry-horizon (RELAY_RETRY_HORIZON): ";
    assert!(values.problems[0].starts_with(named), "{:?}", values.problems);
}

#[test]
fn an_empty_secret_is_no_secret_and_two_sources_are_refused() {
    let mut values = Values::default();
    let (blank, one, two) = (" ".into(), "a".into(), "a\n\nb\n".into());
    let given = |value, file| Secret {
        name: Name("relay_token"),
        value,
        file,
    };
    assert!(values.secret(given(Some(&blank), Some(" "))).is_none());
    assert!(values.problems.is_empty());
    values.secret(given(Some(&one), Some("b")));
    values.secret(given(None, Some("/nonexistent/file")));
    assert_eq!(values.problems.len(), 2);
    assert!(values.secret(given(Some(&two), None)).is_none() && values.problems.len() == 3);
    assert_eq!(values.secrets(given(Some(&two), None)).len(), 2);
}
