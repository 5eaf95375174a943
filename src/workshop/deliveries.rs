//! The operator's list of deliveries in the browser, and the one thing to do there: send a dead one again.

use std::sync::Arc;

use jiff::Timestamp;
use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::{NotAnswered, Tag, Workshop, store_problem};
use crate::intake::{Caller, Documented, Problem, Refused};
use crate::mask;
use crate::outbox::{Delivery, DeliveryId, DeliveryState, Filter, RetryResult};

/// Rows of one page, if nothing else is asked for, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;

/// Deliveries, newest first.
#[derive(Debug, Object)]
struct DeliveryPage {
    /// The rows of this page.
    deliveries: Vec<DeliveryRow>,
    /// What to send as `before` for the next page; null on the last one.
    next: Option<i64>,
}

/// One message owed, or once owed, to one room.
#[derive(Debug, Object)]
struct DeliveryRow {
    /// Its number.
    id: i64,
    /// `pending`, `in-flight`, `delivered`, `dead` or `combined`.
    state: String,
    /// The room, as the operator configured it.
    room: String,
    /// One line that names the notification, secrets masked.
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

/// A delivery that waits again.
#[derive(Debug, Object)]
struct RetriedDelivery {
    /// Its number.
    id: i64,
    /// Its state now.
    state: String,
    /// Whether its last attempt is so long ago that the homeserver may not recognise it: it is first looked for in the room.
    /// Through a Hookshot webhook, which cannot look, the room may show it twice.
    may_repeat: bool,
}

/// What keeps a delivery from being sent again.
struct NotRetried;

impl Documented for NotRetried {
    const REFUSALS: &'static [(u16, &'static str)] = &[
        (401, "The credential is missing or wrong."),
        (403, "A web page of another site sent it through a browser."),
        (404, "There is no such delivery."),
        (409, "It is not dead: it waits, or it is in its room already."),
        (503, "The store cannot be used now."),
    ];
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
    ) -> Result<Json<DeliveryPage>, Refused<NotAnswered>> {
        let asked = state.0.as_deref().filter(|text| !text.is_empty());
        let state = asked.map(str::parse::<DeliveryState>).transpose();
        let state = state.map_err(|error| Problem::of_field("state", error))?;
        let limit = limit.0.map_or(PAGE, |limit| (limit as usize).clamp(1, LARGEST_PAGE));
        let filter = Filter {
            state,
            before: before.0.map(DeliveryId),
            limit,
            ..Filter::default()
        };
        let found = workshop
            .outbox
            .list(filter)
            .await
            .map_err(|error| store_problem(&error))?;
        let deliveries: Vec<_> = found.into_iter().map(row).collect();
        let next = deliveries
            .last()
            .filter(|_| deliveries.len() == limit)
            .map(|row| row.id);
        Ok(Json(DeliveryPage { deliveries, next }))
    }

    /// Send a dead delivery again
    ///
    /// It waits at the tail of its room, under its old transaction ID.
    #[oai(
        path = "/workshop/deliveries/:id/retry",
        method = "post",
        tag = "Tag::Workshop",
        operation_id = "workshop_retry"
    )]
    async fn retry(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
        /// The number of the delivery.
        id: Path<i64>,
    ) -> Result<Json<RetriedDelivery>, Refused<NotRetried>> {
        let retried = workshop.outbox.retry(&[DeliveryId(id.0)], Timestamp::now()).await;
        let retried = retried.map_err(|error| store_problem(&error))?;
        match retried.first().map(|retried| &retried.result) {
            Some(queued @ RetryResult::Queued { .. }) => {
                tracing::info!(delivery.id = id.0, "an operator retries the dead delivery");
                Ok(Json(RetriedDelivery {
                    id: id.0,
                    state: DeliveryState::Pending.to_string(),
                    may_repeat: queued.may_repeat(),
                }))
            }
            Some(RetryResult::NotDead(state)) => Err(Problem::new(
                StatusCode::CONFLICT,
                format!("delivery {} is {state}; only a dead delivery can be retried", id.0),
            )
            .into()),
            Some(RetryResult::Unknown) | None => {
                Err(Problem::new(StatusCode::NOT_FOUND, format!("delivery {} does not exist", id.0)).into())
            }
        }
    }
}

fn row(delivery: Delivery) -> DeliveryRow {
    DeliveryRow {
        id: delivery.id.0,
        state: delivery.state.to_string(),
        room: delivery.room.to_string(),
        headline: mask::text(&delivery.message.headline.replace('\n', " / ")),
        accepted_at: delivery.accepted_at.to_string(),
        attempts: delivery.attempts,
        last_error: delivery.last_error,
        event_id: delivery.event_id,
        combined_into: delivery.combined_into.map(|id| id.0),
    }
}
