//! What is really the case while groups fire and are resolved, and what has to be true of a room that has heard of it.

use std::collections::{BTreeMap, BTreeSet};

use grafana_matrix_relay::message::Mode;
use grafana_matrix_relay::route::{AllowList, Field, Mention, MentionPolicy};
use grafana_matrix_relay::standin::{Event, Shown};

use super::story::Live;

pub(super) const GROUPS: usize = 3;
pub(super) const ALERTS: usize = 3;

/// One time that an alert fires: `G1N2@30`, which its summary names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Episode {
    alert: String,
    start: i64,
}

impl Episode {
    fn name(&self) -> String {
        format!("{}@{}", self.alert, self.start)
    }
}

#[derive(Default)]
pub(super) struct Truth {
    /// Firing alerts of each group by number, with their starts.
    firing: [BTreeMap<usize, i64>; GROUPS],
    /// What is over since the group was last posted, with start and end.
    ended: [BTreeMap<usize, (i64, i64)>; GROUPS],
    /// What was posted last of each group.
    pub(super) posted: [Vec<String>; GROUPS],
    begun: Vec<Episode>,
    over: BTreeSet<Episode>,
    /// Every event that was ever in the room, as it came: what somebody deletes was seen all the same.
    events: BTreeMap<String, Event>,
    /// How much of what has begun was in the room when it was last looked at, and how often each alert had mentioned.
    looked: usize,
    mentioned: BTreeMap<String, usize>,
    /// Groups whose root was deleted since something of them changed.
    deleted: BTreeSet<usize>,
    /// Whether an operator has dropped something, how many messages that show groups of it, whether anything else, and whether
    /// the homeserver has denied an event that is there.
    pub(super) dropped: bool,
    pub(super) roots_dropped: usize,
    pub(super) lines_dropped: bool,
    pub(super) denied: bool,
}

fn alert(group: usize, alert: usize) -> String {
    format!("G{group}N{alert}")
}

fn user(alert: &str) -> String {
    format!("@{}:example.org", alert.to_lowercase())
}

/// Each alert mentions somebody of its own.
pub(super) fn everybody() -> MentionPolicy {
    let names = (0..GROUPS).flat_map(|group| (0..ALERTS).map(move |number| alert(group, number)));
    let users = names.map(|name| (name.clone(), vec![user(&name)])).collect();
    let field = Field::Label("alertname".to_owned());
    MentionPolicy::new(vec![Mention {
        from: vec![AllowList { field, users }],
        ..Mention::default()
    }])
}

impl Truth {
    /// An alert begins or ends, and the group is to be posted: its snapshot.
    pub(super) fn toggle(&mut self, group: usize, number: usize, minute: i64) -> Vec<String> {
        let alert = alert(group, number);
        if let Some(start) = self.firing[group].remove(&number) {
            self.ended[group].insert(number, (start, minute));
            self.over.insert(Episode { alert, start });
        } else {
            self.ended[group].remove(&number);
            self.firing[group].insert(number, minute);
            self.begun.push(Episode { alert, start: minute });
        }
        self.deleted.remove(&group);
        self.posted[group] = self.snapshot(group);
        self.ended[group].clear();
        self.posted[group].clone()
    }

    fn snapshot(&self, group: usize) -> Vec<String> {
        let firing = self.firing[group].iter();
        let firing = firing.map(|(number, start)| format!("{} {start}", alert(group, *number)));
        let ended = self.ended[group].iter();
        let ended = ended.map(|(number, (start, end))| format!("{} {start}-{end}", alert(group, *number)));
        firing.chain(ended).collect()
    }

    /// The last snapshot without one of its firing alerts, if there are others.
    pub(super) fn cut(&self, group: usize) -> Option<Vec<String>> {
        let firing = self.firing[group].len();
        (firing > 1).then(|| self.posted[group][1..].to_vec())
    }

    /// The last snapshot without this alert, if it fires and there is something else.
    pub(super) fn without(&self, group: usize, number: usize) -> Option<Vec<String>> {
        let start = self.firing[group].get(&number)?;
        let unlisted = format!("{} {start}", alert(group, number));
        let others: Vec<String> = self.posted[group]
            .iter()
            .filter(|one| **one != unlisted)
            .cloned()
            .collect();
        (!others.is_empty()).then_some(others)
    }

    /// An alert that fires was not listed, and is again: it starts once more.
    pub(super) fn relist(&mut self, group: usize, number: usize) {
        let (alert, start) = (alert(group, number), self.firing[group][&number]);
        self.begun.push(Episode { alert, start });
    }

    /// An alert that fires has ended and begun again, and nobody was told more of the end than that it was not listed.
    pub(super) fn restart(&mut self, group: usize, number: usize, minute: i64) {
        let alert = alert(group, number);
        self.firing[group].insert(number, minute);
        self.begun.push(Episode { alert, start: minute });
        self.posted[group] = self.snapshot(group);
    }

    /// What of the group fires: each episode by its name.
    pub(super) fn fires(&self, group: usize) -> BTreeSet<String> {
        let episode = |(number, start): (&usize, &i64)| format!("{}@{start}", alert(group, *number));
        self.firing[group].iter().map(episode).collect()
    }

    /// How often something began.
    pub(super) fn begun(&self) -> usize {
        self.begun.len()
    }

    /// Somebody deletes the message that shows the group.
    pub(super) fn delete(&mut self, live: &Live, group: usize) {
        self.note(live);
        if let Some(root) = roots(&live.shown(), group).last() {
            live.delete(&root.event_id);
            self.deleted.insert(group);
        }
    }

    fn note(&mut self, live: &Live) {
        for event in live.originals() {
            self.events.entry(event.event_id.clone()).or_insert(event);
        }
    }

    /// All was delivered: each beginning since the last look has mentioned once, where several were told as one at least
    /// once, and nothing else has mentioned.
    pub(super) fn look(&mut self, live: &Live) {
        self.note(live);
        let begun = &self.begun[self.looked..];
        let mut now = BTreeMap::new();
        for group in 0..GROUPS {
            for number in 0..ALERTS {
                let alert = alert(group, number);
                let mentions = self.events.values().filter(|event| mentions(event, &alert)).count();
                let before = self.mentioned.get(&alert).copied().unwrap_or_default();
                let begun = begun.iter().filter(|episode| episode.alert == alert).count();
                let least = begun.min(1);
                let in_all = self.begun.iter().filter(|episode| episode.alert == alert).count();
                let is_right = if self.dropped {
                    // It may be told later, and never twice; but what stands for a root that was dropped mentions for all that
                    // fires, for nobody knows what a digest said of it before.
                    mentions <= in_all + self.roots_dropped
                } else {
                    (least..=begun).contains(&(mentions - before))
                };
                assert!(
                    is_right,
                    "{alert} began {begun} times and has mentioned {} times\n{}",
                    mentions - before,
                    self.told()
                );
                now.insert(alert, mentions);
            }
        }
        self.mentioned = now;
        self.looked = self.begun.len();
    }

    /// All was delivered, and each group was posted once more.
    pub(super) fn check(&self, live: &Live, with_digests: bool) {
        let mode = live.night.policy.mode;
        if mode == Mode::Live && !self.denied {
            self.check_heads(live);
        }
        if matches!(mode, Mode::Live | Mode::Thread) {
            self.check_lines(with_digests);
        }
        if mode == Mode::Live && !self.lines_dropped {
            self.check_mentions();
        }
        let originals = self.events.values().filter(|event| !is_digest(event.body()));
        let loud = originals.filter(|event| event.content["msgtype"] == "m.text").count();
        assert!(
            mode == Mode::New || loud <= self.begun.len() + self.roots_dropped,
            "{loud} rang\n{}",
            self.told()
        );
    }

    /// Whatever fires has mentioned, also if the message was dropped and brought again by a later notification.
    fn check_mentions(&self) {
        for (group, firing) in self.firing.iter().enumerate() {
            for alert in firing.keys().map(|number| alert(group, *number)) {
                let has_mentioned = self.events.values().any(|event| mentions(event, &alert));
                assert!(has_mentioned, "{alert} fires and has never mentioned\n{}", self.told());
            }
        }
    }

    /// Each root says what fires, and those of former episodes that nothing does.
    pub(super) fn check_heads(&self, live: &Live) {
        let shown = live.shown();
        for group in (0..GROUPS).filter(|group| !self.deleted.contains(group)) {
            let mut truth = self.fires(group);
            let roots = roots(&shown, group);
            assert!(
                truth.is_empty() || !roots.is_empty(),
                "group {group} has no root\n{}",
                self.told()
            );
            // Of former episodes an edit that was dropped is sent again by an operator only.
            let shown = roots.iter().rev().take(if self.dropped { 1 } else { roots.len() });
            for root in shown {
                let said: BTreeSet<String> = said_to_fire(root).into_iter().collect();
                assert_eq!(said, truth, "{}\nin\n{}", root.body(), self.told());
                truth.clear();
            }
        }
    }

    /// What is over was told in one line, unless the message that it was told with was never seen without it.
    fn check_lines(&self, with_digests: bool) {
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        for event in self.events.values() {
            let ends = |line: &&str| line.contains("RESOLVED") && line.contains("was: fires as");
            for episode in event.body().lines().filter(ends).flat_map(episodes) {
                *told.entry(episode).or_default() += 1;
            }
        }
        let over: BTreeSet<String> = self.over.iter().map(Episode::name).collect();
        for (episode, times) in &told {
            assert!(
                *times == 1 && over.contains(episode),
                "{episode} is over {times} times\n{}",
                self.told()
            );
        }
        if self.roots_dropped > 0 || self.lines_dropped {
            return;
        }
        let digests: Vec<&str> = self
            .events
            .values()
            .map(Event::body)
            .filter(|body| is_digest(body))
            .collect();
        let named = |episode: &str| {
            let group = episode.split('N').next().unwrap_or_default();
            // By what is over, came and went, or fires again since another time.
            let names = |line: &str| line.contains(group);
            with_digests && digests.iter().any(|digest| digest.lines().any(names))
        };
        // What rang in a thread or a reply, or in a root that was seen, is over in a line.
        let seen = self
            .events
            .values()
            .filter(|event| event.content["msgtype"] == "m.text");
        let seen = seen.flat_map(|event| {
            event
                .body()
                .lines()
                .filter(|line| !line.contains("was: "))
                .flat_map(episodes)
        });
        for episode in seen.collect::<BTreeSet<_>>() {
            assert!(
                told.contains_key(&episode) || named(&episode) || !over.contains(&episode),
                "nobody said that {episode} is over\n{}",
                self.told()
            );
        }
    }

    /// Everything that was ever said in the room, edits left out.
    fn told(&self) -> String {
        let mut events: Vec<&Event> = self.events.values().collect();
        events.sort_by_key(|event| event.origin_server_ts);
        let text = |event: &Event| {
            let relation = event.content["m.relates_to"]["rel_type"].as_str().unwrap_or("-");
            let (kind, body) = (event.content["msgtype"].as_str().unwrap_or("?"), event.body());
            format!("{kind} {relation} {}\n{body}\n", event.content["m.mentions"])
        };
        events.into_iter().map(text).collect()
    }
}

/// The episodes that a root says to fire.
pub(super) fn said_to_fire(root: &Shown) -> Vec<String> {
    let says_firing = |line: &&str| line.contains("fires as") && !line.contains("was: ");
    root.body().lines().filter(says_firing).flat_map(episodes).collect()
}

/// What shows a group, oldest first: neither digests nor lines whose thread has lost its beginning.
pub(super) fn roots(shown: &[Shown], group: usize) -> Vec<Shown> {
    let is_root = |one: &&Shown| {
        let in_thread = one.content["m.relates_to"]["rel_type"] == "m.thread";
        one.body().contains(&format!("G{group}N")) && !is_digest(one.body()) && !in_thread
    };
    shown.iter().filter(is_root).cloned().collect()
}

fn is_digest(body: &str) -> bool {
    body.starts_with('📬')
}

fn mentions(event: &Event, alert: &str) -> bool {
    let users = event.content["m.mentions"]["user_ids"].as_array();
    users.is_some_and(|users| users.contains(&user(alert).into()))
}

/// The episodes that a line names.
fn episodes(line: &str) -> Vec<String> {
    let named = line.match_indices("fires as ");
    named
        .map(|(at, text)| line[at + text.len()..].chars().take_while(|c| *c != '.').collect())
        .collect()
}
