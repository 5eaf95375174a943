//! A real PostgreSQL server: one per test process, started when first needed, with a database per test; and one of its own
//! for a test that stops it.
//!
//! It listens on a free loopback port, runs as an unprivileged user and lives in a temporary directory. A small shell
//! waits beside it for the end of the test process, whatever that end is, then stops the server and removes the
//! directory: nothing is left behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Obeys lines until the test process is gone, for only then does its end of the pipe close.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
say() { echo "$1"; }
give_up() { cat "$DIR/log" >&2; rm -rf "$DIR"; say failed; exit 1; }
start() {
    "$BIN/postgres" -D "$DIR/data" -c listen_addresses=127.0.0.1 -p "$PORT" -c unix_socket_directories= \
        -c fsync=off -c max_connections=300 -c shared_buffers=32MB >"$DIR/log" 2>&1 </dev/null &
    server=$!
    until "$BIN/pg_isready" -q -h 127.0.0.1 -p "$PORT"; do
        kill -0 $server 2>/dev/null || give_up
        sleep 0.05
    done
}
stop() { kill -QUIT $server; wait $server; }
"$BIN/initdb" -D "$DIR/data" -U relay -A trust -E UTF8 --locale=C --no-sync >"$DIR/log" 2>&1 || give_up
start
say ready
while read -r command; do "$command"; say "done"; done
stop
rm -rf "$DIR"
"#;

/// The URL of a new, empty database.
pub(crate) async fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = tokio::task::spawn_blocking(server).await.unwrap();
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = connect(&format!("{server}/postgres")).await;
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&mut admin).await.unwrap();
    format!("{server}/{name}")
}

/// A connection past the outbox, to look at or break what it does not let anybody break.
pub(crate) async fn connect(url: &str) -> sqlx::PgConnection {
    <sqlx::PgConnection as sqlx::Connection>::connect(url).await.unwrap()
}

/// The shared server's URL, without a database.
fn server() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(Server::start).url
}

/// A running server. One of its own is for a test that stops it.
pub(crate) struct Server {
    /// Without a database.
    url: String,
    // Open until this process ends, or the value does.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.commands.take());
        drop(self.child.wait());
    }
}

impl Server {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap().keep();
        let mut command = as_unprivileged_user(&directory);
        let mut child = command
            .args(["sh", "-c", SCRIPT])
            .env("BIN", programs())
            .env("DIR", &directory)
            .env("PORT", port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = Self {
            url: format!("postgres://relay@127.0.0.1:{port}"),
            commands: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        server.answers("ready");
        server
    }

    /// The database that is there from the start, and empty.
    pub(crate) fn database(&self) -> String {
        format!("{}/postgres", self.url)
    }

    /// Ends the server at once; connections to it break, and new ones are refused.
    pub(crate) fn stop(&mut self) {
        self.command("stop");
    }

    /// Starts it again, with the same address and data.
    pub(crate) fn start_again(&mut self) {
        self.command("start");
    }

    fn command(&mut self, command: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        self.answers("done");
    }

    fn answers(&mut self, expected: &str) {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim_end(), expected, "PostgreSQL's log is above");
    }
}

/// PostgreSQL refuses to run as root, as which a container's tests run.
fn as_unprivileged_user(directory: &PathBuf) -> Command {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout != b"0\n" {
        return Command::new("env");
    }
    let owned = Command::new("chown").arg("postgres").arg(directory).status().unwrap();
    assert!(owned.success(), "root needs the user `postgres`, to run the server as");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    command
}

/// Where Debian keeps them, or wherever `TEST_POSTGRES_BIN` says.
fn programs() -> PathBuf {
    if let Some(path) = std::env::var_os("TEST_POSTGRES_BIN") {
        return path.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut programs: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    programs.sort();
    programs
        .pop()
        .expect("these tests need PostgreSQL: apt-get install postgresql, or set TEST_POSTGRES_BIN")
}
