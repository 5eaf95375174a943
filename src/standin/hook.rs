//! A Hookshot inbound webhook beside the stand-in: what is posted to its URL is in its room.
//!
//! Guarantees: answers and messages are those of the bridge with `waitForComplete`; there are no transactions, so a
//! repeated request is another message. The event holds what was posted a second time, and what is then larger than an
//! event may be is refused as the bridge does it, without a reason. Faults that are planned for sends to the room strike here, too.

use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde_json::{Value, json};

use super::Homeserver;
use super::answer::Refusal;
use super::serve::{Call, serve_public};
use super::world::{World, is_too_large};

/// Larger bodies are refused, as by the bridge's JSON parser.
const BODY_LIMIT: usize = 100 * 1024;

impl Homeserver {
    /// Makes a webhook into a room and returns its URL, which is its secret. Only a homeserver that listens has any.
    pub fn add_webhook(&self, room: &str) -> String {
        let hook = self.change(|world| {
            let hook = format!("stand-in-hook-{}", world.count());
            world.hooks.insert(hook.clone(), room.to_owned());
            hook
        });
        format!("{}/webhook/{hook}", self.base_url())
    }

    /// Removes all webhooks of a room.
    pub fn remove_webhooks(&self, room: &str) {
        self.change(|world| world.hooks.retain(|_, target| target != room));
    }
}

impl World {
    fn hooked(&mut self, hook: &str, data: &Value) -> Result<Value, Refusal> {
        let missing = || Refusal::hook(404, "Webhook not found");
        let room = self.hooks.get(hook).cloned().ok_or_else(missing)?;
        let text = data["text"].as_str().map(ToOwned::to_owned);
        let text = text.unwrap_or_else(|| format!("Received webhook data:\n\n{data}"));
        let html = data["html"].as_str().unwrap_or(&text);
        let content = json!({
            "msgtype": "m.notice", "body": text, "format": "org.matrix.custom.html", "formatted_body": html,
            "uk.half-shot.hookshot.webhook_data": data,
        });
        let bridge = self.full('@', "hookshot");
        let event = self.event(&room, &bridge, "m.room.message", None, content);
        if is_too_large(&event) {
            // The homeserver tells the bridge, and the bridge tells nobody.
            return Err(Refusal::hook(500, "Failed to process webhook"));
        }
        let room = self.rooms.get_mut(&room).ok_or_else(missing)?;
        room.store(event);
        Ok(json!({"ok": true}))
    }
}

#[handler]
pub(super) async fn webhook(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path(hook): Path<String>,
    body: Body,
) -> Response {
    let room = homeserver.look(|world| world.hooks.get(&hook).cloned());
    let call = room.as_deref().map_or(Call::ACCOUNT, Call::send);
    let body = body.into_bytes_limit(BODY_LIMIT).await;
    serve_public(&homeserver, request, call, |world| {
        let body = body.map_err(|_| Refusal::hook(413, "request entity too large"))?;
        let data = serde_json::from_slice(&body).map_err(|_| Refusal::hook(400, "no JSON"))?;
        world.hooked(&hook, &data)
    })
    .await
}
