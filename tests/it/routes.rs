//! Routes through the front door: which rooms hear of which alerts, and that the file may change while the relay runs.

use std::fs;
use std::path::PathBuf;

use grafana_matrix_relay::standin::{Homeserver, NewRoom};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{App, firing};
use crate::support::patience::{eventually, until};
use crate::support::relay::Setup;

/// A relay with a routes file, and the rooms `#ops`, `#db` and `#web` of `example.org`.
struct Place {
    app: App,
    rooms: Vec<(String, String)>,
    folder: TempDir,
}

impl Place {
    async fn with(routes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("routes.toml");
        fs::write(&file, routes).unwrap();
        let app = App::with(|flags| {
            flags.default_room = None;
            flags.routes_file = Some(file.display().to_string());
        })
        .await;
        let rooms = ["ops", "db", "web"].map(|name| {
            let room = NewRoom::named(name).alias(name).member("bot");
            (name.to_owned(), app.homeserver.homeserver.create_room(&room))
        });
        Self {
            app,
            rooms: rooms.into(),
            folder,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("routes.toml")
    }

    /// The texts in a room once there are `count`.
    async fn texts(&self, room: &str, count: usize) -> Vec<String> {
        let id = &self.rooms.iter().find(|(name, _)| name == room).unwrap().1;
        let mut changes = self.app.homeserver.homeserver.changes();
        loop {
            let messages = self.app.homeserver.homeserver.messages(id);
            if messages.len() >= count {
                return messages.iter().map(|event| event.body().to_owned()).collect();
            }
            changes.changed().await.unwrap();
        }
    }

    /// Posts to a path; status and body.
    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.app.post(path).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn routes_check(&self) -> Value {
        let (_, report) = self.app.get_json("/health/ready").await;
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "routes").unwrap().clone()
    }

    /// Asks until the state of the routes is this one.
    async fn until_routes_are(&self, state: &str) -> Value {
        eventually(&format!("the routes are {state}"), async || {
            let check = self.routes_check().await;
            (check["state"] == state).then_some(check)
        })
        .await
    }

    /// Posts until it is answered so.
    async fn until_answered(&self, path: &str, status: StatusCode) {
        until("it is answered so", async || {
            self.post(path, &firing("Probe")).await.0 == status
        })
        .await;
    }
}

fn group(alerts: &[(&str, &str)]) -> Value {
    let alerts: Vec<Value> = alerts
        .iter()
        .map(|(name, team)| {
            json!({"status": "firing", "labels": {"alertname": name, "team": team}, "fingerprint": name,
                "startsAt": "2026-11-20T09:14:10Z"})
        })
        .collect();
    json!({"version": "1", "status": "firing", "groupKey": "{}:{mixed}", "alerts": alerts,
        "title": "[FIRING] SenderTitle", "message": "SenderMessage"})
}

const TEAMS: &str = r##"
[routes.default]
rooms = ["#ops:example.org"]

[[routes.default.rules]]
matchers = ['team=~"db|dba"']
rooms = ["#db:example.org"]
template = "compact"

[[routes.default.rules]]
matchers = ['team="web"']
rooms = ["#web:example.org", "#ops:example.org"]

[routes.storage]
rooms = ["#db:example.org"]
"##;

#[tokio::test]
async fn any_line_of_a_file_of_secrets_lets_a_sender_in() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "new-token\nold-token\n").unwrap();
    let place = Place::with(&format!(
        "[routes.default]\nrooms = '#ops:example.org'\ncredentials.bearer = {{ file = '{}' }}\n",
        tokens.display()
    ))
    .await;
    for (token, expected) in [
        ("new-token", StatusCode::ACCEPTED),
        ("old-token", StatusCode::ACCEPTED),
        ("new-token old-token", StatusCode::UNAUTHORIZED),
    ] {
        let post = place.app.post("/alert").bearer_auth(token).json(&firing(token));
        assert_eq!(post.send().await.unwrap().status(), expected, "{token}");
    }
}

#[tokio::test]
async fn a_mixed_group_reaches_each_room_with_its_own_alerts() {
    let place = Place::with(TEAMS).await;
    let mixed = group(&[("DiskFull", "db"), ("SlowPage", "web"), ("NoTeam", ""), ("Lag", "dba")]);
    let (status, answer) = place.post("/alert", &mixed).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(answer["deliveries"].as_array().unwrap().len(), 3, "{answer}");

    let (ops, db, web) = (
        place.texts("ops", 1).await,
        place.texts("db", 1).await,
        place.texts("web", 1).await,
    );
    let has = |text: &str, names: &[&str]| {
        for name in ["DiskFull", "SlowPage", "NoTeam", "Lag"] {
            assert_eq!(text.contains(name), names.contains(&name), "{name} in\n{text}");
        }
        assert!(
            !text.contains("Sender"),
            "what the sender says of all alerts is for nobody:\n{text}"
        );
    };
    has(&ops[0], &["SlowPage", "NoTeam"]);
    has(&db[0], &["DiskFull", "Lag"]);
    has(&web[0], &["SlowPage"]);
    assert_eq!([ops.len(), db.len(), web.len()], [1, 1, 1]);

    let (status, again) = place.post("/alert", &mixed).await;
    assert_eq!((status, &again["recognised"]), (StatusCode::ACCEPTED, &json!(true)));
    place.app.relay.stop().await.unwrap();
}

#[tokio::test]
async fn each_destination_has_its_own_template() {
    let place = Place::with(TEAMS).await;
    let body = group(&[("DiskFull", "db")]);
    place.post("/alert", &body).await;
    let compact = place.texts("db", 1).await.remove(0);
    // The route of that name has no template of its own, so it is another message.
    place.post("/alert/storage", &body).await;
    let usual = place.texts("db", 2).await.remove(1);
    assert_ne!(compact, usual);
    assert!(
        compact.lines().count() < usual.lines().count(),
        "{compact}\n---\n{usual}"
    );
}

#[tokio::test]
async fn continue_reaches_further_rooms() {
    let text = TEAMS.replace("template = \"compact\"", "continue = true") + "\n";
    let text = text.replace("'team=\"web\"'", "'team!=\"\"'");
    let place = Place::with(&text).await;
    place.post("/alert", &group(&[("DiskFull", "db")])).await;
    for room in ["db", "web", "ops"] {
        assert!(place.texts(room, 1).await[0].contains("DiskFull"), "{room}");
    }
}

#[tokio::test]
async fn a_named_route_is_reached_by_its_path_and_an_unknown_one_is_refused_last() {
    let place = Place::with(TEAMS).await;
    let put = place
        .app
        .put("/alert/storage")
        .json(&firing("ByPut"))
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), StatusCode::ACCEPTED);
    assert_eq!(
        place.post("/alert/storage", &firing("ByPost")).await.0,
        StatusCode::ACCEPTED
    );
    assert_eq!(
        place.post("/alert/default", &firing("Default")).await.0,
        StatusCode::ACCEPTED
    );
    assert_eq!(place.texts("db", 2).await.len(), 2);
    assert_eq!(place.texts("ops", 1).await.len(), 1);

    for name in ["other", "with%20space", "..x", "Storage", &"x".repeat(500)] {
        let (status, problem) = place.post(&format!("/alert/{name}"), &firing("Lost")).await;
        assert_eq!(
            (status, &problem["field"]),
            (StatusCode::NOT_FOUND, &json!("route")),
            "{name}: {problem}"
        );
        assert!(problem["detail"].as_str().unwrap().len() < 300);
        assert_eq!(
            place.post(&format!("/alert/{name}"), &json!({})).await.0,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    let deeper = place.post("/alert/storage/more", &firing("Lost")).await.0;
    assert_eq!(deeper, StatusCode::NOT_FOUND);
    assert_eq!(place.texts("ops", 1).await.len(), 1);
}

#[tokio::test]
async fn no_sender_can_name_a_room() {
    let place = Place::with(TEAMS).await;
    let mut body = group(&[("Sly", "")]);
    body["roomId"] = json!("#web:example.org");
    body["receiver"] = json!("storage");
    body["alerts"][0]["labels"]["room"] = json!("#web:example.org");
    let (status, _) = place
        .post("/alert?room=%23web:example.org&roomId=%23web:example.org", &body)
        .await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert!(place.texts("ops", 1).await[0].contains("Sly"));
    for (room, id) in &place.rooms {
        let count = place.app.homeserver.homeserver.messages(id).len();
        assert_eq!(count, usize::from(room == "ops"), "{room}");
    }
}

#[tokio::test]
async fn a_file_that_changes_is_in_use_without_a_restart_and_a_broken_one_is_not() {
    let place = Place::with(TEAMS).await;
    assert_eq!(place.routes_check().await["state"], "ready");
    assert_eq!(
        place.post("/alert/new", &firing("Early")).await.0,
        StatusCode::NOT_FOUND
    );

    // As editors save: another file takes the place of the old one.
    let beside = place.folder.path().join(".routes.toml.new");
    fs::write(
        &beside,
        format!("{TEAMS}\n[routes.new]\nrooms = ['#web:example.org']\n"),
    )
    .unwrap();
    fs::rename(&beside, place.file()).unwrap();
    place.until_answered("/alert/new", StatusCode::ACCEPTED).await;
    assert!(place.texts("web", 1).await[0].contains("Probe"));

    fs::write(place.file(), "[routes.default]\nroms = ['#web:example.org']\n").unwrap();
    let check = place.until_routes_are("degraded").await;
    let reason = check["reason"].as_str().unwrap();
    assert!(
        reason.contains("routes.toml:2: ") && reason.contains("did you mean `rooms`?"),
        "{reason}"
    );
    assert_eq!(
        place.post("/alert/new", &firing("StillThere")).await.0,
        StatusCode::ACCEPTED
    );
    let metrics = place.app.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("\ngrafana_matrix_relay_routes_broken "), "{metrics}");
    assert!(
        metrics.contains("grafana_matrix_relay_routes_reloads_total{outcome=\"refused\"}"),
        "{metrics}"
    );

    fs::remove_file(place.file()).unwrap();
    fs::write(place.file(), TEAMS).unwrap();
    place.until_answered("/alert/new", StatusCode::NOT_FOUND).await;
    place.until_routes_are("ready").await;
    place.app.relay.stop().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_config_map_is_swapped_as_a_link() {
    use std::os::unix::fs::symlink;
    let place = Place::with(TEAMS).await;
    let folder = place.folder.path();
    // Kubernetes: the files are links into `..data`, which is a link to the folder of a version.
    for (version, routes) in [("v1", "storage"), ("v2", "second")] {
        fs::create_dir(folder.join(version)).unwrap();
        let text = format!("[routes.{routes}]\nrooms = '#db:example.org'\n");
        fs::write(folder.join(version).join("routes.toml"), text).unwrap();
    }
    let swap = |version: &str| {
        symlink(version, folder.join("..data_new")).unwrap();
        fs::rename(folder.join("..data_new"), folder.join("..data")).unwrap();
    };
    swap("v1");
    symlink("..data/routes.toml", folder.join("link")).unwrap();
    fs::rename(folder.join("link"), place.file()).unwrap();
    place.until_answered("/alert", StatusCode::NOT_FOUND).await;
    swap("v2");
    place.until_answered("/alert/second", StatusCode::ACCEPTED).await;
    assert_eq!(
        place.post("/alert/storage", &firing("Probe")).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_template_that_is_missing_costs_no_alert_and_is_named() {
    let place = Place::with("[routes.default]\nrooms = '#ops:example.org'\ntemplate = 'compct'\n").await;
    let check = place.routes_check().await;
    assert_eq!(check["state"], "degraded");
    assert!(
        check["reason"]
            .as_str()
            .unwrap()
            .contains("routes.toml:3: unknown template `compct`; did you mean `compact`?"),
        "{check}"
    );
    place.post("/alert", &firing("Kept")).await;
    assert!(place.texts("ops", 1).await[0].contains("Kept"));
}

#[tokio::test]
async fn a_hangup_reads_the_routes_again_and_ends_nothing() {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let running = homeserver.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.toml");
    fs::write(&file, TEAMS).unwrap();
    let setup = Setup::bare()
        .env("MATRIX_HOME_SERVER_URL", &running.base_url)
        .env("MATRIX_ACCESS_TOKEN", &token)
        .env("RELAY_ROUTES_FILE", &file.display().to_string());
    let mut relay = setup.start().await;
    relay.hang_up();
    let line = relay.says("routes were read again").await;
    assert!(line.contains("2 routes to 3 rooms"), "{line}");
    relay.accepts(&firing("After")).await;

    // Only what was not open before is said anew.
    fs::write(&file, format!("{TEAMS}\n[routes.new]\nrooms = '#db:example.org'\n")).unwrap();
    relay.says_next("routes were read again").await;
    let log = relay.log();
    for (route, times) in [("default", 1), ("storage", 1), ("new", 1)] {
        let warning = format!("the route `{route}` has no credential");
        assert_eq!(log.matches(&warning).count(), times, "{log}");
    }
    assert!(relay.terminate().success());
}

#[tokio::test]
async fn each_route_reads_in_its_own_language_and_zone() {
    let place = Place::with(
        "[routes.default]\nrooms = '#ops:example.org'\n\
         [routes.german]\nrooms = '#db:example.org'\nlanguage = 'de'\ntimezone = 'Europe/Berlin'\n\
         [[routes.german.rules]]\nmatchers = 'team=\"web\"'\nrooms = '#web:example.org'\nlanguage = 'en'\n",
    )
    .await;
    let at = |name: &str, team: &str| {
        let mut body = firing(name);
        body["alerts"][0]["labels"]["team"] = team.into();
        body["alerts"][0]["startsAt"] = "2026-01-05T09:00:00Z".into();
        body
    };
    for (path, name, team) in [
        ("/alert", "Plain", "db"),
        ("/alert/german", "Disk", "db"),
        ("/alert/german", "Site", "web"),
    ] {
        let (status, answer) = place.post(path, &at(name, team)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    }
    for (room, expected) in [
        ("ops", ["🔥 FIRING · Plain", "since 2026-01-05 09:00 UTC"]),
        ("db", ["🔥 ALARM · Disk", "seit 05.01.2026 10:00 CET"]),
        ("web", ["🔥 FIRING · Site", "since 2026-01-05 10:00 CET"]),
    ] {
        let text = place.texts(room, 1).await.remove(0);
        assert!(expected.iter().all(|part| text.contains(part)), "{room}: {text}");
    }

    // What is wrong with them is said with its line, and the routes in use stay.
    fs::write(
        place.file(),
        "[routes.default]\nrooms = '#ops:example.org'\ntimezone = 'Europe/Berln'\nlanguage = 'two words'\n",
    )
    .unwrap();
    let check = place.until_routes_are("degraded").await;
    let reason = check["reason"].as_str().unwrap();
    assert!(
        reason.contains("invalid `timezone`: `Europe/Berln`: no such time zone; did you mean \"Europe/Berlin\"?"),
        "{reason}"
    );
    assert!(reason.contains("invalid language: `two words`"), "{reason}");
}
