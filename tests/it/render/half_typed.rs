//! A template that is being typed has one error, which names what is missing where the hand is.

use grafana_matrix_relay::render::{Level, Renderer};

use super::idioms::of_draft;
use super::{body_of, built_in, folder};

/// What is typed, and what is said of it.
const TYPED: [(&str, &str); 36] = [
    ("{{", "`{{` is not closed (expected `}}`)"),
    ("{{ ", "`{{` is not closed (expected `}}`)"),
    ("{{-", "`{{` is not closed (expected `}}`)"),
    ("{{ alert", "`{{` is not closed (expected `}}`)"),
    ("{{ alert.", "`{{` is not closed (expected `}}`)"),
    ("{{ alert.name", "`{{` is not closed (expected `}}`)"),
    ("{{ alert.name |", "`{{` is not closed (expected `}}`)"),
    ("{{ alert.name | link(", "`{{` is not closed (expected `)` and `}}`)"),
    ("{{ alert.name }", "`{{` is not closed (expected `}}`)"),
    ("{{ alert.name %}", "`{{` is not closed (expected `}}`)"),
    (
        "{{ alert. }}",
        "nothing follows the `.` (expected a name, as in `alert.name`)",
    ),
    (
        "{{ name | }}",
        "nothing follows the `|` (expected a filter, as in `name | upper`)",
    ),
    (
        "{% if alert. %}y{% endif %}",
        "nothing follows the `.` (expected a name, as in `alert.name`)",
    ),
    ("{{ alerts[", "`{{` is not closed (expected `]` and `}}`)"),
    ("{{ alerts[0].name it's", "`'` is not closed (expected `'` and `}}`)"),
    ("{{ a {{ name }}", "`{{` is not closed (expected `}}`)"),
    ("{{ \"abc", "`\"` is not closed (expected `\"` and `}}`)"),
    ("{{ \"abc }} and more", "`\"` is not closed (expected `\"`)"),
    (
        "{{ alert.url | link(\"Panel",
        "`\"` is not closed (expected `\"`, `)` and `}}`)",
    ),
    ("{{ link(name }}", "`(` is not closed (expected `)`)"),
    ("{{ {\"a\": 1 }}", "`{{` is not closed (expected `}}`)"),
    ("{%", "`{%` is not closed (expected `%}`)"),
    ("{% i", "`{%` is not closed (expected `%}`)"),
    ("{% if", "`{%` is not closed (expected `%}`)"),
    ("{% if x", "`{%` is not closed (expected `%}`)"),
    ("{% if x }", "`{%` is not closed (expected `%}`)"),
    ("{% if x == \"a", "`\"` is not closed (expected `\"` and `%}`)"),
    ("{% if (x %}y{% endif %}", "`(` is not closed (expected `)`)"),
    (
        "{% if x %}",
        "`{% if %}` of line 8 is not closed (expected `{% endif %}`)",
    ),
    (
        "{% for alert in alerts %}",
        "`{% for %}` of line 8 is not closed (expected `{% endfor %}`)",
    ),
    ("{% for alert in", "`{%` is not closed (expected `%}`)"),
    ("{% set x = [1, 2", "`{%` is not closed (expected `]` and `%}`)"),
    (
        "{% include \"partials/he",
        "`\"` is not closed (expected `\"` and `%}`)",
    ),
    ("{% raw %}", "`{% raw %}` is not closed (expected `{% endraw %}`)"),
    ("{#", "`{#` is not closed (expected `#}`)"),
    ("{# to be continued", "`{#` is not closed (expected `#}`)"),
];

/// The built-in template with this in its line 8.
fn typed(text: &str) -> String {
    let template = include_str!("../../../templates/alert.md.j2");
    let mut lines: Vec<&str> = template.lines().collect();
    lines.insert(7, text);
    lines.join("\n") + "\n"
}

fn errors(renderer: &Renderer, source: &str) -> Vec<(Option<usize>, String)> {
    let seen = of_draft(renderer, source, &body_of("firing")).diagnostics.into_iter();
    let errors = seen.filter(|one| one.level == Level::Error);
    errors.map(|one| (one.problem.line, one.problem.message)).collect()
}

#[test]
fn what_is_half_typed_has_one_error_that_names_what_is_missing() {
    let renderer = built_in();
    for (text, said) in TYPED {
        let found = errors(&renderer, &typed(text));
        assert_eq!(found, [(Some(8), said.to_owned())], "{text}");
    }
}

#[test]
fn errors_elsewhere_are_said_beside_it() {
    let renderer = built_in();
    let source = "{{ alert.\n{{ name kind }}\n{% if name %}\n{{ \"a\nb\n{{ name }}\n{% endfor %}\n";
    let lines: Vec<_> = errors(&renderer, source).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 7].map(Some));
    // A tag within a tag is no missing end.
    let found = errors(&renderer, "x\n{% if {{ name }} == \"a\" %}y{% endif %}\n{{ \"{{\" }}\n");
    assert!(
        found.len() == 1 && found[0].1.contains("names need none there"),
        "{found:?}"
    );
}

#[test]
fn a_saved_file_that_is_half_typed_says_the_same() {
    let source = typed("{{ alert.");
    let (_dir, renderer) = folder(&[("alert.md.j2", &source)]);
    let problems: Vec<String> = renderer.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["alert.md.j2:8: `{{` is not closed (expected `}}`)"]);
}
