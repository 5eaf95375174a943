//! What the tests share: real servers on loopback, and the relay's binary among them.
//!
//! Guarantees: each server is the caller's own, listens on loopback only, and has ended when its value is dropped or the
//! test process is killed. Nothing here sleeps: it waits for lines of a log or for an answer.

pub(crate) mod alertmanager;
pub(crate) mod chromium;
pub(crate) mod matrix;
pub(crate) mod payload;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod relay;
pub(crate) mod synapse;
