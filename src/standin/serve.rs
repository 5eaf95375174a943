//! The way of one request through the stand-in: planned faults, token, effect, answer.
//!
//! Guarantees: an effect is carried out at most once, and before the reply is dropped where that is planned.

use poem::{IntoResponse, Request, Response};
use serde_json::Value;

use super::Homeserver;
use super::answer::{Refusal, html_response, json_response, said};
use super::fault::{Act, Fault};
use super::world::{Session, World};

/// What a request comes to.
type Outcome = Result<Value, Refusal>;

/// What a request is about; decides which faults concern it.
pub(super) struct Call<'a> {
    pub(super) room: Option<&'a str>,
    pub(super) act: Act,
}

impl Call<'_> {
    pub(super) const ACCOUNT: Call<'static> = Call {
        room: None,
        act: Act::Other,
    };

    pub(super) fn room(room: &str) -> Call<'_> {
        Call {
            room: Some(room),
            act: Act::Other,
        }
    }

    pub(super) fn send(room: &str) -> Call<'_> {
        Call {
            room: Some(room),
            act: Act::Send,
        }
    }

    pub(super) fn read(room: &str) -> Call<'_> {
        Call {
            room: Some(room),
            act: Act::Read,
        }
    }

    pub(super) fn look(room: &str) -> Call<'_> {
        Call {
            room: Some(room),
            act: Act::Look,
        }
    }
}

/// One request: its faults, its token, its effect.
pub(super) async fn serve<F>(homeserver: &Homeserver, request: &Request, call: Call<'_>, effect: F) -> Response
where
    F: FnOnce(&mut World, &Session) -> Outcome,
{
    let token = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    serve_public(homeserver, request, call, |world| {
        let session = world.session(token)?;
        effect(world, &session)
    })
    .await
}

/// The same for what needs no token.
pub(super) async fn serve_public<F>(homeserver: &Homeserver, request: &Request, call: Call<'_>, effect: F) -> Response
where
    F: FnOnce(&mut World) -> Outcome,
{
    let picked = homeserver.change(|world| {
        world.send_due();
        if let Some(room) = call
            .room
            .filter(|_| call.act == Act::Send)
            .and_then(|room| world.rooms.get_mut(room))
        {
            room.sends_seen += 1;
        }
        world.plan.pick(call.room, call.act)
    });
    if !picked.latency.is_zero() {
        tokio::time::sleep(picked.latency).await;
    }
    match picked.fault {
        None => {}
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::DropRequest) => return hang_up(homeserver, request).await,
        Some(Fault::BadGateway) => return html_response(502),
        Some(Fault::Page(status)) => return html_response(status),
        Some(Fault::Says(status, text)) => {
            let token = request.header("authorization").unwrap_or_default();
            return said(status, &text.replace("{token}", token.trim_start_matches("Bearer ")));
        }
        Some(Fault::DropReply) => {
            let _ = homeserver.change(effect);
            return hang_up(homeserver, request).await;
        }
        Some(fault) => {
            if let Some(refusal) = fault.refusal() {
                return refusal.into_response();
            }
        }
    }
    match homeserver.change(effect) {
        Ok(body) => json_response(&body),
        Err(refusal) => refusal.into_response(),
    }
}

/// Closes the connection; the request's own task ends with it, so this never returns.
async fn hang_up(homeserver: &Homeserver, request: &Request) -> Response {
    if let Some(peer) = request.remote_addr().as_socket_addr() {
        homeserver.connections().cut(*peer);
    }
    std::future::pending().await
}
