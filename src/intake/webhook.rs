//! `/alert` and `/alert/{route}`: one notification in, a durable promise out.
//!
//! The order of refusals is fixed: size → credential → content type → JSON → schema → route → store. A 202 means that the
//! notification is on disk; nothing that Matrix does can make this answer an error.

mod body;

use poem::IntoResponse as _;
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{Method, StatusCode};
use poem::{Request, Response};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi, Tags};
use tracing::Instrument as _;

use self::body::{Body, nothing_here};
use super::caller::auth;
use super::documented::{Documented, Refused};
use super::error::Problem;
use crate::alert::payload::{self};
use crate::message::{RouteName, TemplateName};
use crate::outbox::{OutboxError, Receipt};
use crate::pipeline::{self, AcceptError, Pipeline, RequestOptions};
use crate::text;

#[derive(Tags)]
enum Tag {
    /// What Grafana and Alertmanager call.
    Notifications,
}

/// The route that the path names; `None` for the default one. Whatever is not exactly the default path names a route, so
/// that a name that cannot be found lets nobody in.
fn named(request: &Request) -> Result<Option<String>, Problem> {
    if request.uri().path() == "/alert" {
        return Ok(None);
    }
    // poem-openapi calls the parameters of a path by their number.
    let name = request.raw_path_param("param0").ok_or_else(nothing_here)?;
    Ok(Some(auth(request)?.route(name)))
}

/// A notification at the address of another relay, if that is enabled; see `compat`.
pub(super) async fn foreign(request: Request) -> poem::Result<Response> {
    let (request, mut body) = request.split();
    let route = auth(&request).map_err(Problem::into_error)?.foreign_route(&request);
    let route = route.ok_or(NotFoundError)?;
    if request.method() != Method::POST {
        return Err(MethodNotAllowedError.into());
    }
    let body = Body::read(&request, &mut body, Some(route)).await;
    let answer = accept(body.map_err(Problem::into_error)?, None).await?;
    Ok(answer.into_response())
}

/// What became of a notification.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
struct Accepted {
    /// The messages that are now owed to rooms; empty where the rooms already show all that the notification says.
    deliveries: Vec<AcceptedDelivery>,
    /// True if the same notification had been accepted a moment ago, by a caller's retry or a second replica: these
    /// are the deliveries of then, and nothing new will be sent.
    recognised: bool,
    /// Why nothing new is sent, in plain words; not there where something is.
    note: Option<String>,
}

impl Accepted {
    /// Why nothing new is sent, in words; nothing where something is.
    fn note(has_deliveries: bool, is_recognised: bool) -> Option<String> {
        let note = match (is_recognised, has_deliveries) {
            (false, true) => return None,
            (false, false) => "Nothing is sent: the rooms already show all that this notification says.",
            (true, true) => {
                "Nothing new is sent: this is the notification that the relay accepted a moment ago. `deliveries` are those of then."
            }
            (true, false) => {
                "Nothing new is sent: this is the notification that the relay accepted a moment ago, and the rooms \
                 already showed all that it says."
            }
        };
        Some(note.to_owned())
    }
}

/// One message owed to one room.
#[derive(Debug, Object)]
struct AcceptedDelivery {
    /// Its number, for `grafana-matrix-relay outbox show`.
    id: i64,
    /// The room, as the operator configured it.
    room: String,
}

#[derive(ApiResponse)]
enum Answer {
    /// The notification is accepted. What is new in it is on disk and will be delivered; where nothing is, `note` says why.
    #[oai(status = 202)]
    Accepted(Json<Accepted>),
}

/// What `/alert` refuses.
struct NotAccepted;

impl Documented for NotAccepted {
    const REFUSALS: &'static [(u16, &'static str)] = &[
        (413, "The body is larger than the relay takes."),
        (401, "The credential is missing or wrong."),
        (403, "A web page of another site sent it through a browser."),
        (
            415,
            "The body is compressed, or declared as something that the route does not take.",
        ),
        (408, "The body did not arrive in time."),
        (400, "The body is not JSON."),
        (
            422,
            "The body is JSON but not a notification, or the name of the template is none; `field` names what is missing or wrong.",
        ),
        (404, "There is no route of this name."),
        (
            503,
            "The store cannot take it now, or too many requests are in flight. Send it again: nothing was accepted, or, if the text\n\
             says that this is unknown, it is recognised if it was.",
        ),
        (
            500,
            "The relay has a fault, or its store is damaged; its log says more.",
        ),
    ];
}

/// The operations of the document.
pub(super) struct Webhook;

#[OpenApi]
impl Webhook {
    /// Accept a notification
    ///
    /// Takes the body that Grafana's webhook contact point or Prometheus Alertmanager sends.
    /// Once this answers 202, what is new in it is on disk and appears in its room exactly once and in order: as a message, a line
    /// in a thread, or a change of the message that is there. A repeat, or what the room shows already, sends nothing.
    #[oai(
        path = "/alert",
        method = "post",
        tag = "Tag::Notifications",
        operation_id = "post_alert"
    )]
    async fn post_alert(
        &self,
        body: Body,
        /// The name of a template, in place of the one that the relay would choose. If there is no such template, the relay
        /// still accepts the notification: it uses the built-in template and adds a line that says so.
        template: Query<Option<String>>,
    ) -> Result<Answer, Refused<NotAccepted>> {
        accept(body, template.0).await
    }

    /// Accept a notification for a route
    ///
    /// The same as `/alert`, for one of the routes that the operator has named in the routes file, under that route's own
    /// credentials. Which rooms it leads to is for the operator to say; a sender cannot name a room.
    ///
    /// A route with `input = "json"` takes any JSON object, a form (`payload` or fields) or plain text from any program. Its
    /// template reads the body as `payload`.
    #[oai(
        path = "/alert/:route",
        method = "post",
        tag = "Tag::Notifications",
        operation_id = "post_alert_to_route"
    )]
    async fn post_alert_to_route(
        &self,
        body: Body,
        /// The name of the route.
        #[oai(name = "route")]
        _route: Path<String>,
        /// The name of a template, in place of the one that the relay would choose. If there is no such template, the relay
        /// still accepts the notification: it uses the built-in template and adds a line that says so.
        template: Query<Option<String>>,
    ) -> Result<Answer, Refused<NotAccepted>> {
        accept(body, template.0).await
    }
}

/// What has come in full is worked on to its end, even if its sender hangs up: so it keeps its permit for as long as it takes
/// memory, and nothing that was begun is lost.
async fn accept(body: Body, template: Option<String>) -> Result<Answer, Refused<NotAccepted>> {
    let route = known_route(&body.pipeline, &body.route)?;
    let template = template.map(|name| template_name(&name)).transpose()?;
    let work = store(route, body, template).in_current_span();
    match tokio::spawn(work).await {
        Ok(answer) => answer,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn store(route: RouteName, body: Body, template: Option<TemplateName>) -> Result<Answer, Refused<NotAccepted>> {
    let (now, raw, recorder) = (body.at, body.raw, body.recorder);
    let options = RequestOptions {
        template,
        signed: body.signed.map(|signed| signed.as_str().to_owned()),
        body_bytes: raw.bytes.len(),
        deadline: body.deadline,
    };
    // As it can be read again without its route.
    let enveloped = payload::enveloped(&body.notification).map(|envelope| envelope.to_string().into_bytes());
    let accepted = body.pipeline.accept_with(&route, body.notification, options, now).await;
    drop(raw.permit);
    match accepted {
        Ok(accepted) => {
            if !accepted.recognised {
                recorder.offer(enveloped.unwrap_or(raw.bytes), now);
            }
            Ok(Answer::Accepted(Json(answer(accepted))))
        }
        Err(AcceptError::UnknownRoute(route)) => Err(no_such_route(route.as_str()).into()),
        Err(AcceptError::Store(error)) => {
            tracing::error!(error.message = %error, "cannot store a notification; the relay refused it");
            Err(not_stored(&error).into())
        }
    }
}

/// The answer for a notification that was not stored, or perhaps was.
fn not_stored(error: &OutboxError) -> Problem {
    match error {
        OutboxError::Bug(_) => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the relay failed to store the notification and accepted nothing: its log says why",
        ),
        OutboxError::Unknown { .. } => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the relay's store did not answer in time, and it is unknown whether the notification was accepted; send it \
             again, it is recognised if it was",
        ),
        _ => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the relay cannot store the notification now and accepted nothing: send it again",
        ),
    }
}

fn answer(accepted: pipeline::Accepted) -> Accepted {
    let note = Accepted::note(!accepted.receipts.is_empty(), accepted.recognised);
    let delivery = |receipt: Receipt| AcceptedDelivery {
        id: receipt.id.0,
        room: receipt.room.to_string(),
    };
    Accepted {
        deliveries: accepted.receipts.into_iter().map(delivery).collect(),
        recognised: accepted.recognised,
        note,
    }
}

/// The route in the path. That it does not exist is said last of all, and only to who was let in.
fn known_route(pipeline: &Pipeline, name: &str) -> Result<RouteName, Problem> {
    let route = name.parse().ok();
    route
        .filter(|route| pipeline.has_route(route))
        .ok_or_else(|| no_such_route(name))
}

fn no_such_route(name: &str) -> Problem {
    let name = text::beginning(name, 64);
    let detail =
        format!("the relay has no route `{name}`; check the URL's path, or the routes file (RELAY_ROUTES_FILE)");
    Problem::new(StatusCode::NOT_FOUND, detail).with_field("route")
}

/// A name that a caller gave. Whether there is such a template is not asked: its file may be broken, renamed or on a volume
/// that is away just now, and Grafana does not send again what is refused. The message then says that it is missing.
fn template_name(name: &str) -> Result<TemplateName, Problem> {
    name.parse().map_err(|error| Problem::of_field("template", error))
}
