//! Starts what tells somebody that something is silent.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::checks;
use crate::matrix::Transport;
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::silence::{DeadMan, Heartbeat, HeartbeatError, Settings, Watchdog};

/// The tasks of what is configured.
pub(super) fn start(
    settings: &Settings,
    transport: &Transport,
    checks: &Arc<checks::Parts>,
    pipeline: &Arc<Pipeline>,
    outbox: &Outbox,
) -> Result<Vec<JoinHandle<()>>, HeartbeatError> {
    let watchdog = Watchdog::new(Arc::clone(pipeline), outbox.clone(), checks.silence.clone());
    let mut tasks = vec![tokio::spawn(watchdog.keep())];
    if let Some(client) = transport.client() {
        let (outbox, reasons) = (outbox.clone(), checks.silence.clone());
        let (client, pipeline) = (client.clone(), Arc::clone(pipeline));
        let dead_man = settings.dead_man.clone();
        let dead_man = DeadMan::new(dead_man, client, outbox, pipeline, reasons, Timestamp::now());
        tasks.push(tokio::spawn(dead_man.keep()));
    }
    if let Some(settings) = &settings.heartbeat {
        tasks.push(tokio::spawn(beat(Heartbeat::new(settings)?, Arc::clone(checks))));
    }
    Ok(tasks)
}

async fn beat(heartbeat: Heartbeat, checks: Arc<checks::Parts>) {
    heartbeat
        .keep(|| {
            let checks = Arc::clone(&checks);
            async move { checks.is_well().await }
        })
        .await;
}
