//! What the tests share: real servers on loopback, and the relay's binary among them.
//!
//! Guarantees: each server is the caller's own, listens on loopback only, and has ended when its value is dropped or the
//! test process is killed. It waits for lines of a log or for an answer, and for nothing without an end.

pub(crate) mod alertmanager;
pub(crate) mod chromium;
pub(crate) mod matrix;
pub(crate) mod patience;
pub(crate) mod payload;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod reader;
pub(crate) mod relay;
pub(crate) mod synapse;
pub(crate) mod tls;

/// Templates run in processes of the relay's program, which a test's own is not.
pub(crate) fn isolation() -> grafana_matrix_relay::render::Isolation {
    grafana_matrix_relay::render::Isolation::Process(env!("CARGO_BIN_EXE_grafana-matrix-relay").into())
}
