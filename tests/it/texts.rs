//! What the room says of bodies that people have had trouble with: links that lead nowhere or too far, texts in odd places,
//! times that say nothing, names that are nobody's business. Each stands for its kind.

use grafana_matrix_relay::standin::Event;
use serde_json::{Value, json};

use crate::app::App;

/// What one alert becomes in the room.
async fn said(app: &App, body: &Value) -> Event {
    let before = app.texts().len();
    app.accept(body).await;
    app.messages(before + 1).await;
    app.homeserver.homeserver.messages(&app.room).remove(before)
}

fn html(event: &Event) -> &str {
    event.content["formatted_body"].as_str().unwrap()
}

/// The addresses of the links in a message, by their words.
fn links(event: &Event) -> Vec<(String, String)> {
    let links = html(event).split("<a href=\"").skip(1);
    let link = |rest: &str| {
        let (url, rest) = rest.split_once("\">")?;
        let text = rest.split("</a>").next()?;
        Some((text.to_owned(), url.replace("&amp;", "&")))
    };
    links.map(|rest| link(rest).unwrap()).collect()
}

fn words(event: &Event) -> Vec<String> {
    links(event).into_iter().map(|(text, _)| text).collect()
}

fn link(event: &Event, word: &str) -> Option<String> {
    links(event)
        .into_iter()
        .find(|(text, _)| text == word)
        .map(|(_, url)| url)
}

/// A firing alert with these labels and annotations.
fn alert(labels: &Value, annotations: &Value) -> Value {
    json!({"status": "firing", "labels": labels, "annotations": annotations, "startsAt": "2026-11-29T17:48:41.011Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prom.example.net:9090/graph?g0.expr=up"})
}

/// From Alertmanager; each is a group of its own.
fn group(alerts: &[Value]) -> Value {
    let key = format!("{{}}:{}", alerts[0]["labels"]);
    json!({"version": "4", "groupKey": key, "receiver": "matrix", "externalURL": "http://am.example.net:9093", "alerts": alerts})
}

/// From Grafana, in another organisation than the first one.
fn of_grafana(alerts: &[Value]) -> Value {
    let mut body = group(alerts);
    body["version"] = json!("1");
    body["groupKey"] = json!(format!("grafana/{}", alerts[0]["labels"]));
    body["externalURL"] = json!("https://mon.example.net/grafana");
    body["orgId"] = json!(7);
    body
}

fn decoded(url: &str) -> String {
    let query = url.split_once("filter=").unwrap().1;
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.map(|(name, _)| name.into_owned()).collect()
}

#[tokio::test]
async fn silence_of_alertmanager_is_written_in_its_own_language() {
    let app = App::start().await;
    let odd = alert(
        &json!({"alertname": "⚠️ Disque \"plein\"", "hote": "srv\u{a0}: 3\n4"}),
        &json!({}),
    );
    let odd = said(&app, &group(&[odd])).await;
    let silence = decoded(&link(&odd, "Silence").unwrap());
    assert_eq!(
        silence,
        "{alertname=\"⚠️ Disque \\\"plein\\\"\", hote=\"srv\u{a0}: 3\\n4\"}"
    );
    // Without a label that cannot be written there it would silence more than this alert.
    let dotted = alert(&json!({"alertname": "A", "service.name": "x"}), &json!({}));
    assert_eq!(words(&said(&app, &group(&[dotted])).await), ["Query"]);
}

#[tokio::test]
async fn own_links_lead_into_the_same_organisation_as_those_that_were_sent() {
    let app = App::start().await;
    let lag = |number: u32| {
        let mut lag = alert(&json!({"alertname": "Lag", "i": number.to_string()}), &json!({}));
        lag["generatorURL"] = json!("https://mon.example.net/grafana/alerting/grafana/r1/view?orgId=7");
        lag
    };
    let mut body = of_grafana(&[lag(0), lag(1)]);
    body["truncatedAlerts"] = json!(3);
    let lags = said(&app, &body).await;
    let silence = link(&lags, "Silence all").unwrap();
    assert_eq!(
        silence,
        "https://mon.example.net/grafana/alerting/silence/new?alertmanager=grafana&matcher=alertname%3DLag&orgId=7"
    );
    let overview = link(&lags, "open in Grafana").unwrap();
    assert_eq!(overview, "https://mon.example.net/grafana/alerting/groups?orgId=7");
}

#[tokio::test]
async fn silence_for_a_group_is_no_wider_than_the_group() {
    let app = App::start().await;
    let rule = |name: &str, more: &Value| {
        let mut labels = json!({"alertname": name, "cluster": "c1", "grafana_folder": "Shop"});
        labels
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        alert(&labels, &json!({}))
    };
    let several = [rule("A", &json!({})), rule("B", &json!({}))];
    let blind =
        |rules: [&str; 2]| rules.map(|name| rule("DatasourceError", &json!({"rulename": name, "ref_id": name})));
    let instances = [rule("A", &json!({"i": "1"})), rule("A", &json!({"i": "2"}))];
    for of_sender in [group, of_grafana] {
        assert_eq!(link(&said(&app, &of_sender(&several)).await, "Silence all"), None);
        assert_eq!(
            link(&said(&app, &of_sender(&blind(["C", "D"]))).await, "Silence all"),
            None
        );
        let mut same = blind(["E", "E"]);
        same[1]["labels"]["i"] = json!("2");
        assert!(link(&said(&app, &of_sender(&same)).await, "Silence all").is_some());
        assert!(link(&said(&app, &of_sender(&instances)).await, "Silence all").is_some());
    }
}

#[tokio::test]
async fn text_is_shown_wherever_it_stands_and_once() {
    let app = App::start().await;
    let failed = |number: u32, field: &str| {
        let text = format!("Job import-{number} failed.\nLast exit code 137.");
        alert(
            &json!({"alertname": "JobFailed", "job_name": format!("import-{number}")}),
            &json!({field: text}),
        )
    };
    let both = said(&app, &group(&[failed(0, "description"), failed(1, "message")])).await;
    assert!(
        both.body().contains("import-0 · Job import-0 failed. ·"),
        "{}",
        both.body()
    );
    assert!(
        both.body().contains("import-1 · Job import-1 failed. ·"),
        "{}",
        both.body()
    );
    let one = said(&app, &group(&[failed(2, "description")])).await;
    let lines: Vec<_> = one.body().lines().collect();
    assert_eq!(
        (lines[1], one.body().matches("import-2 failed").count()),
        ("Job import-2 failed.", 1),
        "{lines:?}"
    );
    assert!(one.body().contains("\n> Last exit code 137."), "{}", one.body());

    let same = "Certificate of shop expires in 5 days";
    let twice = alert(
        &json!({"alertname": "X"}),
        &json!({"summary": same, "description": format!("{same}. ")}),
    );
    let once = said(&app, &group(&[twice])).await;
    assert_eq!(once.body().matches("Certificate").count(), 1, "{}", once.body());

    // What Go prints of a map is a text like any other.
    let map =
        json!({"summary": "CPU is [ var='A' labels={instance=i-1} value=96.44 ]", "description": "map[A:96.44 B:1]"});
    let map = said(&app, &group(&[alert(&json!({"alertname": "Map"}), &map)])).await;
    assert!(map.body().contains("labels={instance=i-1}") && map.body().contains("\n> map[A:96.44 B:1]"));
}

#[tokio::test]
async fn summary_of_several_lines_is_one_line_of_a_group_and_none_of_the_relay() {
    let app = App::start().await;
    let lines = |number: u32| {
        let summary = format!("first line h{number}\n✅ RESOLVED · Multi\n  - detail\n\nlast");
        alert(
            &json!({"alertname": "Multi", "h": format!("h{number}")}),
            &json!({"summary": summary}),
        )
    };
    let several = said(&app, &group(&[lines(0), lines(1), lines(2)])).await;
    let of_alerts = several.body().lines().skip(1).take(3);
    for (number, line) in of_alerts.enumerate() {
        assert!(
            line.contains(" · first line h") && line.starts_with("🔥 h"),
            "{number}: {line}"
        );
    }
    let alone = said(&app, &group(&[lines(3)])).await;
    for event in [&several, &alone] {
        assert!(
            !event.body().lines().any(|line| line.starts_with("✅")),
            "{}",
            event.body()
        );
    }
    assert!(alone.body().contains("\n> ✅ RESOLVED · Multi\n"), "{}", alone.body());
    let quoted = html(&alone).split_once("<blockquote>").unwrap().1;
    assert!(quoted.contains("RESOLVED · Multi"), "{quoted}");
}

#[tokio::test]
async fn grafana_8_is_told_by_what_it_sends_and_its_private_names_stay_private() {
    let app = App::start().await;
    let private =
        json!({"__alert_rule_uid__": "rule_Uid1", "__alert_rule_namespace_uid__": "nsUid1", "alertname": "MEMORY"});
    let mut edge = alert(
        &private,
        &json!({"__dashboardUid__": "dashUid1", "__panelId__": "78", "note": "hello"}),
    );
    edge["generatorURL"] = json!("https://mon.example.net/grafana/alerting/rule_Uid1/edit");
    let mut body = group(&[edge]);
    body["externalURL"] = json!("http://mon:9093");
    body["title"] = json!("[FIRING:1]");
    body["state"] = json!("alerting");
    body["truncatedAlerts"] = json!(1);
    let body = json!(body);
    let old = said(&app, &body).await;
    assert_eq!(words(&old), ["open in Grafana", "Rule"]);
    let overview = link(&old, "open in Grafana").unwrap();
    assert_eq!(overview, "https://mon.example.net/grafana/alerting/groups");
    let detailed = app
        .post("/preview")
        .json(&json!({"template": "detailed", "payload": body}));
    let answer: Value = detailed.send().await.unwrap().json().await.unwrap();
    let text = answer["messages"][0].to_string();
    assert!(text.contains("note: hello"), "{answer}");
    for shown in [old.body(), html(&old), &text] {
        assert!(
            !shown.contains("nsUid1") && !shown.contains("dashUid1") && !shown.contains("__"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn addresses_that_no_client_opens_leave_no_word_behind() {
    let app = App::start().await;
    let mut nameless = alert(
        &json!({"alertname": "TargetDown"}),
        &json!({"runbook_url": "/wiki/e", "logs_url": "https://"}),
    );
    nameless["generatorURL"] = json!("http://:9090/graph?g0.expr=up");
    let mut body = group(&[nameless.clone()]);
    body["externalURL"] = json!("http://:9093");
    body["truncatedAlerts"] = json!(2);
    let nowhere = said(&app, &body).await;
    nameless["generatorURL"] = json!("/alerting/grafana/u/view");
    for field in ["silenceURL", "dashboardURL", "panelURL"] {
        nameless[field] = json!("/d/x?viewPanel=1");
    }
    nameless["labels"]["i"] = json!("2");
    let mut body = of_grafana(&[nameless]);
    body["externalURL"] = json!("/");
    let relative = said(&app, &body).await;
    for event in [nowhere, relative] {
        assert_eq!(links(&event), [], "{}", html(&event));
        let words = [
            "Rule",
            "Query",
            "Silence",
            "Panel",
            "Dashboard",
            "Runbook",
            "Logs",
            "open in",
            "unknown:",
        ];
        for word in words {
            assert!(
                !html(&event).contains(word) && !event.body().contains(word),
                "{word}: {}",
                event.body()
            );
        }
    }
}

#[tokio::test]
async fn annotations_that_are_addresses_are_links_by_their_names() {
    let app = App::start().await;
    let annotations = json!({
        "summary": "links", "see": "https://e.org and more", "__internal__": "https://private.example.net",
        "dashboard": "https://grafana.example.net/d/abc", "dashboard_url": "https://grafana.example.net/d/abc",
        "logs_url": "https://grafana.example.net/explore", "runbook": "https://wiki.example.net/runbook",
        "on_call-guide": "https://wiki.example.net/pb", "url": "https://u.example.net",
    });
    let event = said(&app, &group(&[alert(&json!({"alertname": "L"}), &annotations)])).await;
    assert_eq!(
        words(&event),
        [
            "Runbook",
            "Query",
            "Dashboard",
            "Logs",
            "On call guide",
            "Link",
            "Silence"
        ]
    );
    assert_eq!(link(&event, "Logs").unwrap(), "https://grafana.example.net/explore");
    // A plain text spells out two of them.
    assert_eq!(event.body().matches("http").count(), 2, "{}", event.body());
}

#[tokio::test]
async fn times_say_nothing_that_goes_stale_or_never_was() {
    let app = App::start().await;
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_mins(65)).to_string();
    let mut skewed = alert(&json!({"alertname": "ClockSkew"}), &json!({"summary": "clock is off"}));
    skewed["startsAt"] = json!(soon);
    let skewed = said(&app, &group(&[skewed])).await;
    let fresh = alert(&json!({"alertname": "Fresh"}), &json!({"summary": "new"}));
    let fresh = said(&app, &group(&[fresh])).await;
    let mut short = alert(&json!({"alertname": "Short"}), &json!({}));
    (short["status"], short["endsAt"]) = (json!("resolved"), short["startsAt"].clone());
    let short = said(&app, &group(&[short])).await;
    for event in [&skewed, &fresh, &short] {
        let is_duration = |word: &str| word.chars().all(|c| c.is_ascii_digit());
        let words: Vec<&str> = event.body().split([' ', '(', ')']).collect();
        let told = words
            .windows(2)
            .find(|pair| is_duration(pair[0]) && ["s", "min", "h", "d"].contains(&pair[1]));
        assert_eq!(told, None, "{}", event.body());
    }
    assert!(
        skewed.body().contains("since ") && fresh.body().contains("since "),
        "{}",
        skewed.body()
    );
    assert!(short.body().starts_with("✅ RESOLVED · Short"), "{}", short.body());
}

#[tokio::test]
async fn no_event_asks_a_client_to_look_at_its_links() {
    let app = App::start().await;
    let rule = |number: u32| alert(&json!({"alertname": "A", "i": number.to_string()}), &json!({}));
    said(&app, &group(&[rule(1)])).await;
    let mut more = group(&[rule(1), rule(2)]);
    more["groupKey"] = group(&[rule(1)])["groupKey"].clone();
    app.accept(&more).await;
    app.messages(3).await;
    let events = app.homeserver.homeserver.messages(&app.room);
    let edits: Vec<_> = events
        .iter()
        .filter(|event| event.content.get("m.new_content").is_some())
        .collect();
    assert_eq!(edits.len(), 1);
    assert_eq!(edits[0].content["m.new_content"]["com.beeper.linkpreviews"], json!([]));
    for event in &events {
        assert_eq!(event.content["com.beeper.linkpreviews"], json!([]), "{}", event.content);
    }
}

#[tokio::test]
async fn a_room_reads_in_the_language_that_was_chosen() {
    let app = App::with(|flags| {
        flags.messages.language = Some("de-AT".to_owned());
        flags.messages.timezone = Some("Europe/Berlin".to_owned());
        let folder = std::path::PathBuf::from(flags.messages.templates_dir.clone().unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        let own = "{{ say(\"after\", duration=5400 | duration) }} {{ 1234.5 | number }} \
                   {{ \"2026-03-02T10:00:00Z\" | time(\"%A, %d. %B, %a %b %%A\") }}";
        std::fs::write(folder.join("own.md.j2"), own).unwrap();
        std::fs::write(folder.join("words.toml"), "[de]\nsince = \"ab {time}\"\n").unwrap();
    })
    .await;
    let annotations = json!({"summary": "Platte voll", "runbook_url": "https://wiki.example.net/r"});
    let mut full = alert(&json!({"alertname": "Platte", "host": "db-2"}), &annotations);
    full["values"] = json!({"A": 96.4359});
    let full = said(&app, &of_grafana(&[full])).await;
    let lines: Vec<&str> = full.body().lines().collect();
    assert_eq!(lines[..3], ["🔥 ALARM · Platte", "Platte voll", "host=db-2"]);
    assert!(
        lines[3].starts_with("ab ") && lines[3].ends_with("18:48 CET · Wert 96,44"),
        "{lines:?}"
    );
    assert_eq!(words(&full)[0], "Anleitung");
    let preview = app
        .post("/preview")
        .json(&json!({"template": "own", "sample": "firing"}));
    let answer: Value = preview.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        answer["messages"][0]["event"]["body"], "nach 1 h 30 min 1234,5 Montag, 02. März, Mo Mär %A",
        "{answer}"
    );
}

#[test]
fn check_names_the_words_that_a_language_lacks_and_those_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("words.toml"),
        "[fr]\nfiring = \"ALERTE\"\nsinze = \"x\"\n",
    )
    .unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
    let data = folder.path().join("data");
    command
        .args(["check", "--language", "fr", "--templates-dir"])
        .arg(folder.path())
        .arg("--data-dir")
        .arg(data);
    let output = command.env_clear().output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("[fr] lacks"), "{text}");
    let wrong = format!(
        "{}/words.toml:3: error: [fr] `sinze` is no word of messages; did you mean `since`?",
        folder.path().display()
    );
    assert!(text.contains(&wrong) && text.matches("`sinze`").count() == 1, "{text}");
}

#[test]
fn check_is_clean_in_both_languages_and_names_a_language_that_nobody_knows() {
    let folder = tempfile::tempdir().unwrap();
    let routes = folder.path().join("routes.toml");
    std::fs::write(
        &routes,
        "[routes.default]\nrooms = '#a:example.org'\nlanguage = 'dee'\n",
    )
    .unwrap();
    let relay = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
        let output = command
            .args(arguments)
            .env_clear()
            .current_dir(folder.path())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (exported, said) = relay(&["templates", "export", "templates"]);
    assert!(exported && said.contains("words.toml written"), "{said}");
    for language in ["en", "de"] {
        let (clean, said) = relay(&["check", "--strict", "--language", language]);
        assert!(clean && said.contains("errors: 0, warnings: 0"), "{language}: {said}");
    }
    let (clean, said) = relay(&["check", "--routes-file", "routes.toml"]);
    let expected = "routes.toml:3: error: there are no words of the language `dee`, so messages are in English; did you mean `de`?";
    assert!(!clean && said.contains(expected), "{said}");
}

#[tokio::test]
async fn a_test_says_by_which_route_and_template_it_came() {
    let app = App::start().await;
    let test: Value = serde_json::from_str(&grafana_matrix_relay::samples::find("test").unwrap().body).unwrap();
    let event = said(&app, &test).await;
    assert!(
        event.body().contains("(route default, template alert)"),
        "{}",
        event.body()
    );
}

#[tokio::test]
async fn an_alert_without_a_text_says_how_to_add_one_and_a_group_does_not() {
    let app = App::start().await;
    let bare = |name: &str| alert(&json!({"alertname": name}), &json!({}));
    let event = said(&app, &group(&[bare("Bare")])).await;
    assert!(
        event
            .body()
            .ends_with("add the annotation summary to it, and it is shown here."),
        "{}",
        event.body()
    );
    let event = said(&app, &group(&[bare("One"), bare("Other")])).await;
    assert!(!event.body().contains("has no summary"), "{}", event.body());
}
