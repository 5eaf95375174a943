//! The endpoints of keys, messages to devices, account data and `/sync`.

use std::collections::HashMap;
use std::time::Duration;

use poem::web::{Data, Path, Query};
use poem::{Body, Request, Response, Route, get, handler, post, put};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Homeserver;
use super::answer::Refusal;
use super::serve::{Call, serve};
use super::world::{Session, World};

/// Larger bodies are refused before they are read to the end.
const BODY_LIMIT: usize = 1 << 24;

/// With the routes of version 3.
pub(super) fn routes(v3: Route) -> Route {
    v3.at("/keys/upload", post(upload))
        .at("/keys/query", post(query_keys))
        .at("/keys/claim", post(claim))
        .at("/keys/device_signing/upload", post(upload_identity))
        .at("/keys/signatures/upload", post(upload_signatures))
        .at("/sendToDevice/:kind/:txn", put(send_to_devices))
        .at(
            "/user/:user/account_data/:kind",
            get(account_data).put(set_account_data),
        )
        .at("/rooms/:room/members", get(members))
        .at("/sync", get(sync))
}

async fn with_body(
    request: &Request,
    homeserver: &Homeserver,
    body: Body,
    effect: impl FnOnce(&mut World, &Value, &Session) -> Result<Value, Refusal>,
) -> Response {
    let body = body.into_bytes_limit(BODY_LIMIT).await;
    serve(homeserver, request, Call::ACCOUNT, |world, session| {
        let body = body.map_err(|_| Refusal::new(413, "M_TOO_LARGE", "request body too large"))?;
        let body = serde_json::from_slice(&body).map_err(|_| Refusal::new(400, "M_NOT_JSON", "Content not JSON."))?;
        effect(world, &body, session)
    })
    .await
}

#[handler]
async fn upload(request: &Request, homeserver: Data<&Homeserver>, body: Body) -> Response {
    with_body(request, &homeserver, body, World::upload_keys).await
}

#[handler]
async fn query_keys(request: &Request, homeserver: Data<&Homeserver>, body: Body) -> Response {
    with_body(request, &homeserver, body, |world, body, session| {
        Ok(world.query_keys(body, session))
    })
    .await
}

#[handler]
async fn claim(request: &Request, homeserver: Data<&Homeserver>, body: Body) -> Response {
    with_body(request, &homeserver, body, |world, body, _| Ok(world.claim_keys(body))).await
}

#[handler]
async fn upload_identity(request: &Request, homeserver: Data<&Homeserver>, body: Body) -> Response {
    with_body(request, &homeserver, body, World::upload_identity).await
}

#[handler]
async fn upload_signatures(request: &Request, homeserver: Data<&Homeserver>, body: Body) -> Response {
    with_body(request, &homeserver, body, |world, body, session| {
        Ok(world.upload_signatures(body, session))
    })
    .await
}

#[handler]
async fn send_to_devices(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path((kind, txn)): Path<(String, String)>,
    body: Body,
) -> Response {
    with_body(request, &homeserver, body, |world, body, session| {
        world.send_to_devices(&kind, &txn, body, session);
        Ok(json!({}))
    })
    .await
}

fn must_be(session: &Session, user: &str) -> Result<(), Refusal> {
    if session.user == user {
        return Ok(());
    }
    Err(Refusal::forbidden("Cannot use account data of other users."))
}

#[handler]
async fn account_data(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path((user, kind)): Path<(String, String)>,
) -> Response {
    serve(&homeserver, request, Call::ACCOUNT, |world, session| {
        must_be(session, &user)?;
        world.account_data(&user, &kind)
    })
    .await
}

#[handler]
async fn set_account_data(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path((user, kind)): Path<(String, String)>,
    body: Body,
) -> Response {
    with_body(request, &homeserver, body, |world, body, session| {
        must_be(session, &user)?;
        world.set_account_data(&user, &kind, body.clone());
        Ok(json!({}))
    })
    .await
}

#[derive(Deserialize)]
struct MembersQuery {
    not_membership: Option<String>,
}

#[handler]
async fn members(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path(room): Path<String>,
    query: Query<MembersQuery>,
) -> Response {
    serve(&homeserver, request, Call::room(&room), |world, session| {
        let state = &world.look(&room, session)?.state;
        let members = state.iter().filter(|((kind, _), _)| kind == "m.room.member");
        let excluded = query.not_membership.as_deref();
        let members = members.filter(|(_, event)| event.content["membership"].as_str() != excluded);
        Ok(json!({"chunk": members.map(|(_, event)| event).collect::<Vec<_>>()}))
    })
    .await
}

#[derive(Deserialize)]
struct SyncQuery {
    since: Option<u64>,
    timeout: Option<u64>,
    #[serde(default)]
    filter: String,
}

impl SyncQuery {
    /// The types of events that are asked for in rooms.
    fn types(&self) -> Vec<String> {
        let filter: Value = serde_json::from_str(&self.filter).unwrap_or_default();
        serde_json::from_value(filter["room"]["timeline"]["types"].clone()).unwrap_or_default()
    }
}

/// Invitations, keys, messages to the device, and in rooms only what the filter names; with a place to begin at it waits as
/// long as it is asked to. A token is the number of the last thing that happened.
#[handler]
async fn sync(request: &Request, homeserver: Data<&Homeserver>, query: Query<SyncQuery>) -> Response {
    let (since, types, mut changes) = (query.since.unwrap_or(0), query.types(), homeserver.changes());
    let token = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let has_news = || {
        homeserver.look(|world| match world.session(token) {
            Ok(session) => {
                !world.invitations(&session.user, since).is_empty()
                    || !types.is_empty() && world.has_key_news_since(&session, since)
                    || !world.room_news(&session.user, &types, since).is_empty()
            }
            Err(_) => true,
        })
    };
    let news = async { while !has_news() && changes.changed().await.is_ok() {} };
    drop(tokio::time::timeout(Duration::from_millis(query.timeout.unwrap_or(0)), news).await);
    serve(&homeserver, request, Call::ACCOUNT, |world, session| {
        let mut answer = world.key_news(session, since);
        let invited: serde_json::Map<_, _> = world
            .invitations(&session.user, since)
            .into_iter()
            .map(|room| (room, json!({"invite_state": {"events": []}})))
            .collect();
        // The first answer says how it is now, not how it came to that.
        let news = query.since.map(|since| world.room_news(&session.user, &types, since));
        let joined: serde_json::Map<_, _> = news
            .unwrap_or_default()
            .into_iter()
            .map(|(room, events)| (room, json!({"timeline": {"events": events, "limited": true}})))
            .collect();
        answer["next_batch"] = json!(world.counted().to_string());
        answer["rooms"] = json!({"invite": invited, "join": joined});
        Ok(answer)
    })
    .await
}

impl World {
    /// The last event of one of these types in each room that the user is in, if it came after so much had happened.
    fn room_news(&self, user: &str, types: &[String], since: u64) -> HashMap<String, Vec<Value>> {
        let rooms = self.rooms.iter().filter(|(_, room)| room.membership(user) == "join");
        let news = rooms.filter_map(|(id, room)| {
            let mut events = room.timeline.iter().rev();
            let last = events.find(|event| types.contains(&event.kind))?;
            (last.number() > since).then(|| (id.clone(), vec![json!(last)]))
        });
        news.collect()
    }
}
