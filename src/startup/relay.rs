//! A relay that runs: what ends it, and how it drains.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::{join_all, select_all};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::supervisor;
use crate::outbox::Outbox;

/// How much longer than the grace period the end may take: for giving back what did not finish in it.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A relay that runs.
pub struct Relay {
    /// Where it listens; the port is a real one even if 0 was asked for.
    pub address: SocketAddr,
    /// Its outbox, for commands that run beside it.
    pub outbox: Outbox,
    pub(super) grace: Duration,
    pub(super) stop_accepting: CancellationToken,
    pub(super) stop_working: CancellationToken,
    pub(super) server: JoinHandle<std::io::Result<()>>,
    pub(super) worker: JoinHandle<()>,
    pub(super) keepers: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Runs until `signal`, or until a part of it fails by itself: a relay that only accepts looks well and is
    /// not, and the service manager starts a whole one on the same outbox.
    pub async fn run_until(mut self, signal: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            () = signal => self.stop().await,
            ended = &mut self.server => {
                ended.context("the server task failed")?.context("the server stopped")?;
                anyhow::bail!("the server stopped by itself")
            }
            ended = &mut self.worker => {
                ended.context("the worker failed")?;
                anyhow::bail!("the worker stopped by itself")
            }
            () = self.outbox.stopped() => anyhow::bail!("the outbox stopped writing by itself"),
            error = failed(&mut self.keepers) => Err(error).context("a reloader failed"),
        }
    }

    /// Stops accepting, then lets deliveries in flight finish within the grace period.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        tracing::info!("stopping: the relay accepts no more notifications");
        supervisor::stopping();
        // Both at once, so that the grace period is one: what is accepted from now on waits for the next start.
        self.stop_accepting.cancel();
        self.stop_working.cancel();
        let end = Instant::now() + self.grace + LAST_WORDS;
        // The server has its own deadline; the second one guards against a connection that ignores it.
        let served = tokio::time::timeout(self.grace + Duration::from_secs(1), self.server).await;
        let worked = tokio::time::timeout_at(end, &mut self.worker).await;
        for reloader in &self.keepers {
            reloader.abort();
        }
        // They hold the outbox, which the next start takes.
        let _ended = tokio::time::timeout_at(end, join_all(self.keepers)).await;
        if let Ok(worked) = worked {
            worked.context("the worker failed")?;
            tracing::info!("stopped; the next start delivers what still waits");
        } else {
            self.worker.abort();
            tracing::warn!(
                "stopped, but the outbox did not answer in time. Accepted notifications are on disk, and the next start delivers those that still wait"
            );
        }
        match served {
            Ok(served) => served.context("the server task failed")?.context("the server failed"),
            Err(_) => Ok(()),
        }
    }
}

/// Waits for a reloader that panics; one that is done is none.
async fn failed(keepers: &mut Vec<JoinHandle<()>>) -> tokio::task::JoinError {
    while !keepers.is_empty() {
        let (ended, at, _) = select_all(keepers.iter_mut()).await;
        keepers.swap_remove(at);
        if let Err(error) = ended {
            return error;
        }
    }
    std::future::pending().await
}
