//! Which words a rendering speaks in, for filters and functions.
//!
//! The engine has no place for what belongs to one rendering and is seen in imported macros as well: its globals are those of
//! all renderings, and a context can be shadowed. A rendering runs on one thread from its beginning to its end, so the thread
//! knows.

use std::cell::RefCell;
use std::sync::Arc;

use super::Words;

thread_local! {
    static SPOKEN: RefCell<Option<Arc<Words>>> = const { RefCell::new(None) };
}

/// Does something in these words.
pub(crate) fn with<T>(words: &Arc<Words>, what: impl FnOnce() -> T) -> T {
    /// Gives back what was spoken before, also after a panic.
    struct Before(Option<Arc<Words>>);
    impl Drop for Before {
        fn drop(&mut self) {
            SPOKEN.set(self.0.take());
        }
    }
    let _before = Before(SPOKEN.replace(Some(Arc::clone(words))));
    what()
}

/// The words of this rendering; English ones outside of any.
pub(crate) fn spoken() -> Arc<Words> {
    SPOKEN.with_borrow(|words| words.clone().unwrap_or_default())
}
