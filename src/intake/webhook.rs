//! `/alert`: one notification in, a durable promise out.
//!
//! The order of refusals is fixed: size → credential → content type → JSON → schema → store. A 202 means that the
//! notification is on disk; nothing that Matrix does can make this answer an error.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use poem::error::ReadBodyError;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Request, RequestBody};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, Object, OpenApi, Tags};

use super::authenticate::{BodyLimit, Caller};
use super::body::NotificationBody;
use super::error::{Problem, ProblemJson, Refused};
use super::parse;
use crate::alert::Notification;
use crate::pipeline::{AcceptError, Pipeline};

/// How long a body may take to arrive. Grafana itself gives up after 30 seconds.
const BODY_TIME: Duration = Duration::from_secs(30);

#[derive(Tags)]
enum Tag {
    /// What Grafana and Alertmanager call.
    Notifications,
}

/// A request body that was read in full, within limits, and is a notification.
struct Body(Notification);

impl Body {
    async fn read(request: &Request, body: &mut RequestBody) -> Result<Self, Problem> {
        let limit = *request.data::<BodyLimit>().unwrap_or(&BodyLimit(8 * 1024 * 1024));
        if !declared_json(request) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body has to be JSON, with `Content-Type: application/json`",
            ));
        }
        let body = body
            .take()
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the request has no body"))?;
        let reading = tokio::time::timeout(BODY_TIME, body.into_bytes_limit(limit.0));
        let bytes = match reading.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(ReadBodyError::PayloadTooLarge)) => return Err(limit.refusal()),
            Ok(Err(_)) => return Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
            Err(_) => {
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "the body did not arrive in time",
                ));
            }
        };
        Ok(Self(parse::notification(&bytes)?))
    }
}

/// `application/json`, anything `+json`, or no declaration at all.
fn declared_json(request: &Request) -> bool {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return true;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

impl<'a> ApiExtractor<'a> for Body {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        NotificationBody::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let schema: MetaSchemaRef = NotificationBody::schema_ref();
        let content = vec![MetaMediaType {
            content_type: "application/json",
            schema,
        }];
        Some(MetaRequest {
            description: Some("A notification as Grafana or Alertmanager sends it."),
            required: true,
            content,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Self::read(request, body).await.map_err(Problem::into_error)
    }
}

/// What became of a notification.
#[derive(Debug, Object)]
struct Accepted {
    /// The messages that are now owed to rooms.
    deliveries: Vec<AcceptedDelivery>,
    /// True if the same notification had been accepted a moment ago, by a caller's retry or a second replica: these
    /// are the deliveries of then, and nothing new will be sent.
    recognised: bool,
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
    /// The notification is on disk and will be delivered.
    #[oai(status = 202)]
    Accepted(Json<Accepted>),
}

/// The operations of the document.
pub(super) struct Webhook;

#[OpenApi]
impl Webhook {
    /// Accept a notification
    ///
    /// Takes the body that Grafana's webhook contact point, Prometheus Alertmanager or Grafana's legacy alerting send.
    /// Once this answers 202 the message is on disk and appears in its room exactly once and in order.
    #[oai(
        path = "/alert",
        method = "post",
        tag = "Tag::Notifications",
        operation_id = "post_alert"
    )]
    async fn post_alert(&self, pipeline: Data<&Arc<Pipeline>>, _caller: Caller, body: Body) -> Result<Answer, Refused> {
        accept(&pipeline, body.0).await
    }

    /// Accept a notification (PUT)
    ///
    /// The same as POST, for senders that use PUT.
    #[oai(
        path = "/alert",
        method = "put",
        tag = "Tag::Notifications",
        operation_id = "put_alert"
    )]
    async fn put_alert(&self, pipeline: Data<&Arc<Pipeline>>, _caller: Caller, body: Body) -> Result<Answer, Refused> {
        accept(&pipeline, body.0).await
    }
}

async fn accept(pipeline: &Pipeline, notification: Notification) -> Result<Answer, Refused> {
    match pipeline.accept(notification, Timestamp::now()).await {
        Ok(accepted) => Ok(Answer::Accepted(Json(Accepted {
            deliveries: accepted
                .receipts
                .into_iter()
                .map(|receipt| AcceptedDelivery {
                    id: receipt.id.0,
                    room: receipt.room.to_string(),
                })
                .collect(),
            recognised: accepted.recognised,
        }))),
        Err(AcceptError::Store(error)) => {
            tracing::error!(error.message = %error, "a notification could not be stored and was refused");
            Err(Refused::StoreUnavailable(ProblemJson(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the relay cannot store the notification now; nothing was accepted, send it again",
            ))))
        }
    }
}
