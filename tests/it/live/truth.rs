//! What is really the case in three groups of alerts, and whether a room says so.

use std::collections::{BTreeMap, BTreeSet};

use grafana_matrix_relay::standin::{Event, Homeserver};

/// What is really the case, as the sender sees it.
#[derive(Default)]
pub(crate) struct Truth {
    /// Firing alerts of each group by number, with their starts, and an individual name for each episode.
    firing: [BTreeMap<usize, i64>; 3],
    /// What is over since the group was last posted.
    ended: [BTreeMap<usize, (i64, i64)>; 3],
    begun: Vec<String>,
    over: Vec<String>,
    posted: [Vec<String>; 3],
}

/// Each alert has its own name in each episode, as the summary: its start.
fn name(group: usize, alert: usize) -> String {
    format!("G{group}N{alert}")
}

impl Truth {
    /// An alert of a group begins or ends.
    pub(crate) fn toggle(&mut self, group: usize, alert: usize, minute: i64) {
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

    /// The group as it was last posted.
    pub(crate) fn posted(&self, group: usize) -> &[String] {
        &self.posted[group]
    }

    /// The group as it is to be posted now; what is over is in it once.
    pub(crate) fn snapshot(&mut self, group: usize) -> Vec<String> {
        let firing = self.firing[group]
            .iter()
            .map(|(alert, start)| format!("{} {start}", name(group, *alert)));
        let ended = std::mem::take(&mut self.ended[group]);
        let ended = ended
            .iter()
            .map(|(alert, (start, end))| format!("{} {start}-{end}", name(group, *alert)));
        self.posted[group] = firing.chain(ended).collect();
        self.posted[group].clone()
    }

    /// The visible heads equal the true state of all groups, each beginning has rung exactly once, and every change has
    /// exactly one line, or was taken up by a head that nobody had seen.
    pub(crate) fn check(&self, homeserver: &Homeserver, room: &str) {
        let (shown, told) = (homeserver.visible(room), told(homeserver, room));
        for group in 0..3 {
            let of_group = |body: &str| body.contains(&format!("G{group}N"));
            let Some(head) = shown.iter().rfind(|shown| of_group(shown.body())) else {
                assert!(self.posted[group].is_empty());
                continue;
            };
            // Each firing alert is in the head by its episode, and no other is said to fire.
            let firing: BTreeSet<String> = self.firing[group]
                .iter()
                .map(|(alert, start)| format!("{}@{start}", name(group, *alert)))
                .collect();
            let lines = head.body().lines();
            let says_firing = |line: &&str| line.contains("fires as") && !line.contains("was: ");
            let said: BTreeSet<String> = lines.filter(says_firing).flat_map(episodes).collect();
            assert_eq!(said, firing, "{}", head.body());
        }
        // What rings says that something fires; what is quiet in a thread says that it was.
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
            // What began and ended while its head waited is in no text any more: the head took it up.
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
pub(super) fn originals(homeserver: &Homeserver, room: &str) -> Vec<Event> {
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
