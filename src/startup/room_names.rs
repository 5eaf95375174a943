//! The names of rooms, kept beside the outbox so that `outbox list` can say them without asking anybody.
//!
//! Guarantees: the file is written as a whole or not at all, and only where the folder is there already; one that is missing, or cannot
//! be read, costs the names and nothing else.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::matrix::{Finding, RoomNames};
use crate::message::RoomAddress;
use crate::workshop;

const FILE: &str = "rooms.json";

/// Names by the addresses that the settings and the routes have.
pub type Known = BTreeMap<String, RoomNames>;

/// What is known.
pub fn read(data_dir: &Path) -> Known {
    let text = std::fs::read_to_string(data_dir.join(FILE)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// How long what was read counts.
const FRESH: Duration = Duration::from_secs(2);

/// What people call a room, read again every now and then, for pages that ask often.
pub(super) fn known_lately(data_dir: PathBuf) -> workshop::RoomNames {
    let kept = Mutex::new((Instant::now(), read(&data_dir)));
    Arc::new(move |room| {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0.elapsed() > FRESH {
            *kept = (Instant::now(), read(&data_dir));
        }
        let names = kept.1.get(room.as_str())?;
        names.name.clone().or_else(|| names.alias.clone())
    })
}

/// A room with its names: what stands in the outbox, then what people call it.
pub fn shown(known: &Known, room: &RoomAddress) -> String {
    let Some(names) = known.get(room.as_str()) else {
        return room.to_string();
    };
    let name = names.name.as_ref().map(|name| format!("\"{name}\""));
    let others = [Some(names.id.clone()), names.alias.clone(), name];
    let others: Vec<String> = others
        .into_iter()
        .flatten()
        .filter(|other| other != room.as_str())
        .collect();
    if others.is_empty() {
        return room.to_string();
    }
    format!("{room} ({})", others.join(", "))
}

/// Adds what a check has found; blocks.
pub(super) fn keep(data_dir: &Path, findings: &[Finding]) {
    let before = read(data_dir);
    let mut known = before.clone();
    for finding in findings {
        if let (Some(room), Some(names)) = (&finding.ready, &finding.names) {
            known.insert(room.to_string(), names.clone());
        }
    }
    if known == before || !data_dir.is_dir() {
        return;
    }
    if let Err(error) = write(data_dir, &known) {
        tracing::debug!(error.message = %error, "cannot keep the names of rooms");
    }
}

fn write(data_dir: &Path, known: &Known) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".rooms-").tempfile_in(data_dir)?;
    file.write_all(&serde_json::to_vec_pretty(known)?)?;
    file.persist(data_dir.join(FILE))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_shown_with_what_people_call_it() {
        let folder = tempfile::tempdir().unwrap();
        let known = Known::from([
            (
                "!a:example.org".to_owned(),
                RoomNames {
                    id: "!a:example.org".to_owned(),
                    alias: Some("#ops:example.org".to_owned()),
                    name: Some("Operations".to_owned()),
                },
            ),
            (
                "#db:example.org".to_owned(),
                RoomNames {
                    id: "!b:example.org".to_owned(),
                    alias: Some("#db:example.org".to_owned()),
                    name: None,
                },
            ),
        ]);
        write(folder.path(), &known).unwrap();
        let known = read(folder.path());
        let said = |room: &str| shown(&known, &room.parse().unwrap());
        assert_eq!(
            said("!a:example.org"),
            "!a:example.org (#ops:example.org, \"Operations\")"
        );
        assert_eq!(said("#db:example.org"), "#db:example.org (!b:example.org)");
        assert_eq!(said("!c:example.org"), "!c:example.org");
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(read(folder.path()), Known::new());
    }
}
