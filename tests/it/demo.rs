//! The demo page over HTTP: what it is made of, and the live feed of its room.

use std::net::Ipv4Addr;

use grafana_matrix_relay::demo::{self, DemoRoom, Lapse, Sample};
use grafana_matrix_relay::matrix::{Client, EncryptionSettings, Settings};
use grafana_matrix_relay::message::{Mentions, MsgType, Relation, RenderedMessage, TxnId};
use grafana_matrix_relay::standin::{Homeserver, RunningHomeserver};
use poem::Server;
use poem::listener::TcpAcceptor;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::chromium::Browser;
use crate::support::patience::{eventually, until};
use crate::support::relay::Setup;

/// Whether every coloured text of the messages has a contrast of 4.5 at least.
const READABLE: &str = "((luminance) => {
    const ground = luminance(document.querySelector('.room'), 'backgroundColor');
    const texts = [...document.querySelectorAll('.message .body span')].filter((one) => one.style.color);
    const contrasts = texts.map((one) => luminance(one, 'color')).map((text) => (Math.max(text, ground) + .05) / (Math.min(text, ground) + .05));
    return contrasts.length > 3 && contrasts.every((contrast) => contrast >= 4.49);
})((one, what) => {
    const color = getComputedStyle(one)[what];
    const parts = color.match(/[\\d.]+/g).slice(0, 3).map((part) => Number(part) / (color.startsWith('rgb') ? 255 : 1));
    const [red, green, blue] = parts.map((part) => (part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4));
    return .2126 * red + .7152 * green + .0722 * blue;
})";

/// A demo that listens, with the client that sends to its room.
struct Stage {
    origin: String,
    running: RunningHomeserver,
    room: DemoRoom,
    client: Client,
    browser: reqwest::Client,
    _data: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self::with_room(false).await
    }

    async fn with_room(is_encrypted: bool) -> Self {
        let data = tempfile::tempdir().unwrap();
        let homeserver = Homeserver::new("demo.example");
        let running = homeserver.start().await.unwrap();
        let room = demo::create_room(&homeserver, is_encrypted);
        let settings = Settings {
            home_server: running.base_url.clone(),
            access_token: room.access_token.clone().into(),
            request_timeout: std::time::Duration::from_secs(30),
            encryption: EncryptionSettings {
                folder: Some(data.path().to_owned()),
                ..EncryptionSettings::default()
            },
        };
        let samples = vec![Sample::from((
            "firing".to_owned(),
            "One alert fires".to_owned(),
            "{}".to_owned(),
        ))];
        let lapse = Lapse::new(&["one", "two", "three"], std::time::Duration::from_hours(1));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap());
        tokio::spawn(server.run(demo::routes(homeserver, room.room_id.clone(), samples, lapse)));
        Self {
            origin,
            running,
            room,
            client: Client::new(&settings).unwrap(),
            browser: crate::support::matrix::http_client(),
            _data: data,
        }
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        let answer = self
            .browser
            .get(format!("{}/{path}", self.origin))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer
    }

    async fn send(&self, body: &str) {
        self.relate(body, None).await;
    }

    /// Sends a message that refers to another one; the name of the event.
    async fn relate(&self, body: &str, relation: Option<Relation>) -> String {
        let message = RenderedMessage {
            body: body.to_owned(),
            formatted_body: String::new(),
            msgtype: MsgType::Text,
            mentions: Mentions::default(),
            headline: String::new(),
            ..RenderedMessage::default()
        };
        let room = self.room.room_id.parse().unwrap();
        let txn = TxnId::generate();
        self.client
            .send(&room, &txn, &message, relation.as_ref())
            .await
            .unwrap()
    }

    /// Sends what the relay never does.
    async fn put(&self, kind: &str, txn: &str, content: &Value) {
        let (base, room) = (&self.running.base_url, &self.room.room_id);
        let url = format!("{base}/_matrix/client/v3/rooms/{room}/send/{kind}/{txn}");
        let request = self
            .browser
            .put(url)
            .bearer_auth(&self.room.access_token)
            .body(content.to_string());
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    async fn feed(&self, last: Option<&str>) -> Feed {
        let mut request = self.browser.get(format!("{}/demo/events", self.origin));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Feed {
            answer: request.send().await.unwrap(),
            text: String::new(),
        }
    }
}

/// A feed that is being read.
struct Feed {
    answer: reqwest::Response,
    text: String,
}

/// One server-sent event.
struct Sent {
    id: String,
    kind: String,
    data: Value,
}

impl Feed {
    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Sent> {
        while !self.text.contains("\n\n") {
            let chunk = self.answer.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let (event, rest) = self
            .text
            .split_once("\n\n")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        self.text = rest;
        let field = |name: &str| {
            let found = event.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_default().to_owned()
        };
        Some(Sent {
            id: field("id: "),
            kind: field("event: "),
            data: serde_json::from_str(&field("data: ")).unwrap(),
        })
    }

    async fn body(&mut self) -> (String, String) {
        let sent = self.next().await.unwrap();
        let body = sent.data["event"]["content"]["body"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (sent.id, body)
    }
}

#[tokio::test]
async fn page_loads_only_itself_and_allows_nothing_inline() {
    let stage = Stage::new().await;
    let page = stage.get("").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let html = page.text().await.unwrap();
    for inline in ["onclick", "style=", "<style", "<script>", "http://", "https://"] {
        assert!(!html.contains(inline), "{inline}");
    }
    let attributes = html.split('"').collect::<Vec<_>>();
    let files: Vec<_> = attributes.iter().filter(|text| text.starts_with("demo/")).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        stage.get(file).await;
    }
}

#[tokio::test]
async fn scripts_that_the_page_imports_are_served() {
    let stage = Stage::new().await;
    for file in [
        "page.js",
        "timeline.js",
        "outcome.js",
        "lapse.js",
        "samples.js",
        "panel.js",
        "conversation.js",
        "message.js",
        "sanitise.js",
    ] {
        let answer = stage.get(&format!("demo/{file}")).await;
        assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("innerHTML"), "{file} inserts markup as it came");
    }
}

#[tokio::test]
async fn samples_and_room_are_told() {
    let stage = Stage::new().await;
    let samples: Value = serde_json::from_str(&stage.get("demo/samples").await.text().await.unwrap()).unwrap();
    assert_eq!(samples[0]["title"], "One alert fires");
    let room: Value = serde_json::from_str(&stage.get("demo/room").await.text().await.unwrap()).unwrap();
    assert_eq!(
        (room["name"].as_str(), room["alias"].as_str()),
        (Some("Alerts"), Some("#alerts:demo.example"))
    );
    assert_eq!(room["homeserver"], stage.running.base_url.as_str());
}

#[tokio::test]
async fn feed_tells_old_messages_then_new_ones_in_order() {
    let stage = Stage::new().await;
    stage.send("one").await;
    stage.send("two").await;
    let mut feed = stage.feed(None).await;
    assert_eq!(feed.body().await.1, "one");
    assert_eq!(feed.body().await.1, "two");
    stage.send("three").await;
    let sent = feed.next().await.unwrap();
    assert_eq!(sent.data["event"]["content"]["body"], "three");
    assert_eq!(sent.data["name"], "Grafana");
}

#[tokio::test]
async fn an_encrypted_room_is_shown_as_the_person_on_call_reads_it() {
    let stage = Stage::with_room(true).await;
    let room: Value = serde_json::from_str(&stage.get("demo/room").await.text().await.unwrap()).unwrap();
    assert_eq!(room["encrypted"], true);
    stage.send("one").await;
    let root = stage.relate("two", None).await;
    stage.relate("three", Some(Relation::Edit { of: root.clone() })).await;
    let mut feed = stage.feed(None).await;
    assert_eq!(feed.body().await.1, "one");
    assert_eq!(feed.body().await.1, "two");
    let edit = feed.next().await.unwrap().data;
    assert_eq!(edit["event"]["content"]["m.new_content"]["body"], "three");
    let homeserver = &stage.running.homeserver;
    assert_eq!(homeserver.visible(&stage.room.room_id)[1].body(), "three");
    let held = homeserver.events_as_sent(&stage.room.room_id);
    let sent: Vec<_> = held.iter().filter(|event| event.state_key.is_none()).collect();
    assert_eq!(sent.len(), 3);
    for event in sent {
        assert_eq!(event.kind, "m.room.encrypted");
        assert!(
            event.content["body"].is_null() && event.content["ciphertext"].is_string(),
            "{event:?}"
        );
    }
}

#[tokio::test]
async fn the_demo_in_an_encrypted_room_shows_an_incident_and_ends() {
    let setup = Setup::bare().arg("demo").arg("--once").arg("--encrypted");
    let mut relay = setup.start().await;
    relay.says("sample notifications are in the room").await;
    assert!(relay.ended().await.success());
}

#[tokio::test]
async fn page_says_and_shows_what_a_button_did_to_the_room() {
    let relay = Setup::bare().arg("demo").start().await;
    let browser = Browser::start(390, 844).await;
    browser.open(&relay.base_url).await;
    let run = async |what: &str| browser.driver.execute(what, Vec::new()).await.unwrap();
    let press = async |sample: &str| run(&format!("document.querySelector('[data-sample={sample}]').click()")).await;
    browser
        .wait_until("document.querySelectorAll('.sample').length >= 5")
        .await;
    run("document.querySelector('#lapse-pause').click()").await;
    browser
        .wait_until("document.querySelector('#lapse-said').textContent.includes('on hold at step')")
        .await;
    // The way to the templates is in sight, and what the product is.
    browser
        .wait_until("document.querySelector('#to-templates').getClientRects().length && document.querySelector('main').innerText.includes('to Matrix rooms')")
        .await;
    let says = |text: &str| format!("document.querySelector('#outcome').textContent.startsWith('accepted: {text}')");
    let shown = "(({ top, bottom }, room) => bottom > room.top && top < room.bottom)(document.querySelector('.shown').getBoundingClientRect(), document.querySelector('#scroll').getBoundingClientRect())";
    press("firing").await;
    browser.wait_until(&says("a new message")).await;
    browser.wait_until(shown).await;
    for sample in ["no-data", "test"] {
        run("document.querySelector('#outcome').textContent = ''").await;
        press(sample).await;
        browser.wait_until(&says("a new message")).await;
    }
    // What changes is further up, and is scrolled to.
    press("resolved").await;
    browser.wait_until(&says("edited the message of")).await;
    browser.wait_until(shown).await;
    browser
        .wait_until("document.querySelector('.shown').closest('#timeline > .message').innerText.includes('RESOLVED')")
        .await;
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        browser.wait_until(READABLE).await;
    }
    assert_eq!(browser.console().await, Vec::<String>::new());
    browser.quit().await;
    relay.terminate();
}

#[tokio::test]
async fn one_delivery_waits_and_one_was_given_up_beside_the_room() {
    let mut relay = Setup::bare().arg("demo").start().await;
    relay.says("takes no messages, on purpose").await;
    let rows = eventually("one waits and one is dead", async || {
        let page = relay.get("/workshop/deliveries").await.body;
        let rows = page["deliveries"].as_array().unwrap();
        let of = |state: &str| {
            let mut of_room = rows.iter().filter(|row| row["room_name"] == "Refuses on purpose");
            of_room.find(|row| row["state"] == state).cloned()
        };
        // The room of the demo is not held up.
        rows.iter()
            .find(|row| row["room_name"] == "Alerts" && row["state"] == "delivered")?;
        // It was tried, so what it waits for can be read.
        let waits = of("pending").filter(|row| {
            row["last_error"]
                .as_str()
                .is_some_and(|error| error.contains("on purpose"))
        })?;
        Some([waits, of("dead")?])
    })
    .await;
    // Both can be turned over.
    let post = async |row: &Value, what: &str| {
        let path = format!("/workshop/deliveries/{}/{what}", row["name"].as_str().unwrap());
        relay.request(Method::POST, &path, &json!({})).await.status
    };
    assert_eq!(post(&rows[1], "retry").await, 200);
    until("it waits again", async || post(&rows[0], "give-up").await == 200).await;
    // The log stays calm.
    let log = relay.log();
    assert!(
        log.contains("\"log.level\":\"info\"") && !log.contains("\"log.level\":\"error\""),
        "{log}"
    );
    relay.terminate();
}

#[tokio::test]
async fn feed_goes_on_where_a_broken_connection_ended() {
    let stage = Stage::new().await;
    stage.send("one").await;
    stage.send("two").await;
    let (first, _) = stage.feed(None).await.body().await;
    assert_eq!(stage.feed(Some(&first)).await.body().await.1, "two");
}

#[tokio::test]
async fn page_of_an_earlier_run_is_told_to_begin_anew() {
    let stage = Stage::new().await;
    stage.send("one").await;
    let mut feed = stage.feed(Some("another-run-7")).await;
    assert_eq!(feed.next().await.unwrap().kind, "reset");
    assert_eq!(feed.body().await.1, "one");
}

#[tokio::test]
async fn feed_ends_with_the_stand_in_so_that_a_shutdown_does_not_wait_for_open_pages() {
    let stage = Stage::new().await;
    stage.send("one").await;
    let mut feed = stage.feed(None).await;
    feed.body().await;
    stage.running.shutdown().await.unwrap();
    assert!(feed.next().await.is_none());
}

#[tokio::test]
async fn page_shows_replies_reactions_threads_edits_and_deletions_as_a_client_does() {
    let stage = Stage::new().await;
    let browser = Browser::start(1000, 900).await;
    browser.open(&stage.origin).await;
    let root = stage.relate("the root\nin two lines", None).await;
    browser.wait_for_text("in two lines").await;
    let to = || root.clone();
    let answer =
        json!({"msgtype": "m.text", "body": "an answer", "m.relates_to": {"m.in_reply_to": {"event_id": root}}});
    stage.put("m.room.message", "1", &answer).await;
    browser
        .wait_until("document.querySelector('.quote')?.textContent === 'in reply to: the root'")
        .await;
    for (txn, key) in [("2", "✅"), ("3", "⚪")] {
        let reaction = json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": root, "key": key}});
        stage.put("m.reaction", txn, &reaction).await;
    }
    browser.wait_for_text("✅ 1").await;
    browser
        .wait_until("[...document.querySelectorAll('.reaction')].map((one) => one.textContent).join() === '✅ 1,⚪ 1'")
        .await;
    browser
        .wait_until("document.querySelector('.reaction').closest('.message').textContent.includes('the root')")
        .await;
    let thread = Relation::Thread {
        root: to(),
        latest: to(),
    };
    stage.relate("a line", Some(thread)).await;
    browser.wait_for_text("Thread · 1 line").await;
    stage
        .relate("the root, edited", Some(Relation::Edit { of: to() }))
        .await;
    browser.wait_for_text("(edited, last at").await;
    // What was there when the page was opened is put together in the same way.
    browser.open(&stage.origin).await;
    let text = browser.wait_for_text("the root, edited").await;
    for part in [
        "an answer",
        "in reply to: the root",
        "✅ 1",
        "⚪ 1",
        "a line",
        "(edited, last at",
    ] {
        browser.wait_for_text(part).await;
    }
    assert!(!text.contains("in two lines"), "{text}");
    stage.running.homeserver.redact(&stage.room.room_id, &root);
    browser
        .wait_until("document.querySelectorAll('#timeline > .message').length === 1")
        .await;
    browser
        .wait_until("document.querySelectorAll('.reaction').length === 0")
        .await;
    assert_eq!(browser.console().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test]
async fn page_stays_at_the_end_of_the_room_when_something_takes_room_from_it() {
    let stage = Stage::new().await;
    for number in 0..12 {
        stage.send(&format!("message {number}\nin\nfour\nlines")).await;
    }
    let browser = Browser::start(1000, 900).await;
    browser.open(&stage.origin).await;
    browser.wait_for_text("message 11").await;
    let bottom = "[...document.querySelectorAll('.message')].at(-1).getBoundingClientRect().bottom";
    let is_seen = format!("{bottom} <= document.querySelector('#scroll').getBoundingClientRect().bottom");
    browser
        .wait_until(&format!("document.querySelector('.sample') && {is_seen}"))
        .await;
    let grow = "document.querySelector('#samples').style.paddingBottom = '200px'";
    browser.driver.execute(grow, Vec::new()).await.unwrap();
    browser.wait_until(&is_seen).await;
    browser.quit().await;
}
