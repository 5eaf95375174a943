//! What neither a template nor the text of an alert reaches: files outside the folder, the network, the environment.

use super::{body, body_of, folder, now, render, write};
use grafana_matrix_relay::alert;

const SECRET: &str = "zq-outside";

#[test]
fn a_template_reaches_no_file_outside_its_folder() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret.md.j2", SECRET);
    let (dir, probe) = folder(&[("in/side.j2", "inside")]);
    let absolute = outside.path().join("secret.md.j2").display().to_string();
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    // Both are in the same folder of temporary files.
    let relative = format!("../{name}/secret.md.j2");
    assert!(dir.path().join(&relative).exists() && probe.problems().is_empty());
    let names = [
        "/etc/passwd".to_owned(),
        format!("file://{absolute}"),
        absolute,
        format!("./{relative}"),
        format!("in/../{relative}"),
        format!("in/../../{name}/secret.md.j2"),
        relative.replace('/', "\\\\"),
        relative,
        "/proc/self/environ".to_owned(),
        "in/side.j2\\x00".to_owned(),
        "\\\\\\\\host\\\\share\\\\x.j2".to_owned(),
        "//host/share/x.j2".to_owned(),
        "http://127.0.0.1:1/x.j2".to_owned(),
        "C:\\\\x.j2".to_owned(),
    ];
    for name in names {
        for tag in ["include", "extends", "import"] {
            let end = if tag == "import" { " as x" } else { "" };
            write(dir.path(), "t.md.j2", &format!("{{% {tag} \"{name}\"{end} %}}"));
            let renderer = reopened(dir.path());
            assert_eq!(renderer.problems().len(), 1, "{tag} {name}");
            falls_back(&renderer, &format!("{tag} {name}"));
        }
    }
    // What is in the folder can be put in all the same.
    write(dir.path(), "t.md.j2", "{% include \"in/side.j2\" %}");
    assert_eq!(
        render(&reopened(dir.path()), "t", &body_of("firing")).messages[0].body,
        "inside"
    );
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_out_of_the_folder_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret.md.j2", SECRET);
    let (dir, _) = folder(&[
        ("t.md.j2", "{% include \"link.j2\" %}"),
        ("d.md.j2", "{% include \"d/secret.md.j2\" %}"),
        ("good.md.j2", "good"),
    ]);
    std::os::unix::fs::symlink(outside.path().join("secret.md.j2"), dir.path().join("link.j2")).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("d")).unwrap();
    let renderer = reopened(dir.path());
    let problems: Vec<_> = renderer.problems().iter().map(ToString::to_string).collect();
    for file in ["link.j2", "d/secret.md.j2"] {
        let named = |problem: &String| problem.contains(file) && problem.contains("out of the templates folder");
        assert!(problems.iter().any(named), "{problems:?}");
    }
    falls_back(&renderer, "a link");
    assert!(
        !render(&renderer, "d", &body_of("firing")).messages[0]
            .body
            .contains(SECRET)
    );
    assert_eq!(render(&renderer, "good", &body_of("firing")).messages[0].body, "good");
}

#[test]
fn a_template_reaches_neither_environment_nor_objects_behind_values() {
    let attempts = [
        "{{ env.PATH }}",
        "{{ env(\"PATH\") }}",
        "{{ getenv(\"PATH\") }}",
        "{{ \"PATH\" | env }}",
        "{{ environ[\"PATH\"] }}",
        "{{ os.environ.PATH }}",
        "{{ import_os().system(\"id\") }}",
        "{{ open(\"/etc/passwd\") }}",
        "{{ open(\"/etc/passwd\").read() }}",
        "{{ read_file(\"/etc/passwd\") }}",
        "{{ \"/etc/passwd\" | read }}",
        "{{ fetch(\"http://127.0.0.1:1/\") }}",
        "{{ exec(\"id\") }}",
        "{{ \"\".__class__ }}",
        "{{ name.__class__ }}",
        "{{ alerts.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ config.items() }}",
        "{{ request.application }}",
    ];
    for text in attempts {
        let (_dir, renderer) = folder(&[("t.md.j2", text)]);
        assert_eq!(renderer.problems().len(), 1, "{text}");
        falls_back(&renderer, text);
    }
    // Everything of the template's own context is from the notification.
    let all = body(
        "{{ debug is defined }}{{ env is defined }}{{ open is defined }}",
        "firing",
    );
    assert!(all.ends_with("falsefalse"), "{all}");
}

#[test]
fn template_syntax_in_an_alert_stays_text() {
    let texts = [
        "{{ 7*7 }}",
        "{% include \"alert.md.j2\" %}",
        "{% include \"/etc/passwd\" %}",
        "{# gone #}",
        "{{ mention_room() }}",
    ];
    let (_dir, renderer) = folder(&[("own.md.j2", "{{ alerts[0].summary }} {{ name }}")]);
    for text in texts {
        let quoted = serde_json::to_string(text).unwrap();
        let body = body_of("firing")
            .replace("\"Checkout answers in 2.4 s (p99)\"", &quoted)
            .replace("\"CheckoutSlow\"", &quoted);
        assert!(alert::parse::notification(body.as_bytes()).is_ok());
        for template in ["alert", "compact", "detailed", "own"] {
            let seen = render(&renderer, template, &body);
            assert_eq!(seen.problem, None, "{template} {text}");
            let message = &seen.messages[0];
            assert!(message.body.contains(text), "{template} {text}: {}", message.body);
            assert!(
                message.headline.contains(text),
                "{template} {text}: {}",
                message.headline
            );
            assert!(!message.mentions.room, "{template} {text}");
        }
    }
}

fn reopened(dir: &std::path::Path) -> grafana_matrix_relay::render::Renderer {
    grafana_matrix_relay::render::Renderer::open(&super::settings(dir))
}

/// The alert is told all the same, and nothing of what was tried to reach is in it.
fn falls_back(renderer: &grafana_matrix_relay::render::Renderer, what: &str) {
    let notification = alert::parse::notification(body_of("firing").as_bytes()).unwrap();
    let seen = renderer.render(&"t".parse().unwrap(), &notification, now());
    let text = &seen.messages[0].body;
    assert!(text.contains("CheckoutSlow"), "{what}: {text}");
    for absent in [SECRET, "root:", "PATH="] {
        assert!(!text.contains(absent), "{what}: {text}");
    }
}

#[test]
fn it_is_known_whether_a_template_can_ping_everybody() {
    let (_dir, renderer) = folder(&[
        ("t.md.j2", "{% include 'partials/a.md.j2' %}"),
        (
            "partials/a.md.j2",
            "{% import \"partials/b.md.j2\" as b %}{{ b.ping() }}",
        ),
        (
            "partials/b.md.j2",
            "{% macro ping() %}{% if severity == 'x' %}{{ mention_room() }}{% endif %}{% endmacro %}",
        ),
        (
            "named.md.j2",
            "{# mention_room() #} mention_room {{ mention('@a:e.org') }}",
        ),
        ("extends.md.j2", "{% extends 'partials/b.md.j2' %}"),
        ("broken.md.j2", "{{ mention_room("),
    ]);
    for (name, can) in [
        ("t", true),
        ("extends", true),
        ("named", false),
        ("alert", false),
        ("digest", false),
        ("update", false),
        ("broken", false),
        ("missing", false),
    ] {
        assert_eq!(renderer.can_mention_room(&name.parse().unwrap()), can, "{name}");
    }
}
