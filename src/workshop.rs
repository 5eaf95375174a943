//! The workshop: where people see what a template makes of a notification before an incident shows it to them.
//!
//! Guarantees: a preview is made by the code that makes real messages, and it sends, stores and changes nothing; it is
//! bounded in time and in number, so that no draft keeps notifications from being accepted. The only thing that can be
//! changed from here is that a dead delivery waits again.
//!
//! It edits no template: the files belong to the operator.

mod deliveries;
pub mod page;
mod preview;
mod shape;
mod state;

use std::sync::Arc;

use poem::http::StatusCode;
use poem_openapi::{OpenApi, Tags};
use tokio::sync::Semaphore;

use crate::intake::{Documented, Problem};
use crate::message::TemplateName;
use crate::outbox::{Outbox, OutboxError};
use crate::render::Renderer;

/// How many previews are rendered at once; the others wait. Acceptance needs the processors more.
const AT_ONCE: usize = 2;

/// What the operations of the workshop work with.
pub struct Workshop {
    renderer: Renderer,
    outbox: Outbox,
    default_template: TemplateName,
    slots: Arc<Semaphore>,
}

impl Workshop {
    /// A workshop over the templates and the outbox of a relay.
    pub fn new(renderer: Renderer, outbox: Outbox, default_template: TemplateName) -> Self {
        Self {
            renderer,
            outbox,
            default_template,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// The operations, for the document and the server. They find their [`Workshop`] in the request's data.
pub fn operations() -> impl OpenApi + 'static {
    (preview::Previews, state::StateApi, deliveries::Deliveries)
}

#[derive(Tags)]
enum Tag {
    /// Try templates, and see what was delivered. What the page at `/` calls.
    Workshop,
}

/// What keeps an operation of the workshop from answering.
struct NotAnswered;

impl Documented for NotAnswered {
    const REFUSALS: &'static [(u16, &'static str)] = &[
        (401, "The credential is missing or wrong."),
        (403, "A web page of another site sent it through a browser."),
        (404, "There is nothing of that name."),
        (422, "A parameter is invalid; `field` names it."),
        (503, "The store cannot be read now."),
    ];
}

/// The public text of a store that does not answer; the cause is the operator's.
fn store_problem(error: &OutboxError) -> Problem {
    tracing::warn!(error.message = %error, "the workshop cannot use the outbox");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the outbox is unavailable now; the relay's log says why",
    )
}
