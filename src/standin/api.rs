//! The client-server API of the stand-in, as far as a sending bot and a reading test need it.
//!
//! Guarantees: every request goes through [`serve`], so every planned fault can meet it. Paths and answers are those of the specification.

use poem::web::{Data, Path, Query};
use poem::{Body, Endpoint, EndpointExt, Request, Response, Route, get, handler, post, put};
use serde::Deserialize;
use serde_json::json;

use super::answer::Refusal;
use super::room::Event;
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

#[derive(Deserialize)]
struct RelationsPath {
    room: String,
    event: String,
    rel_type: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct RelationsQuery {
    #[serde(default)]
    dir: String,
    limit: Option<usize>,
}

/// One page of what refers to an event, newest first unless told otherwise.
#[handler]
async fn relations(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path(path): Path<RelationsPath>,
    query: Query<RelationsQuery>,
) -> Response {
    serve(&homeserver, request, Call::room(&path.room), |world, session| {
        let room = world.look(&path.room, session)?;
        if room.event(&path.event).is_none() {
            return Err(Refusal::not_found("Unknown parent event."));
        }
        let kinds = ["m.replace", "m.thread", "m.annotation", "m.reference"];
        let wanted = kinds
            .iter()
            .filter(|kind| path.rel_type.as_deref().is_none_or(|rel_type| rel_type == **kind));
        let mut found: Vec<_> = wanted
            .flat_map(|rel_type| room.related(&path.event, rel_type))
            .collect();
        found.retain(|one| path.kind.as_deref().is_none_or(|kind| kind == one.kind));
        found.sort_by_key(|one| one.origin_server_ts);
        if query.dir != "f" {
            found.reverse();
        }
        found.truncate(query.limit.unwrap_or(5).min(1000));
        Ok(json!({"chunk": found}))
    })
    .await
}

#[derive(Deserialize)]
struct MessagesQuery {
    dir: String,
    from: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    filter: String,
}

/// The part of a filter that a bot needs; what is left out is not filtered.
#[derive(Default, Deserialize)]
struct EventFilter {
    senders: Option<Vec<String>>,
    types: Option<Vec<String>>,
}

impl EventFilter {
    fn takes(&self, one: &Event) -> bool {
        let names = |wanted: &Option<Vec<String>>, name: &String| wanted.as_ref().is_none_or(|all| all.contains(name));
        names(&self.senders, &one.sender) && names(&self.types, &one.kind)
    }
}

/// Pages through the timeline; a token is the number of events, filtered or not, before that place.
#[handler]
async fn messages(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path(room): Path<String>,
    query: Query<MessagesQuery>,
) -> Response {
    serve(&homeserver, request, Call::read(&room), |world, session| {
        let timeline = &world.look(&room, session)?.timeline;
        let filter: EventFilter = match query.filter.as_str() {
            "" => EventFilter::default(),
            text => serde_json::from_str(text).map_err(|_| Refusal::new(400, "M_NOT_JSON", "Invalid filter"))?,
        };
        let backwards = query.dir == "b";
        let given = query.from.as_deref().and_then(|from| from.parse::<usize>().ok());
        let from = given
            .unwrap_or(if backwards { timeline.len() } else { 0 })
            .min(timeline.len());
        let limit = query.limit.unwrap_or(10).min(1000);
        let wanted = |at: &usize| filter.takes(&timeline[*at]);
        let places: Vec<usize> = if backwards {
            (0..from).rev().filter(wanted).take(limit).collect()
        } else {
            (from..timeline.len()).filter(wanted).take(limit).collect()
        };
        let chunk: Vec<_> = places.iter().map(|at| timeline[*at].shown_to(session)).collect();
        // A page that is not full is the last one.
        let last = places.len() < limit;
        let end = places.last().map_or(from, |at| if backwards { *at } else { at + 1 });
        let mut page = json!({"start": from.to_string(), "chunk": chunk, "state": []});
        if !last {
            page["end"] = json!(end.to_string());
        }
        Ok(page)
    })
    .await
}
