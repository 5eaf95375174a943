//! What is really the case in three groups of alerts, and whether a room says so.

use std::collections::{BTreeMap, BTreeSet};

use grafana_matrix_relay::standin::{Event, Homeserver};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// What is really the case, as the sender sees it.
#[derive(Default)]
pub(super) struct Truth {
    /// Firing alerts of each group by number, with their starts, and an individual name for each episode.
    firing: [BTreeMap<usize, i64>; 3],
    /// What is over since the group was last posted.
    ended: [BTreeMap<usize, (i64, i64)>; 3],
    begun: Vec<String>,
    over: Vec<String>,
}

/// Each alert has its own name in each episode, as the summary: its start.
fn name(group: usize, alert: usize) -> String {
    format!("G{group}N{alert}")
}

impl Truth {
    /// An alert of a group begins or ends.
    pub(super) fn toggle(&mut self, group: usize, alert: usize, minute: i64) {
        let episode = |start: i64| format!("{}@{start}", name(group, alert));
        if let Some(start) = self.firing[group].remove(&alert) {
            self.ended[group].insert(alert, (start, minute));
            self.over.push(episode(start));
        } else {
            self.ended[group].remove(&alert);
            self.firing[group].insert(alert, minute);
            self.begun.push(episode(minute));
        }
    }

    /// The group's body as it is to be posted now; what is over is in it once. Minutes are since `begin`.
    pub(super) fn snapshot(&mut self, group: usize, begin: Timestamp) -> Value {
        let at = |minute: i64| (begin + SignedDuration::from_mins(minute)).to_string();
        let alert = |alert: usize, start: i64, end: Option<i64>| {
            let name = name(group, alert);
            json!({
                "status": if end.is_some() { "resolved" } else { "firing" },
                "labels": {"alertname": name, "severity": "critical"},
                "annotations": {"summary": format!("fires as {name}@{start}.")},
                "fingerprint": name,
                "startsAt": at(start),
                "endsAt": end.map(at),
            })
        };
        let ended = std::mem::take(&mut self.ended[group]);
        let firing = self.firing[group]
            .iter()
            .map(|(number, start)| alert(*number, *start, None));
        let ended = ended
            .iter()
            .map(|(number, (start, end))| alert(*number, *start, Some(*end)));
        let alerts: Vec<Value> = firing.chain(ended).collect();
        json!({"version": "1", "groupKey": format!("{{}}:{{g=\"{group}\"}}"), "alerts": alerts})
    }

    /// The visible roots equal the true state of all groups, each beginning has rung exactly once, and every change has
    /// exactly one line, or was taken up by a root that nobody had seen.
    pub(super) fn check(&self, homeserver: &Homeserver, room: &str) {
        let (shown, told) = (homeserver.visible(room), told(homeserver, room));
        for group in 0..3 {
            let of_group = |body: &str| body.contains(&format!("G{group}N"));
            let Some(root) = shown.iter().rfind(|shown| of_group(shown.body())) else {
                assert!(
                    !self.begun.iter().any(|episode| of_group(episode)),
                    "nothing of G{group}\n{told}"
                );
                continue;
            };
            // Each firing alert is in the root by its episode, and no other is said to fire.
            let firing: BTreeSet<String> = self.firing[group]
                .iter()
                .map(|(alert, start)| format!("{}@{start}", name(group, *alert)))
                .collect();
            let lines = root.body().lines();
            let says_firing = |line: &&str| line.contains("fires as") && !line.contains("was: ");
            let said: BTreeSet<String> = lines.filter(says_firing).flat_map(episodes).collect();
            assert_eq!(said, firing, "{}", root.body());
        }
        // What notifies says that something fires; what is quiet in a thread says that it was.
        let (mut rung, mut ended) = (BTreeMap::new(), BTreeMap::new());
        for event in originals(homeserver, room) {
            let is_loud = event.content["msgtype"] == "m.text";
            for line in event.body().lines().filter(|line| line.contains("fires as")) {
                let is_end = line.contains("was: fires as");
                let in_thread = event.content["m.relates_to"]["rel_type"] == "m.thread";
                let count = match (is_end, is_loud, in_thread) {
                    (false, true, _) => &mut rung,
                    (true, _, true) => &mut ended,
                    _ => continue,
                };
                for episode in episodes(line) {
                    *count.entry(episode).or_insert(0) += 1;
                }
            }
        }
        for (episode, times) in rung.iter().chain(&ended) {
            assert_eq!(*times, 1, "{episode} is told {times} times\n{told}");
        }
        for episode in &self.begun {
            let is_over = self.over.contains(episode);
            // What began and ended while its root waited is in no text any more: the root took it up.
            assert!(is_over || rung.contains_key(episode), "{episode} never rang\n{told}");
            if is_over && rung.contains_key(episode) {
                assert!(
                    ended.contains_key(episode),
                    "nobody said that {episode} is over\n{told}"
                );
            }
        }
        assert!(ended.keys().all(|episode| self.over.contains(episode)));
    }
}

/// What was sent that is no edit.
fn originals(homeserver: &Homeserver, room: &str) -> Vec<Event> {
    let mut events = homeserver.messages(room);
    events.retain(|event| event.content["m.relates_to"]["rel_type"] != "m.replace");
    events
}

/// Everything that was ever said in the room, edits included.
fn told(homeserver: &Homeserver, room: &str) -> String {
    let events = homeserver.events(room);
    let bodies: Vec<&str> = events.iter().map(Event::body).collect();
    bodies.join("\n")
}

/// The episodes that a line names.
fn episodes(line: &str) -> Vec<String> {
    let named = line.match_indices("fires as ");
    named
        .map(|(at, text)| line[at + text.len()..].chars().take_while(|c| *c != '.').collect())
        .collect()
}
