//! The relay from outside, each figure beside its limit in the same run.
//!
//! Acceptance is measured while the homeserver refuses connections, so that only acceptance is. Its limits are a server that only
//! parses and renders, and appends of the same size that share their `fdatasync` as acceptances do; that of a delivery is a client
//! that only sends. Processor time tells more than the clock, which others on the machine move. On one core the relay has the
//! first, and whoever loads it both.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench may fail loudly, and it prints"
)]

mod bare;
mod encrypted;
mod groups;
#[path = "../limit/mod.rs"]
mod limit;
mod load;
mod process;
mod way;

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use limit::Bare;
use process::{Process, Start};

/// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BACKLOG: u64 = 100_000;
/// How long the limit is measured, before and after what is beside it.
const ROUND: Duration = Duration::from_secs(1);
/// About what is stored of a notification.
const ROW_BYTES: usize = 4_500;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if bare::is_asked_for(&arguments) {
        return bare::run(&arguments).await;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let appends = Bare::start(folder.path(), ROW_BYTES);
    println!("Load of the machine before: {}", load_average());
    println!("| figure | measured | limit in the same run | ratio |\n|---|---|---|---|");
    way::measure(folder.path(), &appends).await;
    groups::measure(folder.path()).await;
    encrypted::measure(&folder.path().join("encrypted")).await;
    memory(&folder.path().join("memory")).await;
    println!("Load of the machine after: {}", load_average());
}

fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn row(figure: &str, measured: impl Display, limit: impl Display, ratio: f64) {
    println!("| {figure} | {measured} | {limit} | {ratio:.2} |");
}

/// Idle, and with a backlog.
async fn memory(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    let relay = Process::start(&Start::alone(data));
    let idle = relay.memory_mib();
    for (which, idle) in [("its own", idle.0), ("resident", idle.1)] {
        row(
            &format!("idle memory, {which}"),
            format!("{idle:.1} MiB"),
            "15 MiB",
            idle / 15.0,
        );
    }
    load::post(&relay.address, load::one, 16, BACKLOG, 0).await;
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
    let relay = Process::start(&Start::alone(data));
    let ready = relay.until_ready;
    row(
        "start to ready with 100,000 waiting",
        format!("{ready:.0?}"),
        "100 ms",
        ready.as_secs_f64() / 0.1,
    );
}
