//! Starts what tells somebody that something is silent.

use std::sync::Arc;

use jiff::Timestamp;
use metrics::gauge;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::checks;
use crate::matrix::Transport;
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::silence::{DeadMan, Heartbeat, HeartbeatAddress, HeartbeatError, Settings, Watchdog};

/// What runs.
pub(super) struct Started {
    pub(super) tasks: Vec<JoinHandle<()>>,
    /// Where the heartbeat goes, if there is one.
    pub(super) heartbeat: Option<HeartbeatAddress>,
}

/// Starts what is configured.
pub(super) fn start(
    settings: &Settings,
    transport: &Transport,
    checks: &Arc<checks::Parts>,
    pipeline: &Arc<Pipeline>,
    outbox: &Outbox,
) -> Result<Started, HeartbeatError> {
    let is_wanted = f64::from(u8::from(settings.dead_man.is_some()));
    gauge!("grafana_matrix_relay_dead_man_configured").set(is_wanted);
    let watchdog = Watchdog::new(Arc::clone(pipeline), outbox.clone(), checks.silence.clone());
    let mut tasks = vec![tokio::spawn(watchdog.keep())];
    if let Some(client) = transport.client() {
        let (outbox, reasons) = (outbox.clone(), checks.silence.clone());
        let (client, pipeline) = (client.clone(), Arc::clone(pipeline));
        let dead_man = settings.dead_man.clone();
        let dead_man = DeadMan::new(dead_man, client, outbox, pipeline, reasons, Timestamp::now());
        tasks.push(tokio::spawn(dead_man.keep()));
    }
    let mut heartbeat = None;
    if let Some(settings) = &settings.heartbeat {
        let (address, others) = HeartbeatAddress::new(settings.clone());
        heartbeat = Some(address);
        tasks.push(tokio::spawn(beat(
            Heartbeat::new(settings)?,
            others,
            Arc::clone(checks),
        )));
    }
    Ok(Started { tasks, heartbeat })
}

async fn beat(heartbeat: Heartbeat, others: mpsc::UnboundedReceiver<Heartbeat>, checks: Arc<checks::Parts>) {
    heartbeat
        .keep(others, || {
            let checks = Arc::clone(&checks);
            async move { checks.is_well().await }
        })
        .await;
}
