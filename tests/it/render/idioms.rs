//! What people write who know Jinja2, Ansible or Go's templates: it works, or says what to write instead.

use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{Draft, Level, Preview, Renderer};
use grafana_matrix_relay::{alert, samples};

use super::{body, body_of, built_in, folder, now, render};

/// An alert with labels only: no values, no annotations, no start.
const BARE: &str = r#"{"status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "A"}}]}"#;

/// What a template makes of an alert that has nothing.
fn of_bare(text: &str) -> String {
    let (_dir, renderer) = folder(&[("t.md.j2", text)]);
    let seen = render(&renderer, "t", BARE);
    assert_eq!(seen.problem, None, "{text}");
    seen.messages[0].body.clone()
}

/// What expressions give, each with what it is expected to give; in one template, since each takes a process.
fn each(cases: &[(&str, &str)], body: &str) {
    let lines = cases.iter().enumerate();
    let lines = lines.map(|(at, (code, _))| format!("{at}: {{{{ {code} }}}}.\n"));
    let text = lines.collect::<Vec<_>>().concat();
    let (_dir, renderer) = folder(&[("t.md.j2", &text)]);
    let seen = render(&renderer, "t", body);
    assert_eq!(
        seen.problem
            .map(|one| format!("{one} in {}", text.lines().nth(one.line.unwrap() - 1).unwrap())),
        None
    );
    let found: Vec<&str> = seen.messages[0].body.lines().collect();
    let wanted: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(at, (_, gives))| format!("{at}: {gives}."))
        .collect();
    for (at, wanted) in wanted.iter().enumerate() {
        assert_eq!(found[at], wanted, "{}", cases[at].0);
    }
}

/// What is said of a draft for a notification.
pub(super) fn of_draft(renderer: &Renderer, text: &str, body: &str) -> Preview {
    let notification = alert::parse::notification(body.as_bytes()).unwrap();
    let draft = Draft {
        file: "t.md.j2",
        source: text,
    };
    renderer
        .with_drafts(&[draft])
        .preview(&"t".parse::<TemplateName>().unwrap(), &notification, now())
}

fn preview(text: &str, body: &str) -> Preview {
    of_draft(&built_in(), text, body)
}

/// The errors of drafts, all of each: `line: message`.
fn said(texts: &[&str]) -> Vec<Vec<String>> {
    let renderer = built_in();
    let errors = |text: &&str| {
        let seen = of_draft(&renderer, text, &body_of("firing"));
        let errors = seen.diagnostics.into_iter().filter(|one| one.level == Level::Error);
        errors
            .map(|one| format!("{}: {}", one.problem.line.unwrap_or_default(), one.problem.message))
            .collect()
    };
    texts.iter().map(errors).collect()
}

#[test]
fn a_missing_value_is_neither_large_nor_small() {
    let hot = "{% if alerts[0].values.A > 90 %}hot{% else %}cool{% endif %}";
    let low = "{% if alerts[0].values.A < 90 %}low{% else %}not low{% endif %}";
    assert_eq!(of_bare(&format!("{hot} {low}")), "cool not low");
    assert_eq!(
        of_bare("{{ alerts[0].values.A >= 0 }} {{ alerts[0].values.A <= 0 }}"),
        "false false"
    );
    assert_eq!(
        of_bare("{{ 1 < alerts[0].values.A < 9 }} {{ alerts[0].values.A == 0 }}"),
        "false false"
    );
    assert_eq!(
        of_bare("{{ not alerts[0].values.A > 5 }} {{ alerts[0].labels.team in \"a,b\" }}"),
        "true false"
    );
    assert_eq!(
        of_bare(
            "{{ [3, \"\", 5] | max }} {{ [3, \"\", 5] | min }} {{ [3, \"\"] | sum }} {{ [3, \"\", 1] | sort | join(\"|\") }}"
        ),
        "5 3 3 1|3|"
    );
    assert_eq!(
        of_bare("{{ alerts | map(attribute=\"values.A\") | select(\"gt\", 1) | list | length }}"),
        "0"
    );
    assert_eq!(
        of_bare("{{ alerts | selectattr(\"values.A\", \"lt\", 1) | list | length }}"),
        "0"
    );
}

#[test]
fn nothing_stays_nothing_in_every_calculation() {
    let codes = [
        "alerts[0].values.A | round(2)",
        "alerts[0].values.A + 1",
        "1 - alerts[0].values.A",
        "alerts[0].values.A * 100",
        "alerts[0].values.A / 1024",
        "alerts[0].values.A // 2",
        "7 % alerts[0].values.A",
        "2 ** alerts[0].values.A",
        "-alerts[0].values.A",
        "(alerts[0].values.A - 1) * 2 | round",
        "alerts[0].values.A | abs",
        "alerts[0].values.A | int",
        "alerts[0].values.A | float",
        "alerts[0].values.A | number(\"bytes\")",
        "alerts[0].values.A | filesizeformat",
        "alerts[0].values.A | humanize",
        "\"%.2f\" | format(alerts[0].values.A)",
        "\"{:.1f}\".format(alerts[0].values.A)",
        "now - alerts[0].startsAt",
        "[] | max",
    ];
    let cases: Vec<(&str, &str)> = codes.into_iter().map(|code| (code, "")).collect();
    each(&cases, BARE);
    assert_eq!(
        of_bare("{{ alerts[0].values.A | default(0) + 1 }} {{ alerts[0].values.A | int(7) }}"),
        "1 7"
    );
    assert_eq!(
        of_bare("{{ \"a\" + alerts[0].labels.team }}{{ alerts[0].labels.team ~ \"b\" }}"),
        "ab"
    );
}

#[test]
fn operators_are_those_of_jinja_where_nothing_is_missing() {
    let cases = [
        ("1 + 2 * 3 - 4 / 2", "5"),
        ("(1 + 2) * 3", "9"),
        ("7 // 2 ~ \"|\" ~ 7 % 4 ~ \"|\" ~ 2 ** 3", "3|3|8"),
        ("-3 + 5", "2"),
        ("- alerts[0].values.A | round | int", "-2"),
        ("\"a\" + \"b\"", "ab"),
        ("([1] + [2, 3]) | join(\"-\")", "1-2-3"),
        ("\"=\" * 3", "==="),
        ("1 < 2 < 3", "true"),
        ("3 > 2 > 2", "false"),
        ("\"b\" > \"a\" and not 1 > 2", "true"),
        ("alerts[0].values.A > \"2\" and \"10\" > alerts[0].values.A", "true"),
        ("\"90\" | float - 0.5", "89.5"),
        (
            "\"service\" in alerts[0].labels and \"team\" not in alerts[0].labels",
            "true",
        ),
        ("3 in [1, 2, 3] and \"b\" in \"abc\"", "true"),
        ("alerts[0].startsAt < now and now > alerts[0].startsAt", "true"),
        ("now - alerts[0].startsAt", "730"),
        ("(now - 3600) | time", "08:14 UTC"),
        ("now() | time", "09:14 UTC"),
        ("alerts[0].startsAt > \"2026-11-20T00:00:00Z\"", "true"),
        ("{\"a\": 1 + 1}.a", "2"),
        ("[1, 2, 3][1 + 1:] | first", "3"),
        ("\"yes\" if 2 > 1 else \"no\"", "yes"),
        ("(\"*a*\" | safe) + \"*\"", "a*"),
        ("5 is gt 3 and 5 is not lt(3)", "true"),
    ];
    each(&cases, &body_of("firing"));
    let sets = "{% set n = 1 + 1 %}{% set a, b = 1 + 2, 3 * 2 %}{% with c = n * 10 %}{{ n }} {{ a }} {{ b }} {{ c }}{% endwith %}";
    assert_eq!(body(sets, "firing"), "2 3 6 20");
    let loops = "{% for i in range(2 + 2) if i % 2 == 0 and i >= 0 %}{{ i }}{% endfor %}";
    assert_eq!(body(loops, "firing"), "02");
    let macros =
        "{%- macro twice(x) -%}{{ x * 2 }}{%- endmacro -%}{{ twice(4) }}{% raw %}{{ 1 < }}{% endraw %}{# 1 > #}";
    assert_eq!(body(macros, "firing"), "8{{ 1 < }}");
}

#[test]
fn what_cannot_be_compared_or_calculated_is_named() {
    let cases = [
        (
            "alerts[0].labels.service > 5",
            "cannot compare a text that is no number with a number",
        ),
        (
            "alerts[0].labels.service - 5",
            "cannot calculate a text that is no number - a number",
        ),
        ("alerts[0].labels.service + 5", "`~` joins texts"),
        ("now + now", "expected time - time"),
        ("now > 5", "cannot compare a time with a number"),
        ("1 / 0", "divides by zero"),
        ("alerts[0].labels.service | round", "is not a number"),
    ];
    let texts = cases.map(|(code, _)| format!("a\n{{{{ {code} }}}}"));
    let found = said(&texts.each_ref().map(String::as_str));
    for ((code, hint), found) in cases.iter().zip(found) {
        assert!(
            found.len() == 1 && found[0].starts_with("2: ") && found[0].contains(hint),
            "{code}: {found:?}"
        );
    }
}

#[test]
fn check_says_where_a_missing_value_was_compared() {
    let text = "a\n{% if alerts[0].values.A > 90 %}hot{% endif %}\n{% if alerts[0].values.A and alerts[0].values.A > 1 %}x{% endif %}";
    let seen = preview(text, BARE);
    let notes: Vec<_> = seen
        .diagnostics
        .iter()
        .map(|one| (one.level, one.problem.line))
        .collect();
    assert_eq!(notes, [(Level::Warning, Some(2))]);
    assert!(seen.diagnostics[0].problem.message.contains("missing value"));
    assert_eq!(preview(text, &body_of("firing")).diagnostics, []);
}

#[test]
fn generic_filters_see_labels_as_maps() {
    let labels = r#"{"alertname": "CheckoutSlow", "cluster": "eu-west", "grafana_folder": "Shop", "service": "checkout", "severity": "critical"}"#;
    assert_eq!(body("{{ alerts[0].labels | tojson }}", "firing"), labels);
    assert_eq!(
        body("{{ alerts[0].values | tojson }}", "firing"),
        r#"{"A": 2.4137, "B": 2.4137, "C": 1.0}"#
    );
    let whole = body("{{ alerts[0] | tojson }}", "firing");
    assert!(whole.contains(&format!(r#""labels": {labels}"#)), "{whole}");
    let cases = [
        ("alerts[0].labels | length", "5"),
        ("alerts[0].labels | list | first", "alertname"),
        ("alerts[0].labels is mapping", "true"),
        ("alerts[0].labels.get(\"service\")", "checkout"),
        ("alerts[0].labels.keys() | list | length", "5"),
        ("(alerts[0].labels.items() | list)[3] | join(\"=\")", "service=checkout"),
        ("dict(alerts[0].labels, team=\"shop\").team", "shop"),
        ("(alerts[0].labels | combine({\"team\": \"shop\"})).team", "shop"),
        ("alerts[0].labels == commonLabels", "true"),
        (
            "alerts[0].labels",
            "alertname=CheckoutSlow, cluster=eu-west, grafana_folder=Shop, service=checkout, severity=critical",
        ),
    ];
    each(&cases, &body_of("firing"));
}

#[test]
fn what_everybody_writes_first_works() {
    let cases = [
        ("91.0 | number(\"percent\", 2)", "91.00 %"),
        ("91.456 | number(1)", "91.5"),
        ("91 | number(decimals=2)", "91.00"),
        ("5 | number(\"reqps\")", "5 req/s"),
        ("5 | number(\"apples\")", "5 apples"),
        ("\"%.2f\" | format(alerts[0].values.A)", "2.41"),
        ("\"%.1f\" | format(\"2.44\")", "2.4"),
        ("\"\" | default(\"x\", true)", "x"),
        ("0 | default(\"x\", true)", "x"),
        ("0 | default(\"x\")", "0"),
        ("\"abcdefghij klm\" | truncate(8, true, \"…\")", "abcdefg…"),
        ("\"abcd efghij klm\" | truncate(8, false, \"...\")", "abcd..."),
        ("\"web-1:9100\" | regex_replace(\":\\\\d+$\", \"\")", "web-1"),
        (
            "\"web-12\" | regex_replace(\"(\\\\w+)-(\\\\d+)\", \"\\\\2 \\\\1\")",
            "12 web",
        ),
        ("\"web-12\" | regex_search(\"\\\\d+\")", "12"),
        (
            "\"web-12\" | regex_search(\"(\\\\w+)-(\\\\d+)\", \"\\\\1\") | first",
            "web",
        ),
        ("\"a1b22\" | regex_findall(\"\\\\d+\") | join(\",\")", "1,22"),
        (
            "\"web-12\" is match(\"web\") and \"web-12\" is not match(\"12\") and \"web-12\" is search(\"12\")",
            "true",
        ),
        ("alerts[0].startsAt | strftime(\"%H:%M\")", "09:02"),
        ("alerts[0].startsAt.strftime(\"%H:%M\")", "09:02"),
        ("\"%H:%M\" | strftime(0)", "00:00"),
        ("(alerts[0].status == \"firing\") | ternary(\"on\", \"off\")", "on"),
        (
            "\"one two three\" | wordwrap(8) | replace(\"\\n\", \"/\")",
            "one two/three",
        ),
        ("1234567 | filesizeformat", "1.2 MB"),
        ("1234567 | humanize", "1.235M"),
        ("0.00123 | humanize", "1.23m"),
        ("1048576 | humanize1024", "1Mi"),
        ("0.1234 | humanizePercentage", "12.34%"),
        ("3725 | humanizeDuration", "1h 2m 5s"),
        ("\"a\" | toUpper", "A"),
        ("\"web-1.example.org:9100\" | stripPort", "web-1.example.org"),
        ("\"web-1.example.org:9100\" | stripDomain", "web-1:9100"),
        ("\"a-b\" | reReplaceAll(\"(\\\\w)-(\\\\w)\", \"$2$1\")", "ba"),
        ("alert.labels.service", "checkout"),
    ];
    each(&cases, &body_of("firing"));
    let groups = "{% for severity, alerts in alerts | by_severity %}{{ severity }}:{{ alerts | length }} {% endfor %}\
                  {% for group in alerts | by_severity %}{{ group.emoji }}{{ group.count }}{% endfor %}";
    let seen = body(groups, "mixed");
    assert!(seen.starts_with("critical:"), "{seen}");
    assert!(body("{{ (alerts | sort_severity | first).severity }}", "mixed") == "critical");
}

#[test]
fn the_one_alert_is_there_by_its_name_and_nothing_else_is() {
    assert_eq!(body("{% if alert %}{{ alert.name }}{% endif %}.", "mixed"), ".");
    let seen = preview("{{ alert.name }}", &body_of("mixed"));
    let message = &seen.diagnostics.last().unwrap().problem.message;
    assert!(message.contains("{% for alert in alerts %}"), "{message}");
    assert_eq!(
        body("{% for alert in alerts %}{{ alert.name }}{% endfor %}", "firing"),
        "CheckoutSlow"
    );
}

#[test]
fn errors_say_what_to_write() {
    let cases = [
        ("{{ .CommonLabels.alertname }} is", 1, "`{{ commonLabels.alertname }}`"),
        ("{{ .Status | toUpper }}", 1, "`{{ status | toUpper }}`"),
        ("{{ range .Alerts.Firing }}", 1, "`{% for alert in firing %}`"),
        ("{{ if eq .Status \"firing\" }}", 1, "`{% if status == \"firing\" %}`"),
        ("{{ len .Alerts }}", 1, "`{{ alerts | length }}`"),
        ("{{ printf \"%.2f\" $values.A.Value }}", 1, "format(alert.values.A"),
        (
            "{{ $severity := .CommonLabels.severity }}",
            1,
            "`{% set severity = commonLabels.severity %}`",
        ),
        ("{{ (index .Alerts 0).Labels.pod }}", 1, "alerts[0]"),
        ("{{ template \"slack.title\" . }}", 1, "{% include"),
        (
            "a\n{% if kind %}\n{% for a in alerts %}\nx\n{% endfor %}\n",
            2,
            "`{% if %}` of line 2 is not closed",
        ),
        (
            "a\n{% for a in alerts %}\n{% if a %}\nx\n{% endfor %}\n",
            3,
            "`{% if %}` of line 3 is not closed",
        ),
        ("{% if name %}x{% end %}", 1, "`{% endif %}`"),
        ("{% if name %}x{% elseif kind %}{% endif %}", 1, "`{% elif … %}`"),
        ("{{ name", 1, "`{{` is not closed"),
        ("{{ name && kind }}", 1, "`and`"),
        ("{{ name kind }}", 1, "without an operator"),
        ("{% if name = 'x' %}{% endif %}", 1, "`==` compares"),
        ("{% if firing is blu %}x{% endif %}", 1, "unknown test `blu`"),
        ("{{ name | date('d') }}", 1, "`| time("),
        ("{{ labels.x }}", 1, "`alert.labels`"),
        ("{{ summary }}", 1, "`alert.summary`"),
        ("{{ alerts.labels }}", 1, "`alerts[0].labels`"),
        ("{{ alerts[0].team }}", 1, "`alerts[0].labels.team`"),
        ("{{ len(alerts) }}", 1, "`… | length`"),
        ("{{ now | time('%H', tz='Berlin') }}", 1, "\"Europe/Berlin\""),
        ("{{ now | time('%H', zon=1) }}", 1, "`tz`"),
        ("{{ now | time('HH:mm') }}", 1, "`%H:%M`"),
        ("{{ now | time('2006-01-02') }}", 1, "`%Y-%m-%d`"),
        ("{{ 5 | number('percent', digits=2) }}", 1, "`decimals`"),
    ];
    let found = said(&cases.map(|(text, ..)| text));
    for ((text, line, hint), found) in cases.iter().zip(found) {
        let first = found.first().map_or("", String::as_str);
        assert!(first.starts_with(&format!("{line}: ")), "{text}: {found:?}");
        assert!(found.iter().any(|one| one.contains(hint)), "{text}: {found:?}");
    }
}

#[test]
fn what_is_jinja_is_not_taken_for_go() {
    let texts = [
        "{{ range(3) | join(\",\") }} x",
        "{% set index = \"a\" %}{{ index | upper }} {{ index }} x",
        "{% set len = 3 %}{{ len if len is defined else 0 }} {{ len + 1 }} x",
        "{{ \"a := b\" }} {{ \"5 $ . a\" }} x",
    ];
    for (text, errors) in texts.iter().zip(said(&texts)) {
        assert_eq!(errors, Vec::<String>::new(), "{text}");
    }
    // What is wrong with it is not that it were Go's.
    let errors = said(&["{{ range(1000000000) | length }}"]).concat();
    assert!(!errors.is_empty() && !errors.concat().contains("Go"), "{errors:?}");
}

#[test]
fn a_zone_that_is_no_name_is_not_taken() {
    let found = preview("{{ now | time('%H', tz=nowhere) }}", &body_of("firing"));
    assert_eq!(found.diagnostics[0].level, Level::Error);
    assert_eq!(of_bare("{{ now | time('%H', tz=alerts[0].labels.tz) }}"), "09");
}

#[test]
fn all_errors_of_a_file_are_reported() {
    let found = said(&[
        "{{ name | nofilter }}\n{% if 1 > 2 %}{{ name | nofilter }}{% endif %}\n{% if name is odder %}{% endif %}",
        "{{ a b }}\nx\n{{ name | }}\n{% if %}\n{% endif %}\n{% for a in alerts %}",
        "{{ range .Alerts }}\n{{ .Labels.pod }}\n{{ end }}",
    ]);
    let lines = |found: &[String]| -> Vec<String> {
        found
            .iter()
            .map(|one| one.split(':').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(lines(&found[0]), ["1", "2", "3"], "{found:?}");
    assert_eq!(lines(&found[1]), ["1", "3", "4", "6"], "{found:?}");
    assert_eq!(lines(&found[2]), ["1", "2", "3"], "{found:?}");
    assert!(
        found[2][1].contains("`{{ alert.labels.pod }}`") && found[2][2].contains("`{% endfor %}`"),
        "{found:?}"
    );
    // So they are where a file was saved.
    let (_dir, renderer) = folder(&[("t.md.j2", "{{ a b }}\nx\n{{ name | }}\n{{ name | nofilter }}")]);
    let lines: Vec<_> = renderer.problems().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(1), Some(3), Some(4)]);
}

#[test]
fn a_missing_value_that_changes_the_message_is_named() {
    let text = include_str!("empty-bold-list.md.j2");
    let found = preview(text, BARE);
    let lines: Vec<_> = found
        .diagnostics
        .iter()
        .filter(|one| one.problem.message.contains("changes the message"))
        .map(|one| one.problem.line.unwrap())
        .collect();
    assert_eq!(lines, [2, 4, 7], "{:#?}", found.diagnostics);
    let fine = "x\n{{ alerts[0].labels.owner | bold }}\n{{ alerts[0].labels.owner | code }}\n{% if alerts[0].labels.owner %}- {{ alerts[0].labels.owner }}{% endif %}\n\n> {{ alerts[0].summary }}";
    assert_eq!(preview(fine, BARE).diagnostics, []);
}

#[test]
fn no_shipped_template_depends_on_a_value_that_may_be_missing() {
    let renderer = built_in();
    for sample in samples::all() {
        let notification = alert::parse::notification(sample.body.as_bytes()).unwrap();
        for template in ["alert", "compact", "detailed"] {
            let seen = renderer.preview(&[], &template.parse::<TemplateName>().unwrap(), &notification, now());
            assert_eq!(seen.diagnostics, [], "{template} {}", sample.name);
        }
    }
}

#[test]
fn a_template_is_used_where_it_works() {
    // Fails for alerts of the data source only.
    let text = "mine {{ name }}{% if kind == \"no-data\" %}\n{{ 1 // 0 }}{% endif %}";
    let (_dir, renderer) = folder(&[("alert.md.j2", text)]);
    assert_eq!(
        render(&renderer, "alert", &body_of("firing")).messages[0].body,
        "mine CheckoutSlow"
    );
    let problems = renderer.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].is_partial() && problems[0].message.contains("an alert without data"),
        "{}",
        problems[0]
    );
    let seen = render(&renderer, "alert", &body_of("no-data"));
    assert!(
        seen.messages[0].body.starts_with("❔ NO DATA"),
        "{}",
        seen.messages[0].body
    );
    assert!(
        seen.problem.is_some() && seen.messages[0].body.contains("template alert has an error in line 2"),
        "{}",
        seen.messages[0].body
    );

    // What fails for every alert that fires is not used at all.
    let (_dir, renderer) = folder(&[("alert.md.j2", "mine{% if kind == \"firing\" %}{{ 1 // 0 }}{% endif %}")]);
    assert!(!renderer.problems()[0].is_partial());
    assert!(
        !render(&renderer, "alert", &body_of("resolved")).messages[0]
            .body
            .starts_with("mine")
    );
}

#[test]
fn what_newer_senders_add_is_there() {
    let body = r#"{"status": "firing", "routeLabels": {"team": "db"}, "alerts": [
        {"status": "firing", "labels": {"alertname": "A"}, "enrichments": {"assistant": {"title": "*disk*", "hosts": ["a", "b"]}, "score": 0.5}},
        {"status": "firing", "labels": {"alertname": "A"}, "enrichments": null}]}"#;
    each(
        &[
            ("routeLabels.team", "db"),
            (
                "alerts | map(attribute=\"enrichments.assistant.title\") | select | join",
                "*disk*",
            ),
            ("alerts | map(attribute=\"enrichments.score\") | max", "0.5"),
            ("alerts[0].enrichments.nothing", ""),
        ],
        body,
    );
    let long = body.replace("*disk*", &"x".repeat(5_000));
    each(&[("alerts | map(attribute=\"enrichments.score\") | max", "")], &long);
}
