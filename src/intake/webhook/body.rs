//! The body of a notification: read as far as its sender may be heard, and described in the document.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use poem::http::StatusCode;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type as _;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::super::auth::Resource;
use super::super::caller::{self, auth};
use super::super::error::Problem;
use super::super::limits::Work;
use super::super::recorder::Recorder;
use super::super::request;
use super::super::request::Raw;
use super::super::signature::Signed;
use super::named;
use crate::alert::body::NotificationBody;
use crate::alert::payload::{self, Declared};
use crate::alert::{Notification, parse};
use crate::message::RouteName;
use crate::pipeline::{self, Deadline, Pipeline, Size};

/// A request body that was read in full, within limits, and is a notification.
pub(super) struct Body {
    /// The route whose credential was shown, and so the only one that it may go to.
    pub(super) route: String,
    pub(super) notification: Notification,
    /// Which request it is, where its signature covers its time.
    pub(super) signed: Option<Signed>,
    /// When it was let in: the time that its signature was compared with is the one that its repeat is recognised by.
    pub(super) at: Timestamp,
    /// Until when templates may be run for it, however long it waits to be worked on.
    pub(super) deadline: Deadline,
    /// The same as it came, with its permit.
    pub(super) raw: Raw,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) recorder: Arc<Recorder>,
}

impl Body {
    /// Size, credential, content type, JSON, schema. Nothing is parsed before the credential is verified; where that is a
    /// signature the body has to be there first, and where it is not a refusal need not wait for it.
    pub(super) async fn read(
        request: &Request,
        body: &mut RequestBody,
        route: Option<String>,
    ) -> Result<Self, Problem> {
        let auth = auth(request)?;
        // They are part of every request's data.
        let parts = request.data::<Arc<Pipeline>>().zip(request.data::<Arc<Recorder>>());
        let (pipeline, recorder) = parts.ok_or_else(nothing_here)?;
        let resource = route.as_deref().map_or(Resource::DefaultRoute, Resource::Route);
        let header_auth = auth.enter(resource, request, Timestamp::now())?;
        let route = route.unwrap_or_else(|| RouteName::DEFAULT.to_owned());
        // One name for one route, known or not; what is none takes nothing in any case.
        let name = route.parse::<RouteName>().ok();
        let input = name
            .as_ref()
            .and_then(|name| Some((name.clone(), pipeline.input(name)?)));
        let declaration = || match &input {
            None => request::declaration(request).map(|()| Declared::Json),
            Some(_) => request::declared(request),
        };
        if !header_auth.needs_body() {
            declaration()?;
        }
        if header_auth.is_proven() {
            request::prove(&auth.limits, request).await?;
        }
        let limit = auth.limits.settings.max_body_bytes;
        let mut raw = request::bytes(&auth.limits, limit, request, body).await?;
        let (at, deadline) = (Timestamp::now(), Deadline::after(pipeline::TIME_FOR_TEMPLATES));
        let signed = auth.check_body(&header_auth, request.headers(), &raw.bytes, at)?;
        request::prove(&auth.limits, request).await?;
        auth.limits.admit(&mut raw.permit).await?;
        let declared = declaration()?;
        let bytes = raw.bytes.len();
        auth.limits.start(&mut raw.permit, Work::Notification(bytes)).await?;
        // The permit goes along: the work is not over when the sender hangs up.
        let parse = move || {
            let notification = match &input {
                None => parse::notification(&raw.bytes),
                Some((route, input)) => {
                    payload::tree(&raw.bytes, declared).map(|tree| pipeline::notification_of(route, input, tree))
                }
            };
            (notification, raw)
        };
        let (notification, raw) = pipeline::blocking(Size::of(bytes, 0), parse).await;
        let notification = notification?;
        Ok(Self {
            route,
            notification,
            signed,
            at,
            deadline,
            raw,
            pipeline: Arc::clone(pipeline),
            recorder: Arc::clone(recorder),
        })
    }
}

pub(super) fn nothing_here() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "nothing is at this path; notifications go to /alert",
    )
}

impl<'a> ApiExtractor<'a> for Body {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme, ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        caller::register_sender(registry);
        NotificationBody::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        caller::sender_schemes()
    }

    fn has_security_fallback() -> bool {
        true
    }

    fn request_meta() -> Option<MetaRequest> {
        let schema: MetaSchemaRef = NotificationBody::schema_ref();
        let content = vec![
            MetaMediaType {
                content_type: "application/json",
                schema,
            },
            MetaMediaType {
                content_type: "application/x-www-form-urlencoded",
                schema: BTreeMap::<String, String>::schema_ref(),
            },
            MetaMediaType {
                content_type: "text/plain",
                schema: String::schema_ref(),
            },
        ];
        Some(MetaRequest {
            description: Some(
                "A notification as Grafana or Alertmanager sends it. A route with `input = \"json\"` takes any JSON object instead, \
                 and also a form or plain text.",
            ),
            required: true,
            content,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let route = named(request).map_err(Problem::into_error)?;
        Self::read(request, body, route).await.map_err(Problem::into_error)
    }
}
