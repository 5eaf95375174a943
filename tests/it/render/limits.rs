//! What templates may not do to the relay, and alerts not to a message: be too much.

use grafana_matrix_relay::{render, samples};

use super::{body_of, folder, rendered};

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
        "{{ ('x' * 100000).replace('x', 'y' * 1000000) }}",
        "{{ ('y' * 100000).join(range(100000)) }}",
        "{{ range(100000) | join('y' * 100000) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ ('{0}' * 100000).format('y' * 100000) }}",
        "{{ ('\n' * 10000000).splitlines() | length }}",
        "{{ range(100000) | joined('y' * 100000) }}",
        "{{ ([{'text': 'a', 'url': 'https://e.org'}] * 100000) | links('y' * 100000) }}",
        "{{ ([{'name': 'a', 'value': 'b'}] * 100000) | labels('y' * 100000) }}",
        "{{ ([''] * 1000000000) | joined }}",
        "{{ ([1] * 1000000000) | top(1000000000) }}",
        "{{ ([{'name': 'a', 'value': 1}] * 1000000000) | readings }}",
        "{{ ([{'name': 'a', 'value': 1}] * 1000000000) | without('b') }}",
        "{{ dict(a=1) | tojson(indent=1000000000) }}",
        "{{ now | time('%255Y' * 1000000) }}",
        "{{ 1 | number('y' * 20000000) }}",
        "{{ ('y' * 20000000) | code }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | bold }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
    ];
    for text in hostile {
        let (_dir, renderer) = folder(&[("t.md.j2", text)]);
        assert_eq!(renderer.problems().len(), 1, "{text}");
        assert!(
            super::render(&renderer, "t", &body_of("firing")).messages[0]
                .body
                .contains("CheckoutSlow")
        );
    }
}

/// A list that is put into itself so often that no text of it ends.
const ENDLESS: &str =
    "{% set ns = namespace(x=['x' * 200]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";

#[test]
fn a_text_without_end_takes_its_own_memory_and_no_more() {
    let texts = [
        "{% set text = ns.x ~ '' %}",
        "{{ ns.x | string }}",
        "{{ ns.x | upper }}",
        "{{ '%s' | format(ns.x) }}",
        "{{ [ns.x] | join }}",
        "{% set text = ('a' ~ ns.x) | length %}",
    ];
    for text in texts {
        let (_dir, renderer) = folder(&[("t.md.j2", &format!("{ENDLESS}{text}"))]);
        let [problem] = &*renderer.problems() else {
            panic!("{text} was taken")
        };
        // Time, where the machine is too busy to fill the memory before.
        assert!(problem.message.starts_with("takes too much"), "{text}: {problem}");
        let seen = super::render(&renderer, "t", &body_of("firing"));
        assert!(seen.messages[0].body.contains("CheckoutSlow"));
    }
}

#[test]
fn what_is_too_much_only_for_a_certain_alert_is_told_by_what_is_built_in() {
    let text = format!("{{% if alerts | length == 37 %}}{ENDLESS}{{{{ ns.x ~ '' }}}}{{% endif %}}{{{{ name }}}}");
    let (_dir, renderer) = folder(&[("t.md.j2", &text)]);
    assert_eq!(renderer.problems(), []);
    for _ in 0..2 {
        let seen = super::render(&renderer, "t", &samples::group_of(37));
        let problem = seen.problem.unwrap();
        assert!(problem.to_string().starts_with("t.md.j2: takes too much"), "{problem}");
        assert!(seen.messages[0].body.contains("NodeNotReady") && seen.messages[0].body.contains("was ended"));
        // It is not run again for a while, whatever it is to tell.
        assert!(super::render(&renderer, "t", &samples::group_of(36)).problem.is_some());
    }
}

#[test]
fn too_many_alerts_are_folded_and_counted() {
    let (_dir, renderer) = folder(&[(
        "all.md.j2",
        "{{ name }}: {{ alerts | length }}\n{% for a in alerts %}\n- {{ a.summary }}\n{% endfor %}",
    )]);
    let seen = super::render(&renderer, "all", &samples::group_of(5000));
    let [message] = seen.messages.as_slice() else {
        panic!("more than one message")
    };
    assert!(render::content_size(message) <= render::CONTENT_LIMIT);
    assert!(message.body.starts_with("NodeNotReady: 5000\n"));
    let shown = message.body.matches("has not been ready").count();
    assert_eq!(shown + seen.budget.alerts_hidden, 5000);
    assert!(
        message
            .body
            .contains(&format!("… and {} more", seen.budget.alerts_hidden)),
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
fn a_part_that_takes_too_much_is_tried_with_less_to_show() {
    let slow = "{% for alert in alerts %}\n{% for i in range(1500) %}{% endfor %}\n- {{ alert.summary }}\n{% endfor %}";
    let (_dir, renderer) = folder(&[
        ("slow.md.j2", "{{ name }}\n{% include 'p/slow.j2' %}"),
        ("p/slow.j2", slow),
    ]);
    assert_eq!(renderer.problems(), []);
    let seen = super::render(&renderer, "slow", &samples::group_of(150));
    assert_eq!(seen.problem, None);
    assert!(
        seen.messages[0].body.contains("… and 130 more"),
        "{}",
        seen.messages[0].body
    );
}

#[test]
fn debugging_ends_somewhere() {
    let seen = rendered("{{ debug('x' * 30000) }}", "firing");
    assert_eq!(seen.problem, None);
    assert!(
        seen.messages[0].body.ends_with("… and more"),
        "{}",
        seen.messages[0].body
    );
    assert!(
        rendered("{{ debug() }}", "storm").messages[0]
            .body
            .contains("NodeNotReady")
    );
    assert!(
        rendered("{{ debug(name) }}", "firing").messages[0]
            .body
            .contains("CheckoutSlow")
    );
}
