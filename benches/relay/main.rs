//! The relay from outside, each figure beside its limit in the same run.
//!
//! Acceptance is measured while the homeserver refuses connections, so that only acceptance is; its limits are bare
//! `fdatasync` on the same disk, appends of the same size that share it as acceptances do, and the same handler without an
//! outbox.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench may fail loudly, and it prints"
)]

#[path = "../limit/mod.rs"]
mod limit;
mod load;
mod process;

use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use grafana_matrix_relay::alert::parse;
use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{Isolation, Renderer, Settings};
use grafana_matrix_relay::standin::{Homeserver, NewRoom};
use jiff::Timestamp;
use limit::Bare;
use poem::http::StatusCode;
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::{EndpointExt as _, IntoResponse as _, Route, Server, handler, post, web::Data};
use process::Process;

/// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BACKLOG: u64 = 100_000;
const DELIVERED: u64 = 2_000;
/// How long the limit is measured, before and after what is beside it.
const ROUND: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    println!("| figure | measured | limit in the same run | ratio |\n|---|---|---|---|");
    acceptance(&folder.path().join("acceptance")).await;
    delivery(&folder.path().join("delivery")).await;
    backlog(&folder.path().join("backlog")).await;
}

fn row(figure: &str, measured: impl Display, limit: impl Display, ratio: f64) {
    println!("| {figure} | {measured} | {limit} | {ratio:.2} |");
}

async fn acceptance(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    let syncs = syncs_per_second(data);
    let appends = Bare::start(data, row_bytes());
    let bare = bare_handler().await;
    let relay = Process::start("http://127.0.0.1:9", "token", "!room", data);
    let (own, resident) = relay.memory_mib();
    row("idle memory, its own", format!("{own:.1} MiB"), "15 MiB", own / 15.0);
    row(
        "idle memory, resident",
        format!("{resident:.1} MiB"),
        "15 MiB",
        resident / 15.0,
    );
    load::post(&relay.address, 16, 2_000, 0).await;
    for (connections, count) in [(1, 4_000), (16, 20_000)] {
        let without = load::post(&bare, connections, count, 0).await;
        let before = limit::round(connections, ROUND, |_| appends.append()).await;
        let cpu = relay.cpu();
        let first = 1_000_000 * u64::try_from(connections).unwrap();
        let load = load::post(&relay.address, connections, count, first).await;
        let cpu = relay.cpu().saturating_sub(cpu).as_secs_f64() * 1e6 / f64::from(u32::try_from(count).unwrap());
        let appended = before + limit::round(connections, ROUND, |_| appends.append()).await;
        let appended = appended / (2 * ROUND).as_secs_f64();
        let name = format!("acceptances at {connections} connection(s)");
        let measured = format!(
            "{:.0}/s, p50 {:.2?}, p99 {:.2?}",
            load.per_second(),
            load.percentile(0.5),
            load.percentile(0.99)
        );
        row(
            &name,
            measured.clone(),
            format!("{syncs:.0} bare fdatasync/s"),
            load.per_second() / syncs,
        );
        row(
            &name,
            measured.clone(),
            format!("{appended:.0} group-committed appends/s from {connections} client(s)"),
            load.per_second() / appended,
        );
        let limit = format!("{:.0}/s by the same handler without outbox", without.per_second());
        row(&name, measured, limit, load.per_second() / without.per_second());
        row(
            &format!("processor time of one, {connections} connection(s)"),
            format!("{cpu:.0} µs"),
            "150 µs",
            cpu / 150.0,
        );
    }
}

/// The size of what is stored of a notification, but for its keys.
fn row_bytes() -> usize {
    let notification = parse::notification(load::body(0).as_bytes()).unwrap();
    let outcome = Renderer::open(&embedded()).render(&TemplateName::default(), &notification, Timestamp::now());
    serde_json::to_string(&outcome.messages[0]).unwrap().len()
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

/// Parses and renders as `/alert` does, and keeps nothing.
#[handler]
#[expect(clippy::needless_pass_by_value, reason = "poem's extractors are values")]
fn forgetful(renderer: Data<&Renderer>, body: Vec<u8>) -> poem::Response {
    let notification = parse::notification(&body).unwrap();
    let outcome = renderer.render(&TemplateName::default(), &notification, Timestamp::now());
    let answer = format!(
        "{{\"deliveries\":[{{\"id\":{},\"room\":\"!room\"}}]}}",
        outcome.messages.len()
    );
    answer
        .with_content_type("application/json")
        .with_status(StatusCode::ACCEPTED)
        .into_response()
}

fn embedded() -> Settings {
    Settings {
        templates_dir: None,
        time_zone: jiff::tz::TimeZone::UTC,
        language: None,
        isolation: Isolation::None,
    }
}

async fn bare_handler() -> String {
    let app = Route::new()
        .at("/alert", post(forgetful))
        .data(Renderer::open(&embedded()));
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let address = acceptor.local_addr()[0].as_socket_addr().unwrap().to_string();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
    address
}

async fn delivery(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let room = homeserver.create_room(&NewRoom::named("ops").member("bot"));
    let running = homeserver.start().await.unwrap();
    let relay = Process::start(&running.base_url, &token, &room, data);
    let began = Instant::now();
    load::post(&relay.address, 16, DELIVERED, 0).await;
    let mut changes = homeserver.changes();
    while homeserver.messages(&room).len() < usize::try_from(DELIVERED).unwrap() {
        changes.changed().await.unwrap();
    }
    let rate = f64::from(u32::try_from(DELIVERED).unwrap()) / began.elapsed().as_secs_f64();
    row(
        "delivery into one room of a fast stand-in",
        format!("{rate:.0}/s"),
        "45/s, what Synapse takes",
        rate / 45.0,
    );
}

async fn backlog(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    let relay = Process::start("http://127.0.0.1:9", "token", "!room", data);
    let idle = relay.memory_mib();
    load::post(&relay.address, 16, BACKLOG, 0).await;
    let full = relay.memory_mib();
    for (which, full, idle) in [("its own", full.0, idle.0), ("resident", full.1, idle.1)] {
        row(
            &format!("memory with 100,000 waiting, {which}"),
            format!("{full:.1} MiB"),
            format!("{idle:.1} MiB idle"),
            full / idle,
        );
    }
    drop(relay);
    let relay = Process::start("http://127.0.0.1:9", "token", "!room", data);
    let ready = relay.until_ready;
    row(
        "start to ready with 100,000 waiting",
        format!("{ready:.0?}"),
        "100 ms",
        ready.as_secs_f64() / 0.1,
    );
}
