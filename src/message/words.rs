//! What messages say in one language, and the language of the message that is being written.
//!
//! Guarantees: outside of [`with`] it is English. Which languages there are is not known here.
//!
//! Templates' engine has no place for what belongs to one rendering and is seen in imported macros as well: its globals are those
//! of all renderings, and a context can be shadowed. A rendering runs on one thread from its beginning to its end, so the thread
//! knows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

/// What is built in: tables of words by language.
pub(crate) const BUILT_IN: &str = include_str!("../../templates/words.toml");

/// The language that has every word.
pub(crate) const ENGLISH: &str = "en";

static ENGLISH_WORDS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let read: Result<BTreeMap<String, BTreeMap<String, String>>, _> = toml::from_str(BUILT_IN);
    read.ok().and_then(|mut all| all.remove(ENGLISH)).unwrap_or_default()
});

/// The words of one language, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Words(BTreeMap<String, String>);

/// The built-in English words by their names.
pub(crate) fn english() -> &'static BTreeMap<String, String> {
    &ENGLISH_WORDS
}

impl Default for Words {
    /// English ones.
    fn default() -> Self {
        Self(english().clone())
    }
}

impl Words {
    /// These words, of which there has to be every one that [`english`] has.
    pub(crate) fn new(words: BTreeMap<String, String>) -> Self {
        Self(words)
    }

    /// Says something else by a word.
    #[cfg(test)]
    pub(crate) fn set(&mut self, word: &str, said: &str) {
        self.0.insert(word.to_owned(), said.to_owned());
    }

    /// A word as it is written, with what is to be filled in; empty for one that does not exist.
    pub(crate) fn get(&self, word: &str) -> &str {
        self.0.get(word).map_or("", String::as_str)
    }

    /// The same, if there is such a word.
    pub(crate) fn find(&self, word: &str) -> Option<&str> {
        self.0.get(word).map(String::as_str)
    }

    /// A word with everything filled in.
    pub(crate) fn say(&self, word: &str, fill: &[(&str, &dyn std::fmt::Display)]) -> String {
        let filled = filled(self.get(word), |name, out| {
            if let Some((_, text)) = fill.iter().find(|(known, _)| *known == name) {
                let _ = write!(out, "{text}");
            }
            Ok::<_, std::convert::Infallible>(())
        });
        filled.unwrap_or_default()
    }

    /// The names of one of the lists: `weekdays`, `months`.
    pub(crate) fn list(&self, word: &str, at: usize) -> &str {
        self.get(word).split(',').nth(at).map_or("", str::trim)
    }

    /// The names of all words.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A word whose `{names}` `fill` fills in; the first error ends it.
pub(crate) fn filled<E>(word: &str, mut fill: impl FnMut(&str, &mut String) -> Result<(), E>) -> Result<String, E> {
    let mut out = String::with_capacity(word.len() + 32);
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        fill(name, &mut out)?;
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

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
