//! `health`: asks a running relay, with the same flags that it was started with.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::config::{Flags, Settings};

/// How to ask.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// Ask whether it can take notifications (`/health/ready`) instead of whether it lives.
    #[arg(long)]
    ready: bool,
}

pub(super) async fn run(flags: &Flags, options: Options) -> anyhow::Result<ExitCode> {
    let (host, port) = Settings::server_address(flags)?;
    // A relay that listens everywhere is asked at home.
    let host = match host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" | "[::]" => "[::1]",
        host => host,
    };
    let path = if options.ready { "ready" } else { "live" };
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()?;
    let answer = client.get(format!("http://{host}:{port}/health/{path}")).send().await?;
    let well = answer.status().is_success();
    super::print::line(&answer.text().await?)?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
