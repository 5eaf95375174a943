//! Reports to the service manager, where one started the relay (systemd with `Type=notify`).
//!
//! Guarantees: the relay is said to be ready only once it listens. Where no service manager listens, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// The relay listens; `status` is what `systemctl status` shows.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The relay is about to end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says three times in each span of the watchdog that the relay lives. Where all threads of the runtime hang, nobody says it,
/// and the service manager starts the relay anew.
pub(super) async fn keep_alive() {
    let Some(span) = sd_notify::watchdog_enabled().filter(|span| *span > Duration::ZERO) else {
        return;
    };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(span / 3).await;
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(error.message = %error, "cannot report to the service manager (NOTIFY_SOCKET)");
    }
}
