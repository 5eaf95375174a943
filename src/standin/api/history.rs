//! What was said in a room, page by page.

use poem::web::{Data, Path, Query};
use poem::{Request, Response, handler};
use serde::Deserialize;
use serde_json::json;

use super::super::Homeserver;
use super::super::answer::Refusal;
use super::super::room::Event;
use super::super::serve::{Call, serve};

#[derive(Deserialize)]
pub(super) struct RelationsPath {
    room: String,
    event: String,
    rel_type: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RelationsQuery {
    #[serde(default)]
    dir: String,
    limit: Option<usize>,
}

/// One page of what refers to an event, newest first by default.
#[handler]
pub(super) async fn relations(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path(path): Path<RelationsPath>,
    query: Query<RelationsQuery>,
) -> Response {
    serve(&homeserver, request, Call::room(&path.room), |world, session| {
        let room = world.look(&path.room, session)?;
        if room.event(&path.event).is_none() {
            return Err(Refusal::not_found("Unknown parent event."));
        }
        let kinds = ["m.replace", "m.thread", "m.annotation", "m.reference"];
        let wanted = kinds
            .iter()
            .filter(|kind| path.rel_type.as_deref().is_none_or(|rel_type| rel_type == **kind));
        let mut found: Vec<_> = wanted
            .flat_map(|rel_type| room.related(&path.event, rel_type))
            .collect();
        found.retain(|one| path.kind.as_deref().is_none_or(|kind| kind == one.kind));
        found.sort_by_key(|one| one.origin_server_ts);
        if query.dir != "f" {
            found.reverse();
        }
        found.truncate(query.limit.unwrap_or(5).min(1000));
        Ok(json!({"chunk": found}))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct MessagesQuery {
    dir: String,
    from: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    filter: String,
}

/// The part of a filter that a bot needs; what is left out is not filtered.
#[derive(Default, Deserialize)]
pub(super) struct EventFilter {
    senders: Option<Vec<String>>,
    types: Option<Vec<String>>,
}

impl EventFilter {
    fn takes(&self, one: &Event) -> bool {
        let names = |wanted: &Option<Vec<String>>, name: &String| wanted.as_ref().is_none_or(|all| all.contains(name));
        names(&self.senders, &one.sender) && names(&self.types, &one.kind)
    }
}

/// Pages through the timeline; a token is the number of events, filtered or not, before that place.
#[handler]
pub(super) async fn messages(
    request: &Request,
    homeserver: Data<&Homeserver>,
    Path(room): Path<String>,
    query: Query<MessagesQuery>,
) -> Response {
    serve(&homeserver, request, Call::read(&room), |world, session| {
        let timeline = &world.look(&room, session)?.timeline;
        let filter: EventFilter = match query.filter.as_str() {
            "" => EventFilter::default(),
            text => serde_json::from_str(text).map_err(|_| Refusal::new(400, "M_NOT_JSON", "Invalid filter"))?,
        };
        let backwards = query.dir == "b";
        let given = query.from.as_deref().and_then(|from| from.parse::<usize>().ok());
        let from = given
            .unwrap_or(if backwards { timeline.len() } else { 0 })
            .min(timeline.len());
        let limit = query.limit.unwrap_or(10).min(1000);
        let wanted = |at: &usize| filter.takes(&timeline[*at]);
        let places: Vec<usize> = if backwards {
            (0..from).rev().filter(wanted).take(limit).collect()
        } else {
            (from..timeline.len()).filter(wanted).take(limit).collect()
        };
        let chunk: Vec<_> = places.iter().map(|at| timeline[*at].shown_to(session)).collect();
        // A page that is not full is the last one.
        let last = places.len() < limit;
        let end = places.last().map_or(from, |at| if backwards { *at } else { at + 1 });
        let mut page = json!({"start": from.to_string(), "chunk": chunk, "state": []});
        if !last {
            page["end"] = json!(end.to_string());
        }
        Ok(page)
    })
    .await
}
