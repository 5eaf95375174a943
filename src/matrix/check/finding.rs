//! What was found, how bad it is, and what helps.

use std::fmt;

use super::super::{RoomNames, clean};
use crate::message::RoomAddress;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Info,
    /// It works, or will by itself, but somebody should know.
    Warn,
    /// Messages to this room, or to all, will not arrive until somebody acts.
    Error,
}

/// One line of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was found and what to do.
    pub line: String,
    /// The room that takes messages, where it is that what was found.
    pub ready: Option<RoomAddress>,
    /// What people call that room.
    pub names: Option<RoomNames>,
    /// The room that the account is not in, where it is that what was found: an invitation would help.
    pub absent: Option<RoomAddress>,
    /// Whether it could not be found out now, and is worth another look.
    pub is_open: bool,
}

impl Finding {
    /// Names in it are the homeserver's, such as that of the device.
    pub(in crate::matrix) fn new(level: Level, line: impl AsRef<str>) -> Self {
        Self {
            level,
            line: clean::long_line(line.as_ref()),
            ready: None,
            names: None,
            absent: None,
            is_open: false,
        }
    }
}

impl Finding {
    /// One that is worth another look.
    pub(super) fn open(level: Level, line: String) -> Self {
        Self {
            is_open: true,
            ..Self::new(level, line)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}
