//! Templates that people edit: what they may do, what happens when they are wrong, and how changes are taken in.

use std::fs;
use std::path::Path;

use grafana_matrix_relay::message::{MsgType, TemplateName};
use grafana_matrix_relay::render::{self, Draft, Gravity, ReloadOutcome, Rendered, Renderer, Settings, reference};
use grafana_matrix_relay::{intake, samples};
use jiff::tz::TimeZone;
use tempfile::TempDir;

use super::{now, render};

/// A folder with these templates, and a renderer on it.
fn folder(files: &[(&str, &str)]) -> (TempDir, Renderer) {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        write(dir.path(), name, text);
    }
    let time_zone = TimeZone::UTC;
    let renderer = Renderer::open(&Settings {
        templates_dir: Some(dir.path().to_owned()),
        time_zone,
    });
    (dir, renderer)
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn body_of(sample: &str) -> String {
    samples::find(sample).unwrap().body
}

/// What the template `t` with this text makes of a sample.
fn rendered(text: &str, sample: &str) -> Rendered {
    let (_dir, renderer) = folder(&[("t.md.j2", text)]);
    render(&renderer, "t", &body_of(sample))
}

/// The plain text of it, if the template works.
fn body(text: &str, sample: &str) -> String {
    let seen = rendered(text, sample);
    assert_eq!(seen.problem, None, "{text}");
    seen.messages[0].body.clone()
}

/// The two looks that it takes for a change to count.
fn settle(renderer: &Renderer) -> ReloadOutcome {
    assert_eq!(renderer.reload(), ReloadOutcome::Settling);
    renderer.reload()
}

#[test]
fn what_is_built_in_has_no_problems() {
    let (_dir, renderer) = folder(&[]);
    assert_eq!(renderer.problems(), []);
    let names: Vec<_> = renderer.names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["alert", "compact", "detailed"]);
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
            "cluster eu-west · service checkout",
        ),
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
fn only_a_template_pings() {
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
        assert_eq!(
            message.mentions,
            grafana_matrix_relay::message::Mentions::default(),
            "{id}"
        );
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
        ("a\n{{ alertnme }}", "t.md.j2:2", "`alerts`"),
        ("\n\n{{ alerts[0].sumary }}", "t.md.j2:3", "`summary`"),
        ("{{ name | durations }}", "t.md.j2:1", "`duration`"),
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
            message.body.contains(&format!("Template {}", problems[0])),
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
    assert!(seen.messages[0].body.contains("CheckoutSlow") && seen.messages[0].body.contains("alert.md.j2:2"));
    assert_eq!(render(&renderer, "alert", &body_of("mixed")).messages[0].body, "ok");
}

#[test]
fn a_template_cannot_take_all_time_or_memory() {
    let hostile = [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{{ 'x' | indent(1000000000) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% for i in range(20000) %}{{ 'x' * 1000 }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ ('x' * 100000) | replace('x', 'y' * 100000) }}",
    ];
    for text in hostile {
        let (_dir, renderer) = folder(&[("t.md.j2", text)]);
        assert_eq!(renderer.problems().len(), 1, "{text}");
        assert!(
            render(&renderer, "t", &body_of("firing")).messages[0]
                .body
                .contains("CheckoutSlow")
        );
    }
}

#[test]
fn a_saved_change_is_taken_in_and_a_broken_one_is_not() {
    let (dir, renderer) = folder(&[("alert.md.j2", "one {{ name }}")]);
    let body = |renderer: &Renderer| render(renderer, "alert", &body_of("firing")).messages.remove(0).body;
    assert_eq!(renderer.reload(), ReloadOutcome::Unchanged);
    write(dir.path(), "alert.md.j2", "two, longer {{ name }}");
    assert_eq!(settle(&renderer), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(body(&renderer), "two, longer CheckoutSlow");

    for broken in ["three {{ nmae }}", "three {% if %}", ""] {
        write(dir.path(), "alert.md.j2", broken);
        let ReloadOutcome::Reloaded { problems } = settle(&renderer) else {
            panic!("not reloaded")
        };
        assert_eq!(problems.len(), 1, "{broken}");
        assert_eq!(renderer.problems(), problems);
        assert_eq!(body(&renderer), "two, longer CheckoutSlow");
        assert_eq!(renderer.reload(), ReloadOutcome::Unchanged);
    }
    fs::remove_file(dir.path().join("alert.md.j2")).unwrap();
    assert_eq!(settle(&renderer), ReloadOutcome::Reloaded { problems: vec![] });
    assert!(body(&renderer).starts_with("🔥 FIRING"));
}

#[test]
fn a_file_that_is_still_being_written_is_left_alone() {
    let (dir, renderer) = folder(&[("alert.md.j2", "one")]);
    write(dir.path(), "alert.md.j2", "half of");
    assert_eq!(renderer.reload(), ReloadOutcome::Settling);
    write(dir.path(), "alert.md.j2", "half of it and the rest");
    assert_eq!(renderer.reload(), ReloadOutcome::Settling);
    assert_eq!(renderer.reload(), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(
        render(&renderer, "alert", &body_of("firing")).messages[0].body,
        "half of it and the rest"
    );
}

#[test]
fn a_broken_part_does_not_break_its_templates() {
    let (dir, renderer) = folder(&[("t.md.j2", "{% include \"p/x.j2\" %}"), ("p/x.j2", "good {{ name }}")]);
    write(dir.path(), "p/x.j2", "bad {{ nmae }}");
    write(dir.path(), "new.md.j2", "new");
    let ReloadOutcome::Reloaded { problems } = settle(&renderer) else {
        panic!("not reloaded")
    };
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].file, "p/x.j2");
    assert_eq!(
        render(&renderer, "t", &body_of("firing")).messages[0].body,
        "good CheckoutSlow"
    );
    assert_eq!(render(&renderer, "new", &body_of("firing")).messages[0].body, "new");
}

#[cfg(unix)]
#[test]
fn a_configmap_that_swaps_its_link_is_followed() {
    use std::os::unix::fs::symlink;
    let dir = TempDir::new().unwrap();
    write(dir.path(), "..v1/alert.md.j2", "one");
    write(dir.path(), "..v2/alert.md.j2", "two");
    symlink("..v1", dir.path().join("..data")).unwrap();
    symlink("..data/alert.md.j2", dir.path().join("alert.md.j2")).unwrap();
    let settings = Settings {
        templates_dir: Some(dir.path().to_owned()),
        time_zone: TimeZone::UTC,
    };
    let renderer = Renderer::open(&settings);
    assert_eq!(render(&renderer, "alert", &body_of("firing")).messages[0].body, "one");
    symlink("..v2", dir.path().join("..tmp")).unwrap();
    fs::rename(dir.path().join("..tmp"), dir.path().join("..data")).unwrap();
    assert_eq!(settle(&renderer), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(render(&renderer, "alert", &body_of("firing")).messages[0].body, "two");
    assert_eq!(
        renderer.names().len(),
        3,
        "the hidden folders hold no templates of their own"
    );
}

#[test]
fn a_draft_shows_what_it_would_look_like_and_what_is_wrong() {
    let (_dir, renderer) = folder(&[]);
    let notification = intake::parse::notification(body_of("firing").as_bytes()).unwrap();
    let preview = |source: &str| {
        let draft = Draft {
            file: "alert.md.j2",
            source,
        };
        renderer.preview(Some(&draft), &TemplateName::default(), &notification, now())
    };
    let good = preview("**{{ name }}** {{ \"a_b*\" }}");
    assert_eq!(
        (good.rendered.markdown.as_str(), good.diagnostics.len()),
        (r"**CheckoutSlow** a_b\*", 0)
    );

    let bad = preview("ok\n{{ nmae }}");
    assert_eq!(bad.diagnostics[0].gravity, Gravity::Error);
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
    let lines: Vec<_> = warned.diagnostics.iter().map(|d| (d.gravity, d.problem.line)).collect();
    let warning = |line| (Gravity::Warning, line);
    assert_eq!(
        lines,
        [warning(Some(3)), warning(Some(7)), warning(Some(8)), warning(None)]
    );
}

#[test]
fn too_many_alerts_are_folded_and_counted() {
    let (_dir, renderer) = folder(&[(
        "all.md.j2",
        "{{ name }}: {{ alerts | length }}\n{% for a in alerts %}\n- {{ a.summary }}\n{% endfor %}",
    )]);
    let seen = render(&renderer, "all", &samples::group_of(5000));
    let [message] = seen.messages.as_slice() else {
        panic!("more than one message")
    };
    assert!(render::content_size(message) <= render::CONTENT_LIMIT);
    assert!(message.body.starts_with("NodeNotReady: 5000\n"));
    let shown = message.body.matches("has not been ready").count();
    assert_eq!(shown + seen.budget.alerts_folded, 5000);
    assert!(
        message
            .body
            .contains(&format!("… and {} more", seen.budget.alerts_folded)),
        "{}",
        message.body
    );
}

#[test]
fn a_text_that_cannot_be_folded_is_split_and_then_counted() {
    let split = rendered(
        "{% for i in range(700) %}{{ name }} {{ i }} is a paragraph that takes room\n\n{% endfor %}",
        "firing",
    );
    assert!(split.messages.len() > 1 && split.budget.extra_messages == split.messages.len() - 1);
    assert!(
        split
            .messages
            .iter()
            .all(|message| render::content_size(message) <= render::CONTENT_LIMIT)
    );
    let all: String = split.messages.iter().map(|message| message.body.as_str()).collect();
    assert!((0..700).all(|i| all.contains(&format!("CheckoutSlow {i} is"))));
    assert!(split.messages[1].body.starts_with("(2/"));

    let cut = rendered("{{ 'wörd ' * 60000 }}", "firing");
    assert_eq!(cut.messages.len(), 5);
    assert!(cut.budget.bytes_cut > 0 && cut.messages[4].body.contains(&cut.budget.bytes_cut.to_string()));
    assert!(
        cut.messages
            .iter()
            .all(|message| render::content_size(message) <= render::CONTENT_LIMIT)
    );
}

#[test]
fn the_reference_names_everything_there_is() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/README.md")).unwrap();
    let section = |title: &str| {
        let start = text.find(&format!("## {title}")).unwrap();
        text[start..].split("\n## ").next().unwrap().to_owned()
    };
    let (variables, alert) = (section("Variables"), section("An alert"));
    let (filters, functions) = (section("Filters"), section("Functions"));
    let missing = |names: &mut dyn Iterator<Item = &'static str>, section: &str| -> Vec<&str> {
        let is_missing = |name: &&str| {
            !["`", "(", "."]
                .iter()
                .any(|end| section.contains(&format!("`{name}{end}")))
        };
        names.filter(is_missing).collect()
    };
    assert_eq!(missing(&mut reference::variables(), &variables), [""; 0]);
    assert_eq!(missing(&mut reference::alert_fields(), &alert), [""; 0]);
    assert_eq!(missing(&mut reference::filters(), &filters), [""; 0]);
    assert_eq!(missing(&mut reference::functions(), &functions), [""; 0]);
    let first_cells = |section: &str| -> Vec<String> {
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.map(|line| line.trim_start_matches("| ").split(" |").next().unwrap().to_owned());
        cells
            .flat_map(|cell| {
                cell.split(", ")
                    .map(|name| name.trim_matches('`').to_owned())
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let known = |names: &[&'static str], cell: &String| names.contains(&cell.split('(').next().unwrap());
    let invented: Vec<_> = [
        (first_cells(&variables), reference::variables().collect::<Vec<_>>()),
        (first_cells(&alert), reference::alert_fields().collect()),
        (first_cells(&filters), reference::filters().collect()),
        (first_cells(&functions), reference::functions().collect()),
    ]
    .into_iter()
    .flat_map(|(cells, names)| cells.into_iter().filter(move |cell| !known(&names, cell)))
    .collect();
    assert_eq!(invented, [""; 0]);
    for filter in reference::filters() {
        assert_eq!(
            body(&format!("{{{{ \"{filter}\" is filter }}}}"), "firing"),
            "true",
            "{filter}"
        );
    }
}
