//! Delayed events (MSC4140) of the stand-in, in each form that homeservers have had or have.
//!
//! Guarantees: what is due by this homeserver's clock is sent before the next request is looked at, and when the clock is put
//! forward; the same transaction is scheduled once; where they are switched off, the old form sends at once, as homeservers do that
//! know nothing of it.

use std::time::Duration;

use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Homeserver;
use super::answer::Refusal;
use super::serve::{Call, serve};
use super::world::{Session, World};

/// The form in which the homeserver takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelayedForm {
    /// As a parameter of a send.
    Parameter,
    /// As it was merged, under the unstable prefix.
    Unstable,
    /// As it was merged.
    Stable,
}

/// How the homeserver takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelayedLimits {
    /// In which form.
    pub form: DelayedForm,
    /// The longest delay.
    pub longest: Duration,
    /// How many an account may have at once.
    pub at_once: usize,
}

impl DelayedLimits {
    /// A day at most, and a hundred, as in Synapse.
    pub fn usual(form: DelayedForm) -> Self {
        Self {
            form,
            longest: Duration::from_hours(24),
            at_once: 100,
        }
    }
}

/// One that waits.
#[derive(Debug)]
pub(super) struct Delayed {
    id: String,
    room: String,
    kind: String,
    txn: String,
    content: Value,
    session: Session,
    delay_ms: u64,
    due_at: u64,
}

impl World {
    /// What the homeserver says that it can.
    fn capabilities(&self) -> Value {
        let told = |limits: &DelayedLimits| json!({"max_delay_ms": u64::try_from(limits.longest.as_millis()).unwrap_or(u64::MAX), "max_scheduled": limits.at_once});
        let able = match &self.delayed_limits {
            Some(limits) if limits.form == DelayedForm::Stable => json!({"m.delayed_events": told(limits)}),
            Some(limits) => json!({"org.matrix.msc4140.delayed_events": told(limits)}),
            // As Synapse says that it is switched off.
            None => json!({"org.matrix.msc4140.delayed_events": {"max_delay_ms": 0, "max_scheduled": 100}}),
        };
        json!({"capabilities": able})
    }

    fn takes(&self, form: DelayedForm) -> bool {
        self.delayed_limits.is_some_and(|limits| limits.form == form)
    }

    /// Whether a send with this delay is one that is scheduled.
    pub(super) fn delays_sends(&self) -> bool {
        self.takes(DelayedForm::Parameter)
    }

    pub(super) fn schedule(
        &mut self,
        (room, kind, txn): (&str, &str, &str),
        content: Value,
        delay_ms: u64,
        session: &Session,
    ) -> Result<Value, Refusal> {
        let limits = self.delayed_limits.ok_or_else(unknown)?;
        let known = self
            .delayed
            .iter()
            .find(|one| one.session.scope == session.scope && one.room == room && one.txn == txn);
        if let Some(one) = known {
            return Ok(json!({"delay_id": one.id}));
        }
        self.look(room, session)?;
        if u128::from(delay_ms) > limits.longest.as_millis() {
            return Err(Refusal::new(
                400,
                "M_MAX_DELAY_EXCEEDED",
                "The requested delay exceeds the allowed maximum",
            ));
        }
        let own = self
            .delayed
            .iter()
            .filter(|one| one.session.user == session.user)
            .count();
        if own >= limits.at_once {
            return Err(Refusal::limited(3_599_537));
        }
        let id = format!("delay{}", self.count());
        self.delayed.push(Delayed {
            id: id.clone(),
            room: room.to_owned(),
            kind: kind.to_owned(),
            txn: txn.to_owned(),
            content,
            session: session.clone(),
            delay_ms,
            due_at: self.now() + delay_ms,
        });
        Ok(json!({"delay_id": id}))
    }

    fn manage(&mut self, id: &str, action: &str) -> Result<Value, Refusal> {
        let now = self.now();
        let at = self.delayed.iter().position(|one| one.id == id);
        let at = at.ok_or_else(|| Refusal::not_found("Delayed event not found"))?;
        match action {
            "restart" => self.delayed[at].due_at = now + self.delayed[at].delay_ms,
            "cancel" => drop(self.delayed.remove(at)),
            _ => return Err(unknown()),
        }
        Ok(json!({}))
    }

    /// Sends what is due.
    pub(super) fn send_due(&mut self) {
        let now = self.now();
        while let Some(at) = self.delayed.iter().position(|one| one.due_at <= now) {
            let one = self.delayed.remove(at);
            let mut event = self.event(&one.room, &one.session.user, &one.kind, None, one.content);
            event.delay_id = Some(one.id);
            if let Some(room) = self.rooms.get_mut(&one.room) {
                room.store(event);
            }
        }
    }
}

fn unknown() -> Refusal {
    Refusal::new(404, "M_UNRECOGNIZED", "Unrecognized request")
}

impl Homeserver {
    /// Lets accounts send delayed events, or not.
    pub fn allow_delayed(&self, limits: Option<DelayedLimits>) {
        self.change(|world| world.delayed_limits = limits);
    }

    /// The names of the messages that it will send into a room by itself.
    pub fn delayed(&self, room: &str) -> Vec<String> {
        self.look(|world| {
            let of_room = world.delayed.iter().filter(|one| one.room == room);
            of_room.map(|one| one.id.clone()).collect()
        })
    }
}

#[handler]
pub(super) async fn capabilities(request: &Request, homeserver: Data<&Homeserver>) -> Response {
    serve(&homeserver, request, Call::ACCOUNT, |world, _| Ok(world.capabilities())).await
}

#[derive(Deserialize)]
struct NewDelayed {
    delay_ms: u64,
    content: Value,
}

async fn take(
    request: &Request,
    homeserver: &Homeserver,
    form: DelayedForm,
    (room, kind, txn): (String, String, String),
    body: Body,
) -> Response {
    let body = body.into_bytes().await;
    serve(homeserver, request, Call::room(&room), |world, session| {
        if !world.takes(form) {
            return Err(unknown());
        }
        let bad = || Refusal::new(400, "M_BAD_JSON", "no delayed event");
        let new: NewDelayed = serde_json::from_slice(&body.map_err(|_| bad())?).map_err(|_| bad())?;
        world.schedule((&room, &kind, &txn), new.content, new.delay_ms, session)
    })
    .await
}

#[handler]
pub(super) async fn unstable(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path(path): Path<(String, String, String)>,
    body: Body,
) -> Response {
    take(request, &homeserver, DelayedForm::Unstable, path, body).await
}

#[handler]
pub(super) async fn stable(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path(path): Path<(String, String, String)>,
    body: Body,
) -> Response {
    take(request, &homeserver, DelayedForm::Stable, path, body).await
}

#[handler]
pub(super) async fn manage(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path((id, action)): Path<(String, String)>,
) -> Response {
    let is_stable = request.original_uri().path().starts_with("/_matrix/client/v1/");
    serve(&homeserver, request, Call::ACCOUNT, |world, _| {
        if world.delayed_limits.is_none() || world.takes(DelayedForm::Stable) != is_stable {
            return Err(unknown());
        }
        world.manage(&id, &action)
    })
    .await
}
