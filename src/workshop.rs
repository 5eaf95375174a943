//! The workshop: where people see what a template makes of a notification before an incident shows it to them.
//!
//! Guarantees: a preview is made by the code that makes real messages, and it sends, stores and changes nothing; it is
//! bounded in time and in number, so that no draft keeps notifications from being accepted. What can be changed from here
//! is what becomes of a delivery, a room that gets a test, and a template where the operator allows it.

mod deliveries;
mod details;
pub mod page;
mod preview;
mod reference;
mod save;
mod send;
mod shape;
mod state;

use std::path::PathBuf;
use std::sync::Arc;

use poem::http::StatusCode;
use poem_openapi::{OpenApi, Tags};
use tokio::sync::{Mutex, Semaphore};

use crate::intake::{Documented, Problem};
use crate::message::{RoomAddress, RouteName, TemplateName};
use crate::outbox::{Outbox, OutboxError};
use crate::render::Renderer;
use crate::route::Router;

/// How many previews are rendered at once; the others wait. Acceptance needs the processors more.
const AT_ONCE: usize = 2;

/// What a room is called, as far as that is known.
pub type RoomNames = Arc<dyn Fn(&RoomAddress) -> Option<String> + Send + Sync>;

/// What a workshop is made of.
pub struct Parts {
    /// The templates.
    pub renderer: Renderer,
    /// What was sent and waits.
    pub outbox: Outbox,
    /// The template that is used where nothing else is said.
    pub default_template: TemplateName,
    /// Where drafts may be sent to.
    pub router: Router,
    /// What rooms are called.
    pub names: RoomNames,
    /// The folder into which templates may be saved; `None` where they may not.
    pub editable: Option<PathBuf>,
}

/// What the operations of the workshop work with.
pub struct Workshop {
    renderer: Renderer,
    outbox: Outbox,
    default_template: TemplateName,
    router: Router,
    names: RoomNames,
    editable: Option<PathBuf>,
    slots: Arc<Semaphore>,
    /// Held while a template is written.
    saving: Arc<Mutex<()>>,
}

/// A route that a draft may be sent to.
struct Route {
    name: RouteName,
    rooms: Vec<RoomAddress>,
}

impl Workshop {
    /// A workshop over the templates and the outbox of a relay.
    pub fn new(parts: Parts) -> Self {
        Self {
            renderer: parts.renderer,
            outbox: parts.outbox,
            default_template: parts.default_template,
            router: parts.router,
            names: parts.names,
            editable: parts.editable,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            saving: Arc::default(),
        }
    }

    /// The routes with their rooms, each room once.
    fn routes(&self) -> Vec<Route> {
        let table = self.router.table();
        let route = |name: &RouteName| {
            let mut rooms = table.rooms_of(name);
            let mut seen = std::collections::BTreeSet::new();
            rooms.retain(|room| seen.insert(room.clone()));
            Route {
                rooms,
                name: name.clone(),
            }
        };
        table.routes().keys().map(route).collect()
    }
}

/// The operations, for the document and the server. They find their [`Workshop`] in the request's data.
pub fn operations() -> impl OpenApi + 'static {
    (
        preview::Previews,
        state::StateApi,
        reference::ReferenceApi,
        save::Saves,
        send::Tests,
        deliveries::Deliveries,
        details::Details,
    )
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
