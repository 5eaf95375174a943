//! The routes file: what it says is what is used, and what is wrong with it is said with its line.

use std::path::Path;
use std::time::Duration;

use grafana_matrix_relay::config::routes::{RouteProblem, Routes, RoutesSource, Watch, Watched};
use grafana_matrix_relay::intake::CredentialSettings;
use grafana_matrix_relay::message::{Mode, RouteName, TemplateName};
use secrecy::ExposeSecret;

pub(super) fn parse(source: &RoutesSource, text: &str) -> Result<Routes, Vec<String>> {
    let variable = |name: &str| (name.starts_with("SET")).then(|| format!("value-of-{name}"));
    source
        .parse(Path::new("routes.toml"), text, &variable)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn read(text: &str) -> Result<Routes, Vec<String>> {
    parse(&RoutesSource::default(), text)
}

fn name(text: &str) -> RouteName {
    text.parse().unwrap()
}

#[test]
fn the_example_can_be_used_and_shows_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("routes.example.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    std::fs::write(folder.path().join("secrets/storage_token"), "from-a-file\n").unwrap();
    let routes = RoutesSource::default()
        .parse(&folder.path().join("routes.toml"), &text, &|_| Some("x".to_owned()))
        .unwrap();
    assert_eq!(routes.warnings, []);
    assert_eq!(routes.table.rooms().len(), 8);
    assert_eq!(routes.table.expected().len(), 1);
    assert_eq!(
        routes.table.mentioned_rooms(|_| false).len(),
        5,
        "what the default route's rules take over"
    );
    let storage = &routes.credentials[&name("storage")];
    let tokens: Vec<_> = storage.bearer.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(tokens, ["x", "from-a-file"]);
    // An unknown key lists or suggests the known ones, so that misspelling each key finds those that the example lacks.
    for key in [
        "rooms",
        "template",
        "mode",
        "reminders",
        "language",
        "timezone",
        "mentions",
        "expect_every",
        "expect_from",
        "credentials",
        "rules",
        "matchers",
        "continue",
        "users",
        "room",
        "severity",
        "severity_label",
        "from",
        "from_annotation",
        "bearer",
        "basic",
        "user",
        "password",
        "signature",
        "secrets",
        "header",
        "timestamp_header",
        "tolerance",
        "file",
    ] {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let shown = lines.filter(|line| {
            let words: Vec<_> = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
            words.contains(&key)
        });
        assert!(shown.count() > 0, "{key} is not in the example");
    }
}

#[test]
fn rules_take_over_what_they_do_not_say() {
    let routes = read(
        r##"
        [routes.default]
        rooms = ["#a:x.org"]
        template = "detailed"
        mode = "thread"
        mentions.users = "@eve:x.org"

        [[routes.default.rules]]
        matchers = "severity=critical"
        rooms = "#b:x.org"

        [[routes.default.rules.rules]]
        mode = "new"
        template = "compact"
        mentions = []
        "##,
    )
    .unwrap();
    let route = &routes.table.routes()[&name("default")];
    let rule = &route.rules[0];
    assert_eq!(
        (route.place.as_str(), rule.place.as_str()),
        ("routes.toml:2", "routes.toml:8")
    );
    let (outer, inner) = (&rule.destinations[0], &rule.rules[0].destinations[0]);
    assert_eq!(outer.room.as_str(), "#b:x.org");
    assert_eq!((outer.template.as_str(), outer.policy.mode), ("detailed", Mode::Thread));
    assert!(!outer.policy.mentions.is_empty());
    assert_eq!(inner.room.as_str(), "#b:x.org");
    assert_eq!((inner.template.as_str(), inner.policy.mode), ("compact", Mode::New));
    assert!(inner.policy.mentions.is_empty());
}

#[test]
fn every_problem_is_said_at_once_with_its_line_and_the_nearest_key() {
    let problems = read(
        r#"[routes.default]
rooms = ["alerts"]
tmplate = "alert"
mode = "alive"
[routes.default.credentials]
bearer = "${UNSET_TOKEN}"
[[routes.default.rules]]
matcher = 'a=b'
[[routes.default.rules]]
matchers = ['a=b', 'severity=critical"']
reminders = "maybe"
[routes."with space"]
rooms = ["!r:x.org"]
[routes.mute]
mentions = { room = true, users = ["alice"], severity_label = "x" }
[route.typo]
"#,
    )
    .unwrap_err();
    let wanted = [
        (2, "`alerts` is neither a room ID"),
        (3, "did you mean `template`?"),
        (4, "invalid mode `alive` (expected live, thread or new)"),
        (6, "the variable UNSET_TOKEN is not set"),
        (8, "did you mean `matchers`?"),
        (10, "column 18: the closing `\"` is missing"),
        (11, "invalid `reminders`: neither on nor off"),
        (12, "invalid route name `with space`"),
        (14, "missing `rooms`"),
        (15, "invalid user ID `alice`"),
        (15, "`severity_label` has no effect"),
        (16, "did you mean `routes`?"),
    ];
    for (line, part) in wanted {
        let start = format!("routes.toml:{line}: ");
        assert!(
            problems
                .iter()
                .any(|problem| problem.starts_with(&start) && problem.contains(part)),
            "{line} {part}\n{problems:#?}"
        );
    }
    assert_eq!(problems.len(), wanted.len(), "{problems:#?}");
}

#[test]
fn no_problem_shows_a_secret() {
    let problems = read(
        r#"[routes.default]
rooms = "!r:x.org"
[routes.default.credentials]
bearer = ["${hunter2 and more}", "${SET_ONE}${UNSET}", 42, "", { file = "/nowhere" }]
basic = [{ user = "a:b", password = "hunter2${" }, { user = "c" }]
signature = { header = "not a header", tolerance = "soon" }
"#,
    )
    .unwrap_err();
    assert_eq!(problems.len(), 11, "{problems:#?}");
    let all = problems.join("\n");
    assert!(!all.contains("hunter2") && !all.contains("value-of"), "{all}");
    assert!(all.contains("UNSET is not set"), "{all}");
}

#[test]
fn something_that_is_no_toml_is_refused_with_the_line() {
    let problems = read("[routes.default]\nrooms = [\"!r:x.org\"\n\n[routes.b]\n").unwrap_err();
    assert!(problems[0].starts_with("routes.toml:"), "{problems:?}");
    assert!(read("").unwrap_err()[0].contains("missing route"));
    assert!(read(&"[".repeat(100_000)).is_err());
    assert!(read(&format!("a = {}", "[".repeat(100_000))).is_err());
}

#[test]
fn a_rule_that_nothing_reaches_is_a_warning() {
    let routes = read(
        r#"[routes.default]
rooms = "!r:x.org"
[[routes.default.rules]]
matchers = 'a=b'
[[routes.default.rules]]
matchers = ['c=d', 'a=b']
[[routes.default.rules]]
continue = true
[[routes.default.rules]]
[[routes.default.rules]]
matchers = 'e=f'
"#,
    )
    .unwrap();
    let lines: Vec<_> = routes.warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(lines, [Some(5), Some(10)], "{:#?}", routes.warnings);
}

#[test]
fn what_flags_say_of_the_default_route_beats_the_file() {
    let source = RoutesSource {
        file: None,
        room: Some("#flag:x.org".parse().unwrap()),
        template: Some("compact".parse().unwrap()),
        mode: Some(Mode::Thread),
        reminders: Some(true),
        credentials: CredentialSettings {
            bearer: vec!["flag-token".into()],
            ..CredentialSettings::default()
        },
        ..RoutesSource::default()
    };
    let text = r##"[routes.default]
rooms = ["#file:x.org"]
template = "detailed"
mode = "live"
credentials.bearer = "file-token"
[routes.other]
rooms = ["#other:x.org"]
[routes.own]
rooms = ["#own:x.org"]
template = "detailed"
mode = "new"
reminders = false
credentials.bearer = "own-token"
"##;
    let routes = parse(&source, text).unwrap();
    let seen = |route: &str| {
        let to = &routes.table.routes()[&name(route)].destinations[0];
        let token = routes.credentials[&name(route)].bearer[0].expose_secret().to_owned();
        (to.room.to_string(), to.template.to_string(), token)
    };
    let told = |route: &str| {
        let policy = &routes.table.routes()[&name(route)].destinations[0].policy;
        (policy.mode, policy.reminders)
    };
    assert_eq!(told("default"), (Mode::Thread, true));
    assert_eq!(told("other"), (Mode::Thread, true));
    assert_eq!(told("own"), (Mode::New, false));
    let texts = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(seen("default"), texts("#flag:x.org", "compact", "flag-token"));
    assert_eq!(seen("other"), texts("#other:x.org", "compact", "flag-token"));
    assert_eq!(seen("own"), texts("#own:x.org", "detailed", "own-token"));
    let lines: Vec<_> = routes.warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(lines, [Some(2), Some(3), Some(4), Some(5)]);

    let routes = parse(&source, "[routes.other]\nrooms = '#other:x.org'\n").unwrap();
    assert_eq!(routes.table.routes().len(), 2, "MATRIX_DEFAULT_ROOM is a default route");
    let routes = read("[routes.other]\nrooms = '#other:x.org'\n").unwrap();
    assert_eq!(routes.table.routes().len(), 1, "only what is named");
}

#[test]
fn credentials_are_read_with_their_defaults() {
    let routes = read(
        r#"[routes.default]
rooms = "!r:x.org"
[routes.default.credentials]
bearer = ["pre-${SET_A}-post", "$${literal}"]
basic = { user = "grafana", password = "${SET_B}" }
signature.secrets = "s3cr3t"
"#,
    )
    .unwrap();
    let read = &routes.credentials[&name("default")];
    let tokens: Vec<_> = read.bearer.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(tokens, ["pre-value-of-SET_A-post", "${literal}"]);
    assert_eq!(read.basic[0].password.expose_secret(), "value-of-SET_B");
    let signature = read.signature.as_ref().unwrap();
    assert_eq!(signature.header, "X-Grafana-Alerting-Signature");
    assert_eq!(
        (&signature.timestamp_header, signature.tolerance),
        (&None, Duration::from_secs(45))
    );
    assert!(!format!("{routes:?}").contains("value-of"));
}

#[test]
fn a_file_of_secrets_holds_one_on_each_line_and_a_password_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokens"), "new\r\n\n  old \n").unwrap();
    std::fs::write(folder.path().join("password"), "one\n").unwrap();
    let text = "[routes.default]\nrooms = '!r:x.org'\n[routes.default.credentials]\nbearer = { file = 'tokens' }\n\
                signature.secrets = ['key', { file = 'tokens' }]\nbasic = { user = 'u', password.file = 'password' }\n";
    let parse = |text: &str| RoutesSource::default().parse(&folder.path().join("routes.toml"), text, &|_| None);
    let routes = parse(text).unwrap();
    let read = &routes.credentials[&name("default")];
    let shown = |secrets: &[secrecy::SecretString]| -> Vec<String> {
        secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect()
    };
    assert_eq!(shown(&read.bearer), ["new", "old"]);
    assert_eq!(shown(&read.signature.as_ref().unwrap().secrets), ["key", "new", "old"]);
    assert_eq!(read.basic[0].password.expose_secret(), "one");

    let problems = parse(&text.replace("'password'", "'tokens'")).unwrap_err();
    assert_eq!(problems.len(), 1);
    let problem = problems[0].to_string();
    assert!(
        problem.contains(":6:") && problem.contains("several lines"),
        "{problem}"
    );
}

#[test]
fn a_template_that_is_not_there_is_named_with_its_line() {
    let routes = read("[routes.default]\nrooms = '!r:x.org'\ntemplate = 'compct'\n").unwrap();
    let known: Vec<TemplateName> = ["alert", "compact"].map(|name| name.parse().unwrap()).into();
    let problems: Vec<String> = routes
        .unknown_templates(&known)
        .iter()
        .map(RouteProblem::to_string)
        .collect();
    assert_eq!(
        problems,
        ["routes.toml:3: unknown template `compct`; did you mean `compact`?"]
    );
}

#[test]
fn a_secret_that_is_replaced_or_comes_later_is_a_change_of_the_routes() {
    let folder = tempfile::tempdir().unwrap();
    let (file, token) = (folder.path().join("routes.toml"), folder.path().join("token"));
    std::fs::write(
        &file,
        "[routes.default]\nrooms = '!r:x.org'\ncredentials.bearer.file = 'token'\n",
    )
    .unwrap();
    std::fs::write(&token, "first").unwrap();
    let source = RoutesSource {
        file: Some(file),
        ..RoutesSource::default()
    };
    let shown = |routes: &Routes| {
        routes.credentials[&name("default")].bearer[0]
            .expose_secret()
            .to_owned()
    };
    let routes = source.load().unwrap();
    assert_eq!(shown(&routes), "first");

    let mut watch = Watch::new(source, &routes);
    assert!(matches!(watch.look(), Watched::Unchanged));
    std::fs::write(&token, "second one").unwrap();
    assert!(matches!(watch.look(), Watched::Unchanged), "it may not be finished");
    let Watched::Changed(Ok(routes)) = watch.look() else {
        panic!("the new secret is not seen")
    };
    assert_eq!(shown(&routes), "second one");

    std::fs::remove_file(&token).unwrap();
    watch.look();
    assert!(matches!(watch.look(), Watched::Changed(Err(_))));
    assert!(matches!(watch.look(), Watched::Unchanged), "a problem is said once");
    std::fs::write(&token, "third").unwrap();
    watch.look();
    assert!(matches!(watch.look(), Watched::Changed(Ok(_))));
    assert!(
        matches!(watch.reload(), Watched::Changed(Ok(_))),
        "also unchanged, if asked"
    );
}

#[test]
fn what_is_expected_has_a_name_and_one_interval() {
    let expected = |text: &str| {
        let routes = read(text).unwrap();
        let all = routes.table.expected().into_iter();
        all.map(|(route, to)| format!("{route}: {}", to.policy.expected.as_ref().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        expected("[routes.watchdog]\nrooms = '#a:b.c'\nexpect_every = '5m'\n"),
        ["watchdog: a sign of life from watchdog expected every 5m"]
    );
    let rules = "[routes.r]\nrooms = '#a:b.c'\n[[routes.r.rules]]\nmatchers = 'a=\"b\"'\nexpect_every = '5m'\nexpect_from = 'A'\n\
                 [[routes.r.rules]]\nmatchers = 'a=\"c\"'\nexpect_every = '1h 30m'\nexpect_from = 'B'\n";
    assert_eq!(
        expected(rules),
        [
            "r: a sign of life from A expected every 5m",
            "r: a sign of life from B expected every 1h 30m"
        ]
    );
    for (text, line) in [
        (
            "expect_every = '5'",
            "routes.toml:3: invalid `expect_every`: `5` (expected 10s to 366d, such as \"5m\")",
        ),
        (
            "expect_every = '1s'",
            "routes.toml:3: invalid `expect_every`: `1s` (expected 10s to 366d, such as \"5m\")",
        ),
        (
            "expect_from = ' '",
            "routes.toml:3: invalid `expect_from`: no name (expected for example \"Prometheus\")",
        ),
    ] {
        let problems = read(&format!("[routes.r]\nrooms = '#a:b.c'\n{text}\n")).unwrap_err();
        assert_eq!(problems, [line]);
    }
    let problems = read(&rules.replace("'B'", "'A'")).unwrap_err();
    assert!(
        problems[0].contains("`A` is expected in different intervals"),
        "{problems:?}"
    );
}
