//! A program beside the test: started, its output kept, waited for by its own words, ended by pid.
//!
//! Guarantees: the program is gone when the value is dropped, and, where `setpriv` of util-linux is there, also when the test
//! process is killed. Deliberately knows no particular program.
//!
//! The kernel ties that death to the *thread* that started the program: start one from the test's own thread, as async
//! tests do by themselves, never inside `spawn_blocking`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a server may take to say that it is there; generous, because two cores may be busy compiling.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program to start, with nothing of this process's environment but `PATH`.
pub(crate) struct Program {
    name: &'static str,
    command: Command,
    last_signal: &'static str,
}

/// A running program.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    lines: UnboundedReceiver<String>,
    log: Arc<Mutex<String>>,
    last_signal: &'static str,
}

impl Program {
    /// `path` is a file or a name in `PATH`.
    pub(crate) fn new(name: &'static str, path: &str) -> Self {
        let mut command = if in_path("setpriv") {
            let mut wrapped = Command::new("setpriv");
            wrapped.args(["--pdeathsig", "KILL", "--", path]);
            wrapped
        } else {
            Command::new(path)
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        Self {
            name,
            command,
            last_signal: "KILL",
        }
    }

    /// Adds arguments.
    pub(crate) fn args<I: AsRef<std::ffi::OsStr>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: impl AsRef<std::ffi::OsStr>, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working folder.
    pub(crate) fn current_dir(mut self, folder: &std::path::Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Ends it with this signal instead of `KILL`, for programs that have something to clear away.
    pub(crate) fn end_with(mut self, signal: &'static str) -> Self {
        self.last_signal = signal;
        self
    }

    /// Starts it, with both outputs collected into one log.
    pub(crate) fn start(mut self) -> Process {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| {
            panic!(
                "{} does not start: {error}. `make setup` installs what the tests need.",
                self.name
            )
        });
        let (sender, lines) = unbounded_channel();
        let log = Arc::default();
        collect(
            child.stdout.take().expect("stdout is piped"),
            sender.clone(),
            Arc::clone(&log),
        );
        collect(child.stderr.take().expect("stderr is piped"), sender, Arc::clone(&log));
        Process {
            name: self.name,
            child,
            lines,
            log,
            last_signal: self.last_signal,
        }
    }
}

/// Reads one output to its end on a thread of its own: async readers would need the test's runtime to be running.
fn collect(output: impl Read + Send + 'static, lines: UnboundedSender<String>, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            log.lock().unwrap().extend([line.as_str(), "\n"]);
            // Nobody waits for lines any more when the process value is gone; the log is still written.
            drop(lines.send(line));
        }
    });
}

impl Process {
    /// The first line, from now on or not yet looked at, in which `pick` finds something.
    pub(crate) async fn wait_for<T>(&mut self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        match self.try_wait_for(what, pick).await {
            Ok(found) => found,
            Err(reason) => panic!("{reason}"),
        }
    }

    /// As [`Self::wait_for`]; a program that ends first, or says nothing of the kind in time, is an error with its log.
    pub(crate) async fn try_wait_for<T>(&mut self, what: &str, pick: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let found = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = self.lines.recv().await {
                if let Some(found) = pick(&line) {
                    return Some(found);
                }
            }
            None
        })
        .await;
        match found {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(format!("{} ended before {what}:\n{}", self.name, self.log())),
            Err(_) => Err(format!("{} was not {what} in time:\n{}", self.name, self.log())),
        }
    }

    /// Everything it has said so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its standard input, once.
    pub(crate) fn take_stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("stdin is taken once")
    }

    /// Its process ID.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name (`TERM`, `STOP`, …).
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {signal} {pid}");
    }

    /// Its end, if it has come.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("a started process can be asked for its end")
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a started process can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if self.last_signal == "KILL" {
            // It may have ended just now; then there is nothing to kill.
            drop(self.child.kill());
        } else {
            self.signal(self.last_signal);
        }
        drop(self.child.wait());
    }
}

/// Whether a program of this name can be started.
pub(crate) fn in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
