//! The process edge: `.env`, logging, the command, the exit code.

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use grafana_matrix_relay::cli::{self, Cli};
use grafana_matrix_relay::config::{ConfigError, dotenv, environment};
use grafana_matrix_relay::{render, startup, telemetry};

/// An acceptance makes some thousand small values and drops them, in threads that take turns: a fifth of its time with the
/// system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often free memory is given back to the system.
const GIVE_BACK: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == render::SANDBOX_COMMAND)
    {
        return render::serve_sandbox();
    }
    // Before any secret is read.
    let hidden = startup::hide_memory();
    // Before any thread exists, because it sets variables of the process.
    let remarks = environment::put_right();
    // Only that of the working directory: one further up belongs to something else, and may hold another bot's token.
    let dotenv = dotenv::load(Path::new(".env"));
    let mut cli = Cli::read(dotenv.as_deref().unwrap_or_default());
    cli.flags.remarks = remarks;
    let logging = telemetry::init(cli.flags.log_format(), cli.flags.log.log.as_deref());
    allow_many_files();
    if let (Err(error), false) = (dotenv, cli.is_demo()) {
        return cli::refuse(&error);
    }
    if let Err(error) = logging {
        return cli::refuse(&ConfigError {
            problems: vec![error.to_string()],
        });
    }
    if let Err(error) = hidden {
        tracing::warn!("other programs of this user can read the memory of the relay: {error}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(target: telemetry::FATAL, "no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.spawn(give_memory_back());
    let code = runtime.block_on(cli::run(cli));
    // What still works on a file or a template is left alone: nobody waits for it, and it may never end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// The allocator gives back what has been free for a second, but it looks for that only when more becomes free or a thread
/// ends, and a relay that idles after large bodies has neither.
async fn give_memory_back() {
    loop {
        tokio::time::sleep(GIVE_BACK).await;
        // The end of a thread that has allocated nothing would go unnoticed. Where none can be started, the next one will do.
        drop(std::thread::Builder::new().spawn(|| drop(black_box(Box::new(0_u8)))));
    }
}

/// A connection is a file: those that hang and those that come together must not use up what many systems allow at first, where
/// more is to be had for the asking.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const WANTED: u64 = 4_096;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(WANTED, |most| most.min(WANTED));
    if current.is_some_and(|current| current < wanted) {
        let limit = Rlimit {
            current: Some(wanted),
            maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(error.message = %error, "the limit to open files could not be raised");
        }
    }
}
