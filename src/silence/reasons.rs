//! What is silent now, for the health check.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reasons by who found them; cheap to clone, all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Reasons(Arc<Mutex<BTreeMap<&'static str, BTreeSet<String>>>>);

impl Reasons {
    /// Replaces the reasons of one who looks.
    pub(super) fn set(&self, who: &'static str, reasons: BTreeSet<String>) {
        self.known().insert(who, reasons);
    }

    /// All of them, if there are any.
    pub fn text(&self) -> Option<String> {
        let known = self.known();
        let all: Vec<&str> = known.values().flatten().map(String::as_str).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<&'static str, BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
