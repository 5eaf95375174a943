//! Who is told when something is silent.

mod dead_man;
mod heartbeat;
mod watchdog;
