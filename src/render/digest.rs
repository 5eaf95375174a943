//! What a digest tells beside the alerts that still fire.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Many messages that waited, as one. The alerts of its notification are those that fire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// How many messages those are.
    pub messages: usize,
    /// When the first of them was accepted.
    pub from: Timestamp,
    /// When they are sent.
    pub until: Timestamp,
    /// How many alerts fire beside those of the notification, by severity: no message named them.
    pub more_firing: BTreeMap<String, usize>,
    /// How many alerts began and ended meanwhile.
    pub went: usize,
    /// How many were firing before and are over.
    pub ended: usize,
    /// The rules of those that fire, with how many.
    pub rules: Vec<Counted>,
    /// Alerts that began and ended meanwhile, by rule, with how often they began.
    pub came_and_went: Vec<Counted>,
    /// Alerts that were firing before and are over, by rule.
    pub over: Vec<Counted>,
    /// At least how many more the sender cut off.
    pub cut_off: usize,
    /// Messages of which nothing else is known, by the line that names them.
    pub others: Vec<String>,
}

/// A name, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The rule.
    pub name: String,
    /// How many, or how many times.
    pub count: usize,
}
