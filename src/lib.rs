//! Grafana and Alertmanager notifications, formatted by templates that you edit, in a Matrix room.
//!
//! ```text
//! alert → authenticate → parse → route → render → outbox │ deliver → matrix
//! └────────────── while the caller waits ──────────────┘ └─ later, until done ─┘
//! ```
//!
//! The modules stand in the order of that flow. Two vocabularies, [`alert`] and [`message`], meet only in the
//! pipeline; what is accepted ends in the outbox, and delivery starts there.

pub mod alert;
pub mod message;

pub mod matrix;

pub mod demo;
pub mod standin;
