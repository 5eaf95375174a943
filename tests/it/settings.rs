//! No setting is lost or changed in silence: what the environment, `.env` and flags say is taken as it is meant, or named.

use std::fs;
use std::process::Command;

use grafana_matrix_relay::standin::{Homeserver, NewRoom};
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;

use crate::app::{App, firing};
use crate::support::process::Program;
use crate::support::relay::Setup;

/// Settings that are complete.
const GOOD: [(&str, &str); 3] = [
    ("MATRIX_HOME_SERVER_URL", "http://127.0.0.1:1"),
    ("MATRIX_ACCESS_TOKEN", "token"),
    ("MATRIX_DEFAULT_ROOM", "#alerts:example.org"),
];

/// How the program ended, and what it printed and logged.
struct Said {
    code: Option<i32>,
    text: String,
}

/// Runs the program in a folder of its own with a `.env` and nothing else in the environment.
fn run(arguments: &[&str], variables: &[(&str, &str)], dotenv: &str) -> Said {
    let folder = folder(dotenv);
    let output = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        code: output.status.code(),
        text: String::from_utf8(text).unwrap(),
    }
}

fn folder(dotenv: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".env"), dotenv).unwrap();
    folder
}

/// Every value of these settings is refused, by name, with what to write.
fn refused(variables: &[(&str, &str)], dotenv: &str, words: &[&str]) {
    let mut all = GOOD.to_vec();
    all.retain(|(name, _)| !variables.iter().any(|(other, _)| other == name));
    all.extend(variables);
    let said = run(&[], &all, dotenv);
    assert_eq!(said.code, Some(2), "{}", said.text);
    for word in words {
        assert!(said.text.contains(word), "{word}: {}", said.text);
    }
}

#[test]
fn a_level_that_does_not_exist_is_refused_with_those_that_do() {
    for (level, word) in [("warning", "`warning`"), ("info,sqlx=loud", "`loud`")] {
        refused(&[("RUST_LOG", level)], "", &["RUST_LOG", word, "warn", "debug"]);
        refused(&[], &format!("RUST_LOG={level}\n"), &["RUST_LOG", word]);
    }
}

#[test]
fn the_relays_own_level_goes_before_that_of_all_programs() {
    refused(
        &[("RELAY_LOG", "loud"), ("RUST_LOG", "info")],
        "",
        &["RELAY_LOG", "`loud`"],
    );
    // What nobody reads is not judged.
    let said = run(&["check"], &[("RELAY_LOG", "warn"), ("RUST_LOG", "loud")], "");
    assert_eq!(said.code, Some(0), "{}", said.text);
    let said = run(&["check", "--log=off"], &[("RELAY_LOG", "loud")], "");
    assert_eq!(said.code, Some(0), "{}", said.text);
}

#[test]
fn log_lines_have_the_form_that_is_asked_for() {
    let line = |variables: &[(&str, &str)]| {
        let said = run(&[], variables, "").text;
        said.lines().next().unwrap().to_owned()
    };
    let keys = |variables: &[(&str, &str)]| {
        let line: serde_json::Value = serde_json::from_str(&line(variables)).unwrap();
        let keys = line.as_object().unwrap().keys().take(2).cloned();
        keys.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&[("RELAY_LOG_FORMAT", "json")]), "time level");
    assert_eq!(keys(&[("RELAY_LOG_FORMAT", "ecs")]), "@timestamp log.level");
    assert_eq!(keys(&[("ECS_LOGGING", "on")]), "@timestamp log.level");
    assert_eq!(
        keys(&[("RELAY_LOG_FORMAT", "json"), ("ECS_LOGGING", "on")]),
        "time level"
    );
    assert!(line(&[("RELAY_LOG_FORMAT", "text"), ("ECS_LOGGING", "on")]).contains(" ERROR "));
    refused(
        &[("RELAY_LOG_FORMAT", "xml")],
        "",
        &["RELAY_LOG_FORMAT", "text, json or ecs"],
    );
}

#[test]
fn config_says_where_each_setting_comes_from_and_shows_no_secret() {
    let dotenv = "MATRIX_ACCESS_TOKEN=s3cr3t\nRELAY_TIMEZONE=Europe/Berlin\nRELAY_PORT=80\n";
    let variables = [GOOD[0], GOOD[2], ("RELAY_PORT", "8080"), ("RELAY_LANGUAGE", "")];
    let said = run(&["config", "--message-mode=new"], &variables, dotenv);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(!said.text.contains("s3cr3t"), "{}", said.text);
    for expected in [
        ["MATRIX_ACCESS_TOKEN", "(secret)", ".env"],
        ["RELAY_TIMEZONE", "Europe/Berlin", ".env"],
        ["RELAY_PORT", "8080", "variable"],
        ["RELAY_LANGUAGE", "en", "default"],
        ["RELAY_MESSAGE_MODE", "new", "flag"],
        ["RELAY_DATABASE_URL", "-", "not"],
    ] {
        let has = |line: &str| line.split_whitespace().take(3).eq(expected);
        assert!(said.text.lines().any(has), "{expected:?}: {}", said.text);
    }
    let json = run(&["config", "--json"], &[("RELAY_PORT", "http")], "");
    assert_eq!(json.code, Some(2));
    let report: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    let port = report["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["variable"] == "RELAY_PORT");
    assert_eq!(
        port.unwrap(),
        &json!({
            "variable": "RELAY_PORT", "flag": "--port", "value": "http", "secret": false, "from": "variable",
            "place": "RELAY_PORT",
        })
    );
    let problems: Vec<_> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one.as_str())
        .collect();
    assert!(
        problems.iter().any(|problem| problem.contains("RELAY_PORT")),
        "{problems:?}"
    );
}

#[test]
fn no_level_hides_why_the_relay_does_not_start() {
    for level in ["off", "grafana_matrix_relay=off", "error"] {
        let said = run(&[], &[("RUST_LOG", level)], "");
        assert_eq!(said.code, Some(2));
        assert!(said.text.contains("MATRIX_DEFAULT_ROOM"), "{level}: {}", said.text);
    }
    let missing = run(
        &["outbox", "list"],
        &[("RUST_LOG", "off"), ("RELAY_DATA_DIR", "nowhere")],
        "",
    );
    assert_eq!(missing.code, Some(1));
    assert!(missing.text.contains("nowhere"), "{}", missing.text);
}

#[test]
fn names_that_are_no_settings_are_named_with_the_nearest_that_is() {
    let variables = [
        ("RELAY_TOKN", "s3cr3t"),
        ("MATRIX_ROOM", "#a:example.org"),
        // What Kubernetes sets is none.
        ("RELAY_SERVICE_HOST", "10.0.0.1"),
        ("RELAY_PORT_9042_TCP", "tcp://10.0.0.1:9042"),
        ("MATRIX_SYNAPSE_PORT", "tcp://10.0.0.2:8008"),
    ];
    let said = run(&["check"], &variables, "RELAY_TIMEZON=UTC\n");
    for (name, near) in [
        ("RELAY_TOKN:", "RELAY_TOKEN?"),
        ("MATRIX_ROOM:", "MATRIX_DEFAULT_ROOM?"),
        ("RELAY_TIMEZON:", "RELAY_TIMEZONE?"),
    ] {
        let line = said.text.lines().find(|line| line.contains(name));
        assert!(line.is_some_and(|line| line.contains(near)), "{}", said.text);
    }
    assert!(said.text.contains("warnings: 3"), "{}", said.text);
    assert!(!said.text.contains("s3cr3t"), "{}", said.text);
    assert_eq!(said.code, Some(0));
    assert_eq!(run(&["check", "--strict"], &variables, "").code, Some(1));
    // The start says it too, beside what keeps it from starting.
    let start = run(&[], &[("MATRIX_HOMESERVER_URL", "https://example.org")], "");
    assert!(
        start.text.contains("did you mean MATRIX_HOME_SERVER_URL?"),
        "{}",
        start.text
    );
}

#[test]
fn a_variable_that_the_routes_file_reads_is_no_misspelt_setting() {
    let folder = folder("");
    let file = folder.path().join("routes.toml");
    fs::write(
        &file,
        "[routes.default]\nrooms = '#a:example.org'\nreminders = 'on'\ncredentials.bearer = '${RELAY_TEAM_TOKEN}'\n",
    )
    .unwrap();
    let file = file.display().to_string();
    let variables = [
        ("RELAY_ROUTES_FILE", file.as_str()),
        ("RELAY_TEAM_TOKEN", "a-long-enough-secret"),
    ];
    let said = run(&["check", "--strict"], &variables, "");
    assert_eq!(said.code, Some(0), "{}", said.text);
}

#[test]
fn what_kubernetes_sets_for_a_service_called_relay_stops_nothing() {
    let variables = [
        ("RELAY_PORT", "tcp://10.43.126.100:9042"),
        ("RELAY_SERVICE_HOST", "10.43.126.100"),
        ("RELAY_SERVICE_PORT", "9042"),
        ("RELAY_PORT_9042_TCP", "tcp://10.43.126.100:9042"),
    ];
    // It is the default port that is asked, where nobody needs to listen.
    let health = run(&["health"], &variables, "");
    assert_ne!(health.code, Some(2), "{}", health.text);
    let check = run(&["check", "--strict"], &variables, "");
    assert_eq!(check.code, Some(0), "{}", check.text);
    let line = check.text.lines().find(|line| line.contains("RELAY_PORT"));
    assert!(line.is_some_and(|line| line.contains("Kubernetes")), "{}", check.text);
}

#[test]
fn a_number_that_is_none_is_shown_with_what_it_may_be() {
    for (name, value, most) in [
        ("RELAY_PORT", "http", "65535"),
        ("RELAY_PORT", "70000", "65535"),
        ("RELAY_MAX_BODY_BYTES", "8MB", "18446744073709551615"),
        ("RELAY_MAX_HEADERS", "2", "from 8"),
        ("RELAY_DIGEST_THRESHOLD", "-1", "from 0"),
        ("RELAY_REPEAT_WINDOW", "soon", "90s"),
    ] {
        refused(&[(name, value)], "", &[name, &format!("`{value}`"), most]);
    }
}

#[test]
fn a_line_of_dotenv_that_would_be_changed_is_refused_with_its_number_and_not_its_text() {
    let dollar = "# mine\nRELAY_BASIC_AUTH=grafana:pa$w0rd-long-enough\nMATRIX_ACCESS_TOKEN=syt_a$bc_d\n";
    refused(
        &[],
        dollar,
        &[
            "line 2 (RELAY_BASIC_AUTH)",
            "line 3 (MATRIX_ACCESS_TOKEN)",
            "single quotes",
        ],
    );
    refused(&[], "\nRELAY_TOKEN=it's\n", &["line 2 (RELAY_TOKEN)", "quote"]);
    refused(&[], "RELAY_TOKEN=a b\n", &["line 1 (RELAY_TOKEN)", "blank"]);
    refused(&[], "RELAY_TOKEN\n", &["line 1: it has no `=`"]);
    refused(&[], "RELAY_TOKEN=a\nRELAY_TOKEN=b\n", &["line 2: line 1 sets the same"]);
    let said = run(&[], &GOOD, &format!("{dollar}x=\\s3cr3t\nRELAY_TOKEN=it's\n"));
    for secret in ["w0rd", "syt_a", "s3cr3t", "it's"] {
        assert!(!said.text.contains(secret), "{}", said.text);
    }
}

#[tokio::test]
async fn a_secret_in_dotenv_reaches_the_relay_as_it_is_written() {
    for (written, meant) in [
        ("'pa$w0rd \\n \"long\" #enough'", "pa$w0rd \\n \"long\" #enough"),
        ("\"it's-long-enough\"", "it's-long-enough"),
        ("long#enough=", "long#enough="),
    ] {
        let setup = Setup::bare()
            // Nobody listens there: what is accepted waits.
            .env("MATRIX_HOME_SERVER_URL", "http://127.0.0.1:9")
            .env("MATRIX_ACCESS_TOKEN", "syt_bot")
            .env("MATRIX_DEFAULT_ROOM", "!room:example.org");
        let dotenv = setup.data_dir().parent().unwrap().join(".env");
        fs::write(dotenv, format!("RELAY_TOKEN={written}\n")).unwrap();
        let relay = setup.start().await;
        let post = |token: &str| {
            let client = crate::support::matrix::http_client();
            client
                .post(format!("{}/alert", relay.base_url))
                .bearer_auth(token)
                .json(&firing("A"))
                .send()
        };
        assert_eq!(post(meant).await.unwrap().status(), StatusCode::ACCEPTED, "{written}");
        assert_eq!(
            post("pa").await.unwrap().status(),
            StatusCode::UNAUTHORIZED,
            "{written}"
        );
    }
}

#[tokio::test]
async fn quotes_that_docker_keeps_are_taken_off_and_named() {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").alias("ops").member("bot"));
    let running = homeserver.start().await.unwrap();
    let mut relay = Setup::bare()
        .env("MATRIX_HOME_SERVER_URL", &running.base_url)
        .env("MATRIX_ACCESS_TOKEN", &format!("\"{token}\""))
        .env("MATRIX_DEFAULT_ROOM", "\"#ops:example.org\"")
        .start()
        .await;
    for name in ["MATRIX_ACCESS_TOKEN", "MATRIX_DEFAULT_ROOM"] {
        relay.says(&format!("{name} stands in quotes")).await;
    }
    relay.accepts(&firing("Quoted")).await;
    let mut changes = homeserver.changes();
    while homeserver.messages(&room).is_empty() {
        changes.changed().await.unwrap();
    }
}

#[test]
fn every_switch_takes_the_same_words() {
    let switches = [
        "RELAY_REMINDERS",
        "ECS_LOGGING",
        "RELAY_WORKSHOP",
        "RELAY_DOCS",
        "RELAY_METRICS",
    ];
    for name in switches {
        refused(&[(name, "maybe")], "", &[name, "maybe", "on or off"]);
        for word in ["on", "off", "true", "FALSE", "yes", "no", "1", "0"] {
            // Nobody is at the homeserver, and the port is taken by nothing: what is refused here would be the setting.
            let said = run(&["health", "--port=1"], &[(name, word)], "");
            assert_ne!(said.code, Some(2), "{name}={word}: {}", said.text);
        }
    }
    for word in ["true", "'on'", "1", "'yes'"] {
        let folder = folder("");
        let file = folder.path().join("routes.toml");
        fs::write(
            &file,
            format!("[routes.default]\nrooms = '#a:example.org'\nreminders = {word}\n"),
        )
        .unwrap();
        let said = run(&["check"], &[("RELAY_ROUTES_FILE", &file.display().to_string())], "");
        assert!(
            said.code == Some(0) && said.text.contains("reminders"),
            "{word}: {}",
            said.text
        );
    }
}

#[test]
fn a_homeserver_with_a_port_needs_a_scheme() {
    let both = ["http://synapse:8008", "https://synapse:8008", "MATRIX_HOME_SERVER_URL"];
    refused(&[("MATRIX_HOME_SERVER_URL", "synapse:8008")], "", &both);
}

#[tokio::test]
async fn a_default_template_that_does_not_exist_is_an_error_of_check_and_degrades_the_relay() {
    let said = run(&["check"], &[("RELAY_TEMPLATE", "compat")], "");
    assert_eq!(said.code, Some(1), "{}", said.text);
    let line = said.text.lines().find(|line| line.contains("RELAY_TEMPLATE"));
    assert!(line.is_some_and(|line| line.contains("compact")), "{}", said.text);
    assert_eq!(run(&["check"], &[("RELAY_TEMPLATE", "compact")], "").code, Some(0));

    let app = App::with(|flags| flags.messages.default_template = Some("nope".to_owned())).await;
    let (_, report) = app.get_json("/health/ready").await;
    let routes = &report["checks"][3];
    assert_eq!(
        (&routes["name"], &routes["state"]),
        (&json!("routes"), &json!("degraded"))
    );
    assert!(routes["reason"].as_str().unwrap().contains("`nope`"), "{report}");
    // It costs no alert.
    app.accept(&firing("Kept")).await;
    app.room_says("Kept").await;
}

#[tokio::test]
async fn the_demo_reads_neither_the_environment_nor_dotenv() {
    let setup = Setup::bare().arg("demo");
    let folder = setup.data_dir().parent().unwrap().to_owned();
    fs::write(
        folder.join(".env"),
        "RELAY_TOKEN=a-token-of-the-real-relay\nRELAY_PORT=1\n",
    )
    .unwrap();
    // The command line alone, so that no flag stands for what a variable says.
    let program = Program::new("grafana-matrix-relay", env!("CARGO_BIN_EXE_grafana-matrix-relay"))
        .args(["demo", "--once", "--port", "0"])
        .env("RELAY_TOKEN", "another-token-of-the-real-relay")
        .env("RELAY_HOST", "192.0.2.1")
        .env("MATRIX_HOOK_URL", "http://127.0.0.1:9/hook")
        .current_dir(&folder);
    // It posts its own samples without a credential, on its own address.
    let mut process = program.start();
    process
        .wait_for("sample notifications are in the room", |line| {
            line.contains("are in the room").then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_port_that_is_taken_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = Setup::bare()
        .arg("demo")
        .env("RELAY_PORT", &port)
        .try_start()
        .await
        .err()
        .unwrap();
    assert!(
        said.contains("another program uses the port") && said.contains("--port 0"),
        "{said}"
    );
}
