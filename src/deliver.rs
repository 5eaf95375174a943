//! Drains the outbox: claim → send → record, under a retry policy.
//!
//! Guarantees: one FIFO for each room, rooms independent of each other, and every failure ends in exactly one of wait,
//! simplify, give up. It does not know alerts or templates; it never decides whether a failure is worth a retry in more
//! than one place ([`policy`]).

mod attempt;
mod failed;
mod fallback;
mod gate;
pub mod leader;
pub mod policy;
mod resend;
mod time;
mod worker;

pub(crate) use attempt::WordsByRoom;
pub use attempt::{Sender, Settings};
pub use time::{Clock, Time};
pub use worker::{Composer, Worker};
