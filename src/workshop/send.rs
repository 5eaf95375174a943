//! `POST /workshop/send`: a draft in a real room, marked as a test.
//!
//! Guarantees: what is sent is what the preview shows, under a line that says it is a test, and it mentions nobody; it goes
//! through the outbox like everything else, so it is encrypted where the room is, and listed. A draft that does not work is not
//! sent. Any route is reached: where one asks for a credential, nobody comes to the workshop without one.

use std::sync::Arc;

use jiff::Timestamp;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;

use super::shape::{PreviewAnswer, PreviewRequest};
use super::{Tag, Workshop, store_problem};
use crate::intake::{Caller, Documented, JsonBody, Problem, Refused};
use crate::message::{Locale, Mentions, RenderedMessage, RoomAddress, RouteName};
use crate::outbox::{Acceptance, Enqueued, NewDelivery};
use crate::render::{CONTENT_LIMIT, Level, content_size};
use crate::text;

/// What to send, and where.
#[derive(Debug, Deserialize, Object)]
struct SendRequest {
    /// What is rendered, as for `/preview`, but no sequence.
    preview: PreviewRequest,
    /// The route whose room gets it; the default one if it is left out.
    route: Option<String>,
    /// Which of the route's rooms; the first if it is left out.
    room: Option<String>,
}

/// A test that was accepted.
#[derive(Debug, Object)]
struct SentTest {
    /// The room that gets it.
    room: String,
    /// The numbers of its deliveries.
    deliveries: Vec<i64>,
}

/// What keeps a draft from being sent.
struct NotSent;

impl Documented for NotSent {
    const REFUSALS: &'static [(u16, &'static str)] = &[
        (413, "The body is larger than the relay takes."),
        (401, "The credential is missing or wrong."),
        (403, "A web page of another site sent it through a browser."),
        (415, "The body is not declared as JSON."),
        (400, "The body is not JSON."),
        (
            422,
            "The draft does not work, or there is no such route, room, template or notification; `field` names it.",
        ),
        (503, "The store cannot take it now."),
    ];
}

pub(super) struct Tests;

#[OpenApi]
impl Tests {
    /// Send a draft to a room, as a test
    ///
    /// Renders as `/preview` does and sends the result to a room of a route, under a line that says that it is a test. It
    /// mentions nobody and belongs to no alert group.
    #[oai(
        path = "/workshop/send",
        method = "post",
        tag = "Tag::Workshop",
        operation_id = "workshop_send"
    )]
    async fn send(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
        request: JsonBody<SendRequest>,
    ) -> Result<Json<SentTest>, Refused<NotSent>> {
        let SendRequest { preview, route, room } = request.0;
        if preview.sequence.is_some() {
            return Err(Problem::of_field("preview.sequence", "a test is one notification").into());
        }
        let (room, locale) = workshop.destination(route.as_deref(), room.as_deref())?;
        let mut task = workshop.task(preview).await?;
        // As the room would get it, where the caller does not say.
        task.locale = Locale {
            language: task.locale.language.or(locale.language),
            time_zone: task.locale.time_zone.or(locale.time_zone),
        };
        let template = task.template.to_string();
        let answer = workshop.render(task).await;
        let messages = works(answer)?;
        let now = Timestamp::now();
        let deliveries = marked(messages, &template)
            .into_iter()
            .map(|message| NewDelivery::message(room.clone(), message))
            .collect();
        let acceptance = Acceptance {
            deliveries,
            groups: Vec::new(),
            repeat_key: None,
            request_key: None,
            at: now,
        };
        let enqueued = workshop.outbox.enqueue(acceptance).await;
        let enqueued: Enqueued = enqueued.map_err(|error| store_problem(&error))?;
        let deliveries: Vec<i64> = enqueued.receipts().iter().map(|receipt| receipt.id.0).collect();
        tracing::info!(matrix.room_id = %room, "a draft was sent from the workshop as a test");
        Ok(Json(SentTest {
            room: room.to_string(),
            deliveries,
        }))
    }
}

impl Workshop {
    /// The room that is meant, and how messages are written there.
    fn destination(&self, route: Option<&str>, room: Option<&str>) -> Result<(RoomAddress, Locale), Problem> {
        let unknown = |name: &str| Problem::of_field("route", format!("unknown route `{name}`"));
        let name = route.unwrap_or(RouteName::DEFAULT);
        let route: RouteName = name.parse().map_err(|_| unknown(name))?;
        let found = self
            .routes()
            .into_iter()
            .find(|one| one.name == route)
            .ok_or_else(|| unknown(name))?;
        let rooms = found.rooms;
        let chosen = match room {
            None => rooms.first(),
            Some(wanted) => rooms.iter().find(|known| known.as_str() == wanted),
        };
        let chosen = chosen.ok_or_else(|| Problem::of_field("room", format!("no room of the route `{name}`")))?;
        Ok((chosen.clone(), self.router.locale(chosen)))
    }
}

/// The messages of a draft that works.
fn works(answer: PreviewAnswer) -> Result<Vec<RenderedMessage>, Problem> {
    let error = answer.diagnostics.iter().find(|one| one.level == Level::Error);
    if let Some(error) = error {
        let reason = format!("the draft does not work, so nothing was sent: {}", error.problem);
        return Err(Problem::of_field("preview.source", reason));
    }
    Ok(answer.into_messages())
}

/// Each message under a line that says what it is. Where the line does not fit, it is a message of its own.
fn marked(messages: Vec<RenderedMessage>, template: &str) -> Vec<RenderedMessage> {
    let line = format!("🧪 TEST from the workshop · template {template}");
    let html = format!("<strong>{}</strong>", text::escape_html(&line));
    let alone = RenderedMessage {
        body: line.clone(),
        formatted_body: html.clone(),
        headline: line.clone(),
        ..RenderedMessage::default()
    };
    let mut marked = Vec::new();
    for message in messages {
        let quiet = RenderedMessage {
            mentions: Mentions::default(),
            headline: format!("{line}: {}", message.headline),
            ..message
        };
        let with_line = RenderedMessage {
            body: format!("{line}\n{}", quiet.body),
            formatted_body: if quiet.formatted_body.is_empty() {
                String::new()
            } else {
                format!("<p>{html}</p>{}", quiet.formatted_body)
            },
            ..quiet.clone()
        };
        if content_size(&with_line) <= CONTENT_LIMIT {
            marked.push(with_line);
        } else {
            marked.extend([alone.clone(), quiet]);
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_marked_and_mentions_nobody() {
        let message = |body: String| RenderedMessage {
            formatted_body: format!("<p>{body}</p>"),
            body,
            mentions: Mentions {
                room: true,
                ..Mentions::default()
            },
            ..RenderedMessage::default()
        };
        let marked = marked(vec![message("short".to_owned()), message("x".repeat(10_900))], "mine");
        assert_eq!(marked.len(), 3);
        assert!(marked.iter().all(|one| one.mentions == Mentions::default()));
        assert!(marked.iter().all(|one| content_size(one) <= CONTENT_LIMIT));
        assert_eq!(marked[0].body, "🧪 TEST from the workshop · template mine\nshort");
        assert!(marked[0].formatted_body.starts_with("<p><strong>🧪 TEST"));
        assert!(marked[1].body.starts_with("🧪 TEST") && marked[2].body.starts_with("xxx"));
    }
}
