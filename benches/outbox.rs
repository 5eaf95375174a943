//! What the outbox costs, each figure beside its limit in the same run and on the same disk.
//!
//! The limit of an acceptance is a file that is appended to and synced in the same way (see `limit`): no store can be
//! durable for less. `BENCH_DATABASE_URL` adds a run on
//! PostgreSQL; see `with-postgres.sh`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench may fail loudly, and it prints"
)]

#[path = "limit/mod.rs"]
mod limit;

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use grafana_matrix_relay::message::{Announced, Mentions, MsgType, RenderedMessage};
use grafana_matrix_relay::outbox::{Acceptance, DigestPolicy, NewDelivery, Outbox, Outcome, Settings};
use jiff::Timestamp;
use limit::{Bare, databases, round};

/// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long one figure is measured: in rounds that take turns with its limit, for a disk that others use is fast one
/// second and slow the next.
const ROUND: Duration = Duration::from_millis(500);
const ROUNDS: u32 = 8;
const BACKLOG: usize = 100_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let bare = Bare::start(directory.path(), 4_500);
        println!("\nSQLite");
        let settings = settings(&directory.path().join("data"), None);
        measure(&settings, &bare).await;
        if let Some(url) = databases::new().await {
            println!("\nPostgreSQL");
            measure(&self::settings(directory.path(), Some(url)), &bare).await;
        }
    });
}

async fn measure(settings: &Settings, bare: &Bare) {
    acceptance(&Outbox::open(settings).await.unwrap(), bare).await;
    delivery(settings).await;
    backlog(settings).await;
    many_rooms(settings).await;
}

fn settings(directory: &Path, database_url: Option<String>) -> Settings {
    Settings {
        data_dir: directory.to_owned(),
        database_url: database_url.map(Into::into),
        repeat_window: Duration::from_mins(1),
        keep_delivered: Duration::from_hours(1),
        keep_groups: Duration::from_hours(30 * 24),
    }
}

/// A notification of ordinary size: 4.5 kB as JSON.
fn message() -> RenderedMessage {
    RenderedMessage {
        body: "x".repeat(1_500),
        formatted_body: "y".repeat(2_900),
        msgtype: MsgType::Text,
        mentions: Mentions::default(),
        too_many_people: String::new(),
        headline: "firing: HighLatency in Production".to_owned(),
        announced: Announced::default(),
    }
}

fn request(room: usize) -> Acceptance {
    Acceptance {
        deliveries: vec![NewDelivery {
            room: format!("!room{room}:example.org").parse().unwrap(),
            message: message(),
            starts_at: Some(Timestamp::now()),
        }],
        groups: Vec::new(),
        repeat_key: Some(format!("{:032x}", rand::random::<u128>())),
        request_key: None,
        at: Timestamp::now(),
    }
}

async fn acceptance(outbox: &Outbox, bare: &Bare) {
    for clients in [1, 16, 64] {
        let (mut limit, mut accepted, mut cpu) = (0.0, 0.0, 0.0);
        for _ in 0..ROUNDS {
            limit += round(clients, ROUND, |_| bare.append()).await;
            let before = cpu_seconds();
            accepted += round(clients, ROUND, async |n| {
                drop(outbox.enqueue(request(n % 20)).await.unwrap());
            })
            .await;
            cpu += cpu_seconds() - before;
        }
        let seconds = (ROUND * ROUNDS).as_secs_f64();
        println!(
            "  {clients:>3} clients  {:>7.0} durable acceptances/s   bare file {:>7.0}/s   ratio {:.2}   {:.0} µs CPU each",
            accepted / seconds,
            limit / seconds,
            limit / accepted,
            cpu / accepted * 1e6
        );
    }
}

/// Claims and records as a worker does that sends in no time, until the backlog of the run before is gone.
async fn delivery(settings: &Settings) {
    let outbox = Outbox::open(settings).await.unwrap();
    let (start, mut delivered) = (Instant::now(), 0_u32);
    while start.elapsed() < ROUND * ROUNDS {
        let claimed = outbox
            .claim_due(Timestamp::now(), 20, &DigestPolicy::never())
            .await
            .unwrap();
        let record = async |id| {
            let event_id = "$event".to_owned();
            outbox
                .record(id, Outcome::Delivered { event_id }, Timestamp::now())
                .await
                .unwrap()
        };
        delivered += u32::try_from(join_all(claimed.iter().map(|d| record(d.id))).await.len()).unwrap();
        if claimed.is_empty() {
            break;
        }
    }
    println!(
        "   20 rooms    {:>9.0} claimed and recorded/s",
        f64::from(delivered) / start.elapsed().as_secs_f64()
    );
}

async fn backlog(settings: &Settings) {
    let outbox = Outbox::open(settings).await.unwrap();
    let waiting = outbox.stats(Timestamp::now()).await.unwrap().pending;
    let missing = BACKLOG.saturating_sub(usize::try_from(waiting).unwrap());
    for start in (0..missing).step_by(250) {
        join_all((start..(start + 250).min(missing)).map(|_| outbox.enqueue(request(0)))).await;
    }
    drop(outbox);
    let before = resident_kb();
    let start = Instant::now();
    let outbox = Outbox::open(settings).await.unwrap();
    let opened = start.elapsed();
    let start = Instant::now();
    let claimed = outbox
        .claim_due(Timestamp::now(), 20, &DigestPolicy::never())
        .await
        .unwrap();
    let claim = start.elapsed();
    let ids: Vec<_> = claimed.iter().map(|delivery| delivery.id).collect();
    outbox.release(&ids).await.unwrap();
    let start = Instant::now();
    let stats = outbox.stats(Timestamp::now()).await.unwrap();
    let counted = start.elapsed();
    assert!(stats.pending + stats.in_flight >= BACKLOG as u64 && !claimed.is_empty());
    println!(
        "  {} waiting  open {opened:.1?}   claim {} rooms {claim:.1?}   stats {counted:.1?}   +{} kB resident",
        stats.pending + stats.in_flight,
        claimed.len(),
        resident_kb().saturating_sub(before)
    );
}

/// Claims of twenty rooms beside a backlog in one room, and once the same backlog is in a thousand rooms.
async fn many_rooms(settings: &Settings) {
    let outbox = Outbox::open(settings).await.unwrap();
    // As many are claimed before as after.
    join_all((0..20).map(|room| outbox.enqueue(request(room)))).await;
    let one = claims(&outbox).await;
    for start in (0..BACKLOG).step_by(250) {
        join_all((start..start + 250).map(|n| outbox.enqueue(request(n % 1_000)))).await;
    }
    let many = claims(&outbox).await;
    println!(
        "  claiming 20   {one:.0} µs of CPU with few rooms   {many:.0} µs with 1,000 rooms and 100,000 more waiting   ratio {:.2}",
        many / one
    );
}

/// Microseconds of processor time of a claim that is given back.
async fn claims(outbox: &Outbox) -> f64 {
    const CLAIMS: u32 = 300;
    let before = cpu_seconds();
    for _ in 0..CLAIMS {
        let claimed = outbox
            .claim_due(Timestamp::now(), 20, &DigestPolicy::never())
            .await
            .unwrap();
        assert_eq!(claimed.len(), 20);
        let ids: Vec<_> = claimed.iter().map(|delivery| delivery.id).collect();
        outbox.release(&ids).await.unwrap();
    }
    (cpu_seconds() - before) * 1e6 / f64::from(CLAIMS)
}

/// Processor time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
