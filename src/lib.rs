//! Grafana and Alertmanager notifications, formatted by templates that you edit, in a Matrix room.
//!
//! ```text
//! alert → authenticate → parse → route → compare → render → outbox │ deliver → matrix
//! └──────────────────── while the caller waits ─────────────────┘ └─ later, until done ─┘
//! ```
//!
//! [`intake`] authenticates and parses, [`route`] decides where, [`group`] what changed, [`render`] how it reads; the [`pipeline`] is
//! made of them. What is accepted ends in the [`outbox`], which also has each group's message; delivery starts there. Two
//! vocabularies, [`alert`] and [`message`], meet only in the pipeline.
//!
//! Beside that flow, the [`workshop`] shows people what a template makes of a notification, [`silence`] notices what stays away, and
//! [`listen`] follows the members of encrypted rooms. The modules stand below by who may use them: what every module may use,
//! those of the flow, those beside it, those that run them.
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
