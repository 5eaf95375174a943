//! A real PostgreSQL of the test's own, on a free loopback port.
//!
//! Guarantees: an empty database, gone with the value. It does not sync to disk: tests kill processes, not machines.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Identity, Process, Program, free_port};

/// A running server.
pub(crate) struct Postgres {
    /// `postgres://…` of its one database.
    pub(crate) url: String,
    // Dropped before the folder it writes to.
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub(crate) async fn start() -> Self {
        let programs = programs();
        let program = |name: &str| programs.join(name).display().to_string();
        let who = unprivileged();
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(Identity { uid, gid }) = who {
            chown(folder.path(), Some(uid), Some(gid)).expect("root may give a folder away");
        }
        let data = folder.path().join("data").display().to_string();
        Program::new("initdb", &program("initdb"))
            .args([
                "--pgdata",
                &data,
                "--username=relay",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
            ])
            .env("LC_ALL", "C.UTF-8")
            .current_dir(folder.path())
            .identity(who)
            .run();
        let port = free_port().to_string();
        let sockets = folder.path().display().to_string();
        let mut process = Program::new("postgres", &program("postgres"))
            .args(["-D", &data, "-F", "-h", "127.0.0.1", "-p", &port, "-k", &sockets])
            .env("LC_ALL", "C.UTF-8")
            .current_dir(folder.path())
            .identity(who)
            // Fast shutdown; killed, it would leave shared memory behind.
            .end_with("INT")
            .start();
        let ready = |line: &str| line.contains("ready to accept connections").then_some(());
        process.wait_for("ready", ready).await;
        Self {
            url: format!("postgres://relay@127.0.0.1:{port}/postgres"),
            _process: process,
            _folder: folder,
        }
    }
}

/// Where `initdb` and `postgres` are. Debian keeps them out of `PATH`, by version; the newest is taken.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("postgres").is_file())
        .max_by_key(|folder| version_of(folder));
    // Elsewhere they are in PATH, and an empty folder name leaves the search to it.
    newest.unwrap_or_default()
}

fn version_of(programs: &Path) -> Option<u32> {
    programs.parent()?.file_name()?.to_str()?.parse().ok()
}

/// PostgreSQL refuses to run as root: then its own user of the package runs it.
fn unprivileged() -> Option<Identity> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    root.then(|| Identity {
        uid: id_of("-u"),
        gid: id_of("-g"),
    })
}

fn id_of(which: &str) -> u32 {
    let output = Command::new("id").args([which, "postgres"]).output().expect("id runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .expect("there is a user `postgres`: `make setup` installs the package that makes it")
}
