//! The last notifications as they came, for people to try templates on. Nothing that is owed depends on them.

use jiff::Timestamp;

/// Names a recording; grows with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId(pub i64);

/// A notification that shall be kept for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecording {
    /// What it was, in a few words.
    pub title: String,
    /// The body as it was posted. Whoever keeps it has taken the secrets out.
    pub body: String,
    /// When it was accepted.
    pub received_at: Timestamp,
}

/// A notification that was kept, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its name.
    pub id: RecordingId,
    /// What it was, in a few words.
    pub title: String,
    /// When it was accepted.
    pub received_at: Timestamp,
}
