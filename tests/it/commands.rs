//! The commands for templates, as a person or a CI job runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use grafana_matrix_relay::outbox::{NewRecording, Outbox, Settings};
use grafana_matrix_relay::{render, samples, standin};
use serde_json::Value;
use tempfile::TempDir;

/// A folder to run the program in, with nothing of the developer's settings.
struct Place(TempDir);

/// How it ended and what it printed.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, text: &str) -> &Self {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
        command.args(arguments).env_clear().current_dir(self.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).output().unwrap())
    }
}

impl Said {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

#[test]
fn every_sample_is_rendered_in_every_form() {
    let place = Place::new();
    for sample in samples::all() {
        for form in ["markdown", "body", "html", "event"] {
            let said = place.run(&["render", "--sample", sample.name, "--as", form]);
            assert_eq!(said.code, Some(0), "{} {form}: {}", sample.name, said.err);
            assert!(!said.out.trim().is_empty(), "{} {form}", sample.name);
            if form == "event" {
                let mut events = serde_json::Deserializer::from_str(&said.out).into_iter::<Value>();
                assert!(events.next().unwrap().unwrap()["m.mentions"].is_object());
            }
        }
    }
}

#[test]
fn payload_is_read_from_a_file_or_standard_input() {
    let place = Place::new();
    let body = &samples::find("mixed").unwrap().body;
    place.write("body.json", body);
    let file = place.run(&["render", "--payload", "body.json", "--as", "body"]);
    assert!(file.out.contains("DiskFilling"), "{}", file.err);

    let mut command = place.command(&["render", "--payload", "-", "--as", "body"]);
    let input = fs::File::open(place.path().join("body.json")).unwrap();
    let piped = Said::of(&command.stdin(Stdio::from(input)).output().unwrap());
    assert!(piped.out.contains("DiskFilling"), "{}", piped.err);

    place.write("body.json", "{\"alerts\": [{\"status\": \"firing\"}]}");
    let refused = place.run(&["render", "--payload", "body.json"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("alerts[0].labels"), "{}", refused.err);
}

#[test]
fn names_that_do_not_exist_are_answered_with_those_that_do() {
    let place = Place::new();
    let template = place.run(&["render", "--template", "missing"]);
    assert!(
        template.code == Some(1) && template.err.contains("compact"),
        "{}",
        template.err
    );
    let sample = place.run(&["render", "--sample", "missing"]);
    assert!(
        sample.code == Some(1) && sample.err.contains("not-recovered"),
        "{}",
        sample.err
    );
    assert_eq!(place.run(&["render", "--template", "../etc"]).code, Some(2));
}

#[test]
fn broken_template_renders_what_would_be_sent_and_fails() {
    let place = Place::new();
    place.write("templates/mine.md.j2", "one\n{{ sumary }}");
    let said = place.run(&["render", "--template", "mine", "--as", "body"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("CheckoutSlow"), "{}", said.out);
    assert!(said.err.contains("mine.md.j2:2"), "{}", said.err);
}

#[test]
fn render_fails_where_a_part_of_the_template_is_broken() {
    let place = Place::new();
    place.write("templates/partials/header.md.j2", "one\n{{ nmae }}");
    let said = place.run(&["render", "--as", "body"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("CheckoutSlow"), "{}", said.out);
    assert_eq!(said.err.matches("partials/header.md.j2:2").count(), 1, "{}", said.err);
    // Another template does not use it.
    place.write("templates/mine.md.j2", "{{ name }}");
    let said = place.run(&["render", "--template", "mine", "--as", "body"]);
    assert_eq!((said.code, said.out.trim()), (Some(0), "CheckoutSlow"), "{}", said.err);
}

#[test]
fn check_passes_what_is_shipped_without_any_setting() {
    let said = Place::new().run(&["check", "--strict"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("errors: 0, warnings: 0"), "{}", said.out);
}

#[test]
fn check_warns_of_a_token_that_would_cross_a_network_in_plain_text() {
    let place = Place::new();
    for (name, value, is_plain) in [
        ("--home-server-url", "http://matrix.example.org", true),
        ("--home-server-url", "http://synapse:8008", false),
        ("--home-server-url", "https://matrix.example.org", false),
        ("--hook-url", "http://hooks.example.org/webhook/s3cret", true),
    ] {
        let said = place.run(&["check", "--strict", name, value]);
        assert_eq!(said.out.contains("plain HTTP"), is_plain, "{value}: {}", said.out);
        assert_eq!(said.code, Some(i32::from(is_plain)), "{value}");
        assert!(!said.out.contains("s3cret"), "{}", said.out);
    }
}

#[test]
fn check_names_file_and_line_of_an_error_and_fails() {
    let place = Place::new();
    place.write("templates/mine.md.j2", "one\n\n{{ sumary }}\n");
    place.write("templates/partials/new.md.j2", "{% if %}\n");
    place.write("templates/parts.md.j2", "{% include 'partials/mine.j2' %}");
    place.write(
        "templates/partials/mine.j2",
        "{{ name }}\n{% if name == 'never' %}{{ severty }}{% endif %}",
    );
    let said = place.run(&["check"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("templates/mine.md.j2:3: error: "), "{}", said.out);
    assert!(
        said.out.contains("templates/partials/new.md.j2:1: error: "),
        "{}",
        said.out
    );
    // In a branch that nothing takes.
    let hidden = "templates/partials/mine.j2:2: error: `severty` is not known; did you mean `severity`?";
    assert!(said.out.contains(hidden), "{}", said.out);
}

#[test]
fn a_mention_of_what_is_no_user_id_is_an_error_that_says_what_one_looks_like() {
    for (who, part) in [
        ("oncall", "`@oncall:example.org`"),
        ("@room", "mention_room()"),
        ("@ana", "`@ana:example.org`"),
    ] {
        let place = Place::new();
        place.write(
            "templates/mine.md.j2",
            &format!("{{{{ name }}}}\n{{{{ mention(\"{who}\") }}}}\n"),
        );
        let said = place.run(&["check"]);
        assert_eq!(said.code, Some(1), "{}", said.out);
        let line = said
            .out
            .lines()
            .find(|line| line.contains("templates/mine.md.j2:2: error: "));
        assert!(line.is_some_and(|line| line.contains(part)), "{who}: {}", said.out);
    }
    // What an alert says is no mistake of the template, and shown as it is.
    let place = Place::new();
    place.write(
        "templates/mine.md.j2",
        "{{ name }} {{ mention(alerts[0].labels.alertname) }}\n",
    );
    let said = place.run(&["render", "--template", "mine", "--as", "body"]);
    assert!(
        said.code == Some(0) && said.out.contains("CheckoutSlow CheckoutSlow"),
        "{}{}",
        said.out,
        said.err
    );
}

#[test]
fn check_warns_of_what_would_not_be_seen_as_meant() {
    let place = Place::new();
    let source = "one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![x](http://example.org/x.png)\n\n<marquee>x</marquee>\n";
    place.write("templates/mine.md.j2", source);
    let said = place.run(&["check"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    for part in [
        "mine.md.j2:3: warning: ",
        "mine.md.j2:7: warning: ",
        "mine.md.j2:9: warning: some of the HTML",
    ] {
        assert!(said.out.contains(part), "{part} is missing in\n{}", said.out);
    }
    assert_eq!(place.run(&["check", "--strict"]).code, Some(1));

    let long = "{{ name }}\n{% for alert in alerts %}\n- {{ alert.summary * 20 }}\n{% endfor %}\n";
    place.write("templates/mine.md.j2", long);
    let said = place.run(&["check"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let warning = "mine.md.j2:3: warning: too long for one message: long labels and texts are cut";
    assert!(
        said.out.contains(warning) && said.out.contains("(for sample many and 1 more)"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn check_tries_what_was_recorded() {
    let place = Place::new();
    place.write(
        "templates/alert.md.j2",
        "{% if alerts[0].labels.alertname == \"Trap\" %}{{ 1 // 0 }}{% endif %}",
    );
    let settings = Settings {
        data_dir: place.path().join("data"),
        database_url: None,
        repeat_window: std::time::Duration::from_secs(90),
        keep_delivered: std::time::Duration::from_secs(90),
        keep_groups: std::time::Duration::from_hours(24),
    };
    let trap = NewRecording {
        title: "firing: Trap".to_owned(),
        body: r#"{"alerts": [{"status": "firing", "labels": {"alertname": "Trap"}}]}"#.to_owned(),
        received_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let outbox = Outbox::open(&settings).await.unwrap();
    outbox.keep_recordings(vec![trap], 20).await.unwrap();
    let said = place.run(&["check"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.contains("(for recorded 1 (firing: Trap))"),
        "{}{}",
        said.out,
        said.err
    );
}

#[test]
fn export_overwrites_nothing_unless_told_to() {
    let place = Place::new();
    assert_eq!(place.run(&["templates", "export", "mine"]).code, Some(0));
    for (file, source) in render::embedded() {
        assert_eq!(
            fs::read_to_string(place.path().join("mine").join(file)).unwrap(),
            source
        );
    }
    place.write("mine/alert.md.j2", "edited");
    let said = place.run(&["templates", "export", "mine"]);
    assert!(said.code == Some(1) && said.out.contains("left alone"), "{}", said.out);
    let edited = || fs::read_to_string(place.path().join("mine/alert.md.j2")).unwrap();
    assert_eq!(edited(), "edited");
    assert_eq!(place.run(&["templates", "export", "mine", "--force"]).code, Some(0));
    assert_ne!(edited(), "edited");
}

#[test]
fn templates_are_listed_with_their_origin_and_explained() {
    let place = Place::new();
    place.write("templates/mine.md.j2", "Mine");
    let said = place.run(&["templates", "list"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let line = |name: &str| said.out.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("alert").ends_with("built in (default)"), "{}", said.out);
    assert!(line("mine").ends_with("templates/mine.md.j2"), "{}", said.out);
}

#[test]
fn the_reference_is_what_the_code_says() {
    let place = Place::new();
    let said = place.run(&["templates", "reference"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let written = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/REFERENCE.md")).unwrap();
    assert_eq!(said.out, written, "`make reference` writes templates/REFERENCE.md anew");
    assert_eq!(place.run(&["templates", "export", "mine"]).code, Some(0));
    for (page, text) in [
        ("REFERENCE.md", written.as_str()),
        ("COOKBOOK.md", render::COOKBOOK),
        ("README.md", render::GUIDE),
    ] {
        assert_eq!(fs::read_to_string(place.path().join("mine").join(page)).unwrap(), text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn send_test_reaches_the_room_and_says_what_is_wrong() {
    let homeserver = standin::Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&standin::NewRoom::named("ops").member("bot"));
    let secret = homeserver.create_room(&standin::NewRoom::named("secret").member("bot").encrypted());
    let running = homeserver.clone().start().await.unwrap();
    let send = async |room: &str| {
        let arguments = ["--home-server-url", &running.base_url, "--access-token", &token].map(str::to_owned);
        let room = room.to_owned();
        let run = move || {
            let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
            all.extend(["send-test", "--sample", "firing", "--room", &room]);
            Place::new().run(&all)
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let said = send(&room).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(
        said.out.contains("@bot:example.org") && said.out.contains("sent `"),
        "{}",
        said.out
    );
    let messages = homeserver.messages(&room);
    assert!(messages.len() == 1 && messages[0].body().contains("CheckoutSlow"));

    let said = send(&secret).await;
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(
        said.out.contains("not sent: the room is encrypted") && said.out.contains("start it first"),
        "{}",
        said.out
    );
    assert!(homeserver.messages(&secret).is_empty());
}

const ROUTES: &str = r##"[routes.default]
rooms = ["#ops:example.org"]

[[routes.default.rules]]
matchers = ['severity="critical"', '"service"=~"check.*"']
rooms = ["#oncall:example.org"]
template = "compact"
mentions = { room = true }
continue = true

[[routes.default.rules]]
matchers = ['severity!="critical"']
mode = "new"

[routes.storage]
rooms = ["!storage:example.org"]
credentials = { bearer = ["a", "b"], signature = { secrets = "c" } }
"##;

#[test]
fn check_prints_the_routing_table() {
    let place = Place::new();
    place.write("routes.toml", ROUTES);
    let said = place.run(&["check", "--routes-file", "routes.toml"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let table = "/alert and /alert/default (routes.toml:1), open to everybody
  severity=\"critical\", service=~\"check.*\", continue (routes.toml:4)
    → #oncall:example.org, template compact, live, mentions @room
  severity!=\"critical\" (routes.toml:11)
    → #ops:example.org, template alert, new
  else → #ops:example.org, template alert, live
/alert/storage (routes.toml:15), asks for 2 tokens and signature
  → !storage:example.org, template alert, live
";
    assert!(said.out.contains(table), "{}", said.out);

    let compat = r#"
[compat]
matrix-alertmanager = "storage"
[compat.grafana-matrix-forwarder]
"!old:example.org" = "default"
[compat.matrix-alertmanager-receiver]
ops = "default"
storage = "storage"
"#;
    place.write("routes.toml", &format!("{ROUTES}{compat}"));
    let said = place.run(&["check", "--routes-file", "routes.toml"]);
    let addresses = "
/api/v0/forward, /api/v1/unified, /api/v1/standard with roomId=!old:example.org: as /alert/default
/alerts: as /alert/storage
/alerts/ops, /alert/ops: as /alert/default
/alerts/storage: as /alert/storage
";
    assert!(said.out.contains(addresses), "{}{}", said.out, said.err);
}

#[test]
fn check_names_every_problem_of_the_routes_with_its_line() {
    let place = Place::new();
    let broken = ROUTES
        .replace("rooms = [\"#ops", "roms = [\"#ops")
        .replace("mode = \"new\"", "mode = \"nwe\"");
    place.write("routes.toml", &broken);
    let said = place.run(&["check", "--routes-file", "routes.toml"]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    for line in [
        "routes.toml:2: error: unknown key `roms`; did you mean `rooms`?",
        "routes.toml:13: error: invalid mode `nwe`",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }

    place.write("routes.toml", &ROUTES.replace("\"compact\"", "\"compct\""));
    let said = place.run(&["check", "--routes-file", "routes.toml"]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    let line = "routes.toml:7: error: unknown template `compct`; did you mean `compact`?";
    assert!(said.out.contains(line), "{}", said.out);

    let never = ROUTES
        .replace("matchers = ['severity=", "continue = false\nmatchers = []\n#")
        .replace("continue = true", "");
    place.write("routes.toml", &never);
    assert_eq!(place.run(&["check", "--routes-file", "routes.toml"]).code, Some(0));
    let said = place.run(&["check", "--strict", "--routes-file", "routes.toml"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("warning: no alert reaches this rule"), "{}", said.out);

    let said = place.run(&["check", "--routes-file", "nowhere.toml"]);
    assert!(
        said.code == Some(1) && said.out.contains("nowhere.toml: error: cannot read it"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn check_asks_the_homeserver_about_the_rooms_of_the_routes() {
    let homeserver = standin::Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    homeserver.create_room(&standin::NewRoom::named("ops").alias("ops").member("bot"));
    homeserver.create_room(&standin::NewRoom::named("oncall").alias("oncall").member("bot"));
    let running = homeserver.start().await.unwrap();
    let place = Place::new();
    place.write("routes.toml", ROUTES);
    let check = async || {
        let mut command = place.command(&["check", "--rooms", "--routes-file", "routes.toml"]);
        command
            .env("MATRIX_HOME_SERVER_URL", &running.base_url)
            .env("MATRIX_ACCESS_TOKEN", &token);
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        Said::of(&output.unwrap().unwrap())
    };
    let said = check().await;
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    for part in [
        "#ops:example.org is ready",
        "warning: routes or templates mention everybody in #oncall:example.org, but @bot:example.org lacks the power",
        "error: !storage:example.org is not a room that",
    ] {
        assert!(said.out.contains(part), "{part}\n{}", said.out);
    }
    let of_template = "everybody in #ops:example.org";
    assert!(!said.out.contains(of_template), "{}", said.out);
    place.write(
        "templates/alert.md.j2",
        "{% if kind == 'error' %}{{ mention_room() }}{% endif %}{{ headline }}",
    );
    let said = check().await;
    assert!(said.out.contains(of_template), "{}", said.out);
}

#[test]
fn route_explains_where_each_alert_goes_and_why() {
    let place = Place::new();
    place.write("routes.toml", ROUTES);
    let body = r#"{"version": "1", "alerts": [
        {"status": "firing", "labels": {"alertname": "A", "severity": "critical", "service": "checkout"}},
        {"status": "firing", "labels": {"alertname": "B", "severity": "critical"}}]}"#;
    place.write("body.json", body);
    let said = place.run(&["route", "--payload", "body.json", "--routes-file", "routes.toml"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let wanted = r#"alert 1 of 2: firing {alertname="A", service="checkout", severity="critical"}
  routes.toml:4 takes it: severity="critical", service=~"check.*", and goes on (`continue`)
  routes.toml:11 does not: severity!="critical" fails, it is "critical"
  → #oncall:example.org, template compact, live, mentions @room
alert 2 of 2: firing {alertname="B", severity="critical"}
  routes.toml:4 does not: service=~"check.*" fails, there is no such label
  routes.toml:11 does not: severity!="critical" fails, it is "critical"
  no rule takes it, so it stays with the route
  → #ops:example.org, template alert, live
"#;
    assert_eq!(said.out, wanted);
    let said = place.run(&["route", "--route", "storge", "--routes-file", "routes.toml"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("expected one of default, storage"), "{}", said.err);

    let negated = ROUTES.replace("severity!=", "service!~");
    place.write("routes.toml", &negated);
    place.write("body.json", &body.replace("checkout", &"check".repeat(4000)));
    let said = place.run(&["route", "--payload", "body.json", "--routes-file", "routes.toml"]);
    for part in [
        r#"service=~"check.*" fails, it is too long to be matched, 20000 bytes of 16384"#,
        r#"takes it: service!~"critical" (too long to be matched, 20000 bytes of 16384)"#,
    ] {
        assert!(said.out.contains(part), "{part}\n{}", said.out);
    }
}
