//! One process of a sandbox, seen from the relay.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::job::{self, Answer, Job};
use super::worker::End;
use super::{ALLOCATOR, COMMAND, DEADLINE, GLANCE, inside};
use crate::render::deadline::Deadline;

/// How much longer than the deadline an answer is waited for; the process keeps the deadline itself, so this is for one
/// that does nothing at all.
const GRACE: Duration = Duration::from_secs(2);

/// What a pipe takes at once, so that a message of this size is never waited for.
const PIPE: usize = 64 << 10;

/// A job of more bytes than this is a large one: some hundred alerts.
const LARGE: usize = 1 << 20;

/// A process that waits for a job. It ends, and is gone from the system, when it is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Whether one of its jobs was a large one.
    pub(super) is_worn: bool,
}

impl Process {
    pub(super) fn start(program: &Path) -> Result<Self, End> {
        let failed = |error: io::Error| End::NotStarted(error.to_string());
        let mut child = Command::new(program)
            .arg(COMMAND)
            // Secrets are in there.
            .env_clear()
            .env(ALLOCATOR.0, ALLOCATOR.1)
            // Ctrl-C is for the relay, which lets what is in flight finish.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a panic says may quote an alert.
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(End::NotStarted("it has no pipes".to_owned()));
        };
        Ok(Self {
            child,
            stdin,
            stdout,
            is_worn: false,
        })
    }

    /// Has a job done while somebody waits for it. After an error it is of no use any more.
    pub(super) fn ask(&mut self, job: &Job<'_>, deadline: &Deadline) -> Result<Answer, End> {
        let until = deadline.or_sooner(Instant::now() + DEADLINE + GRACE);
        let answer = job::framed(job).and_then(|frame| self.converse(&frame, until, deadline));
        answer
            .and_then(|answer| Ok(serde_json::from_slice(&answer)?))
            .map_err(|error| self.end(&error, until, deadline))
    }

    /// Writes a message and reads the answer. A long one is written beside the reading: a process that does not read
    /// must not be waited for.
    fn converse(&mut self, frame: &[u8], until: Instant, deadline: &Deadline) -> io::Result<Vec<u8>> {
        self.is_worn |= frame.len() > LARGE;
        let (child, stdin, stdout) = (&mut self.child, &mut self.stdin, &mut self.stdout);
        if frame.len() <= PIPE {
            stdin.write_all(frame)?;
            return answer(stdout, until, deadline);
        }
        thread::scope(|scope| {
            let writing = thread::Builder::new().spawn_scoped(scope, || stdin.write_all(frame))?;
            let answer = answer(stdout, until, deadline);
            if answer.is_err() {
                // Otherwise it could go on writing for ever.
                let _ = child.kill();
            }
            let _ = writing.join();
            answer
        })
    }

    /// How it ended, given what became of a conversation; if it has not ended, dropping it ends it.
    fn end(&mut self, error: &io::Error, until: Instant, deadline: &Deadline) -> End {
        let is_closed = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe);
        // Its pipes are closed a moment before it is gone.
        while is_closed && Instant::now() < until && !deadline.is_over() && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(1));
        }
        let ended = self.child.try_wait().ok().flatten();
        match ended {
            _ if error.kind() == io::ErrorKind::TimedOut && deadline.is_over() => End::Late,
            _ if error.kind() == io::ErrorKind::TimedOut => End::TooLong,
            Some(status) if status.code() == Some(inside::TOO_LONG) => End::TooLong,
            Some(status) if status.signal().is_some_and(inside::is_too_much) => End::TooMuch,
            Some(status) if status.signal() == Some(Signal::KILL.as_raw()) => End::Killed,
            _ => End::Gone,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; the second makes sure that nothing is left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a message, for so long.
fn answer(stdout: &mut ChildStdout, until: Instant, deadline: &Deadline) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 4];
    fill(stdout, &mut prefix, until, deadline)?;
    let length = job::length(prefix)?;
    if length > job::LONGEST_ANSWER {
        return Err(io::Error::other("too long an answer"));
    }
    let mut answer = vec![0; length];
    fill(stdout, &mut answer, until, deadline)?;
    Ok(answer)
}

fn fill(stdout: &mut ChildStdout, mut room: &mut [u8], until: Instant, deadline: &Deadline) -> io::Result<()> {
    while !room.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left.min(GLANCE)).map_err(io::Error::other)?;
        let ready = match poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => continue,
            ready => ready?,
        };
        if ready == 0 {
            if left.is_zero() || deadline.is_over() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            continue;
        }
        match stdout.read(room)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => room = &mut room[read..],
        }
    }
    Ok(())
}
