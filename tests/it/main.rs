//! The integration tests: one crate, one module for each part of the outside.

mod matrix;
