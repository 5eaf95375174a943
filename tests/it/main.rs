//! The integration tests: the real binary from outside, beside real servers and stand-ins.
//!
//! One crate, because each test crate links all dependencies anew. A module states its facts as test names; what it needs
//! to state them is in [`support`].
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails, and says so best at the place"
)]

mod real;
mod stack;
mod support;
