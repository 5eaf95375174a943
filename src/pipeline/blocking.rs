//! Work that may take long, off the threads that serve requests: a large body must not make a hundred small ones wait.

/// Bodies of more bytes than this are parsed, routed and rendered on a blocking thread; one below it is done sooner than handed over.
pub const INLINE_BYTES: usize = 64 * 1024;

/// Does `what` here, or on a blocking thread if `is_large`, and in the caller's span either way. A panic in it goes on in the caller.
pub async fn blocking<T: Send + 'static>(is_large: bool, what: impl FnOnce() -> T + Send + 'static) -> T {
    if !is_large {
        return what();
    }
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(what)).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::blocking;

    #[tokio::test]
    async fn only_what_is_large_leaves_the_thread() {
        let here = || thread::current().id();
        assert_eq!(blocking(false, here).await, here());
        assert_ne!(blocking(true, here).await, here());
    }
}
