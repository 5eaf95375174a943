//! Real things that the tests run against.

pub(crate) mod postgres;
