//! Random runs through routing tables in which several places share a room, and through edits of a table: in each room
//! every alert that the table sends there is said to fire by exactly one root, and nothing notifies that did not begin.

use std::collections::BTreeMap;
use std::sync::Arc;

use grafana_matrix_relay::message::{RoomAddress, RouteName};
use grafana_matrix_relay::route::Router;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

use super::runs::{cases, on_a_runtime, post, post_soon};
use super::story::Live;
use super::truth::{ALERTS, Truth, roots, said_to_fire};

/// Of one group, for there is nothing between groups.
const GROUP: usize = 0;

#[derive(Debug, Clone)]
enum Step {
    Toggle(usize),
    Again,
    Replica,
    /// An alert is not listed, and a moment later it is again, or fires anew.
    Gap(usize, bool),
    /// The policies of the two rules of the table that is edited.
    Edit(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..ALERTS).prop_map(Step::Toggle),
        2 => Just(Step::Again),
        1 => Just(Step::Replica),
        2 => (0..ALERTS, any::<bool>()).prop_map(|(alert, anew)| Step::Gap(alert, anew)),
        2 => (0..POLICIES.len(), 0..POLICIES.len()).prop_map(|(first, second)| Step::Edit(first, second)),
    ];
    proptest::collection::vec(step, 1..25)
}

const POLICIES: [&str; 3] = [
    "",
    ", mentions = [{ users = ['@ana:example.org'] }]",
    ", mentions = [{ users = ['@ben:example.org'] }]",
];

/// Two rooms, rules without matchers, with the same ones, nested, and some that let others take the alert as well.
const TABLES: [&str; 5] = [
    "rooms = ['{room}']\nrules = [{ mentions = [{ room = true }] }]",
    "rooms = ['{room}']\nrules = [
        { matchers = ['team=\"db\"'], mentions = [{ room = true }], continue = true },
        { matchers = ['team=\"db\"'], rooms = ['{other}'] },
        { matchers = ['team=\"web\"'], rooms = ['{room}', '{other}'] }]",
    "rooms = ['{other}']\nrules = [
        { rooms = ['{room}'], continue = true, rules = [{ matchers = ['team=\"db\"'], mentions = [{ room = true }] }] },
        { matchers = ['severity=\"critical\"'], rooms = ['{other}', '{room}'], mentions = [{ room = true }] }]",
    "rooms = ['{other}', '{room}']\nrules = [
        { matchers = ['severity=\"critical\"'], mentions = [{ users = ['@ana:example.org'] }], rooms = ['{room}'],
          rules = [{ mentions = [{ users = ['@ben:example.org'] }] }] },
        { matchers = ['severity=\"critical\"'], mentions = [{ room = true }], rooms = ['{room}'] },
        { mentions = [{ room = true }], rooms = ['{room}'] }]",
    EDITED,
];

/// The one that is edited: its rules stay, their policies come and go.
const EDITED: &str = "rooms = ['{room}']\nrules = [
    { matchers = ['severity=\"critical\"'] FIRST },
    { matchers = ['team=\"web\"'], rooms = ['{other}', '{room}'] SECOND }]";

fn table(text: &str, first: usize, second: usize) -> String {
    let text = text
        .replace(" FIRST", POLICIES[first])
        .replace(" SECOND", POLICIES[second]);
    // An inline table is one line.
    let text = text.replace(",\n          rules", ", rules");
    format!("[routes.default]\n{text}\n")
}

async fn run(steps: Vec<Step>, number: usize) {
    let is_edited = TABLES[number] == EDITED;
    let (mut live, other) = Live::routed(&table(TABLES[number], 0, 1)).await;
    let labels = [("critical", "db"), ("warning", "db"), ("critical", "web")];
    for (alert, (severity, team)) in labels.into_iter().enumerate() {
        let labels = json!({"severity": severity, "team": team});
        live.labels.insert(format!("G{GROUP}N{alert}"), labels);
    }
    live.episodes = true;
    let (mut truth, mut minute) = (Truth::default(), 0);
    for step in steps {
        minute += 10;
        match step {
            Step::Toggle(alert) => {
                let alerts = truth.toggle(GROUP, alert, minute);
                post(&mut live, GROUP, minute, &alerts).await;
            }
            Step::Again => post(&mut live, GROUP, minute, &truth.posted[GROUP]).await,
            Step::Replica => {
                live.later = SignedDuration::from_secs(20);
                post_soon(&mut live, GROUP, &truth.posted[GROUP]).await;
                live.later = SignedDuration::ZERO;
            }
            Step::Gap(alert, anew) => {
                let Some(others) = truth.without(GROUP, alert) else {
                    continue;
                };
                post(&mut live, GROUP, minute, &others).await;
                if anew {
                    truth.restart(GROUP, alert, minute);
                } else {
                    truth.relist(GROUP, alert);
                }
                post_soon(&mut live, GROUP, &truth.posted[GROUP]).await;
            }
            Step::Edit(first, second) if is_edited => {
                live.route(&table(EDITED, first, second), &other);
                post(&mut live, GROUP, minute, &truth.posted[GROUP]).await;
            }
            Step::Edit(..) => continue,
        }
        live.lines().await;
        check(&live, &truth, &other, is_edited);
        live.hold();
    }
}

fn check(live: &Live, truth: &Truth, other: &RoomAddress, is_edited: bool) {
    if truth.posted[GROUP].is_empty() {
        return;
    }
    let alerts: Vec<&str> = truth.posted[GROUP].iter().map(String::as_str).collect();
    let router = Router::new(live.night.table.clone().unwrap());
    let notification = Arc::new(live.notification("0", &alerts));
    let routed = router.route(&RouteName::default(), &notification);
    for room in [&live.room, other] {
        let mut sent: BTreeMap<String, usize> = BTreeMap::new();
        for part in routed.iter().filter(|part| part.destination.room == *room) {
            for alert in part.share.notification().alerts {
                let name = alert.fingerprint.to_string();
                let fires = truth.fires(GROUP).into_iter();
                sent.extend(fires.filter(|one| one.starts_with(&name)).map(|one| (one, 1)));
            }
        }
        let homeserver = &live.night.homeserver.homeserver;
        let mut said: BTreeMap<String, usize> = BTreeMap::new();
        for root in roots(&homeserver.visible(room.as_str()), GROUP) {
            for episode in said_to_fire(&root) {
                *said.entry(episode).or_default() += 1;
            }
        }
        assert_eq!(said, sent, "in {room}\n{}", live.told());
        let messages = homeserver.messages(room.as_str());
        let rings = messages.iter().filter(|event| {
            let is_edit = event.content["m.relates_to"]["rel_type"] == "m.replace";
            event.content["msgtype"] == "m.text" && !is_edit
        });
        let loud = rings.count();
        assert!(
            is_edited || loud <= truth.begun(),
            "{loud} rang in {room}, and {} began\n{}",
            truth.begun(),
            live.told()
        );
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn each_alert_is_said_to_fire_once_in_each_of_its_rooms(steps in steps(), number in 0..TABLES.len()) {
        on_a_runtime(run(steps, number));
    }
}
