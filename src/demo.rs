//! The demo page: the stand-in's room in a browser, as a Matrix client shows it, live.
//!
//! Guarantees: it is embedded and allowed only what is its own (see [`web`]); it only reads the stand-in: what appears in
//! the room went through `/alert` like any notification.
//!
//! Deliberately not: a Matrix client for real homeservers, and not part of a relay that runs for real.

mod feed;
mod lapse;

use poem::web::{Data, Json};
use poem::{EndpointExt, IntoResponse, Response, Route, get, handler};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::lapse::Lapse;
use crate::standin::{Fault, Homeserver, NewRoom, Scope, When};
use crate::web;

/// A notification that the page offers to post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Short name, unique.
    pub name: String,
    /// What the button says.
    pub title: String,
    /// The JSON that is posted to `/alert`; its times are moved to now by the page.
    pub body: String,
}

impl From<(String, String, String)> for Sample {
    fn from((name, title, body): (String, String, String)) -> Self {
        Self { name, title, body }
    }
}

/// The room of the demo and the token to send to it.
#[derive(Debug, Clone)]
pub struct DemoRoom {
    /// The ID of the room.
    pub room_id: String,
    /// An access token of the bot, which belongs to a device.
    pub access_token: String,
    /// The ID of the person on call.
    pub on_call: String,
}

/// Furnishes a stand-in for the demo: a bot, somebody on call, and a room with both in it, which may be encrypted.
pub fn create_room(homeserver: &Homeserver, is_encrypted: bool) -> DemoRoom {
    let alerts = NewRoom::named("Alerts")
        .alias("alerts")
        .member("grafana")
        .member("oncall");
    let room_id = homeserver.create_room(&alerts);
    if is_encrypted {
        homeserver.encrypt(&room_id);
        #[cfg(feature = "encryption")]
        homeserver.read_as("oncall");
    }
    let bot = homeserver.user_id("grafana");
    homeserver.set_state(
        &room_id,
        "m.room.member",
        &bot,
        json!({"membership": "join", "displayname": "Grafana"}),
    );
    homeserver.set_state(
        &room_id,
        "m.room.topic",
        "",
        json!({"topic": "What the person on call sees"}),
    );
    DemoRoom {
        room_id,
        access_token: homeserver.login("grafana", "DEMO"),
        on_call: homeserver.user_id("oncall"),
    }
}

/// What the room is called that takes no messages, and its answer to each.
const REFUSING: &str = "Refuses on purpose";
const REFUSAL: &str = r#"{"errcode": "M_UNKNOWN", "error": "this room of the demo takes no messages, on purpose"}"#;

/// Adds a room that takes no messages, so that what waits and what was given up can be seen.
pub fn create_refusing_room(homeserver: &Homeserver) -> String {
    let id = homeserver.create_room(&NewRoom::named(REFUSING).member("grafana"));
    homeserver.plan(
        Scope::SendsTo(id.clone()),
        When::Always,
        Fault::Says(503, REFUSAL.to_owned()),
    );
    id
}

/// What the handlers share.
#[derive(Clone)]
struct Demo {
    homeserver: Homeserver,
    room_id: String,
    /// Tells one run of the program from the next, for a page that stays open over both.
    run: String,
    samples: Vec<Sample>,
}

/// The page at `/` and what it needs under `/demo`.
pub fn routes(homeserver: Homeserver, room_id: String, samples: Vec<Sample>, lapse: Lapse) -> Route {
    let demo = Demo {
        run: format!("{:08x}", rand::random::<u32>()),
        homeserver,
        room_id,
        samples,
    };
    let routes = Route::new()
        .at("/", web::html(include_str!("demo/page/index.html")))
        .at("/demo/page.css", web::style(include_str!("demo/page/page.css")))
        .at("/demo/page.js", web::script(include_str!("demo/page/page.js")))
        .at("/demo/timeline.js", web::script(include_str!("demo/page/timeline.js")))
        .at("/demo/outcome.js", web::script(include_str!("demo/page/outcome.js")))
        .at("/demo/samples.js", web::script(include_str!("demo/page/samples.js")))
        .at("/demo/panel.js", web::script(include_str!("demo/page/panel.js")))
        .at("/demo/lapse.js", web::script(include_str!("demo/page/lapse.js")));
    web::shared(routes, "/demo")
        .at("/demo/events", get(feed::events).data(demo.clone()))
        .at("/demo/lapse", get(lapse::show).post(lapse::press).data(lapse))
        .at("/demo/room", get(room).data(demo.clone()))
        .at("/demo/samples", get(samples_list).data(demo))
}

/// What the header of the room and the side panel show.
#[handler]
fn room(Data(demo): Data<&Demo>) -> Response {
    let state = |kind: &str, field: &str| {
        let content = demo.homeserver.state(&demo.room_id, kind, "").unwrap_or_default();
        content[field].as_str().unwrap_or_default().to_owned()
    };
    let members = demo.homeserver.joined(&demo.room_id);
    Json(json!({
        "room_id": demo.room_id,
        "name": state("m.room.name", "name"),
        "topic": state("m.room.topic", "topic"),
        "alias": state("m.room.canonical_alias", "alias"),
        "members": members,
        "encrypted": demo.homeserver.state(&demo.room_id, "m.room.encryption", "").is_some(),
        "homeserver": demo.homeserver.base_url(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
    .into_response()
}

#[handler]
fn samples_list(Data(demo): Data<&Demo>) -> Json<Value> {
    Json(json!(demo.samples))
}
