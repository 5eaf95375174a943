//! The commands of `outbox` as an operator types them, beside a relay or without one.

use std::process::{Command, Output};
use std::time::Duration;

use grafana_matrix_relay::message::{Mentions, MsgType, RenderedMessage, RoomAddress};
use grafana_matrix_relay::outbox::{
    Acceptance, DeliveryId, DeliveryState, DigestPolicy, GroupMessage, GroupUpdate, NewDelivery, Outbox, Outcome, Root,
    Settings,
};
use grafana_matrix_relay::standin::{Homeserver, NewRoom};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::firing;
use crate::support::relay::Setup;

struct Place {
    folder: TempDir,
    outbox: Outbox,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            data_dir: folder.path().join("data"),
            database_url: None,
            repeat_window: Duration::from_secs(90),
            keep_delivered: Duration::from_hours(1),
            keep_groups: Duration::from_hours(1),
        };
        let outbox = Outbox::open(&settings).await.unwrap();
        Self { folder, outbox }
    }

    /// A delivery that waits.
    async fn waiting(&self, room: &str, text: &str) -> DeliveryId {
        let delivery = NewDelivery::message(address(room), message(text));
        self.accept(vec![delivery], Vec::new()).await
    }

    async fn accept(&self, deliveries: Vec<NewDelivery>, groups: Vec<GroupUpdate>) -> DeliveryId {
        let acceptance = Acceptance {
            deliveries,
            groups,
            repeat_key: None,
            request_key: None,
            at: Timestamp::now(),
        };
        self.outbox.enqueue(acceptance).await.unwrap().receipts()[0].id
    }

    /// A group's message that is in its room, as `$event`, and has to be edited.
    async fn edited(&self, room: &str) -> DeliveryId {
        let update = |expected, text, root| GroupUpdate {
            room: address(room),
            key: "group".to_owned(),
            expected,
            memory: String::new(),
            alerts: Vec::new(),
            message: Some(GroupMessage {
                text: message(text),
                rest: Vec::new(),
                loud: true,
                mentions: Mentions::default(),
            }),
            root,
            starts_at: None,
            live: true,
            lines: Vec::new(),
        };
        let root = self.accept(Vec::new(), vec![update(0, "one fires", Root::Begin)]).await;
        self.end(root, delivered()).await;
        self.accept(Vec::new(), vec![update(1, "two fire", Root::default())])
            .await;
        root
    }

    /// One that has ended: nothing else may wait.
    async fn ended(&self, room: &str, text: &str, outcome: Outcome) -> DeliveryId {
        let id = self.waiting(room, text).await;
        self.end(id, outcome).await;
        id
    }

    async fn end(&self, id: DeliveryId, outcome: Outcome) {
        let now = Timestamp::now();
        let claimed = self.outbox.claim_due(now, 1, &DigestPolicy::never()).await.unwrap();
        assert_eq!(claimed[0].id, id);
        self.outbox.record(id, outcome, now).await.unwrap();
    }

    async fn state(&self, id: DeliveryId) -> Option<DeliveryState> {
        self.outbox.show(id).await.unwrap().map(|row| row.state)
    }

    /// Runs `outbox …`; exit code and standard output.
    async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
        command
            .arg("outbox")
            .args(arguments)
            .env_clear()
            .env("RELAY_DATA_DIR", self.folder.path().join("data"))
            .current_dir(self.folder.path());
        let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    }
}

fn message(text: &str) -> RenderedMessage {
    RenderedMessage {
        body: format!("{text} in full"),
        formatted_body: String::new(),
        msgtype: MsgType::Text,
        mentions: Mentions::default(),
        headline: text.to_owned(),
        ..RenderedMessage::default()
    }
}

fn address(room: &str) -> RoomAddress {
    format!("!{room}:example.org").parse().unwrap()
}

fn dead() -> Outcome {
    Outcome::Dead {
        error: "400 M_BAD_JSON".to_owned(),
    }
}

fn delivered() -> Outcome {
    Outcome::Delivered {
        event_id: "$event".to_owned(),
    }
}

#[tokio::test]
async fn list_shows_what_is_asked_for_newest_first() {
    let place = Place::new().await;
    let gone = place.ended("a", "Gone", delivered()).await;
    let given_up = place.ended("a", "GivenUp", dead()).await;
    let waits = place.waiting("b", "Waits").await;
    let (code, all) = place.run(&["list"]).await;
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!((code, lines.len()), (0, 4), "{all}");
    for (line, id, words) in [
        (lines[0], waits, ["pending", "!b:example.org", "Waits"]),
        (lines[1], given_up, ["dead", "!a:example.org", "[400 M_BAD_JSON]"]),
        (lines[2], gone, ["delivered", "!a:example.org", "Gone"]),
    ] {
        assert!(line.trim_start().starts_with(&id.to_string()), "{line}");
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    assert_eq!(lines[3], "1 pending, 0 in flight, 1 dead, 1 delivered, 0 combined");
    for (arguments, expected) in [
        (&["--state", "dead"][..], &["GivenUp"][..]),
        (&["--room", "!b:example.org"], &["Waits"]),
        (&["--limit", "1"], &["Waits"]),
        (&["--before", &given_up.to_string()], &["Gone"]),
    ] {
        let (_, text) = place.run(&[&["list"], arguments].concat()).await;
        let named = ["Waits", "GivenUp", "Gone"]
            .into_iter()
            .filter(|name| text.contains(name));
        assert_eq!(named.collect::<Vec<_>>(), expected, "{arguments:?}");
    }
    assert_eq!(place.run(&["list", "--state", "lost"]).await.0, 2);
}

#[tokio::test]
async fn show_tells_the_whole_story_of_one() {
    let place = Place::new().await;
    let id = place.ended("a", "GivenUp", dead()).await;
    let row = place.outbox.show(id).await.unwrap().unwrap();
    let (code, text) = place.run(&["show", &id.to_string()]).await;
    assert_eq!(code, 0);
    for part in [
        "state        dead",
        "room         !a:example.org",
        "attempts     1",
        "last error   400 M_BAD_JSON",
        "GivenUp in full",
        row.txn_id.as_str(),
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
    assert_eq!(place.run(&["show", "99"]).await.0, 1);
}

#[tokio::test]
async fn retry_sends_the_dead_again_and_says_what_it_left_alone() {
    let place = Place::new().await;
    let gone = place.ended("a", "Gone", delivered()).await;
    let dead = [
        place.ended("a", "One", dead()).await,
        place.ended("a", "Two", dead()).await,
    ];
    let [one, two] = dead.map(|id| id.to_string());
    let (code, text) = place.run(&["retry", &one, &two]).await;
    assert_eq!((code, text), (0, format!("{one} waits again\n{two} waits again\n")));
    for id in dead {
        assert_eq!(place.state(id).await, Some(DeliveryState::Pending));
    }
    let (code, text) = place.run(&["retry", &gone.to_string(), "99"]).await;
    assert_eq!(code, 1);
    assert!(
        text.contains("is delivered; only a dead") && text.contains("99 does not exist"),
        "{text}"
    );
    assert_eq!(place.run(&["retry"]).await.0, 2);
}

#[tokio::test]
async fn retry_of_a_room_takes_all_its_dead_and_no_others() {
    let place = Place::new().await;
    let here = place.ended("a", "Here", dead()).await;
    let elsewhere = place.ended("b", "Elsewhere", dead()).await;
    let (code, text) = place.run(&["retry", "--room", "!a:example.org"]).await;
    assert_eq!(code, 0);
    assert!(text.starts_with("waiting again in !a:example.org: 1;"), "{text}");
    assert_eq!(place.state(here).await, Some(DeliveryState::Pending));
    assert_eq!(place.state(elsewhere).await, Some(DeliveryState::Dead));
}

#[tokio::test]
async fn give_up_takes_what_waits_and_delete_what_is_dead() {
    let place = Place::new().await;
    let gone = place.ended("a", "Gone", delivered()).await.to_string();
    let id = place.waiting("a", "Waits").await;
    let name = id.to_string();
    for (verb, name, code, said, state) in [
        (
            "delete",
            &name,
            1,
            "is pending; only a dead",
            Some(DeliveryState::Pending),
        ),
        ("give-up", &name, 0, "is given up", Some(DeliveryState::Dead)),
        (
            "give-up",
            &name,
            1,
            "is dead; only a pending",
            Some(DeliveryState::Dead),
        ),
        ("give-up", &gone, 1, "is delivered", Some(DeliveryState::Dead)),
        ("delete", &gone, 1, "is delivered", Some(DeliveryState::Dead)),
        ("delete", &name, 0, "is deleted", None),
        ("delete", &name, 1, "does not exist", None),
        ("give-up", &name, 1, "does not exist", None),
    ] {
        let (ended, text) = place.run(&[verb, name]).await;
        assert!(ended == code && text.contains(said), "{verb} {name}: {ended} {text}");
        assert_eq!(place.state(id).await, state, "{verb} {name}");
    }
    assert_eq!(place.run(&["give-up", "-7"]).await.0, 2);
}

#[tokio::test]
async fn an_edit_that_is_owed_is_listed_shown_and_given_up_by_its_name() {
    let place = Place::new().await;
    let root = place.edited("a").await;
    let (code, list) = place.run(&["list"]).await;
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!((code, lines.len()), (0, 3), "{list}");
    let of = format!("edit of delivery {root}: ");
    assert!(lines[0].contains("pending") && lines[0].contains(&of), "{list}");
    let name = lines[0].split_whitespace().next().unwrap();
    assert!(name.starts_with("edit-"), "{list}");
    assert!(lines[2].starts_with("1 pending"), "{list}");
    let (code, shown) = place.run(&["show", name]).await;
    assert!(
        code == 0 && shown.contains(&format!("$event (edit of delivery {root})")),
        "{shown}"
    );
    assert!(shown.contains("two fire in full"), "{shown}");
    for (verb, code, said) in [
        ("retry", 1, "is pending; only a dead"),
        ("delete", 1, "is pending; only a dead"),
        ("give-up", 0, "the next change of its alert group"),
        ("give-up", 1, "does not exist"),
        ("delete", 1, "does not exist"),
        ("retry", 1, "does not exist"),
    ] {
        let (ended, text) = place.run(&[verb, name]).await;
        assert!(ended == code && text.contains(said), "{verb}: {ended} {text}");
    }
    let (_, list) = place.run(&["list"]).await;
    assert!(list.lines().count() == 2 && list.contains("0 pending"), "{list}");
}

#[tokio::test]
async fn retry_of_all_takes_what_is_dead_in_every_room() {
    let place = Place::new().await;
    let here = place.ended("a", "Here", dead()).await;
    let elsewhere = place.ended("b", "Elsewhere", dead()).await;
    let (code, text) = place.run(&["retry", "--all"]).await;
    assert_eq!(code, 0);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "waiting again in !a:example.org: 1",
            "waiting again in !b:example.org: 1"
        ]
    );
    for id in [here, elsewhere] {
        assert_eq!(place.state(id).await, Some(DeliveryState::Pending));
    }
    let (code, text) = place.run(&["retry", "--all"]).await;
    assert_eq!((code, text.trim_end()), (0, "no delivery is dead"));
    assert_eq!(place.run(&["retry", "--all", "1"]).await.0, 2);
}

#[tokio::test]
async fn list_and_show_print_json_for_programs() {
    let place = Place::new().await;
    let id = place.ended("a", "GivenUp", dead()).await;
    place.edited("b").await;
    let (code, text) = place.run(&["list", "--json"]).await;
    let list: Value = serde_json::from_str(&text).unwrap();
    let states = list["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["state"].as_str());
    assert_eq!(
        (code, states.collect::<Vec<_>>()),
        (0, vec!["pending", "delivered", "dead"])
    );
    assert!(list["deliveries"][0]["edit_of"].is_string(), "{list:#}");
    assert_eq!(
        list["count"],
        json!({"pending": 1, "in-flight": 0, "dead": 1, "delivered": 1, "combined": 0})
    );
    let (code, text) = place.run(&["show", "--json", &id.to_string()]).await;
    let one: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 0);
    for (field, value) in [
        ("delivery", id.to_string().as_str()),
        ("room", "!a:example.org"),
        ("last_error", "400 M_BAD_JSON"),
        ("body", "GivenUp in full"),
    ] {
        assert_eq!(one[field], value, "{one:#}");
    }
}

#[tokio::test]
async fn a_backup_is_made_beside_a_relay_and_is_put_back() {
    let place = Place::new().await;
    place.waiting("a", "Waits").await;
    let copy = place.folder.path().join("copy.db");
    let file = copy.to_str().unwrap();
    // The outbox is open here, as in a relay that runs.
    let (code, text) = place.run(&["backup", file]).await;
    assert!(code == 0 && text.contains(file), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    // What exists is never overwritten.
    let before = std::fs::read(&copy).unwrap();
    assert_eq!(place.run(&["backup", file]).await.0, 1);
    assert_eq!(std::fs::read(&copy).unwrap(), before);

    let later = place.waiting("a", "Later").await;
    // Not while a relay has it.
    assert_eq!(place.run(&["restore", file]).await.0, 1);
    assert!(place.state(later).await.is_some());
    let Place { folder, outbox } = place;
    drop(outbox);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
        command
            .arg("outbox")
            .args(arguments)
            .env_clear()
            .env("RELAY_DATA_DIR", folder.path().join("data"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = run(&["restore", file]);
    assert_eq!(code, Some(0), "{text}");
    let list = run(&["list"]).1;
    assert!(list.contains("Waits") && !list.contains("Later"), "{list}");
    // The outbox that was there is kept, with what stood in its log.
    let kept = folder.path().join("data/outbox-before-1.db");
    assert!(text.contains(kept.to_str().unwrap()), "{text}");
    assert_eq!(run(&["restore", kept.to_str().unwrap()]).0, Some(0));
    assert!(run(&["list"]).1.contains("Later"));
    // What is no outbox changes nothing.
    let other = folder.path().join("other.db");
    std::fs::write(&other, "no database at all, but long enough to be looked at as one").unwrap();
    assert_eq!(run(&["restore", other.to_str().unwrap()]).0, Some(1));
    assert_eq!(run(&["restore", "nowhere.db"]).0, Some(1));
    assert!(run(&["list"]).1.contains("Later"));
}

#[tokio::test]
async fn a_room_is_listed_with_the_names_that_the_relay_has_met() {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("Ops\u{1b}[31m").alias("ops").member("bot"));
    let running = homeserver.start().await.unwrap();
    let setup = Setup::of(&running, &token, &room);
    let data = setup.data_dir();
    let mut relay = setup.start().await;
    relay.says("is ready").await;
    relay.accepts(&firing("Named")).await;
    relay.says("delivered").await;
    let list = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
        command.args(["outbox", "list"]).env_clear().env("RELAY_DATA_DIR", data);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    });
    let list = list.await.unwrap();
    let shown = format!("{room} (#ops:example.org, \"Ops [31m\")");
    assert!(list.contains(&shown), "{list}");
}

#[test]
fn a_database_is_backed_up_by_its_own_programs() {
    for verb in ["backup", "restore"] {
        let output = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
            .args(["outbox", verb, "file.db"])
            .env_clear()
            .env("RELAY_DATABASE_URL", "postgres://relay:s3cr3t@127.0.0.1:1/relay")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("pg_dump") && !said.contains("s3cr3t"), "{said}");
    }
}

#[tokio::test]
async fn without_an_outbox_the_commands_say_so() {
    let place = Place::new().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"));
    command.args(["outbox", "list", "--data-dir", "nowhere"]).env_clear();
    command.current_dir(place.folder.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("nowhere"), "{error}");
}
