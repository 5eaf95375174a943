//! The client-server API of the stand-in, as far as a sending bot and a reading test need it.
//!
//! Guarantees: every request goes through [`serve`], so every planned fault can meet it. Paths and answers are those of the specification.

mod history;

use poem::EndpointExt as _;
use poem::web::{Data, Path, Query};
use poem::{Body, Endpoint, Request, Response, Route, get, handler, post, put};
use serde::Deserialize;
use serde_json::json;

use self::history::{messages, relations};
use super::answer::Refusal;
use super::serve::{Call, serve, serve_public};
use super::{Homeserver, delayed, hook, key_api};

/// Larger bodies are refused before they are read to the end.
const BODY_LIMIT: usize = 1 << 20;

pub(super) fn routes(homeserver: Homeserver) -> impl Endpoint {
    let v3 = Route::new()
        .at("/account/whoami", get(whoami))
        .at("/capabilities", get(delayed::capabilities))
        .at("/rooms/:room/delayed_event/:kind/:txn", put(delayed::stable))
        .at("/directory/room/:alias", get(alias))
        .at("/join/:room", post(join))
        .at("/rooms/:room/join", post(join))
        .at("/joined_rooms", get(joined_rooms))
        .at("/rooms/:room/state", get(all_state))
        .at("/rooms/:room/state/:kind", get(state_without_key))
        .at("/rooms/:room/state/:kind/", get(state_without_key))
        .at("/rooms/:room/state/:kind/:key", get(state))
        .at("/rooms/:room/send/:kind/:txn", put(send))
        .at("/rooms/:room/event/:event", get(event))
        .at("/rooms/:room/messages", get(messages));
    let unstable = Route::new()
        .at("/rooms/:room/delayed_event/:kind/:txn", put(delayed::unstable))
        .at("/delayed_events/:id/:action", post(delayed::manage));
    let v1 = Route::new()
        .at("/delayed_events/:id/:action", post(delayed::manage))
        .at("/rooms/:room/relations/:event", get(relations))
        .at("/rooms/:room/relations/:event/:rel_type", get(relations))
        .at("/rooms/:room/relations/:event/:rel_type/:kind", get(relations));
    Route::new()
        .at("/_matrix/client/versions", get(versions))
        .at("/.well-known/matrix/client", get(well_known))
        .at("/webhook/:hook", put(hook::webhook).post(hook::webhook))
        .nest("/_matrix/client/v3", key_api::routes(v3))
        .nest("/_matrix/client/v1", v1)
        .nest("/_matrix/client/unstable/org.matrix.msc4140", unstable)
        .catch_all_error(|_| async { Refusal::new(404, "M_UNRECOGNIZED", "Unrecognized request") })
        .data(homeserver)
}

#[handler]
async fn versions(request: &Request, homeserver: Data<&Homeserver>) -> Response {
    serve_public(&homeserver, request, Call::ACCOUNT, |_| {
        let versions: Vec<_> = (1..=12).map(|minor| format!("v1.{minor}")).collect();
        Ok(json!({"versions": versions, "unstable_features": {}}))
    })
    .await
}

#[handler]
async fn well_known(request: &Request, homeserver: Data<&Homeserver>) -> Response {
    serve_public(&homeserver, request, Call::ACCOUNT, |world| {
        Ok(json!({"m.homeserver": {"base_url": world.base_url}}))
    })
    .await
}

#[handler]
async fn whoami(request: &Request, homeserver: Data<&Homeserver>) -> Response {
    serve(&homeserver, request, Call::ACCOUNT, |_, session| {
        let mut me = json!({"user_id": session.user, "is_guest": false});
        if let Some(device) = &session.device {
            me["device_id"] = json!(device);
        }
        Ok(me)
    })
    .await
}

#[handler]
async fn alias(request: &Request, homeserver: Data<&Homeserver>, Path(alias): Path<String>) -> Response {
    serve_public(&homeserver, request, Call::ACCOUNT, |world| {
        let room = world.resolve(&alias)?;
        Ok(json!({"room_id": room, "servers": [world.server_name]}))
    })
    .await
}

#[handler]
async fn join(request: &Request, homeserver: Data<&Homeserver>, Path(room): Path<String>) -> Response {
    serve(&homeserver, request, Call::room(&room), |world, session| {
        Ok(json!({"room_id": world.join(&room, session)?}))
    })
    .await
}

#[handler]
async fn joined_rooms(request: &Request, homeserver: Data<&Homeserver>) -> Response {
    serve(&homeserver, request, Call::ACCOUNT, |world, session| {
        let joined = |(_, room): &(&String, &super::room::Room)| room.membership(&session.user) == "join";
        let rooms: Vec<_> = world.rooms.iter().filter(joined).map(|(id, _)| id).collect();
        Ok(json!({"joined_rooms": rooms}))
    })
    .await
}

#[handler]
async fn all_state(request: &Request, homeserver: Data<&Homeserver>, Path(room): Path<String>) -> Response {
    serve(&homeserver, request, Call::room(&room), |world, session| {
        Ok(json!(world.look(&room, session)?.state.values().collect::<Vec<_>>()))
    })
    .await
}

#[derive(Deserialize)]
struct StateQuery {
    #[serde(default)]
    format: String,
}

#[handler]
async fn state_without_key(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path((room, kind)): Path<(String, String)>,
    query: Query<StateQuery>,
) -> Response {
    read_state(request, &homeserver, (&room, &kind, ""), &query.format).await
}

#[handler]
async fn state(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path((room, kind, key)): Path<(String, String, String)>,
    query: Query<StateQuery>,
) -> Response {
    read_state(request, &homeserver, (&room, &kind, &key), &query.format).await
}

async fn read_state(
    request: &Request,
    homeserver: &Homeserver,
    (room, kind, key): (&str, &str, &str),
    format: &str,
) -> Response {
    serve(homeserver, request, Call::room(room), |world, session| {
        let found = world.look(room, session)?.state.get(&(kind.to_owned(), key.to_owned()));
        let found = found.ok_or_else(|| Refusal::not_found("Event not found."))?;
        Ok(if format == "event" {
            json!(found)
        } else {
            found.content.clone()
        })
    })
    .await
}

#[derive(Deserialize)]
struct SendQuery {
    #[serde(rename = "org.matrix.msc4140.delay")]
    delay_ms: Option<u64>,
}

#[handler]
async fn send(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path((room, kind, txn)): Path<(String, String, String)>,
    query: Query<SendQuery>,
    body: Body,
) -> Response {
    let body = body.into_bytes_limit(BODY_LIMIT).await;
    serve(&homeserver, request, Call::send(&room), |world, session| {
        let body = body.map_err(|_| Refusal::new(413, "M_TOO_LARGE", "request body too large"))?;
        let content =
            serde_json::from_slice(&body).map_err(|_| Refusal::new(400, "M_NOT_JSON", "Content not JSON."))?;
        if let Some(delay_ms) = query.delay_ms.filter(|_| world.delays_sends()) {
            return world.schedule((&room, &kind, &txn), content, delay_ms, session);
        }
        Ok(json!({"event_id": world.send(&room, &kind, &txn, content, session)?}))
    })
    .await
}

#[handler]
async fn event(request: &Request, homeserver: Data<&Homeserver>, Path((room, id)): Path<(String, String)>) -> Response {
    serve(&homeserver, request, Call::look(&room), |world, session| {
        let room = world.look(&room, session)?;
        let found = room.event(&id).ok_or_else(|| Refusal::not_found("Event not found."))?;
        Ok(room.bundled(found, session))
    })
    .await
}
