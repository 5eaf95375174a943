//! `health`: asks a running relay, with the same flags that it was started with.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::RequestBuilder;
use secrecy::ExposeSecret as _;

use crate::config::{Flags, Settings};
use crate::intake::CredentialSettings;
use crate::matrix;

/// How to ask.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// Ask whether the relay can accept notifications (`/health/ready`) instead of whether it is alive.
    #[arg(long)]
    ready: bool,
}

pub(super) async fn run(flags: &Flags, options: Options) -> anyhow::Result<ExitCode> {
    let (host, port) = Settings::server_address(flags)?;
    let host = reached_at(&host);
    let path = if options.ready { "ready" } else { "live" };
    // A relay whose database does not answer takes ten seconds to say so.
    let patience = Duration::from_secs(if options.ready { 15 } else { 5 });
    let client = matrix::client_builder().no_proxy().timeout(patience).build()?;
    let mut request = client.get(format!("http://{host}:{port}/health/{path}"));
    if options.ready {
        request = showing(request, &Settings::health_credentials(flags));
    }
    let answer = request.send().await?;
    let well = answer.status().is_success();
    super::print::line(&answer.text().await?)?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A request that shows one of these, so that it is answered in full.
fn showing(request: RequestBuilder, credentials: &CredentialSettings) -> RequestBuilder {
    match (credentials.bearer.first(), credentials.basic.first()) {
        (Some(token), _) => request.bearer_auth(token.expose_secret()),
        (None, Some(login)) => request.basic_auth(&login.user, Some(login.password.expose_secret())),
        (None, None) => request,
    }
}

/// The host of a URL under which a relay that listens on `host` answers: one that listens everywhere is asked at home.
fn reached_at(host: &str) -> String {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "[::1]".to_owned(),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::reached_at;

    #[test]
    fn every_address_to_listen_on_can_be_asked() {
        let asked = ["0.0.0.0", "::", "[::]", "::1", "[::1]", "10.0.0.7", "relay"].map(reached_at);
        assert_eq!(
            asked,
            ["127.0.0.1", "[::1]", "[::1]", "[::1]", "[::1]", "10.0.0.7", "relay"]
        );
    }
}
