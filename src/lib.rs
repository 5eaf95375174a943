//! Grafana and Alertmanager notifications, formatted by templates that you edit, in a Matrix room.
//!
//! ```text
//! alert → authenticate → parse → route → render → outbox │ deliver → matrix
//! └────────────── while the caller waits ──────────────┘ └─ later, until done ─┘
//! ```
//!
//! The modules stand in the order of that flow. Two vocabularies, [`alert`] and [`message`], meet only in the
//! [`pipeline`]; what is accepted ends in the [`outbox`], and delivery starts there.
//!
//! Beside that flow, the [`workshop`] shows people what a template makes of a notification, and sends nothing.
//!
//! What always holds:
//!
//! - a 2xx is answered only after the row is on disk, and a fault of Matrix is never the caller's error;
//! - a delivery keeps its transaction ID over all attempts, so that a repeated send is one event for as long as the
//!   homeserver remembers it (a day); what is sent again later is first looked for in the room;
//! - a room gets its messages in the order in which they were accepted, with edits after what is new, and waits for no
//!   other room;
//! - no template can cost an alert, and no text of an alert is anything but text;
//! - nothing is sent as plain text into an encrypted room.

pub mod alert;
pub mod mask;
pub mod message;
pub mod text;
mod watch;

pub mod deliver;
pub mod group;
pub mod intake;
pub mod listen;
pub mod matrix;
pub mod outbox;
pub mod pipeline;
pub mod render;
pub mod route;
pub mod silence;

pub mod workshop;

pub mod demo;
pub mod samples;
pub mod standin;
pub mod web;

pub mod cli;
pub mod config;
pub mod startup;
pub mod telemetry;
