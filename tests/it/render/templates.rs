//! Templates that people edit: what they may do, and what happens when they are wrong.

use grafana_matrix_relay::alert;
use grafana_matrix_relay::message::{Mentions, MsgType, TemplateName};
use grafana_matrix_relay::render::{CONTENT_LIMIT, Draft, Level, content_size, embedded};

use super::{body, body_of, folder, now, render, rendered};

#[test]
fn what_is_built_in_has_no_problems() {
    let (_dir, renderer) = folder(&[]);
    assert_eq!(renderer.problems(), []);
    let names: Vec<_> = renderer.names().iter().map(ToString::to_string).collect();
    let files = embedded().filter_map(|(file, _)| file.strip_suffix(".md.j2").filter(|name| !name.contains('/')));
    let mut expected: Vec<_> = files.collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(
        ["alert", "compact", "detailed", "digest", "update"]
            .iter()
            .all(|name| expected.contains(name))
    );
}

#[test]
fn the_sent_names_and_the_computed_ones_are_there() {
    let text = "{{ groupLabels.alertname }}|{{ commonLabels.nothing }}|{{ truncatedAlerts }}|{{ count.firing }}|\
                {{ firing | length }}|{{ alerts[0].labels[\"service\"] }}|{{ alerts[0].values.A }}|{{ kind }}|\
                {{ \"service\" in alerts[0].labels }}|{{ \"team\" in alerts[0].labels }}|{{ alerts[0].endsAt }}";
    assert_eq!(
        body(text, "firing"),
        "CheckoutSlow||0|1|1|checkout|2.4137|firing|true|false|"
    );
}

#[test]
fn filters_do_what_the_reference_says() {
    let cases = [
        ("{{ alerts[0].duration | duration }}", "12 min"),
        ("{{ alerts[0].startsAt | time }}", "09:02 UTC"),
        (
            "{{ alerts[0].startsAt | time(\"%H:%M %Z\", tz=\"Europe/Berlin\") }}",
            "10:02 CET",
        ),
        ("{{ \"2024-02-29T23:30:00Z\" | time }}", "2024-02-29 23:30 UTC"),
        ("{{ alerts[0].values.A | number(\" s\", decimals=1) }}", "2.4 s"),
        (
            "{{ alerts[0].labels | without(\"alertname\", groupLabels, \"severity\") | labels }}",
            "cluster=eu-west · service=checkout",
        ),
        ("{{ [1, 2] | joined(\"\\n\") }}", "1\n2"),
        ("{{ [1, 2] | joined(\"<br>\" | safe) }}", "1\n2"),
        ("{{ [1, 2] | joined(\"<br>\") }}", "1<br>2"),
        (
            "{{ [\"\", name, labels_missing | default(\"x\")] | joined(\", \") }}",
            "",
        ),
        ("{{ alerts[0].labels.team | default(\"nobody\") }}", "nobody"),
        ("{{ alerts[0].labels.team | upper | truncate(3) }}.", "."),
        ("{{ alerts[0].summary | truncate(9) }}", "Checkout…"),
        (
            "{{ name | bold }} {{ \"*\" ~ name ~ \"*\" }}",
            "CheckoutSlow *CheckoutSlow*",
        ),
        ("{{ \"[x](https://e.org)\" | safe }}.", "x."),
        ("{{ \"warning\" | emoji }}{{ \"resolved\" | emoji }}", "🟠✅"),
        ("{{ \"@ana:e.org\" | pill }}!", "@ana:e.org!"),
        (
            "{% for n, t in alerts[0].labels | dictsort %}{{ n }} {% endfor %}",
            "alertname cluster grafana_folder service severity",
        ),
        ("{{ name.startswith(\"Check\") }}", "true"),
    ];
    for (text, expected) in cases.into_iter().filter(|(_, expected)| !expected.is_empty()) {
        assert_eq!(body(text, "firing"), expected, "{text}");
    }
}

#[test]
fn files_of_the_folder_can_be_put_together() {
    let (_dir, renderer) = folder(&[
        ("base.md.j2", "{% block head %}{% endblock %} end"),
        (
            "t.md.j2",
            "{% extends \"base.md.j2\" %}{% import \"parts/m.j2\" as m %}{% block head %}{{ m.loud(name) }}{% endblock %}",
        ),
        (
            "parts/m.j2",
            "{% macro loud(x) %}**{{ x | upper }}!**{{ mention(\"@ana:e.org\") }}{% endmacro %}",
        ),
    ]);
    let seen = render(&renderer, "t", &body_of("firing"));
    assert_eq!(
        (seen.problem, seen.messages[0].body.as_str()),
        (None, "CHECKOUTSLOW!@ana:e.org end")
    );
    assert_eq!(seen.messages[0].mentions.user_ids, ["@ana:e.org"]);
}

#[test]
fn only_a_template_mentions() {
    let label = |id: &str| body_of("firing").replace("checkout\"", &format!("{id}\""));
    let (_dir, renderer) = folder(&[
        (
            "t.md.j2",
            "{% set who = [\"@ana:e.org\"] %}{{ mention(alerts[0].labels.service) }} @room {{ alerts[0].labels.service }}",
        ),
        ("room.md.j2", "{{ mention_room() }}{{ msgtype(\"m.notice\") }}"),
    ]);
    for id in ["@eve:e.org", "@ana:e.or", "@room", "@ana:e.org.evil"] {
        let message = render(&renderer, "t", &label(id)).messages.remove(0);
        assert_eq!(message.mentions, Mentions::default(), "{id}");
    }
    assert_eq!(
        render(&renderer, "t", &label("@ana:e.org")).messages[0]
            .mentions
            .user_ids,
        ["@ana:e.org"]
    );
    let message = render(&renderer, "room", &body_of("firing")).messages.remove(0);
    assert!(message.mentions.room && message.msgtype == MsgType::Notice);
    assert_eq!(rendered("x", "resolved").messages[0].msgtype, MsgType::Notice);
    assert_eq!(rendered("x", "mixed").messages[0].msgtype, MsgType::Text);
}

#[test]
fn a_misspelt_name_is_reported_with_the_nearest_known_one() {
    let cases = [
        ("a\n{{ alertnme }}", "t.md.j2:2", "`alert`"),
        ("\n\n{{ alerts[0].sumary }}", "t.md.j2:3", "`summary`"),
        ("{{ name | durations }}", "t.md.j2:1", "`duration`"),
        ("{{ count.frng }}", "t.md.j2:1", "`firing`"),
        ("{{ change.count.startin }}", "t.md.j2:1", "`starting`"),
        ("{{ severities[0].colour }}", "t.md.j2:1", "`color`"),
        ("{% for s in states %}{{ s.txt }}{% endfor %}", "t.md.j2:1", "`text`"),
        (
            "{% for one in shared %}{{ one.valu }}{% endfor %}",
            "t.md.j2:1",
            "`value`",
        ),
        ("{% if severty == 'x' %}{% endif %}", "t.md.j2:1", "`severity`"),
        ("{% for a in alerts %}", "t.md.j2:1", ""),
        ("{% include \"nothing.j2\" %}", "t.md.j2:1", "nothing.j2"),
        ("{{ msgtype('loud') }}", "t.md.j2:1", "m.notice"),
    ];
    for (text, place, hint) in cases {
        let (_dir, renderer) = folder(&[("t.md.j2", text)]);
        let problems: Vec<_> = renderer.problems().iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(
            problems[0].starts_with(place) && problems[0].contains(hint),
            "{text}: {}",
            problems[0]
        );
        let message = render(&renderer, "t", &body_of("firing")).messages.remove(0);
        assert!(message.body.starts_with("🔥 FIRING · CheckoutSlow"), "{}", message.body);
        assert!(
            message.body.contains(&format!(
                "so the built-in one was used: {}",
                renderer.problems()[0].message
            )),
            "{}",
            message.body
        );
    }
}

#[test]
fn an_error_that_no_trial_foresaw_falls_back_and_says_so() {
    let text = "{% if name == \"CheckoutSlow\" %}\n{{ 1 // 0 }}{% endif %}ok";
    let (_dir, renderer) = folder(&[("alert.md.j2", text)]);
    assert_eq!(renderer.problems(), []);
    let seen = render(&renderer, "alert", &body_of("firing"));
    let problem = seen.problem.unwrap();
    assert_eq!((problem.file.as_str(), problem.line), ("alert.md.j2", Some(2)));
    assert!(
        seen.messages[0].body.contains("CheckoutSlow")
            && seen.messages[0].body.contains("template alert has an error in line 2")
    );
    assert_eq!(render(&renderer, "alert", &body_of("mixed")).messages[0].body, "ok");
}

#[test]
fn a_draft_shows_what_it_would_look_like_and_what_is_wrong() {
    let (_dir, renderer) = folder(&[]);
    let notification = alert::parse::notification(body_of("firing").as_bytes()).unwrap();
    let preview = |source: &str| {
        let draft = Draft {
            file: "alert.md.j2",
            source,
        };
        renderer.preview(&[draft], &TemplateName::default(), &notification, now())
    };
    let good = preview("**{{ name }}** {{ \"a_b*\" }}");
    assert_eq!(
        (good.rendered.markdown.to_string().as_str(), good.diagnostics.len()),
        (r"**CheckoutSlow** a_b\*", 0)
    );

    let bad = preview("ok\n{{ nmae }}");
    assert_eq!(bad.diagnostics[0].level, Level::Error);
    assert_eq!(
        bad.diagnostics[0]
            .problem
            .to_string()
            .split(':')
            .take(2)
            .collect::<Vec<_>>(),
        ["alert.md.j2", "2"]
    );
    assert!(
        bad.rendered.messages[0].body.starts_with("🔥 FIRING"),
        "the version in use is shown"
    );

    let hidden = preview("{% if kind == \"test\" %}\n{{ severty }}{% endif %}x");
    assert!(
        hidden.diagnostics[0].problem.message.contains("`severity`") && hidden.diagnostics[0].problem.line == Some(2)
    );

    let warned = preview("a\n\n| a |\n|---|\n| b |\n\n![x](https://e.org/x.png) <font>y</font>\n[z](javascript:a)");
    let lines: Vec<_> = warned.diagnostics.iter().map(|d| (d.level, d.problem.line)).collect();
    let warning = |line| (Level::Warning, line);
    assert_eq!(
        lines,
        [warning(Some(3)), warning(Some(7)), warning(Some(8)), warning(Some(7))]
    );

    let long = preview("{{ name }}\n{% for i in range(9) %}\n{{ 'word ' * 2000 }}\n{% endfor %}");
    let long = &long.diagnostics[0];
    assert_eq!((long.level, long.problem.line), warning(Some(3)));
    assert!(long.problem.message.contains("split into"), "{}", long.problem);
}

#[test]
fn template_that_mentions_a_thousand_people_mentions_as_many_as_an_event_holds() {
    let users: Vec<String> = (0..1_000)
        .map(|n| format!("{{{{ mention(\"@oncall{n}:example.org\") }}}}"))
        .collect();
    let users = users.join("\n\n");
    let (_dir, renderer) = folder(&[("alert.md.j2", &users)]);
    let seen = render(&renderer, "alert", &body_of("firing"));
    assert!(seen.problem.is_none(), "{:?}", seen.problem);
    let mentioned = seen.messages[0].mentions.user_ids.len();
    assert!((100..1_000).contains(&mentioned), "{mentioned}");
    for message in &seen.messages {
        assert!(
            content_size(message) <= CONTENT_LIMIT,
            "{} bytes",
            content_size(message)
        );
    }
    let last = &seen.messages.last().unwrap().body;
    let line = format!("… and {} more people than one message can mention", 1_000 - mentioned);
    assert!(
        last.ends_with(&line) || last.contains("more bytes of text were cut"),
        "{last}"
    );
}
