//! The way of a notification: an acceptance, a delivery, and both; on one processor and on two, of one alert and of three, on
//! each store.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use grafana_matrix_relay::standin::{Homeserver, NewRoom, RunningHomeserver};

use crate::limit::{self, Bare};
use crate::load::{self, Body};
use crate::process::{Process, Start};
use crate::{ROUND, bare, row};

/// How many notifications a figure is made of.
const COUNT: u32 = 3_000;
/// How many go before, so that all is warm.
const WARM_UP: u32 = 500;
const CONNECTIONS: usize = 16;

/// What is measured.
struct Way<'a> {
    name: String,
    body: Body,
    cores: usize,
    folder: &'a Path,
    appends: &'a Bare,
    database: Option<String>,
}

pub(crate) async fn measure(folder: &Path, appends: &Bare) {
    let syncs = syncs_per_second(folder);
    println!("| | {syncs:.0} bare fdatasync/s on this disk | | |");
    for cores in [1, 2] {
        for (alerts, body) in [("three alerts", load::three as Body), ("one alert", load::one)] {
            for store in ["SQLite", "PostgreSQL"] {
                let mut database = None;
                if store == "PostgreSQL" {
                    let Some(url) = limit::databases::new().await else {
                        continue;
                    };
                    database = Some(url);
                }
                let name = format!("{alerts}, {store}, {cores} core{}", if cores == 1 { "" } else { "s" });
                let folder = folder.join(name.replace([' ', ','], "-"));
                std::fs::create_dir_all(&folder).unwrap();
                let way = Way {
                    name,
                    body,
                    cores,
                    folder: &folder,
                    appends,
                    database,
                };
                way.acceptance_and_delivery().await;
                way.whole().await;
            }
        }
    }
}

struct Room {
    homeserver: RunningHomeserver,
    token: String,
    id: String,
}

impl Room {
    async fn new() -> Self {
        let homeserver = Homeserver::new("example.org");
        let token = homeserver.login("bot", "RELAY");
        let id = homeserver.create_room(&NewRoom::named("ops").member("bot"));
        let homeserver = homeserver.start().await.unwrap();
        Self { homeserver, token, id }
    }

    /// Waits until it has so many messages.
    async fn has(&self, count: u32) {
        while self.homeserver.homeserver.sends_seen(&self.id) < u64::from(count) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What the bare client takes for as many: how many a second, and microseconds of processor time each.
    async fn limit(&self, cores: usize) -> (f64, f64) {
        let homeserver = &self.homeserver.homeserver;
        let (took, cpu) = bare::client(homeserver, &self.token, &self.id, COUNT.into(), cores).await;
        (f64::from(COUNT) / took.as_secs_f64(), each(cpu))
    }
}

fn each(cpu: Duration) -> f64 {
    cpu.as_secs_f64() * 1e6 / f64::from(COUNT)
}

impl Way<'_> {
    fn start(&self, room: &Room, homeserver: Option<&str>) -> Start {
        Start {
            homeserver: homeserver.unwrap_or(&room.homeserver.base_url).to_owned(),
            token: room.token.clone(),
            room: room.id.clone(),
            data: self.folder.to_owned(),
            database: self.database.clone(),
            cores: self.cores,
        }
    }

    /// The acceptances while the homeserver is not there, and the deliveries of the next start, when it is.
    async fn acceptance_and_delivery(&self) {
        let room = Room::new().await;
        let server = bare::server(self.cores);
        let relay = Process::start(&self.start(&room, Some("http://127.0.0.1:9")));
        load::post(&relay.address, load::one, CONNECTIONS, WARM_UP.into(), 10_000_000).await;
        load::post(&server.address, self.body, CONNECTIONS, WARM_UP.into(), 0).await;

        let (bare_cpu, relay_cpu) = (server.cpu(), relay.cpu());
        let without = load::post(&server.address, self.body, CONNECTIONS, COUNT.into(), 0).await;
        let before = limit::round(CONNECTIONS, ROUND, |_| self.appends.append()).await;
        let accepted = load::post(&relay.address, self.body, CONNECTIONS, COUNT.into(), 0).await;
        let after = limit::round(CONNECTIONS, ROUND, |_| self.appends.append()).await;
        let (limit, cpu) = (
            each(server.cpu().saturating_sub(bare_cpu)),
            each(relay.cpu().saturating_sub(relay_cpu)),
        );
        let appended = (before + after) / (2 * ROUND).as_secs_f64();
        row(
            &format!("acceptance: {}", self.name),
            format!(
                "{cpu:.0} µs; {:.0}/s, p50 {:.2?}, p99 {:.2?}",
                accepted.per_second(),
                accepted.percentile(0.5),
                accepted.percentile(0.99)
            ),
            format!(
                "{limit:.0} µs, {:.0}/s without a store; {appended:.0} synced appends/s",
                without.per_second()
            ),
            cpu / limit,
        );
        drop((relay, server));

        let relay = Process::start(&self.start(&room, None));
        // Another relay's claim may have to end first.
        room.has(1).await;
        let (began, cpu) = (Instant::now(), relay.cpu());
        room.has(COUNT + WARM_UP).await;
        let (took, cpu) = (began.elapsed(), relay.cpu().saturating_sub(cpu));
        let cpu = cpu.as_secs_f64() * 1e6 / (f64::from(COUNT + WARM_UP));
        let (rate, limit) = room.limit(self.cores).await;
        row(
            &format!("delivery: {}", self.name),
            format!(
                "{cpu:.0} µs; {:.0}/s into one room",
                (f64::from(COUNT + WARM_UP)) / took.as_secs_f64()
            ),
            format!("{limit:.0} µs, {rate:.0}/s by a bare client"),
            cpu / limit,
        );
    }

    /// Posted and sent, all of it at once.
    async fn whole(&self) {
        let room = Room::new().await;
        let server = bare::server(self.cores);
        load::post(&server.address, self.body, CONNECTIONS, WARM_UP.into(), 0).await;
        let bare_cpu = server.cpu();
        load::post(&server.address, self.body, CONNECTIONS, COUNT.into(), 0).await;
        let bare_cpu = each(server.cpu().saturating_sub(bare_cpu));
        let relay = Process::start(&self.start(&room, None));
        load::post(&relay.address, load::one, CONNECTIONS, WARM_UP.into(), 20_000_000).await;
        room.has(WARM_UP).await;

        let (began, cpu) = (Instant::now(), relay.cpu());
        load::post(&relay.address, self.body, CONNECTIONS, COUNT.into(), 30_000_000).await;
        room.has(COUNT + WARM_UP).await;
        let (took, cpu) = (began.elapsed(), each(relay.cpu().saturating_sub(cpu)));
        let limit = room.limit(self.cores).await.1 + bare_cpu;
        row(
            &format!("whole way: {}", self.name),
            format!("{:.2} ms; {:.0}/s", cpu / 1e3, f64::from(COUNT) / took.as_secs_f64()),
            format!("{:.2} ms by both of the bare ones", limit / 1e3),
            cpu / limit,
        );
    }
}

/// Appends of a page, each synced alone.
fn syncs_per_second(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("syncs")).unwrap();
    let (began, mut count) = (Instant::now(), 0.0);
    while began.elapsed() < Duration::from_secs(2) {
        file.write_all(&[0; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1.0;
    }
    count / began.elapsed().as_secs_f64()
}
