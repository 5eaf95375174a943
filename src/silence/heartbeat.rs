//! The heartbeat: a URL that is called each minute while the relay is well, for a monitor outside that notices when no call comes.
//!
//! Guarantees: one call at a time, each of bounded length; a call that fails changes nothing else, is logged once, and once more
//! when it succeeds again. The URL is a secret: no log line, error or `Debug` holds more of it than its origin. Another URL is
//! called at once, so that who changed it sees what comes of it.

use std::fmt;
use std::time::Duration;

use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use url::Url;

use crate::matrix;

/// How often the monitor is called. Their periods are set in minutes.
const EVERY: Duration = Duration::from_mins(1);
/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to call. `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct HeartbeatSettings {
    /// The whole URL.
    pub url: SecretString,
}

/// Why no heartbeat can be sent there.
#[derive(Debug, thiserror::Error)]
pub enum HeartbeatError {
    /// It is no address.
    #[error("not a URL (expected https:// or http:// and a host)")]
    Url,
    /// No HTTP client can be made.
    #[error(
        "no CA certificates were found: install those of the system (ca-certificates), or name a file of them by SSL_CERT_FILE"
    )]
    Http(#[source] reqwest::Error),
}

impl HeartbeatSettings {
    /// Whether it can be called, without the network.
    pub fn check(&self) -> Result<(), HeartbeatError> {
        self.parsed().map(|_| ())
    }

    fn parsed(&self) -> Result<Url, HeartbeatError> {
        let url = Url::parse(self.url.expose_secret()).map_err(|_| HeartbeatError::Url)?;
        let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
        usable.then_some(url).ok_or(HeartbeatError::Url)
    }
}

/// What became of one beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The monitor has it.
    Sent,
    /// The monitor could not be told.
    Failed,
    /// Nothing was sent, because the relay is not well.
    Withheld,
}

impl Beat {
    fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Withheld => "withheld",
        }
    }
}

/// Calls the monitor.
pub struct Heartbeat {
    url: Url,
    http: reqwest::Client,
    fails: bool,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("origin", &self.url.origin().ascii_serialization())
            .finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// Makes one without touching the network.
    pub fn new(settings: &HeartbeatSettings) -> Result<Self, HeartbeatError> {
        let url = settings.parsed()?;
        let mut builder = matrix::client_builder()
            .user_agent(concat!("grafana-matrix-relay/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .timeout(PATIENCE);
        if matrix::is_loopback(&url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(HeartbeatError::Http)?;
        Ok(Self {
            url,
            http,
            fails: false,
        })
    }

    /// Beats for ever, as long as the relay `is_well`; each of the `others` that comes takes its place.
    pub async fn keep<F: Future<Output = bool>>(
        mut self,
        mut others: mpsc::UnboundedReceiver<Self>,
        is_well: impl Fn() -> F,
    ) {
        let mut minutes = tokio::time::interval(EVERY);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = minutes.tick() => {}
                Some(other) = others.recv() => {
                    self = other;
                    minutes.reset();
                }
            }
            let is_well = is_well().await;
            self.beat(is_well).await;
        }
    }

    /// One beat.
    pub async fn beat(&mut self, is_well: bool) -> Beat {
        let beat = match self.call(is_well).await {
            None => Beat::Withheld,
            Some(Ok(())) => Beat::Sent,
            Some(Err(why)) => {
                let origin = self.url.origin().ascii_serialization();
                if !std::mem::replace(&mut self.fails, true) {
                    tracing::warn!(
                        url.domain = self.url.host_str(),
                        "the heartbeat cannot be sent to {origin} (RELAY_HEARTBEAT_URL): {why}; the relay goes on and tries again each minute"
                    );
                }
                Beat::Failed
            }
        };
        if beat == Beat::Sent && std::mem::take(&mut self.fails) {
            tracing::info!(url.domain = self.url.host_str(), "the heartbeat is sent again");
        }
        metrics::counter!("grafana_matrix_relay_heartbeats_total", "outcome" => beat.label()).increment(1);
        beat
    }

    async fn call(&self, is_well: bool) -> Option<Result<(), String>> {
        if !is_well {
            tracing::debug!("no heartbeat is sent while the relay is not well");
            return None;
        }
        let answer = self.http.get(self.url.clone()).send().await;
        Some(match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("HTTP {}", answer.status().as_u16())),
            Err(error) => Err(matrix::why_unanswered(&error, PATIENCE)),
        })
    }
}

/// Where a heartbeat goes, to send it elsewhere while it runs.
#[derive(Debug)]
pub struct HeartbeatAddress {
    settings: HeartbeatSettings,
    others: mpsc::UnboundedSender<Heartbeat>,
}

impl HeartbeatAddress {
    /// That of a heartbeat with these settings, and what [`Heartbeat::keep`] hears from it.
    pub fn new(settings: HeartbeatSettings) -> (Self, mpsc::UnboundedReceiver<Heartbeat>) {
        let (others, heard) = mpsc::unbounded_channel();
        (Self { settings, others }, heard)
    }

    /// Calls this URL from now on; says whether it is another one.
    pub fn set(&mut self, settings: HeartbeatSettings) -> Result<bool, HeartbeatError> {
        if settings.url.expose_secret() == self.settings.url.expose_secret() {
            return Ok(false);
        }
        let is_heard = self.others.send(Heartbeat::new(&settings)?).is_ok();
        self.settings = settings;
        Ok(is_heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_and_the_secret_is_not_shown() {
        let settings = |url: &str| HeartbeatSettings { url: url.into() };
        for wrong in ["hc-ping.com/uuid", "ftp://hc-ping.com/uuid", "https://", ""] {
            assert!(settings(wrong).check().is_err(), "{wrong}");
        }
        let settings = settings("https://hc-ping.com/zq-secret?token=zq-secret");
        let heartbeat = Heartbeat::new(&settings).unwrap();
        let shown = format!("{settings:?} {heartbeat:?}");
        assert!(
            shown.contains("https://hc-ping.com") && !shown.contains("zq-"),
            "{shown}"
        );
    }
}
