//! `POST /preview`: what drafts of templates make of a notification.
//!
//! A draft that does not work is no refusal: the answer then has what the relay would send today, and says what is wrong
//! with the draft, where.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use serde_json::value::RawValue;

use super::shape::{PreviewAnswer, PreviewRequest};
use super::{Tag, Workshop, store_problem};
use crate::alert::{Notification, parse, payload};
use crate::intake::{Caller, Documented, JsonBody, Problem, Refused};
use crate::message::{Language, Locale, Mode, TemplateName};
use crate::outbox::RecordingId;
use crate::pipeline::dry_run;
use crate::render::{Deadline, Draft, Preview, Renderer, time_zone};
use crate::samples;

/// How long a preview may take, waiting included; then whatever works for it is ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// A longer path is none.
const LONGEST_PATH: usize = 200;

/// Nobody edits more files at once.
const MOST_DRAFTS: usize = 100;

/// A longer sequence shows nothing that a shorter one does not.
const MOST_STEPS: usize = 10;

/// How far the notifications of a sequence are apart.
const STEP: SignedDuration = SignedDuration::from_mins(5);

/// What keeps a preview from being made. A template that does not work is not among it.
pub(super) struct NotPreviewed;

impl Documented for NotPreviewed {
    const REFUSALS: &'static [(u16, &'static str)] = &[
        (413, "The body is larger than the relay takes."),
        (401, "The credential is missing or wrong."),
        (403, "A web page of another site sent it through a browser."),
        (415, "The body is not declared as JSON."),
        (400, "The body is not JSON."),
        (
            422,
            "There is no such template or notification, or the payload is none; `field` names what is missing or wrong.",
        ),
        (503, "The store cannot be read now."),
    ];
}

/// What is rendered: everything of the request, found and checked.
pub(super) struct Task {
    pub(super) template: TemplateName,
    pub(super) locale: Locale,
    drafts: BTreeMap<String, String>,
    pub(super) shown: Shown,
}

/// What is looked at.
pub(super) enum Shown {
    One(Box<Notification>, Timestamp),
    Sequence(Vec<(Notification, Timestamp)>, Mode),
}

pub(super) struct Previews;

#[OpenApi]
impl Previews {
    /// Render without sending
    ///
    /// Renders a sample, a notification that was received lately, or a payload, through a template or a draft of it,
    /// by the same code as real messages; or a sequence of them, as a room gets it. Nothing is sent, stored or changed. A template that does not work is answered
    /// 200 with its errors in `diagnostics`, and with the messages that the relay would send as it is now.
    #[oai(path = "/preview", method = "post", tag = "Tag::Workshop", operation_id = "preview")]
    async fn preview(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
        request: JsonBody<PreviewRequest>,
    ) -> Result<Json<PreviewAnswer>, Refused<NotPreviewed>> {
        let task = workshop.task(request.0).await?;
        Ok(Json(workshop.render(task).await))
    }
}

impl Workshop {
    pub(super) async fn task(&self, request: PreviewRequest) -> Result<Task, Problem> {
        let refuse = |field: &str, reason: String| Problem::of_field(field, reason);
        let template = match &request.template {
            Some(name) => name.parse().map_err(|error| refuse("template", format!("{error}")))?,
            None => self.default_template.clone(),
        };
        let language = request.language.as_deref().map(str::parse::<Language>).transpose();
        let time_zone = request.timezone.as_deref().map(time_zone).transpose();
        let locale = Locale {
            language: language.map_err(|error| refuse("language", error.to_string()))?,
            time_zone: time_zone.map_err(|why| refuse("timezone", why))?,
        };
        let file = request.file.unwrap_or_else(|| template.file_name());
        let mut drafts = request.sources.unwrap_or_default();
        if drafts.len() > MOST_DRAFTS {
            return Err(refuse("sources", format!("more than {MOST_DRAFTS} files")));
        }
        for (field, path) in drafts.keys().map(|path| ("sources", path)).chain([("file", &file)]) {
            if path.len() > LONGEST_PATH {
                return Err(refuse(field, format!("a path longer than {LONGEST_PATH} bytes")));
            }
        }
        drafts.extend(request.source.map(|source| (file, source)));
        if !drafts.contains_key(&template.file_name()) && !self.renderer.knows(&template) {
            return Err(refuse("template", format!("unknown template `{template}`")));
        }
        let shown = match (request.sample, request.recorded, request.payload, request.sequence) {
            (Some(name), None, None, None) => {
                let found = sample(&name).ok_or_else(|| refuse("sample", format!("unknown sample `{name}`")))?;
                Shown::One(Box::new(found.0), found.1)
            }
            (None, Some(id), None, None) => {
                let (notification, at) = self.recorded(RecordingId(id)).await?;
                Shown::One(Box::new(notification), at)
            }
            (None, None, Some(Any(payload)), None) => Shown::One(
                Box::new(payload_notification(
                    &payload,
                    "payload",
                    // A draft may be the first that reads it.
                    self.renderer.takes_payload(&template) || drafts.values().any(|text| text.contains("payload")),
                )?),
                Timestamp::now(),
            ),
            (None, None, None, Some(steps)) => {
                let mode = request.mode.as_deref().map_or(Ok(Mode::default()), str::parse);
                let mode = mode.map_err(|error| refuse("mode", format!("{error}")))?;
                Shown::Sequence(self.sequence(&steps, Timestamp::now()).await?, mode)
            }
            _ => {
                let all = "expected exactly one of `sample`, `recorded`, `payload` and `sequence`";
                return Err(refuse("sample", all.to_owned()));
            }
        };
        // Lines stand in the thread of a root message, which is not for their template to write.
        let is_line = template == TemplateName::update() && matches!(shown, Shown::Sequence(..));
        Ok(Task {
            template: if is_line {
                self.default_template.clone()
            } else {
                template
            },
            locale,
            drafts,
            shown,
        })
    }

    /// A notification that was kept, seen at the moment at which it arrived.
    async fn recorded(&self, id: RecordingId) -> Result<(Notification, Timestamp), Problem> {
        let unknown = || Problem::of_field("recorded", format!("there is no notification {} any more", id.0));
        let found = self.outbox.recording(id).await;
        let found = found.map_err(|error| store_problem(&error))?;
        let (recording, body) = found.ok_or_else(unknown)?;
        // It was accepted, so it can only fail to parse if a newer relay wrote it.
        let notification = payload::any(body.as_bytes());
        let notification = notification.map_err(|_| unknown())?;
        Ok((notification, recording.received_at))
    }

    /// The notifications with their moments. One sample is enough to play it all at the moment of the samples; what
    /// consists of payloads ends `now`, and what was received comes when it did.
    async fn sequence(
        &self,
        steps: &[Any<Box<RawValue>>],
        now: Timestamp,
    ) -> Result<Vec<(Notification, Timestamp)>, Problem> {
        let refuse = |reason: String| Problem::of_field("sequence", reason);
        if steps.is_empty() || steps.len() > MOST_STEPS {
            return Err(refuse(format!("1 to {MOST_STEPS} notifications are a sequence")));
        }
        let mut at = steps[1..].iter().fold(now, |at, _| at - STEP);
        let (mut notifications, mut received) = (Vec::new(), Vec::new());
        for (number, Any(step)) in steps.iter().enumerate() {
            notifications.push(if let Ok(name) = serde_json::from_str::<String>(step.get()) {
                let (notification, of_samples) =
                    sample(&name).ok_or_else(|| refuse(format!("unknown sample `{name}`")))?;
                at = of_samples;
                notification
            } else if let Ok(id) = serde_json::from_str(step.get()) {
                let (notification, came) = self.recorded(RecordingId(id)).await?;
                received.push(came);
                notification
            } else {
                payload_notification(step, &format!("sequence[{number}]"), false)?
            });
        }
        let moments: Vec<Timestamp> = if received.len() == steps.len() {
            received
        } else {
            std::iter::successors(Some(at), |at| Some(*at + STEP))
                .take(steps.len())
                .collect()
        };
        Ok(notifications.into_iter().zip(moments).collect())
    }

    pub(super) async fn render(&self, task: Task) -> PreviewAnswer {
        let deadline = Deadline::after(PATIENCE);
        // When the caller goes, because a newer draft is to be seen or for want of patience, the work for this one ends.
        let _guard = deadline.guard();
        let renderer = self.renderer.within(&deadline).for_locale(&task.locale);
        let file = task.template.file_name();
        let slots = Arc::clone(&self.slots);
        let rendering = async move {
            let slot = slots.acquire_owned().await.ok()?;
            let render = move || {
                // Held to the end of the work, even if the caller has gone.
                let _slot = slot;
                let drafts: Vec<_> = task
                    .drafts
                    .iter()
                    .map(|(file, source)| Draft { file, source })
                    .collect();
                match &task.shown {
                    Shown::One(notification, now) => {
                        let one = [(Notification::clone(notification), *now)];
                        PreviewAnswer::of(previewed(&renderer, &drafts, &task.template, &one))
                    }
                    Shown::Sequence(steps, _) if task.template == TemplateName::digest() => {
                        PreviewAnswer::of(previewed(&renderer, &drafts, &task.template, steps))
                    }
                    Shown::Sequence(steps, mode) => {
                        let dry_run = dry_run::run(&renderer, &drafts, &task.template, *mode, steps);
                        PreviewAnswer::of_sequence(dry_run)
                    }
                }
            };
            tokio::task::spawn_blocking(render).await.ok()
        };
        match tokio::time::timeout(PATIENCE, rendering).await {
            Ok(Some(answer)) => answer,
            Ok(None) => PreviewAnswer::failed(file, "the preview failed; the relay's log says why".to_owned()),
            Err(_) => PreviewAnswer::failed(file, format!("took longer than {} s", PATIENCE.as_secs())),
        }
    }
}

/// What drafts make of notifications, and what the relay would not take of them.
fn previewed(
    renderer: &Renderer,
    drafts: &[Draft<'_>],
    template: &TemplateName,
    notifications: &[(Notification, Timestamp)],
) -> Preview {
    let desk = renderer.with_drafts(drafts);
    let mut preview = dry_run::preview(&desk, template, notifications);
    desk.add_refusals(&mut preview.diagnostics);
    preview
}

fn sample(name: &str) -> Option<(Notification, Timestamp)> {
    let sample = samples::find(name)?;
    Some((payload::any(sample.body.as_bytes()).ok()?, samples::NOW.parse().ok()?))
}

/// `name` is how the request calls it; where `is_any`, it may have any shape.
fn payload_notification(payload: &RawValue, name: &str, is_any: bool) -> Result<Notification, Problem> {
    let bytes = payload.get().as_bytes();
    let notification = match payload::any(bytes) {
        Err(_) if is_any && payload.get().starts_with('{') => payload::alone(bytes),
        read => read,
    };
    notification.map_err(|error| match error {
        parse::ParseError::Field { field, reason } if field == "the body" => Problem::of_field(name, reason),
        parse::ParseError::Field { field, reason } => Problem::of_field(&format!("{name}.{field}"), reason),
        parse::ParseError::NotJson(reason) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason),
    })
}
