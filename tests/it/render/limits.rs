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
