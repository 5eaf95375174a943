//! The integration tests: one crate, one module for each part of the outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod demo;
mod matrix;
