//! The relay as a process of its own, and what the kernel says of it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a relay is started.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) homeserver: String,
    pub(crate) token: String,
    pub(crate) room: String,
    pub(crate) data: PathBuf,
    /// An outbox in PostgreSQL.
    pub(crate) database: Option<String>,
    /// On how many processors it runs.
    pub(crate) cores: usize,
}

impl Start {
    /// On SQLite, on all processors, before a homeserver that is not there.
    pub(crate) fn alone(data: &Path) -> Self {
        Self {
            homeserver: "http://127.0.0.1:9".to_owned(),
            token: "token".to_owned(),
            room: "!room".to_owned(),
            data: data.to_owned(),
            database: None,
            cores: 2,
        }
    }
}

/// A program that runs on so many processors.
pub(crate) fn on_cores(cores: usize, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", if cores == 1 { "0" } else { "0,1" }, program]);
    command
}

pub(crate) struct Process {
    pub(crate) address: String,
    pub(crate) until_ready: Duration,
    child: Child,
}

impl Process {
    /// Starts a relay and waits until it says that it is ready to accept.
    pub(crate) fn start(how: &Start) -> Self {
        let mut command = on_cores(how.cores, env!("CARGO_BIN_EXE_grafana-matrix-relay"));
        command
            .env_clear()
            .current_dir(&how.data)
            .env("MATRIX_HOME_SERVER_URL", &how.homeserver)
            .env("MATRIX_ACCESS_TOKEN", &how.token)
            .env("MATRIX_DEFAULT_ROOM", &how.room)
            .env("RELAY_DATA_DIR", &how.data)
            .env("RELAY_PORT", "0")
            // No digests: every notification counts.
            .env("RELAY_DIGEST_AFTER", "24h")
            .env("RUST_LOG", "grafana_matrix_relay::startup=info,error");
        if let Some(url) = &how.database {
            command.env("RELAY_DATABASE_URL", url);
        }
        let (began, mut process) = (Instant::now(), Self::of(&mut command));
        while !is_ready(&process.address) {
            std::thread::yield_now();
        }
        process.until_ready = began.elapsed();
        process
    }

    /// Starts a program and waits until it says where it listens.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| {
            Some(
                line.split_once("listening on http://127.0.0.1:")?
                    .1
                    .split(|c: char| !c.is_ascii_digit())
                    .next()?
                    .to_owned(),
            )
        });
        std::thread::spawn(move || lines.for_each(drop));
        let address = format!("127.0.0.1:{}", address.expect("the relay did not start"));
        Self {
            address,
            until_ready: Duration::ZERO,
            child,
        }
    }

    /// What it holds in memory, in MiB: what is its own, and that with the pages of the program file.
    pub(crate) fn memory_mib(&self) -> (f64, f64) {
        (self.mib("RssAnon:"), self.mib("VmRSS:"))
    }

    fn mib(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib: u32 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        f64::from(kib) / 1024.0
    }

    /// Processor time so far, of all threads.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(&self.child.id().to_string())
    }
}

/// Processor time so far, of all threads of a process.
pub(crate) fn cpu_of(process: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // After the name in brackets, utime and stime are the 12th and 13th field, in ticks of 10 ms.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn is_ready(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /health/ready HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 200")
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
