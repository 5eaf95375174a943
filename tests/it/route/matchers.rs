//! Matchers mean what Alertmanager's documentation says that they mean (its UTF-8 mode), and any text at all is read or
//! refused.

use std::collections::BTreeMap;

use grafana_matrix_relay::route::{LONGEST_VALUE, Matcher, Operator, matchers};
use proptest::prelude::*;
use proptest::string::string_regex;

/// The matchers of a text as they are printed, or why there are none.
fn printed(text: &str) -> Result<Vec<String>, String> {
    matchers(text)
        .map(|read| read.iter().map(ToString::to_string).collect())
        .map_err(|error| error.to_string())
}

fn matches(text: &str, labels: &[(&str, &str)]) -> bool {
    let labels: BTreeMap<_, _> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    matchers(text).unwrap().iter().all(|matcher| matcher.matches(&labels))
}

#[test]
fn what_the_documentation_shows_is_read() {
    for (text, wanted) in [
        // The operators, and values with and without quotes.
        ("foo=bar", &[r#"foo="bar""#][..]),
        ("foo = bar", &[r#"foo="bar""#]),
        ("dings != bums", &[r#"dings!="bums""#]),
        (
            r#"severity =~ "warning|critical""#,
            &[r#"severity=~"warning|critical""#],
        ),
        (r#"alertname!~"Watch.*""#, &[r#"alertname!~"Watch.*""#]),
        (r#""foo"="bar""#, &[r#"foo="bar""#]),
        // Bare words may hold everything but the reserved characters.
        ("foo=~[a-zA-Z]+", &[r#"foo=~"[a-zA-Z]+""#]),
        ("Προμηθεύς=🙂", &[r#"Προμηθεύς="🙂""#]),
        ("a.b/c-d=(x|y)", &[r#"a.b/c-d="(x|y)""#]),
        // Anything may stand in quotes.
        (r#""foo!"="bar,baz""#, &[r#""foo!"="bar,baz""#]),
        (r#"x="\"baz qux\"""#, &[r#"x="\"baz qux\"""#]),
        (r#"x="\xf0\x9f\x99\x82""#, &[r#"x="🙂""#]),
        (r#"x="\U0001f642\u00e9\101""#, &[r#"x="🙂éA""#]),
        (r#"x=~"\\d+""#, &[r#"x=~"\\d+""#]),
        (r#"x="bar\\""#, &[r#"x="bar\\""#]),
        (r#"x="a\tb\n""#, &[r#"x="a\tb\n""#]),
        // Several, with and without braces, and one comma at the end.
        (
            r#"{alertname="Watchdog", severity=~"warning|critical"}"#,
            &[r#"alertname="Watchdog""#, r#"severity=~"warning|critical""#],
        ),
        (r#"a="1",b!="2","#, &[r#"a="1""#, r#"b!="2""#]),
        ("{a=1,}", &[r#"a="1""#]),
        ("{\n   a = \"1\",\n\tb =~ \"2\",\n}\n", &[r#"a="1""#, r#"b=~"2""#]),
        (
            r#"{quote=~"She said: \"Hi, all!( How're you…)?\""}"#,
            &[r#"quote=~"She said: \"Hi, all!( How're you…)?\"""#],
        ),
        ("", &[]),
        ("{}", &[]),
        (r#"foo="""#, &[r#"foo="""#]),
    ] {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        assert_eq!(printed(text), Ok(wanted), "{text}");
    }
}

#[test]
fn what_the_documentation_forbids_is_refused_at_its_column() {
    for (text, column, part) in [
        (
            r#"{alertname="Watchdog", severity=~"warning|critical""#,
            52,
            "`}` is missing",
        ),
        (r#"alertname="Watchdog", severity="x"}"#, 35, "no opening `{`"),
        (r#"{{a="1",}}"#, 2, "the name of a label"),
        (r#"{a="1"}}"#, 8, "nothing may follow"),
        ("{a=1} b=2", 7, "nothing may follow"),
        (",", 1, "the name of a label"),
        ("{,}", 2, "the name of a label"),
        ("{", 2, "`}` is missing"),
        ("}", 1, "no opening `{`"),
        ("a=1,,b=2", 5, "the name of a label"),
        ("foo!", 4, "followed by `=` or `~`"),
        ("foo", 4, "after the label's name"),
        ("=bar", 1, "the name of a label"),
        (r#"""="x""#, 1, "a label has a name"),
        // What only the classic notation allows; the error says what to write.
        ("foo=", 5, r#"an empty one is written `foo=""`"#),
        ("foo=~", 6, r#"`foo=~""`"#),
        ("foo=bar baz", 9, "quotes around a value"),
        (r#"{foo=:"bar"}"#, 7, "quotes around a value"),
        (r"{foo=bar\n}", 9, "only inside quotes"),
        (r#"x=~"\d+""#, 5, r"written twice: `\\`"),
        (r#"foo="bar\w""#, 9, "escape is unknown"),
        ("foo='bar'", 5, "double quotes"),
        ("foo=`bar`", 5, "double quotes"),
        ("grün=\"a", 6, "closing `\"` is missing"),
        ("foo=\"a\nb\"", 7, "line break"),
        (r#"foo="\xf0\x9f""#, 5, "not UTF-8"),
        (r#"foo="\ud800""#, 6, "escape is unknown"),
        (r#"foo="\400""#, 6, "escape is unknown"),
        (r#"foo=~"(a""#, 6, "unclosed group"),
        (r#"foo=~"a)|(b""#, 6, "unopened group"),
        (r#"foo=~"a{1000}{1000}""#, 6, "too large"),
    ] {
        let error = printed(text).unwrap_err();
        assert!(
            error.starts_with(&format!("column {column}: ")) && error.contains(part),
            "{text}: {error}"
        );
    }
}

#[test]
fn labels_are_compared_as_alertmanager_does() {
    let db = [("team", "db"), ("severity", "critical"), ("k8s.io/name", "x")];
    for (text, wanted) in [
        ("team=db", true),
        ("team=d", false),
        ("team=DB", false),
        ("team!=db", false),
        ("team!=infra", true),
        // A missing label is an empty one.
        (r#"missing="""#, true),
        (r#"missing!="""#, false),
        ("missing!=x", true),
        (r#"missing=~".*""#, true),
        (r#"missing=~".+""#, false),
        (r#"missing!~".+""#, true),
        (r#"team!="""#, true),
        // An expression has to match all of the value.
        ("team=~d", false),
        ("team=~d.", true),
        ("team=~b", false),
        (r#"team=~"db|infra""#, true),
        (r#"team=~"d|b""#, false),
        (r#"team=~"d|db""#, true),
        (r#"team!~"db|infra""#, false),
        (r#"team=~"(?i)DB""#, true),
        (r#"team=~"^db$""#, true),
        (r#""k8s.io/name"=x"#, true),
        (r#"{team="db", severity="critical"}"#, true),
        (r#"{team="db", severity="warning"}"#, false),
        ("{}", true),
    ] {
        assert_eq!(matches(text, &db), wanted, "{text}");
    }
}

#[test]
fn classes_of_characters_are_those_of_re2() {
    for (pattern, value, wanted) in [
        (r"\\d+", "42", true),
        (r"\\d+", "٤٢", false),
        (r"\\w+", "disk_1", true),
        (r"\\w+", "größe", false),
        (r"\\W+", "ö", true),
        (r"a\\sb", "a b", true),
        (r"a\\sb", "a\u{a0}b", false),
        (r"[\\w.-]+", "db-1.example", true),
        (r"[^\\d]+", "٤", true),
        (r"a.b", "a\nb", false),
        (r"a(?s:.)b", "a\nb", true),
        ("größe", "größe", true),
    ] {
        let text = format!("x=~\"{pattern}\"");
        assert_eq!(matches(&text, &[("x", value)]), wanted, "{text} {value}");
    }
}

#[test]
fn what_re2_reads_otherwise_is_refused_with_what_to_write() {
    for (pattern, part) in [
        ("[R&&D]+", r"write `\&`"),
        ("[a-z--c]", r"write `\-`"),
        ("[a~~b]", r"write `\~`"),
        ("[a[bc]]", r"`[bc]` inside a class"),
        ("[[a]]", r"`[a]` inside a class"),
        ("[a[:foo:]]", "inside a class"),
        ("(?x) a b ", "the flag `x`"),
        ("(?x: a b )", "the flag `x`"),
        ("(?-u:a)", "the flag `u`"),
        ("(?i-R)a", "the flag `R`"),
        (r"\\<db\\>", r"write `<` and `>`"),
        (r"\\b{start}db", r"does not know `\b{start}`"),
        ("a{ 2 }", "`{ 2 }` is plain text"),
        ("a{2, 3}", "`{2, 3}` is plain text"),
        ("a{02}", "`{02}` is plain text"),
        ("(b|a{1,01})", "`{1,01}` is plain text"),
    ] {
        let error = printed(&format!("x=~\"{pattern}\"")).unwrap_err();
        assert!(error.contains(part), "{pattern}: {error}");
    }
    // All of this means the same to both.
    for (pattern, value, wanted) in [
        (r"[R\\&D]+", "R&D", true),
        ("[R&D]+", "R&D", true),
        ("[a-c-]+", "a-c", true),
        ("[]a]+", "]a", true),
        ("[[:digit:]]+", "42", true),
        (r"[a\\[b\\]]+", "[ab]", true),
        (r"\\bdb\\b.*", "db größe", true),
        (r"gr\\b.*", "größe", true),
        (r"gr\\B.*", "größe", false),
        (r"d\\Bb", "db", true),
        ("a{0,2}b{2}c{1,}?", "aabbcc", true),
        ("(?i:DB)|(?s)a.b|(?U)x+", "db", true),
        (r"a\\{ 2 \\}", "a{ 2 }", true),
    ] {
        let text = format!("x=~\"{pattern}\"");
        assert_eq!(matches(&text, &[("x", value)]), wanted, "{text} {value}");
    }
}

#[test]
fn no_value_makes_an_expression_slow() {
    let long = "a".repeat(LONGEST_VALUE + 1);
    let just = &long[1..];
    assert!(matches(r#"x=~"a+""#, &[("x", just)]));
    assert!(!matches(r#"x=~"a+""#, &[("x", &long)]), "it is not looked at");
    assert!(matches(r#"x!~"a+""#, &[("x", &long)]));
    // Exponential for engines that backtrack.
    assert!(!matches(r#"x=~"(a*)*(a|aa)+b""#, &[("x", just)]));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![string_regex("[a-z_]{1,8}").unwrap(), "\\PC{1,8}", any::<String>()]
        .prop_filter("a label has a name", |name| !name.is_empty())
}

fn operator() -> impl Strategy<Value = Operator> {
    proptest::sample::select(vec![
        Operator::Equal,
        Operator::NotEqual,
        Operator::Matches,
        Operator::NotMatches,
    ])
}

/// Expressions of every shape that the properties are about.
fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-c]{0,3}",
        Just("[ab]".to_owned()),
        Just("a*".to_owned()),
        Just(".".to_owned()),
        Just(r"\w".to_owned()),
        Just(String::new()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}|{b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}{b}")),
            inner.prop_map(|a| format!("({a})?")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(parts in proptest::collection::vec((name(), operator(), any::<String>()), 0..4), braces: bool) {
        let made: Vec<Matcher> = parts
            .into_iter()
            .filter_map(|(name, operator, value)| Matcher::new(name, operator, value).ok())
            .collect();
        let texts: Vec<String> = made.iter().map(ToString::to_string).collect();
        let text = if braces { format!("{{{}}}", texts.join(" , ")) } else { texts.join(",") };
        prop_assert_eq!(matchers(&text), Ok(made));
    }

    #[test]
    fn any_text_is_read_or_refused_inside_it(text in prop_oneof![any::<String>(), "[{}a=~!,\"\\\\x0-9 ]{0,24}"]) {
        match matchers(&text) {
            Ok(read) => {
                let again: Vec<String> = read.iter().map(ToString::to_string).collect();
                prop_assert_eq!(matchers(&again.join(",")), Ok(read));
            }
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error),
        }
    }

    #[test]
    fn an_expression_matches_the_whole_value_or_nothing(pattern in pattern(), value in "[a-c]{0,6}") {
        let labels = BTreeMap::from([("x".to_owned(), value.clone())]);
        let holds = |operator| Matcher::new("x", operator, pattern.clone()).unwrap().matches(&labels);
        // Told in another way than by anchors: one of all matches that begin at the start ends at the end.
        let whole = regex::Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap().is_match(&value);
        prop_assert_eq!(holds(Operator::Matches), whole);
        prop_assert_eq!(holds(Operator::NotMatches), !whole);
        let longer = BTreeMap::from([("x".to_owned(), format!("{value}!"))]);
        let anything = pattern.contains('.');
        prop_assert!(anything || !Matcher::new("x", Operator::Matches, pattern).unwrap().matches(&longer));
    }

    #[test]
    fn the_operators_are_each_others_negation(value in any::<String>(), found in any::<Option<String>>()) {
        let labels: BTreeMap<_, _> = found.map(|found| ("x".to_owned(), found)).into_iter().collect();
        let holds = |operator| Matcher::new("x", operator, value.clone()).map(|matcher| matcher.matches(&labels));
        prop_assert_ne!(holds(Operator::Equal), holds(Operator::NotEqual));
        if let (Ok(yes), Ok(no)) = (holds(Operator::Matches), holds(Operator::NotMatches)) {
            prop_assert_ne!(yes, no);
        }
    }
}
