//! Which notifications are large, and their work, off the threads that serve requests: a large body must not make a hundred
//! small ones wait.

/// A body of more bytes is large; a smaller one is done sooner than handed over.
const SMALL_BYTES: usize = 64 * 1024;
/// A notification of more alerts is large, however small its body.
const SMALL_ALERTS: usize = 50;

/// How much work a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// It is done with at once.
    Small,
    /// It takes its time.
    Large,
}

impl Size {
    /// What is known of it from its body, and its alerts once they are read.
    pub fn of(bytes: usize, alerts: usize) -> Self {
        if bytes > SMALL_BYTES || alerts > SMALL_ALERTS {
            Self::Large
        } else {
            Self::Small
        }
    }
}

/// Does `what` here, or on a blocking thread if it is large, and in the caller's span either way. A panic in it goes on in
/// the caller.
pub async fn blocking<T: Send + 'static>(size: Size, what: impl FnOnce() -> T + Send + 'static) -> T {
    if size == Size::Small {
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

    use super::{Size, blocking};

    #[tokio::test]
    async fn only_what_is_large_leaves_the_thread() {
        let here = || thread::current().id();
        assert_eq!(blocking(Size::Small, here).await, here());
        assert_ne!(blocking(Size::Large, here).await, here());
    }
}
