//! Bodies of any shape: every shipped template over the bodies that it is for, and the rules that it asks for.

use grafana_matrix_relay::alert::payload;
use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{Expressions, check_expression};
use grafana_matrix_relay::samples;
use serde_json::Value;

use super::{built_in, folder, now, page};

#[test]
fn every_body_looks_as_before() {
    let renderer = built_in();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/render");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for sample in samples::webhooks() {
            let template: TemplateName = sample.template.unwrap().parse().unwrap();
            let notification = payload::any(sample.body.as_bytes()).unwrap();
            let preview = renderer.preview(&[], &template, &notification, now());
            assert_eq!(preview.diagnostics, [], "{}", sample.name);
            insta::assert_snapshot!(format!("webhook@{}", sample.name), page(&preview.rendered));
        }
    });
}

/// The rules that stand in the first comment of a template, by their names.
fn rules(template: &str) -> Vec<(String, String)> {
    let source = built_in().source(&format!("{template}.md.j2")).unwrap();
    let comment = source.split("#}").next().unwrap();
    let lines = comment.lines().filter_map(|line| line.trim().split_once(" = \""));
    let rules = lines.map(|(key, text)| (key.to_owned(), text.trim_end_matches('"').to_owned()));
    rules
        .filter(|(key, _)| ["group", "state", "title", "severity"].contains(&key.as_str()))
        .collect()
}

#[test]
fn the_rules_that_a_template_asks_for_say_what_its_samples_show() {
    for sample in samples::webhooks() {
        let template = sample.template.unwrap();
        let body: Value = serde_json::from_str(&sample.body).unwrap();
        let over = Expressions::over(&body["payload"]);
        let rules = rules(template);
        assert!(template == "webhook" || !rules.is_empty(), "{template}");
        for (key, text) in rules {
            assert_eq!(check_expression(&text), Ok(()), "{template}");
            let said = over.evaluate(&text).unwrap();
            // Without a state there is no group, and an empty title is found in the body.
            let is_shown = match key.as_str() {
                "group" => body["state"].is_string(),
                "title" => !said.is_empty(),
                _ => true,
            };
            let expected = body[&key].as_str().unwrap_or_default();
            assert!(!is_shown || said == expected, "{} {key}: {said}", sample.name);
        }
    }
}

#[test]
fn no_body_breaks_a_template_that_is_for_another() {
    let renderer = built_in();
    for template in samples::webhooks().iter().filter_map(|sample| sample.template) {
        let template: TemplateName = template.parse().unwrap();
        for sample in samples::webhooks() {
            let notification = payload::any(sample.body.as_bytes()).unwrap();
            let rendered = renderer.render(&template, &notification, now());
            assert_eq!(rendered.problem, None, "{template} {}", sample.name);
            assert!(
                !rendered.messages[0].body.trim().is_empty(),
                "{template} {}",
                sample.name
            );
        }
    }
}

#[test]
fn what_a_body_lacks_is_empty_however_deep_and_what_it_holds_is_text() {
    let template = "{{ payload.a.b.c }}|{{ payload.list[7].x }}|{{ payload.none.x | default('d') }}|\
        {% for one in payload.nothing.here %}x{% endfor %}|{{ payload.text }}|{{ payload.list | length }}|{{ payload.n + 1 }}";
    let (_dir, renderer) = folder(&[("t.md.j2", template)]);
    let body = br#"{"text": "**b** @room <i>", "list": [1, 2], "n": 2, "none": null}"#;
    let notification = payload::alone(body).unwrap();
    let rendered = renderer.render(&"t".parse().unwrap(), &notification, now());
    assert_eq!(rendered.problem, None);
    let message = &rendered.messages[0];
    assert_eq!(message.body, "||d||**b** @room <i>|2|3");
    assert!(
        message.formatted_body.contains("**b** @room &lt;i&gt;"),
        "{}",
        message.formatted_body
    );
    assert!(!message.mentions.room);

    // One that fails gives way to the built-in one for such bodies.
    let (_dir, renderer) = folder(&[("t.md.j2", "{{ payload.text | round }}")]);
    let rendered = renderer.render(&"t".parse().unwrap(), &notification, now());
    assert!(rendered.problem.is_some());
    assert!(
        rendered.messages[0].body.starts_with("**b** @room <i>\n⚠️"),
        "{}",
        rendered.messages[0].body
    );
}
