//! One delivery with everything that is known of it, and what an operator does to it: send again, give up.
//!
//! Guarantees: the text is what the room gets, with secrets masked as in the list; only what waits is given up and only what
//! is dead is sent again, whatever the page thinks its state is.

use std::sync::Arc;

use jiff::Timestamp;
use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::deliveries::DeliveryRow;
use super::{NotAnswered, Tag, Workshop, store_problem};
use crate::intake::{Caller, Documented, Problem, Refused};
use crate::mask;
use crate::message::MsgType;
use crate::outbox::{Delivery, DeliveryId, DeliveryState, Ended, Failure, Filter, RetryResult};

/// Of the members of a digest and of a group, not more are listed.
const LISTED: usize = 50;

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

/// A delivery that was given up.
#[derive(Debug, Object)]
struct GivenUp {
    /// What names it.
    name: String,
    /// Its state now; null for an edit, which ends with that.
    state: Option<String>,
}

/// An attempt that failed.
#[derive(Debug, Object)]
struct FailedAttempt {
    /// Which attempt it was; the first is 1.
    attempt: u32,
    /// When it ended (RFC 3339).
    at: String,
    /// Why it failed.
    error: String,
}

/// Everything about a delivery.
#[derive(Debug, Object)]
struct DeliveryDetails {
    /// What the list shows.
    row: DeliveryRow,
    /// The plain text, secrets masked.
    body: String,
    /// `m.text`, which notifies, or `m.notice`, which does not.
    msgtype: MsgType,
    /// The same over all attempts.
    transaction: String,
    /// When the alerts began (RFC 3339).
    starts_at: Option<String>,
    /// When the first attempt began; after a retry the first since then.
    first_attempt_at: Option<String>,
    /// When the last attempt began.
    last_attempt_at: Option<String>,
    /// The attempts that failed, oldest first; of many the first and the last nine.
    failures: Vec<FailedAttempt>,
    /// When it was delivered or given up.
    finished_at: Option<String>,
    /// The event that it refers to: the root of its thread, or the message that it edits.
    refers_to: Option<String>,
    /// What it is sent in place of, newest first; of many the newest.
    members: Vec<DeliveryRow>,
    /// What else was sent of its alert group, newest first; of many the newest.
    group: Vec<DeliveryRow>,
}

impl FailedAttempt {
    fn of(failure: &Failure) -> Self {
        Self {
            attempt: failure.attempt,
            at: failure.at.to_string(),
            error: failure.error.clone(),
        }
    }
}

/// What keeps something from being done to a delivery.
struct NotDone;

impl Documented for NotDone {
    const REFUSALS: &'static [(u16, &'static str)] = &[
        (401, "The credential is missing or wrong."),
        (403, "A web page of another site sent it through a browser."),
        (404, "There is no such delivery."),
        (
            409,
            "It is in another state: only a dead one is sent again, and only one that waits is given up.",
        ),
        (503, "The store cannot be used now."),
    ];
}

pub(super) struct Details;

#[OpenApi]
impl Details {
    /// One delivery
    ///
    /// With its text, its attempts and what failed, the members of a digest and the other messages of its alert group.
    #[oai(
        path = "/workshop/deliveries/:id",
        method = "get",
        tag = "Tag::Workshop",
        operation_id = "workshop_delivery"
    )]
    async fn show(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
        /// Its number, or `edit-7`.
        id: Path<String>,
    ) -> Result<Json<DeliveryDetails>, Refused<NotAnswered>> {
        Ok(Json(workshop.details(named(&id.0)?).await?))
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
        /// Its number.
        id: Path<String>,
    ) -> Result<Json<RetriedDelivery>, Refused<NotDone>> {
        let id = named(&id.0)?;
        let retried = workshop.outbox.retry(&[id], Timestamp::now()).await;
        let retried = retried.map_err(|error| store_problem(&error))?;
        match retried.first().map(|retried| &retried.result) {
            Some(queued @ RetryResult::Queued { .. }) => {
                tracing::info!(delivery.id = %id, "an operator retries the dead delivery");
                Ok(Json(RetriedDelivery {
                    id: id.0,
                    state: DeliveryState::Pending.to_string(),
                    may_repeat: queued.may_repeat(),
                }))
            }
            Some(RetryResult::NotDead(state)) => Err(Problem::new(
                StatusCode::CONFLICT,
                format!("delivery {id} is {state}; only a dead delivery can be retried"),
            )
            .into()),
            Some(RetryResult::Unknown) | None => Err(unknown(id).into()),
        }
    }

    /// Give up a delivery that waits
    ///
    /// It is dead then, can be read and sent again, and the room goes on without it. An edit ends with that: the next change of
    /// its alert group brings the message up to date.
    #[oai(
        path = "/workshop/deliveries/:id/give-up",
        method = "post",
        tag = "Tag::Workshop",
        operation_id = "workshop_give_up"
    )]
    async fn give_up(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
        /// Its number, or `edit-7`.
        id: Path<String>,
    ) -> Result<Json<GivenUp>, Refused<NotDone>> {
        let id = named(&id.0)?;
        let is_edit = workshop
            .outbox
            .edit(id)
            .await
            .map_err(|error| store_problem(&error))?
            .is_some();
        let ended = workshop.outbox.give_up(id, Timestamp::now()).await;
        match ended.map_err(|error| store_problem(&error))? {
            Ended::Done => {
                tracing::warn!(delivery.id = %id, "an operator gave up delivery {id}");
                Ok(Json(GivenUp {
                    name: id.to_string(),
                    state: (!is_edit).then(|| DeliveryState::Dead.to_string()),
                }))
            }
            Ended::Kept(state) => Err(Problem::new(
                StatusCode::CONFLICT,
                format!("delivery {id} is {state}; only a pending delivery can be given up"),
            )
            .into()),
            Ended::Unknown => Err(unknown(id).into()),
        }
    }
}

fn named(text: &str) -> Result<DeliveryId, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("delivery {} does not exist", crate::text::truncated(text, 40)),
        )
    })
}

fn unknown(id: DeliveryId) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("delivery {id} does not exist"))
}

impl Workshop {
    async fn details(&self, id: DeliveryId) -> Result<DeliveryDetails, Problem> {
        let edit = self.outbox.edit(id).await.map_err(|error| store_problem(&error))?;
        let found = match edit {
            Some(edit) => Some(edit.delivery),
            None => self.outbox.show(id).await.map_err(|error| store_problem(&error))?,
        };
        let delivery = found.ok_or_else(|| unknown(id))?;
        let members = if delivery.members > 0 {
            self.listed(
                Filter {
                    combined_into: Some(id),
                    ..Filter::default()
                },
                id,
            )
            .await?
        } else {
            Vec::new()
        };
        let group = match delivery.group {
            Some(group) => {
                self.listed(
                    Filter {
                        group: Some(group),
                        ..Filter::default()
                    },
                    id,
                )
                .await?
            }
            None => Vec::new(),
        };
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Ok(DeliveryDetails {
            body: mask::text(&delivery.message.body),
            msgtype: delivery.message.msgtype,
            transaction: delivery.txn_id.to_string(),
            starts_at: time(delivery.starts_at),
            first_attempt_at: time(delivery.first_attempt_at),
            last_attempt_at: time(delivery.last_attempt_at),
            failures: delivery.failures.iter().map(FailedAttempt::of).collect(),
            finished_at: time(delivery.finished_at),
            refers_to: delivery
                .relation
                .as_ref()
                .map(|relation| relation.event_id().to_owned()),
            row: self.row(delivery),
            members,
            group,
        })
    }

    /// Those of a filter, but for one.
    async fn listed(&self, filter: Filter, but: DeliveryId) -> Result<Vec<DeliveryRow>, Problem> {
        let found = self
            .outbox
            .list(Filter {
                limit: LISTED,
                ..filter
            })
            .await;
        let found: Vec<Delivery> = found.map_err(|error| store_problem(&error))?;
        let others = found.into_iter().filter(|delivery| delivery.id != but);
        Ok(others.map(|delivery| self.row(delivery)).collect())
    }
}
