//! `PUT /workshop/template`: a draft becomes the file in the operator's folder, where the operator allows it.
//!
//! Guarantees: a file is whole or unchanged (a new one is written beside it and renamed); a file that changed since the
//! draft was begun is not overwritten; nothing is written outside the templates folder, through a link, or under a name
//! that the relay would not read. Whether the template works is not asked: one that does not costs no alert, and the
//! relay says what is wrong with it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;

use super::{Tag, Workshop};
use crate::intake::{Caller, Documented, JsonBody, Problem, Refused};
use crate::render::LARGEST_FILE;
use crate::text::hash;

/// As deep as the relay reads folders.
const DEEPEST: usize = 4;
/// A longer path is none.
const LONGEST_PATH: usize = 200;

/// What to write.
#[derive(Debug, Deserialize, Object)]
struct SaveRequest {
    /// The file's path inside the templates folder, such as `alert.md.j2` or `partials/header.md.j2`.
    file: String,
    /// Its new text.
    text: String,
    /// The `etag` of the file that the text was made from; left out or null where the folder has no such file yet.
    etag: Option<String>,
}

/// A file that was written.
#[derive(Debug, Object)]
struct SavedFile {
    /// Its path inside the templates folder.
    file: String,
    /// What names this text of it from now on.
    etag: String,
}

/// What keeps a template from being written.
struct NotSaved;

impl Documented for NotSaved {
    const REFUSALS: &'static [(u16, &'static str)] = &[
        (413, "The body is larger than the relay takes."),
        (401, "The credential is missing or wrong."),
        (
            403,
            "A web page of another site sent it through a browser, or the operator does not allow it (`RELAY_WORKSHOP=edit`), or \
             the folder cannot be written.",
        ),
        (415, "The body is not declared as JSON."),
        (400, "The body is not JSON."),
        (409, "The file is not the one any more that the text was made from."),
        (
            422,
            "The path is none of a template, or the text is too large; `field` names it.",
        ),
        (503, "The disk cannot take it now."),
    ];
}

/// Why nothing was written.
#[derive(Debug)]
enum Refusal {
    Changed,
    Link,
    Outside,
    Disk(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

pub(super) struct Saves;

#[OpenApi]
impl Saves {
    /// Save a template
    ///
    /// Writes a file of the templates folder. It is in use as soon as the relay has seen it at rest, within a second or two; if
    /// it does not work, the last version that did stays in use.
    #[oai(
        path = "/workshop/template",
        method = "put",
        tag = "Tag::Workshop",
        operation_id = "workshop_save"
    )]
    async fn save(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
        request: JsonBody<SaveRequest>,
    ) -> Result<Json<SavedFile>, Refused<NotSaved>> {
        let SaveRequest { file, text, etag } = request.0;
        let folder = workshop.editable.clone().ok_or_else(|| {
            let detail =
                "this relay lets nobody save templates here: set RELAY_WORKSHOP=edit, or copy the text into the file";
            Problem::new(StatusCode::FORBIDDEN, detail)
        })?;
        if !is_template(&file) {
            let reason = "no path of a template (expected such as `mine.md.j2` or `partials/mine.md.j2`)";
            return Err(Problem::of_field("file", reason).into());
        }
        if text.len() > LARGEST_FILE {
            let reason = format!("larger than {} KiB", LARGEST_FILE / 1024);
            return Err(Problem::of_field("text", reason).into());
        }
        // One after the other, so that two that started from the same file cannot both be right.
        let turn = Arc::clone(&workshop.saving).lock_owned().await;
        let saved = etag_of(text.as_bytes());
        let path = file.clone();
        let write = move || {
            let _turn = turn;
            save(&folder, &path, text.as_bytes(), etag.as_deref())
        };
        let written = tokio::task::spawn_blocking(write).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error).into()));
        written.map_err(|refusal| problem(&file, &refusal))?;
        tracing::info!(template.file = file, "a template was saved in the workshop");
        Ok(Json(SavedFile { file, etag: saved }))
    }
}

/// What names a text of a file.
pub(super) fn etag_of(text: &[u8]) -> String {
    hash([text])[..32].to_owned()
}

/// Whether the relay would read a file of this path.
fn is_template(path: &str) -> bool {
    let is_plain = |part: &str| {
        let all = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(all)
    };
    path.len() <= LONGEST_PATH
        && path.ends_with(".md.j2")
        && path.split('/').count() <= DEEPEST
        && path.split('/').all(is_plain)
}

fn save(folder: &Path, path: &str, text: &[u8], etag: Option<&str>) -> Result<(), Refusal> {
    fs::create_dir_all(folder)?;
    let root = fs::canonicalize(folder)?;
    let (inside, name) = path.rsplit_once('/').unwrap_or(("", path));
    let dir = subfolder(&root, inside)?;
    let target = dir.join(name);
    let permissions = match fs::symlink_metadata(&target) {
        Ok(metadata) if !metadata.is_file() => return Err(Refusal::Link),
        Ok(metadata) => Some(metadata.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let new = dir.join(format!(".{name}.{:08x}.new", rand::random::<u32>()));
    let written = write_new(&new, text, permissions).and_then(|()| {
        // As late as possible: an editor may have saved meanwhile.
        if current(&target)?.as_deref() == etag {
            fs::rename(&new, &target)?;
            Ok(true)
        } else {
            Ok(false)
        }
    });
    if !matches!(written, Ok(true)) {
        drop(fs::remove_file(&new));
    }
    if written? {
        // The name, too, is to survive a loss of power; where a folder cannot be synced, the file still is.
        drop(File::open(&dir).and_then(|dir| dir.sync_all()));
        return Ok(());
    }
    Err(Refusal::Changed)
}

/// A folder inside, made where it is missing, and never by way of a link.
fn subfolder(root: &Path, inside: &str) -> Result<PathBuf, Refusal> {
    let mut dir = root.to_owned();
    for part in inside.split('/').filter(|part| !part.is_empty()) {
        dir.push(part);
        match fs::create_dir(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    if fs::canonicalize(&dir)? == dir {
        Ok(dir)
    } else {
        Err(Refusal::Outside)
    }
}

fn write_new(path: &Path, text: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(text)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}

/// What names the text that is there now.
fn current(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(etag_of(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn problem(file: &str, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Changed => {
            let detail = format!("{file} has changed on disk since this draft was begun; look at both before you save");
            Problem::new(StatusCode::CONFLICT, detail)
        }
        Refusal::Link => Problem::of_field("file", "a link, or no file: edit what it leads to"),
        Refusal::Outside => Problem::of_field("file", "a link leads out of the folder on the way there"),
        Refusal::Disk(error) => {
            tracing::warn!(error.message = %error, template.file = file, "cannot save a template");
            let (status, detail) = match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
                    StatusCode::FORBIDDEN,
                    "the relay may not write into the templates folder; the log says why",
                ),
                _ => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the file cannot be written now; the log says why",
                ),
            };
            Problem::new(status, detail)
        }
    }
}

#[cfg(test)]
mod tests;
