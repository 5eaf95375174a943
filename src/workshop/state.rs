//! What lies on the workshop's shelves: templates as they are on disk, samples, and notifications of late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

use super::save::etag_of;
use super::{NotAnswered, Route, Tag, Workshop, store_problem};
use crate::intake::{Caller, Problem, Refused};
use crate::message::{RoomAddress, TemplateName};
use crate::outbox::{Recording, RecordingId};
use crate::render::{TemplateProblem, embedded};
use crate::samples;
use crate::text::hash;

/// Everything that can be chosen.
#[derive(Debug, Object)]
struct WorkshopState {
    /// Another number whenever a template has changed on disk.
    version: u64,
    /// Templates and partials, by file name.
    templates: Vec<TemplateState>,
    /// The built-in samples.
    samples: Vec<SampleState>,
    /// Samples that follow each other in one group, for `sequence` of a preview.
    sequences: Vec<SequenceState>,
    /// The last notifications that were accepted, newest first.
    recorded: Vec<RecordedState>,
    /// The template that renders a notification where nothing else is chosen.
    default_template: String,
    /// The languages whose words are known, for `language` of a preview.
    languages: Vec<String>,
    /// Whether templates can be saved here.
    editable: bool,
    /// The routes, for sending a draft as a test.
    routes: Vec<RouteState>,
}

/// A route and its rooms.
#[derive(Debug, Object)]
struct RouteState {
    /// Its name.
    name: String,
    /// Where its messages go, the first room first.
    rooms: Vec<RoomState>,
    /// Whether it mentions people when an alert starts to fire, which a preview does not show.
    mentions: bool,
}

/// A room.
#[derive(Debug, Object)]
struct RoomState {
    /// As the operator configured it.
    room: String,
    /// What it is called, if that is known.
    name: Option<String>,
}

/// One template or partial.
#[derive(Debug, Object)]
struct TemplateState {
    /// The name by which it is chosen; null for a partial.
    name: Option<String>,
    /// Its path inside the templates folder.
    file: String,
    /// Whether it comes from the program, because the folder has no file of this name.
    builtin: bool,
    /// Its text as it is on disk, whether it works or not.
    text: String,
    /// What names that text when it is saved; null where the folder has no such file.
    etag: Option<String>,
    /// The text that comes with the program, where the folder has another one.
    builtin_text: Option<String>,
    /// Whether the one in use is for bodies of any shape, which it reads as `payload`.
    reads_payload: bool,
    /// Why it cannot be used as it is; an older version is in use then.
    problem: Option<TemplateProblem>,
}

/// A built-in sample.
#[derive(Debug, Object)]
struct SampleState {
    /// Its name.
    name: String,
    /// What it shows, in a few words.
    title: String,
    /// Of the body of a program that is neither Grafana nor Alertmanager: the template for it.
    template: Option<String>,
}

/// A sequence of samples.
#[derive(Debug, Object)]
struct SequenceState {
    /// Its name.
    name: String,
    /// What happens in it, in a few words.
    title: String,
    /// The names of its samples, in order.
    steps: Vec<String>,
}

/// A notification that was accepted lately.
#[derive(Debug, Object)]
struct RecordedState {
    /// Its number.
    id: i64,
    /// What it was, in a few words.
    title: String,
    /// When it was accepted (RFC 3339).
    received_at: String,
}

pub(super) struct StateApi;

#[OpenApi]
impl StateApi {
    /// Templates, samples and notifications of late
    #[oai(
        path = "/workshop/state",
        method = "get",
        tag = "Tag::Workshop",
        operation_id = "workshop_state"
    )]
    async fn state(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
    ) -> Result<Json<WorkshopState>, Refused<NotAnswered>> {
        let recorded = workshop
            .outbox
            .recordings()
            .await
            .map_err(|error| store_problem(&error))?;
        let templates = workshop.templates();
        Ok(Json(WorkshopState {
            version: version(&templates),
            templates,
            samples: samples::all().iter().chain(&samples::webhooks()).map(sample).collect(),
            sequences: samples::SEQUENCES.iter().map(sequence).collect(),
            recorded: recorded.into_iter().map(recording).collect(),
            default_template: workshop.default_template.to_string(),
            languages: workshop.renderer.languages(),
            editable: workshop.editable.is_some(),
            routes: workshop
                .routes()
                .into_iter()
                .map(|route| workshop.route_state(route))
                .collect(),
        }))
    }

    /// The body of a notification of late
    ///
    /// As it was posted, but for secrets in it, which were masked before it was kept.
    #[oai(
        path = "/workshop/recorded/:id",
        method = "get",
        tag = "Tag::Workshop",
        operation_id = "workshop_recorded"
    )]
    async fn recorded(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
        /// The number of the notification.
        id: Path<i64>,
    ) -> Result<Json<Any<Value>>, Refused<NotAnswered>> {
        let found = workshop.outbox.recording(RecordingId(id.0)).await;
        let found = found.map_err(|error| store_problem(&error))?;
        let body = found.and_then(|(_, body)| serde_json::from_str(&body).ok());
        let unknown = "there is no such notification any more: only the last few are kept";
        body.map(|body| Json(Any(body)))
            .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, unknown).into())
    }

    /// The body of a sample
    #[oai(
        path = "/workshop/samples/:name",
        method = "get",
        tag = "Tag::Workshop",
        operation_id = "workshop_sample"
    )]
    #[expect(clippy::unused_async, reason = "an operation has to be asynchronous")]
    async fn sample(
        &self,
        _caller: Caller,
        /// The name of the sample.
        name: Path<String>,
    ) -> Result<Json<Any<Value>>, Refused<NotAnswered>> {
        let body = samples::find(&name.0).and_then(|sample| serde_json::from_str(&sample.body).ok());
        body.map(|body| Json(Any(body)))
            .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such sample").into())
    }
}

impl Workshop {
    fn route_state(&self, route: Route) -> RouteState {
        let room = |room: RoomAddress| RoomState {
            name: (self.names)(&room),
            room: room.to_string(),
        };
        RouteState {
            mentions: self.router.table().mentions_people(&route.name),
            name: route.name.to_string(),
            rooms: route.rooms.into_iter().map(room).collect(),
        }
    }

    fn templates(&self) -> Vec<TemplateState> {
        let on_disk = self.renderer.on_disk();
        let problems = self.renderer.problems();
        let built_in: BTreeMap<&str, &str> = embedded().collect();
        let files: BTreeSet<String> = self
            .renderer
            .files()
            .into_iter()
            .chain(on_disk.keys().cloned())
            .collect();
        let state = |file: String| {
            let text = on_disk.get(&file).cloned().or_else(|| self.renderer.source(&file));
            let name = name_of(&file);
            TemplateState {
                reads_payload: name.as_ref().is_some_and(|name| self.renderer.takes_payload(name)),
                name: name.map(|name| name.to_string()),
                builtin: !on_disk.contains_key(&file),
                etag: on_disk.get(&file).map(|text| etag_of(text.as_bytes())),
                builtin_text: built_in
                    .get(file.as_str())
                    .filter(|own| on_disk.get(&file).is_some_and(|text| text != *own))
                    .map(|own| (*own).to_owned()),
                text: text.unwrap_or_default(),
                problem: problems.iter().find(|problem| problem.file == file).cloned(),
                file,
            }
        };
        files.into_iter().map(state).collect()
    }
}

/// The name by which a file is chosen, if it can be.
fn name_of(file: &str) -> Option<TemplateName> {
    file.strip_suffix(".md.j2")?.parse().ok()
}

/// A digest of all texts, short enough to be exact in any JSON parser. A count would begin anew with each start.
fn version(templates: &[TemplateState]) -> u64 {
    let parts = templates.iter().flat_map(|template| {
        let state = match (template.builtin, &template.problem) {
            (builtin, None) => {
                if builtin {
                    "built in"
                } else {
                    "own"
                }
            }
            (_, Some(_)) => "broken",
        };
        [template.file.as_str(), &template.text, state]
    });
    u64::from_str_radix(&hash(parts)[..12], 16).unwrap_or_default()
}

fn sample(sample: &samples::Sample) -> SampleState {
    SampleState {
        name: sample.name.to_owned(),
        title: sample.title.to_owned(),
        template: sample.template.map(str::to_owned),
    }
}

fn sequence(sequence: &samples::Sequence) -> SequenceState {
    SequenceState {
        name: sequence.name.to_owned(),
        title: sequence.title.to_owned(),
        steps: sequence.steps.iter().map(|step| (*step).to_owned()).collect(),
    }
}

fn recording(recording: Recording) -> RecordedState {
    RecordedState {
        id: recording.id.0,
        title: recording.title,
        received_at: recording.received_at.to_string(),
    }
}
