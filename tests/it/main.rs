//! The integration tests: one crate, so that it is linked once.
// `cfg(test)` tells clippy that helper functions are tests too, and may unwrap.

#[cfg(test)]
mod outbox;
#[cfg(test)]
mod support;
