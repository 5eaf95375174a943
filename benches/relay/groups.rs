//! What an acceptance costs of a group that remembers few alerts, and of one that remembers a thousand.

use std::path::Path;

use crate::limit::databases;
use crate::load::{self, Body};
use crate::process::{Process, Start};
use crate::row;

/// Each brings a group three alerts that it never had.
const CONNECTIONS: usize = 16;
const GROUPS: u64 = 20;
/// With this many a group, the last measured remembers a thousand.
const PER_GROUP: u64 = 340;

pub(crate) async fn measure(folder: &Path) {
    for store in ["SQLite", "PostgreSQL"] {
        for (which, body) in [
            ("resolved", load::of_twenty_groups as Body),
            ("firing and cut off", load::of_twenty_large_groups),
        ] {
            let data = folder.join(format!("groups-{store}-{which}"));
            std::fs::create_dir_all(&data).unwrap();
            let mut start = Start {
                cores: 1,
                ..Start::alone(&data)
            };
            if store == "PostgreSQL" {
                let Some(url) = databases::new().await else { continue };
                start.database = Some(url);
            }
            let (few, many) = costs(&start, body).await;
            row(
                &format!("acceptance of three new alerts beside 1,000 {which}, {store}, 1 core"),
                format!("{many:.0} µs"),
                format!("{few:.0} µs beside 6 to 60"),
                many / few,
            );
        }
    }
}

/// Microseconds of processor time of an acceptance, where a group remembers few alerts and where it remembers many.
async fn costs(start: &Start, body: Body) -> (f64, f64) {
    let relay = Process::start(start);
    load::post(&relay.address, load::one, CONNECTIONS, 1_000, 10_000_000).await;
    let mut costs = Vec::new();
    // The groups have 6 to 60 alerts then, and 1,000 at the end.
    for (first, last) in [(2, 20), (20, PER_GROUP - 50), (PER_GROUP - 50, PER_GROUP)] {
        let (cpu, count) = (relay.cpu(), (last - first) * GROUPS);
        load::post(&relay.address, body, CONNECTIONS, count, first * GROUPS).await;
        let cpu = relay.cpu().saturating_sub(cpu).as_secs_f64() * 1e6;
        costs.push(cpu / f64::from(u32::try_from(count).unwrap()));
    }
    (costs[0], costs[2])
}
