//! What a template writes is read under the limits under which it runs, and where nothing of it can be seen, what is built in
//! speaks.

use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{self, Deadline, Draft, Level};
use grafana_matrix_relay::{alert, samples};

use super::{body_of, built_in, folder, now, rendered};

/// A template that writes about 900 KB of this.
fn endless(unit: &str) -> String {
    let piece = unit.repeat(2_000 / unit.len() + 1);
    let times = 900_000 / piece.len();
    format!("{{% for i in range({times}) %}}{{% raw %}}{piece}{{% endraw %}}{{% endfor %}}")
}

#[test]
fn whatever_a_template_writes_the_alert_is_a_message() {
    let renderer = built_in();
    let notification = alert::parse::notification(body_of("firing").as_bytes()).unwrap();
    for unit in [
        "<ul><li>", "<b><p>", "[", "*a_", "> ", "<a b=\"", "<a b=1 ", "- ", "</p>",
    ] {
        let draft = Draft {
            file: "t.md.j2",
            source: &endless(unit),
        };
        let desk = renderer.with_drafts(&[draft]);
        let preview = desk.preview(&"t".parse().unwrap(), &notification, now());
        let seen = preview.rendered;
        assert!(!seen.messages.is_empty(), "{unit}");
        for message in &seen.messages {
            let size = render::content_size(message);
            assert!(size <= render::CONTENT_LIMIT, "{unit}: {size} bytes");
        }
        // Read in part, which the last message says; or not at all, which what is built in says.
        let last = &seen.messages.last().unwrap().body;
        let is_cut = seen.budget.bytes_cut > 700_000 && last.contains(&seen.budget.bytes_cut.to_string());
        let is_told = seen.messages[0].body.contains("CheckoutSlow") && seen.problem.is_some();
        assert!(is_cut || is_told, "{unit}: {last:.200} {:?}", preview.diagnostics);
    }
}

#[test]
fn a_template_that_shows_nothing_is_told_by_what_is_built_in() {
    for text in [
        "{{ '' }}",
        "\u{feff}{{ '' }}",
        "\u{200b}\u{ad}\u{2800}",
        "&nbsp;",
        "# ",
        "> ",
        "<br>",
        "<br>\n\n- \n- ",
        "<b></b><div>&nbsp;</div>",
        "<script>alerts</script>",
        "<!-- {{ name }} -->",
        "---",
        "[](https://e.org/)",
        "{{ '\u{200b}' | bold }}",
        "{{ msgtype('m.notice') }}",
    ] {
        let (_dir, renderer) = folder(&[("t.md.j2", text)]);
        assert_eq!(renderer.problems(), [], "{text:?}: it is no fault of the file");
        let seen = super::render(&renderer, "t", &body_of("firing"));
        let problem = seen.problem.unwrap().to_string();
        assert_eq!(problem, "t.md.j2: shows nothing of this notification", "{text:?}");
        let body = &seen.messages[0].body;
        assert!(
            body.contains("FIRING") && body.contains("CheckoutSlow"),
            "{text:?}: {body}"
        );
        assert!(body.contains("shows nothing of this notification"), "{text:?}: {body}");
    }
    for text in ["x", "☐", "&lt;", "![](mxc://e.org/a)", "<img src=\"mxc://e.org/a\">"] {
        assert_eq!(rendered(text, "firing").problem, None, "{text}");
    }
}

#[test]
fn what_the_relay_adds_does_not_hide_that_a_template_shows_nothing() {
    let (_dir, renderer) = folder(&[("t.md.j2", "{% for alert in alerts %}{% endfor %}")]);
    let seen = super::render(&renderer, "t", &samples::group_of(5_000));
    assert!(
        seen.messages[0].body.contains("NodeNotReady"),
        "{}",
        seen.messages[0].body
    );
    assert!(seen.problem.is_some());
}

#[test]
fn an_author_sees_that_a_template_shows_nothing() {
    let notification = alert::parse::notification(body_of("firing").as_bytes()).unwrap();
    let draft = Draft {
        file: "alert.md.j2",
        source: "{% if status == 'resolved' %}{{ name }}{% endif %}",
    };
    let preview = built_in().preview(&[draft], &TemplateName::default(), &notification, now());
    let [remark] = preview.diagnostics.as_slice() else {
        panic!("{:?}", preview.diagnostics)
    };
    assert_eq!(remark.level, Level::Warning);
    assert_eq!(
        remark.problem.to_string(),
        "alert.md.j2: shows nothing of this notification: the built-in template does instead"
    );
    assert!(preview.rendered.messages[0].body.contains("CheckoutSlow"));
}

#[test]
fn who_has_no_time_left_gets_what_is_built_in() {
    let (_dir, renderer) = folder(&[("t.md.j2", "Mine: {{ name }}")]);
    let notification = alert::parse::notification(body_of("firing").as_bytes()).unwrap();
    let (template, gone) = ("t".parse().unwrap(), Deadline::none());
    gone.cancel();
    let seen = renderer.within(&gone).render(&template, &notification, now());
    assert!(seen.messages[0].body.contains("FIRING"), "{}", seen.messages[0].body);
    let problem = seen.problem.unwrap().to_string();
    assert!(
        problem.contains("the time for all templates of one request was over"),
        "{problem}"
    );
    // It is no fault of the template.
    let seen = renderer.render(&template, &notification, now());
    assert_eq!((seen.problem, &*seen.messages[0].body), (None, "Mine: CheckoutSlow"));
}
