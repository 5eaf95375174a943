//! Any text at all as matchers, and any as a value: read or refused without a panic, printed as what it means, and the whole
//! value or nothing matches.
#![no_main]

use std::collections::BTreeMap;

use grafana_matrix_relay::route::matchers;
use libfuzzer_sys::{Corpus, fuzz_target};

// The text, a NUL, and the value that all of its labels have.
fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(input) = std::str::from_utf8(bytes) else {
        return Corpus::Reject;
    };
    let (text, value) = input.split_once('\0').unwrap_or((input, ""));
    let read = match matchers(text) {
        Ok(read) => read,
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
            return Corpus::Keep;
        }
    };
    let printed: Vec<String> = read.iter().map(ToString::to_string).collect();
    assert_eq!(matchers(&printed.join(",")).expect("what was printed"), read);
    let names = read.iter().map(|matcher| matcher.name().to_owned());
    let labels: BTreeMap<String, String> = names.map(|name| (name, value.to_owned())).collect();
    for matcher in &read {
        let _ = matcher.matches(&labels);
    }
    Corpus::Keep
});
