//! What an edit of a template does to a relay that runs: it is in use, or it is named, and no alert is lost either way.

use std::fs;
use std::path::{Path, PathBuf};

use grafana_matrix_relay::config::Flags;
use grafana_matrix_relay::render;
use grafana_matrix_relay::standin::Event;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::app::{App, firing};
use crate::support::patience::until;
use crate::support::relay::{Relay, Setup};

/// Puts a template where the relay of these flags looks.
fn put(flags: &Flags, file: &str, text: &str) -> PathBuf {
    save(
        &PathBuf::from(flags.messages.templates_dir.clone().unwrap()),
        file,
        text,
    )
}

fn save(folder: &Path, file: &str, text: &str) -> PathBuf {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// Asks until the workshop shows this text of a file, so until the relay has looked at it.
async fn looked_at(app: &App, file: &str, text: &str) {
    until("the file is looked at", async || {
        let (_, state) = app.get_json("/workshop/state").await;
        let mut templates = state["templates"].as_array().unwrap().iter();
        templates.any(|template| template["file"] == file && template["text"] == text)
    })
    .await;
}

async fn templates_check(app: &App) -> (Value, String) {
    let (status, report) = app.get_json("/health/ready").await;
    assert_eq!(status, StatusCode::OK, "a template costs no readiness: {report}");
    let mut checks = report["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == "templates").unwrap();
    (
        check["state"].clone(),
        check["reason"].as_str().unwrap_or_default().to_owned(),
    )
}

async fn metric(app: &App, name: &str) -> String {
    let metrics = app.get("/metrics").await.text().await.unwrap();
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.map(|line| line[name.len() + 1..].to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn saved_template_is_in_use_without_a_restart() {
    let app = App::start().await;
    app.accept(&firing("Before")).await;
    let folder = app.data.path().join("templates");
    save(&folder, "alert.md.j2", "Mine: {{ name }}");
    looked_at(&app, "alert.md.j2", "Mine: {{ name }}").await;
    app.accept(&firing("After")).await;
    let messages = app.messages(2).await;
    assert!(messages[0].starts_with("🔥 FIRING · Before"), "{messages:?}");
    assert_eq!(messages[1], "Mine: After");

    save(&folder, "alert.md.j2", "Broken: {{ nmae }}");
    looked_at(&app, "alert.md.j2", "Broken: {{ nmae }}").await;
    app.accept(&firing("Kept")).await;
    assert_eq!(app.messages(3).await[2], "Mine: Kept");
    let (state, reason) = templates_check(&app).await;
    assert!(state == "degraded" && reason.starts_with("alert.md.j2:1: "), "{reason}");
    assert_eq!(metric(&app, "grafana_matrix_relay_templates_broken").await, "1");

    save(&folder, "alert.md.j2", "Mended: {{ name }}");
    looked_at(&app, "alert.md.j2", "Mended: {{ name }}").await;
    assert_eq!(templates_check(&app).await, (json!("ready"), String::new()));
    assert_eq!(metric(&app, "grafana_matrix_relay_templates_broken").await, "0");
}

#[tokio::test]
async fn template_that_fails_for_some_alerts_only_is_named_until_it_is_edited() {
    let trap = "{% if name == \"Trap\" %}{{ 1 // 0 }}{% endif %}fine";
    let app = App::with(|flags| drop(put(flags, "alert.md.j2", trap))).await;
    assert_eq!(templates_check(&app).await.0, "ready");
    // The second one brings nothing new: it is compared with the first, which is no rendering that anybody sees.
    for name in ["Trap", "Trap", "Harmless"] {
        app.accept(&firing(name)).await;
    }
    assert_eq!(metric(&app, "grafana_matrix_relay_template_errors_total").await, "1");
    let (state, reason) = templates_check(&app).await;
    assert!(state == "degraded" && reason.starts_with("alert.md.j2:1: "), "{reason}");
    assert_eq!(metric(&app, "grafana_matrix_relay_templates_broken").await, "1");

    save(&app.data.path().join("templates"), "alert.md.j2", "mended");
    looked_at(&app, "alert.md.j2", "mended").await;
    app.accept(&firing("Another")).await;
    assert_eq!(templates_check(&app).await.0, "ready");
}

#[tokio::test]
async fn template_that_nobody_has_is_named() {
    let app = App::start().await;
    let answer = app
        .post("/alert?template=mine")
        .json(&firing("Kept"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let (state, reason) = templates_check(&app).await;
    assert_eq!(
        (state, reason.as_str()),
        (json!("degraded"), "mine.md.j2: there is no such template")
    );
    assert_eq!(metric(&app, "grafana_matrix_relay_template_errors_total").await, "1");
}

#[tokio::test]
async fn log_says_once_what_is_wrong_with_a_template() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "alert.md.j2", "one\n{% if true %}");
    let trap = "{% if name.startswith(\"Trap\") %}{{ 1 // 0 }}{% endif %}fine";
    save(folder.path(), "trap.md.j2", trap);
    let setup = Setup::bare()
        .arg("demo")
        .env("RELAY_TEMPLATES_DIR", &folder.path().display().to_string());
    let mut relay = setup.start().await;
    for name in ["Trap1", "Fine1", "Trap2", "Fine2"] {
        relay.accepts(&firing(name)).await;
        let trapped = relay
            .request(reqwest::Method::POST, "/alert?template=trap", &firing(name))
            .await;
        assert_eq!(trapped.status, 202, "{}", trapped.body);
    }
    save(folder.path(), "alert.md.j2", "mended");
    save(folder.path(), "trap.md.j2", "mended");
    relay.says("the changed templates").await;
    relay
        .request(reqwest::Method::POST, "/alert?template=trap", &firing("Last"))
        .await;
    relay.says("template `trap` works again").await;
    let log = relay.log();
    for once in ["alert.md.j2:2", "trap.md.j2:1", "`trap` works again"] {
        assert_eq!(log.matches(once).count(), 1, "{once} in\n{log}");
    }
}

/// A group with these alerts: name, severity, and whether it fires.
fn group(alerts: &[(&str, &str, bool)]) -> Value {
    let alerts = alerts.iter().enumerate().map(|(number, (name, severity, fires))| {
        json!({"status": if *fires { "firing" } else { "resolved" },
            "labels": {"alertname": "Disk", "host": name, "severity": severity}, "fingerprint": name,
            "startsAt": format!("2026-11-20T09:1{number}:10Z"),
            "endsAt": if *fires { "0001-01-01T00:00:00Z" } else { "2026-11-20T09:30:00Z" }})
    });
    json!({"version": "1", "groupKey": "{}:{alertname=\"Disk\"}", "groupLabels": {"alertname": "Disk"},
        "alerts": alerts.collect::<Vec<_>>()})
}

#[tokio::test]
async fn documented_page_goes_out_whenever_something_critical_starts() {
    let blocks: Vec<&str> = render::GUIDE
        .split("```jinja\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let [root, line] = blocks.as_slice() else {
        panic!("{blocks:?}")
    };
    let app = App::with(|flags| {
        for (file, source) in render::embedded() {
            let block = match file {
                "alert.md.j2" => root,
                "update.md.j2" => line,
                _ => continue,
            };
            put(flags, file, &format!("{source}\n{block}"));
        }
    })
    .await;
    assert_eq!(templates_check(&app).await.0, "ready");
    let mut seen = 0;
    for (alerts, expected) in [
        (&[("a", "warning", true)][..], vec![("", false)]),
        // The line mentions and goes first; the edit of the root mentions nobody.
        (
            &[("a", "warning", true), ("b", "critical", true)],
            vec![("m.thread", true), ("m.replace", false)],
        ),
        (
            &[("a", "warning", true), ("b", "critical", true), ("c", "warning", true)],
            vec![("m.thread", false), ("m.replace", false)],
        ),
        (
            &[
                ("a", "warning", false),
                ("b", "critical", false),
                ("c", "warning", false),
            ],
            vec![("m.thread", false), ("m.replace", false)],
        ),
        // A new root, of a mixed group.
        (&[("a", "warning", false), ("d", "critical", true)], vec![("", true)]),
    ] {
        app.accept(&group(alerts)).await;
        app.messages(seen + expected.len()).await;
        let messages = app.homeserver.homeserver.messages(&app.room);
        let told: Vec<_> = messages[seen..]
            .iter()
            .map(|event| (relation(event), mentions(event)))
            .collect();
        assert_eq!(told, expected, "{alerts:?}");
        seen = messages.len();
        // A group that fires again before its end is known to be shown goes on in the same message.
        app.settled().await;
    }
}

fn relation(event: &Event) -> &str {
    event.content["m.relates_to"]["rel_type"].as_str().unwrap_or_default()
}

fn mentions(event: &Event) -> bool {
    event.content["m.mentions"] == json!({"user_ids": ["@oncall:example.org"]})
}

/// Two lists that are put into themselves so often that nothing ends that looks at all of them.
const ENDLESS: &str = "{% set ns = namespace(x=[1], y=[1]) %}
{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}
";

/// A relay that shows what it delivers, with these templates.
async fn demo_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Relay) {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        save(folder.path(), file, text);
    }
    let setup = Setup::bare()
        .arg("demo")
        .env("RELAY_TEMPLATES_DIR", &folder.path().display().to_string());
    let relay = setup.start().await;
    (folder, relay)
}

/// What would be sent by this template, and the errors.
async fn previewed(relay: &Relay, request: &Value) -> (String, Vec<String>) {
    let answer = relay.request(reqwest::Method::POST, "/preview", request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let remarks = answer.body["diagnostics"].as_array().unwrap().iter();
    let errors = remarks.map(|one| {
        format!(
            "{}: {}",
            one["file"].as_str().unwrap(),
            one["message"].as_str().unwrap()
        )
    });
    let body = answer.body["messages"][0]["body"].as_str().unwrap_or_default();
    (body.to_owned(), errors.collect())
}

#[tokio::test]
async fn template_without_end_costs_nothing_but_itself() {
    let equal = format!("{ENDLESS}{{{{ ns.x == ns.y }}}}");
    let (folder, mut relay) = demo_with(&[("alert.md.j2", &equal), ("compact.md.j2", "Mine: {{ name }}")]).await;
    relay.says("alert.md.j2: takes too much time").await;
    relay.accepts(&firing("Arrives")).await;
    let ready = relay.get("/health/ready").await;
    assert_eq!(ready.status, 200);
    let ready = ready.body.to_string();
    assert!(ready.contains("alert.md.j2: takes too much time"), "{ready}");

    // What is saved while it runs is tried like that; what is edited later is taken once all of it works.
    let unique = format!("{ENDLESS}{{{{ [ns.x, ns.y] | unique | length }}}}");
    save(folder.path(), "detailed.md.j2", &unique);
    relay.says("detailed.md.j2: takes too much time").await;
    save(folder.path(), "alert.md.j2", "Mended: {{ name }}");
    relay.says_next("the changed templates").await;
    let (body, _) = previewed(&relay, &json!({"sample": "firing"})).await;
    assert!(body.starts_with("🔥 FIRING · CheckoutSlow"), "{body}");
    save(folder.path(), "detailed.md.j2", "Short: {{ name }}");
    relay.says_next("the changed templates").await;
    let (body, errors) = previewed(&relay, &json!({"sample": "firing"})).await;
    assert_eq!(body, "Mended: CheckoutSlow");
    assert!(errors.is_empty(), "{errors:?}");

    // Nothing of it takes the place of drafts, nor do drafts take the place of what is in use.
    for number in 0..3 {
        let draft = format!("{number}{equal}");
        let (body, errors) = previewed(&relay, &json!({"sample": "firing", "source": draft})).await;
        assert_eq!(body, "Mended: CheckoutSlow");
        let is_said = |error: &String| error.starts_with("alert.md.j2: takes too much time");
        assert!(errors.iter().any(is_said), "{errors:?}");
    }
    relay.accepts(&firing("Arrives too")).await;
    assert!(relay.terminate().success());
}

#[tokio::test]
async fn template_without_bounds_takes_none_of_the_relays_memory() {
    let boundless = "{% set ns = namespace(x=['x' * 200]) %}
{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{% set text = ns.x ~ '' %}{{ name }}";
    let (folder, mut relay) = demo_with(&[("alert.md.j2", boundless)]).await;
    relay.says("alert.md.j2: takes too much").await;
    let before = relay.forget_peak();
    relay.accepts(&firing("Arrives")).await;
    let draft = json!({"sample": "firing", "source": format!("a draft: {boundless}")});
    let (body, errors) = previewed(&relay, &draft).await;
    assert!(body.contains("CheckoutSlow"), "{body}");
    // Time, where the machine is too busy to fill the memory before.
    let is_said = |error: &String| error.starts_with("alert.md.j2: takes too much");
    assert!(errors.iter().any(is_said), "{errors:?}");
    save(folder.path(), "alert.md.j2", &format!("{boundless}, again"));
    relay.says_next("the changed templates").await;
    relay.accepts(&firing("Arrives too")).await;
    save(folder.path(), "alert.md.j2", "Mended: {{ name }}");
    relay.says_next("the changed templates").await;
    assert_eq!(
        previewed(&relay, &json!({"sample": "firing"})).await.0,
        "Mended: CheckoutSlow"
    );
    let after = relay.peak();
    assert!(after < before + (32 << 20), "{before} bytes, then {after}");
    assert!(relay.terminate().success());
}

#[tokio::test]
async fn template_that_is_endless_for_some_alerts_only_is_given_up_for_all_while_it_computes() {
    let trap = format!("{ENDLESS}{{% if name.startswith('Trap') %}}{{{{ ns.x == ns.y }}}}{{% endif %}}fine");
    let app = App::with(|flags| drop(put(flags, "alert.md.j2", &trap))).await;
    assert_eq!(templates_check(&app).await.0, "ready");
    for name in ["Trap1", "Trap2", "Harmless"] {
        app.accept(&firing(name)).await;
    }
    let messages = app.messages(3).await;
    for (message, name) in messages.iter().zip(["Trap1", "Trap2", "Harmless"]) {
        let first = message.lines().next().unwrap();
        assert!(
            first.contains(name) && message.contains("alert.md.j2: takes too much time"),
            "{message}"
        );
    }
    save(&app.data.path().join("templates"), "alert.md.j2", "mended");
    looked_at(&app, "alert.md.j2", "mended").await;
    app.accept(&firing("Another")).await;
    assert_eq!(app.messages(4).await[3], "mended");
}

#[tokio::test]
async fn template_that_is_nested_too_deeply_ends_no_relay() {
    let chain = |again: &str| format!("{{{{ 1{} }}}}", again.repeat(1_500));
    let loops = "{% set ns = namespace(x=[]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}{% endfor %}";
    let elif = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(5_000));
    let (folder, mut relay) = demo_with(&[
        ("alert.md.j2", &chain(" ~ 1")),
        ("loops.md.j2", loops),
        ("elif.md.j2", &elif),
    ])
    .await;
    for (source, number) in [(chain(" + 1"), 1), (loops.to_owned(), 2), (elif, 3)] {
        let request = json!({"sample": "firing", "source": format!("{number}{source}")});
        // It is answered, if only that it took too long on a machine that is busy.
        previewed(&relay, &request).await;
    }
    save(folder.path(), "compact.md.j2", &chain(" and 1"));
    save(folder.path(), "detailed.md.j2", loops);
    relay.says("the changed templates").await;
    relay.accepts(&firing("Arrives")).await;
    assert!(relay.runs());
    assert!(relay.terminate().success());
}
