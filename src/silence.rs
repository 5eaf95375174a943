//! Who is told when something is silent that should not be.
//!
//! Guarantees: each way is off unless it is configured, none of them costs an alert, and a failure of one is no failure of the
//! relay.

mod dead_man;
mod heartbeat;
mod reasons;
mod watchdog;

pub use self::dead_man::{DeadMan, DeadManSettings};
pub use self::heartbeat::{Beat, Heartbeat, HeartbeatAddress, HeartbeatError, HeartbeatSettings};
pub use self::reasons::Reasons;
pub use self::watchdog::Watchdog;

/// What is configured.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where a monitor outside waits for a call each minute.
    pub heartbeat: Option<HeartbeatSettings>,
    /// Which room the homeserver tells that the relay is gone.
    pub dead_man: Option<DeadManSettings>,
}
