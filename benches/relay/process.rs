//! The relay as a process of its own, and what the kernel says of it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Process {
    pub(crate) address: String,
    pub(crate) until_ready: Duration,
    child: Child,
}

impl Process {
    /// Starts a relay and waits until it is ready to accept.
    pub(crate) fn start(homeserver: &str, token: &str, room: &str, data: &Path) -> Self {
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
            .env_clear()
            .current_dir(data)
            .env("MATRIX_HOME_SERVER_URL", homeserver)
            .env("MATRIX_ACCESS_TOKEN", token)
            .env("MATRIX_DEFAULT_ROOM", room)
            .env("RELAY_DATA_DIR", data)
            .env("RELAY_PORT", "0")
            // No digests: every notification counts.
            .env("RELAY_FOLD_AFTER", "24h")
            .env("RUST_LOG", "grafana_matrix_relay::startup=info,error")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| {
            Some(
                line.split_once("listening on http://127.0.0.1:")?
                    .1
                    .split(' ')
                    .next()?
                    .to_owned(),
            )
        });
        let until_ready = began.elapsed();
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            address: format!("127.0.0.1:{}", address.expect("the relay did not start")),
            until_ready,
            child,
        }
    }

    /// Memory that is its own and resident, in MiB.
    pub(crate) fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: u32 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        f64::from(kib) / 1024.0
    }

    /// Processor time so far, of all threads.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name in brackets, utime and stime are the 12th and 13th field, in ticks of 10 ms.
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
