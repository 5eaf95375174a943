//! What happens in the room as server-sent events (messages, edits, reactions, deletions): first those that the page has not seen, then each new one.
//!
//! Guarantees: in order, none twice, also over a broken connection (`Last-Event-ID`); a page from an earlier run of
//! the browser is asked to begin anew. The stream ends when the stand-in stops.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{Stream, stream};
use poem::web::Data;
use poem::web::sse::{Event as Sent, SSE};
use poem::{Request, handler};
use serde_json::json;
use tokio::sync::watch;

use super::Demo;
use crate::standin::Event;

/// A comment now and then, so that a proxy does not take the quiet connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[handler]
pub(super) fn events(request: &Request, Data(demo): Data<&Demo>) -> SSE {
    let last = request.header("last-event-id");
    SSE::new(follow(demo.clone(), last)).keep_alive(KEEP_ALIVE)
}

struct Follower {
    demo: Demo,
    changes: watch::Receiver<u64>,
    /// How many events the page has.
    seen: usize,
    ready: VecDeque<Sent>,
}

fn follow(demo: Demo, last: Option<&str>) -> impl Stream<Item = Sent> + use<> {
    let seen = last
        .and_then(|id| id.strip_prefix(&format!("{}-", demo.run)))
        .and_then(|count| count.parse().ok());
    let mut ready = VecDeque::new();
    if last.is_some() && seen.is_none() {
        ready.push_back(Sent::message("{}").event_type("reset"));
    }
    let follower = Follower {
        changes: demo.homeserver.changes(),
        demo,
        seen: seen.unwrap_or(0),
        ready,
    };
    stream::unfold(follower, |mut follower| async move {
        let sent = follower.next().await?;
        Some((sent, follower))
    })
}

impl Follower {
    /// The next event for the page; `None` once the stand-in has stopped.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(sent) = self.ready.pop_front() {
                return Some(sent);
            }
            // Marked as seen before reading, so that a message that comes in between wakes this again.
            self.changes.borrow_and_update();
            let happened = self.demo.homeserver.happenings_after(&self.demo.room_id, self.seen);
            for event in happened {
                self.seen += 1;
                self.ready.push_back(self.sent(&event));
            }
            if self.ready.is_empty() {
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    () = self.demo.homeserver.stopped() => return None,
                }
            }
        }
    }

    fn sent(&self, event: &Event) -> Sent {
        let member = self
            .demo
            .homeserver
            .state(&self.demo.room_id, "m.room.member", &event.sender);
        let name = member.as_ref().and_then(|content| content["displayname"].as_str());
        let data = json!({"event": event, "name": name.unwrap_or(&event.sender)});
        Sent::message(data.to_string()).id(format!("{}-{}", self.demo.run, self.seen))
    }
}
