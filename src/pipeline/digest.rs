//! A backlog as one message: what still fires, what came and went, what is over.
//!
//! Guarantees: each message that it stands for has its place in it, by its alerts or by its headline; it notifies if any of them
//! would have, and mentions whom they would have mentioned. In the place of a template that fails, or that writes more than
//! one event holds, the built-in one is used.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use crate::alert::{Alert, Fingerprint, Notification};
use crate::message::{Announced, AnnouncedAlert, Mentions, MsgType};
use crate::outbox::Waiting;
use crate::render::{Counted, Digest, Drafts, Rendered, Renderer};

/// One message of a backlog.
struct Member<'a> {
    announced: &'a Announced,
    headline: &'a str,
    /// Whether the room has never heard of what it shows.
    is_new: bool,
}

/// What became of an alert while messages waited.
struct Course<'a> {
    last: &'a AnnouncedAlert,
    /// How often it began.
    times: usize,
    /// Whether it is known to have begun meanwhile.
    came: bool,
}

/// The digest of what waited, as it reads at `now`.
pub(super) fn compose(renderer: &Renderer, waiting: &[Waiting], now: Timestamp) -> Rendered {
    let members: Vec<Member<'_>> = waiting
        .iter()
        .map(|one| Member {
            announced: &one.announced,
            headline: &one.headline,
            is_new: one.is_root,
        })
        .collect();
    let from = waiting.first().map_or(now, |first| first.accepted_at);
    let (notification, digest) = summed(&members, from, now);
    let mut rendered = renderer.render_digest(&notification, &digest, now);
    let is_loud = waiting.iter().any(|one| one.msgtype == MsgType::Text);
    if let Some(message) = rendered.messages.first_mut() {
        if !is_loud {
            message.msgtype = MsgType::Notice;
            message.mentions = Mentions::default();
        }
        message.mention(&mentions(waiting));
    }
    rendered
}

/// A digest of these notifications, as if all of them had waited: to try a template on.
pub(super) fn dry_run(drafts: &Drafts, notifications: &[(Notification, Timestamp)]) -> (Notification, Digest) {
    let from = notifications.first().map_or(Timestamp::UNIX_EPOCH, |(_, at)| *at);
    let until = notifications.last().map_or(from, |(_, at)| *at);
    let announced = notifications.iter().map(|(one, at)| drafts.announced(one, *at));
    let announced: Vec<(String, Announced)> = announced.collect();
    let members: Vec<Member<'_>> = announced
        .iter()
        .map(|(headline, announced)| Member {
            announced,
            headline,
            is_new: true,
        })
        .collect();
    summed(&members, from, until)
}

/// Whom they would have mentioned.
fn mentions(waiting: &[Waiting]) -> Mentions {
    let mut all = Mentions::default();
    for one in waiting.iter().filter(|one| one.msgtype == MsgType::Text) {
        all.add(&one.mentions);
    }
    all
}

fn summed(members: &[Member<'_>], from: Timestamp, now: Timestamp) -> (Notification, Digest) {
    let (courses, more_firing) = courses(members, from);
    let (firing, over): (Vec<_>, Vec<_>) = courses.iter().partition(|course| course.last.firing);
    let (went, over): (Vec<_>, Vec<_>) = over.into_iter().partition(|course| course.came);
    let notification = Notification::of(firing.iter().map(|course| alert(course.last)).collect());
    let digest = Digest {
        messages: members.len(),
        from,
        until: now,
        more_firing,
        went: went.len(),
        ended: over.len(),
        rules: counted(firing.iter().map(|course| (&course.last.name, 1))),
        came_and_went: counted(went.iter().map(|course| (&course.last.name, course.times.max(1)))),
        over: counted(over.iter().map(|course| (&course.last.name, 1))),
        others: others(members),
        // Each message of a group counts the same ones again.
        cut_off: members.iter().map(|one| one.announced.cut_off).max().unwrap_or(0),
    };
    (notification, digest)
}

/// What became of each alert, in the order in which they were first named, and how many more fire that no message names.
fn courses<'a>(members: &[Member<'a>], from: Timestamp) -> (Vec<Course<'a>>, BTreeMap<String, usize>) {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut courses: Vec<Course<'a>> = Vec::new();
    let mut more_firing = BTreeMap::new();
    for member in members {
        for (severity, count) in &member.announced.more_firing {
            *more_firing.entry(severity.clone()).or_default() += count;
        }
        for alert in &member.announced.alerts {
            let is_recent = alert.starts_at.is_some_and(|at| at >= from);
            let came = member.is_new || alert.begins || is_recent;
            if let Some(course) = places.get(alert.id.as_str()).and_then(|at| courses.get_mut(*at)) {
                course.times += usize::from(alert.firing && !course.last.firing);
                course.came |= came && alert.firing;
                course.last = alert;
            } else {
                places.insert(&alert.id, courses.len());
                let times = usize::from(alert.firing);
                courses.push(Course {
                    last: alert,
                    times,
                    came,
                });
            }
        }
    }
    (courses, more_firing)
}

/// Each name once, with the sum of its counts.
fn counted<'a>(all: impl Iterator<Item = (&'a String, usize)>) -> Vec<Counted> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut names: Vec<Counted> = Vec::new();
    for (name, count) in all {
        if let Some(known) = places.get(name.as_str()).and_then(|at| names.get_mut(*at)) {
            known.count += count;
        } else {
            places.insert(name, names.len());
            let name = name.clone();
            names.push(Counted { name, count });
        }
    }
    names
}

/// What is known by its headline only, each once.
fn others(members: &[Member<'_>]) -> Vec<String> {
    let unknown = members.iter().filter(|member| member.announced.is_empty());
    let mut seen = HashSet::new();
    let new = unknown.filter(|member| seen.insert(member.headline));
    new.map(|member| member.headline.to_owned()).collect()
}

/// As much of an alert as a template needs that tells it in one line.
fn alert(announced: &AnnouncedAlert) -> Alert {
    let mut alert = Alert::unknown(Fingerprint(announced.id.clone()));
    alert.labels.clone_from(&announced.labels);
    alert.labels.insert("alertname".to_owned(), announced.name.clone());
    let text = if announced.reason == "Error" {
        "Error"
    } else {
        "summary"
    };
    alert.annotations.insert(text.to_owned(), announced.text.clone());
    alert
        .annotations
        .insert("grafana_state_reason".to_owned(), announced.reason.clone());
    if let Some((word, url)) = &announced.link {
        alert.annotations.insert(word.clone(), url.clone());
    }
    alert.starts_at = announced.starts_at;
    alert
}

#[cfg(test)]
mod tests;
