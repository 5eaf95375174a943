//! The same hour on this relay and on the original: what of a hundred alerts reaches the room.
//!
//! Guarantees: both get the same alerts at the same moments, from a sender that behaves as Grafana does, which sends a notification
//! once, before a stand-in homeserver with the same limits, outages and lost replies. What is counted is what people see in the
//! room. An hour takes two minutes: all times are a thirtieth, those of Synapse's limit on messages as well.
//!
//! The original is not part of this project: `--original` names a checkout of it, and `--python` a Python that has its
//! dependencies (aiohttp, python-dotenv).

#![expect(clippy::print_stdout, reason = "it prints a table")]

mod contender;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Parser;
use grafana_matrix_relay::standin::{Event, Fault, Homeserver, Limit, NewRoom, RunningHomeserver, Scope, When};
use serde_json::{Value, json};

use self::contender::{Contender, Kind};

/// How much faster than in life.
const FASTER: u32 = 30;
const ALERTS: usize = 100;
/// What an alert may take that nothing keeps back, in life.
const IN_TIME: Duration = Duration::from_mins(1);

#[derive(Parser)]
struct Options {
    /// This relay's program.
    #[arg(long, default_value = "target/release/grafana-matrix-relay")]
    relay: PathBuf,
    /// Checkout of the original relay; without it only this one runs.
    #[arg(long)]
    original: Option<PathBuf>,
    /// Python with the original's dependencies.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
}

/// What became of the alerts.
#[derive(Default)]
struct Counts {
    accepted: usize,
    lost: usize,
    refused: usize,
    refused_and_shown: usize,
    doubled: usize,
    late: usize,
    messages: usize,
    sends: u64,
    longest: Duration,
}

/// What the sender was told of one alert, and when.
struct Told {
    at: SystemTime,
    is_accepted: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut contenders = vec![("this relay", Kind::This(options.relay))];
    if let Some(checkout) = options.original {
        contenders.push((
            "the original",
            Kind::Original {
                checkout,
                python: options.python,
            },
        ));
    }
    println!(
        "| | accepted | lost | refused | of these shown | doubled | late | longest delay | messages | requests to send |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (name, kind) in contenders {
        let counts = hour(kind).await?;
        let Counts {
            accepted,
            lost,
            refused,
            refused_and_shown,
            doubled,
            late,
            messages,
            sends,
            longest,
        } = counts;
        let seconds = (longest * FASTER).as_secs();
        println!(
            "| {name} | {accepted} | {lost} | {refused} | {refused_and_shown} | {doubled} | {late} | {seconds} s | {messages} | {sends} |"
        );
    }
    Ok(())
}

/// So long in life.
async fn pass(time: Duration) {
    tokio::time::sleep(time / FASTER).await;
}

/// Four quarters of an hour with 25 alerts each: all is well; the homeserver is gone for ten minutes; 30 % of its replies are lost;
/// the relay is killed and started again after a minute.
async fn hour(kind: Kind) -> anyhow::Result<Counts> {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
    homeserver.limit_messages(Some(Limit {
        per_second: Limit::SYNAPSE.per_second * f64::from(FASTER),
        burst: Limit::SYNAPSE.burst,
    }));
    let running = homeserver.start().await?;
    let mut contender = Contender::start(kind, &running.base_url, &token, &room).await?;
    let mut told = BTreeMap::new();
    let gone = quarters(&running, &mut contender, &mut told).await?;
    // What was accepted may wait for the limit.
    settle(&homeserver, &room).await;
    Ok(count(
        &homeserver.messages(&room),
        &told,
        gone,
        homeserver.sends_seen(&room),
    ))
}

/// Says between which moments the homeserver was gone.
async fn quarters(
    running: &RunningHomeserver,
    contender: &mut Contender,
    told: &mut BTreeMap<String, Told>,
) -> anyhow::Result<(SystemTime, SystemTime)> {
    const PAUSE: Duration = Duration::from_secs(36);
    let homeserver = &running.homeserver;
    let mut gone = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
    for number in 0..ALERTS {
        match number {
            25 => {
                gone.0 = SystemTime::now();
                running.refuse().await;
            }
            // 17 times 36 seconds are ten minutes.
            42 => {
                running.accept_again().await;
                gone.1 = SystemTime::now();
            }
            50 => {
                let chance = When::Chance {
                    probability: 0.3,
                    seed: 20_261_130,
                };
                homeserver.plan(Scope::Sends, chance, Fault::DropReply);
            }
            75 => homeserver.heal_all(),
            87 => contender.kill(),
            89 => contender.start_again().await?,
            _ => {}
        }
        let name = format!("Alert{number:03}");
        let is_accepted = contender.takes(&alert(&name)).await;
        let at = SystemTime::now();
        told.insert(name, Told { at, is_accepted });
        pass(PAUSE).await;
    }
    Ok(gone)
}

fn alert(name: &str) -> Value {
    json!({
        "version": "1", "status": "firing", "receiver": "matrix", "groupKey": format!("{{}}:{{alertname=\"{name}\"}}"),
        "groupLabels": {"alertname": name},
        "alerts": [{
            "status": "firing", "labels": {"alertname": name, "severity": "critical"},
            "annotations": {"summary": format!("what {name} says")}, "startsAt": "2026-11-20T09:14:10Z",
        }],
    })
}

/// Waits until nothing has come for five minutes.
async fn settle(homeserver: &Homeserver, room: &str) {
    let mut before = usize::MAX;
    loop {
        let now = homeserver.messages(room).len();
        if now == before {
            return;
        }
        before = now;
        pass(Duration::from_mins(5)).await;
    }
}

fn count(messages: &[Event], told: &BTreeMap<String, Told>, gone: (SystemTime, SystemTime), sends: u64) -> Counts {
    let mut counts = Counts {
        messages: messages.len(),
        sends,
        ..Counts::default()
    };
    for (name, told) in told {
        let shows =
            |event: &&Event| event.body().contains(name.as_str()) && event.content.get("m.new_content").is_none();
        let shown: Vec<&Event> = messages.iter().filter(shows).collect();
        counts.doubled += usize::from(shown.len() > 1);
        let Some(first) = shown.first() else {
            counts.accepted += usize::from(told.is_accepted);
            counts.lost += usize::from(told.is_accepted);
            counts.refused += usize::from(!told.is_accepted);
            continue;
        };
        if !told.is_accepted {
            counts.refused += 1;
            counts.refused_and_shown += 1;
            continue;
        }
        counts.accepted += 1;
        let came = SystemTime::UNIX_EPOCH + Duration::from_millis(first.origin_server_ts);
        // Nobody can show what the homeserver does not take.
        let from = if told.at >= gone.0 && told.at < gone.1 {
            gone.1
        } else {
            told.at
        };
        let delay = came.duration_since(from).unwrap_or_default();
        counts.longest = counts.longest.max(delay);
        counts.late += usize::from(delay * FASTER > IN_TIME);
    }
    counts
}
