//! The operator's list of deliveries in the browser: searched, and by room, state, kind and time.
//!
//! Guarantees: the newest first; a search looks at a bounded number of rows and says where to go on, so that none costs more
//! than the next.

use std::sync::Arc;

use jiff::Timestamp;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::{NotAnswered, Tag, Workshop, store_problem};
use crate::intake::{Caller, Problem, Refused};
use crate::mask;
use crate::message::{RenderedMessage, RoomAddress};
use crate::outbox::{Delivery, DeliveryId, DeliveryState, Filter, Part};
use crate::text::truncated;

/// Rows of one page, if nothing else is asked for, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;
/// Rows that one request looks at for what it searches.
const SEARCHED: usize = 2_000;
/// Characters of a row's title.
const LONGEST_TITLE: usize = 200;

/// Deliveries, newest first.
#[derive(Debug, Object)]
struct DeliveryPage {
    /// The rows of this page.
    deliveries: Vec<DeliveryRow>,
    /// Edits that are owed, on the first page: they wait, and have no number.
    edits: Vec<DeliveryRow>,
    /// What to send as `before` for the next page; null on the last one. A page of a search may hold less than was asked for,
    /// and even nothing, and still have a next one.
    next: Option<i64>,
    /// The rooms that have anything, and how much waits in them or was given up.
    rooms: Vec<DeliveryRoom>,
}

/// A room of the outbox.
#[derive(Debug, Object)]
struct DeliveryRoom {
    /// As the operator configured it.
    room: String,
    /// What it is called, if that is known.
    name: Option<String>,
    /// How many wait.
    waiting: u64,
    /// How many were given up.
    dead: u64,
    /// Why it is not tried now, if it waits.
    waits_for: Option<String>,
}

/// One message owed, or once owed, to one room.
#[derive(Debug, Object)]
pub(super) struct DeliveryRow {
    /// Its number; below zero for an edit.
    id: i64,
    /// What names it in other requests, and in `grafana-matrix-relay outbox`: its number, or `edit-7`.
    name: String,
    /// What it is: `message`, `root` of an alert group, `line` in its thread, or `edit` of it.
    kind: String,
    /// `pending`, `in-flight`, `delivered`, `dead` or `combined`.
    state: String,
    /// The room, as the operator configured it.
    room: String,
    /// What the room is called, if that is known.
    room_name: Option<String>,
    /// How many deliveries it is sent in place of; 0 for an ordinary one.
    members: u32,
    /// The first line of what is sent, secrets masked.
    headline: String,
    /// When it was accepted (RFC 3339).
    accepted_at: String,
    /// Attempts begun.
    attempts: u32,
    /// Why the last failed attempt failed.
    last_error: Option<String>,
    /// The event in the room, once it is delivered.
    event_id: Option<String>,
    /// The delivery that is sent in its place, such as a digest that names it, once it is combined.
    combined_into: Option<i64>,
}

pub(super) struct Deliveries;

#[OpenApi]
impl Deliveries {
    /// Deliveries, newest first
    #[oai(
        path = "/workshop/deliveries",
        method = "get",
        tag = "Tag::Workshop",
        operation_id = "workshop_deliveries"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn list(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
        /// Only in this state: `pending`, `in-flight`, `delivered`, `dead` or `combined`.
        state: Query<Option<String>>,
        /// Only older than this number: the next page.
        before: Query<Option<i64>>,
        /// At most so many, 50 if it is left out and 200 at most.
        limit: Query<Option<u32>>,
        /// Only of this room, as the operator configured it.
        room: Query<Option<String>>,
        /// Only of this kind: `message`, `root`, `line` or `edit`.
        kind: Query<Option<String>>,
        /// Only those whose text or error holds this.
        text: Query<Option<String>>,
        /// Only those accepted then or later (RFC 3339).
        from: Query<Option<String>>,
        /// Only those accepted before (RFC 3339).
        until: Query<Option<String>>,
    ) -> Result<Json<DeliveryPage>, Refused<NotAnswered>> {
        let wanted = Wanted {
            kind: given(kind.0.as_deref()).map(kind_of).transpose()?,
            text: given(text.0.as_deref()).map(str::to_lowercase),
            from: given(from.0.as_deref()).map(|text| time("from", text)).transpose()?,
            until: given(until.0.as_deref()).map(|text| time("until", text)).transpose()?,
        };
        let state = given(state.0.as_deref()).map(str::parse::<DeliveryState>).transpose();
        let room = given(room.0.as_deref()).map(str::parse::<RoomAddress>).transpose();
        let filter = Filter {
            state: state.map_err(|error| Problem::of_field("state", error))?,
            room: room.map_err(|error| Problem::of_field("room", error))?,
            before: before.0.map(DeliveryId),
            limit: limit.0.map_or(PAGE, |limit| (limit as usize).clamp(1, LARGEST_PAGE)),
            ..Filter::default()
        };
        Ok(Json(workshop.page(&filter, &wanted).await?))
    }
}

/// What is looked for beside what the outbox knows to look for.
struct Wanted {
    kind: Option<Part>,
    text: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Wanted {
    fn takes(&self, delivery: &Delivery) -> bool {
        let holds = |wanted: &String| {
            let texts = [
                Some(&delivery.message.headline),
                Some(&delivery.message.body),
                delivery.last_error.as_ref(),
            ];
            texts
                .into_iter()
                .flatten()
                .any(|text| text.to_lowercase().contains(wanted))
        };
        self.kind.is_none_or(|kind| kind == delivery.part)
            && self.from.is_none_or(|from| delivery.accepted_at >= from)
            && self.until.is_none_or(|until| delivery.accepted_at < until)
            && self.text.as_ref().is_none_or(holds)
    }

    /// Whether nothing older can be looked for.
    fn ends_before(&self, delivery: &Delivery) -> bool {
        // A digest counts from the oldest that it names, so a row is not always younger than the next; an hour is.
        let margin = jiff::SignedDuration::from_hours(1);
        self.from.is_some_and(|from| delivery.accepted_at + margin < from)
    }
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn kind_of(text: &str) -> Result<Part, Problem> {
    let known = [Part::Message, Part::Root, Part::Line, Part::Edit];
    let unknown = || {
        Problem::of_field(
            "kind",
            format!("invalid kind `{text}` (expected message, root, line or edit)"),
        )
    };
    known.into_iter().find(|part| part.as_str() == text).ok_or_else(unknown)
}

fn time(field: &str, text: &str) -> Result<Timestamp, Problem> {
    let wrong = |_| {
        Problem::of_field(
            field,
            format!("invalid time `{text}` (expected such as 2026-11-20T09:00:00Z)"),
        )
    };
    text.parse().map_err(wrong)
}

impl Workshop {
    async fn page(&self, filter: &Filter, wanted: &Wanted) -> Result<DeliveryPage, Problem> {
        let (deliveries, next) = self.search(filter, wanted).await?;
        let edits = self.edits(filter, wanted).await?;
        let stats = self.outbox.stats(Timestamp::now()).await;
        let stats = stats.map_err(|error| store_problem(&error))?;
        let rooms = stats.rooms.into_iter().map(|one| DeliveryRoom {
            name: (self.names)(&one.room),
            room: one.room.to_string(),
            waiting: one.waiting,
            dead: one.dead,
            waits_for: one.wait.map(|wait| wait.reason),
        });
        Ok(DeliveryPage {
            rooms: rooms.collect(),
            deliveries,
            edits,
            next,
        })
    }

    /// The rows that are wanted, and before which the next page begins.
    async fn search(&self, filter: &Filter, wanted: &Wanted) -> Result<(Vec<DeliveryRow>, Option<i64>), Problem> {
        let (mut rows, mut before, mut looked_at) = (Vec::new(), filter.before, 0);
        // Edits have no rows.
        while wanted.kind != Some(Part::Edit) {
            let page = Filter {
                before,
                limit: LARGEST_PAGE.min(SEARCHED),
                ..filter.clone()
            };
            let found = self.outbox.list(page).await.map_err(|error| store_problem(&error))?;
            let is_last = found.len() < LARGEST_PAGE;
            for delivery in found {
                if wanted.ends_before(&delivery) {
                    return Ok((rows, None));
                }
                if rows.len() == filter.limit {
                    return Ok((rows, before.map(|id| id.0)));
                }
                before = Some(delivery.id);
                looked_at += 1;
                if wanted.takes(&delivery) {
                    rows.push(self.row(delivery));
                }
            }
            if is_last {
                break;
            }
            if looked_at >= SEARCHED {
                return Ok((rows, before.map(|id| id.0)));
            }
        }
        Ok((rows, None))
    }

    /// Edits wait or are in flight, and stand on the first page.
    async fn edits(&self, filter: &Filter, wanted: &Wanted) -> Result<Vec<DeliveryRow>, Problem> {
        let waits = [None, Some(DeliveryState::Pending), Some(DeliveryState::InFlight)];
        if filter.before.is_some() || !waits.contains(&filter.state) {
            return Ok(Vec::new());
        }
        let edits = self.outbox.edits(filter.room.clone(), filter.limit).await;
        let edits = edits.map_err(|error| store_problem(&error))?.into_iter();
        let edits = edits.map(|edit| edit.delivery);
        let edits = edits.filter(|edit| filter.state.is_none_or(|state| state == edit.state) && wanted.takes(edit));
        Ok(edits.map(|edit| self.row(edit)).collect())
    }

    pub(super) fn row(&self, delivery: Delivery) -> DeliveryRow {
        DeliveryRow {
            id: delivery.id.0,
            name: delivery.id.to_string(),
            kind: delivery.part.as_str().to_owned(),
            state: delivery.state.to_string(),
            room_name: (self.names)(&delivery.room),
            room: delivery.room.to_string(),
            members: delivery.members,
            headline: mask::text(&title(&delivery.message)),
            accepted_at: delivery.accepted_at.to_string(),
            attempts: delivery.attempts,
            last_error: delivery.last_error,
            event_id: delivery.event_id,
            combined_into: delivery.combined_into.map(|id| id.0),
        }
    }
}

/// What a row is recognised by: the first line that was sent, or, where it has no text, what it is about.
fn title(message: &RenderedMessage) -> String {
    let mut lines = message.body.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty()).unwrap_or(&message.headline);
    truncated(first, LONGEST_TITLE)
}
