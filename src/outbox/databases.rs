//! Which database an outbox is in, and opening it.

use std::path::PathBuf;

use secrecy::SecretString;

use super::OutboxError;
use super::Settings;
use super::sqlite::Sqlite;
use super::store::Store;

/// Why a database URL is refused by a program that was built so.
pub const WITHOUT_POSTGRES: &str = "this program was built without PostgreSQL (expected a build with the cargo feature `postgres`, which is on by default)";

/// Who opens a store: only a relay makes and migrates one, and locks it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Opener {
    Relay,
    Command,
}

/// The directory of an outbox that is a file.
pub(super) fn directory_of(settings: &Settings) -> Result<PathBuf, OutboxError> {
    match settings.database_url {
        Some(_) => Err(OutboxError::NotHere),
        None => Ok(settings.data_dir.clone()),
    }
}

pub(super) async fn open_store(settings: &Settings, opener: Opener) -> Result<Box<dyn Store>, OutboxError> {
    if let Some(url) = &settings.database_url {
        return open_postgres(url, settings, opener).await;
    }
    let settings = settings.clone();
    let open = move || match opener {
        Opener::Relay => Sqlite::open(&settings),
        Opener::Command => Sqlite::open_for_operator(&settings),
    };
    let sqlite = tokio::task::spawn_blocking(open).await;
    Ok(Box::new(sqlite.map_err(OutboxError::bug)??))
}

#[cfg(feature = "postgres")]
pub(super) async fn open_postgres(
    url: &SecretString,
    settings: &Settings,
    opener: Opener,
) -> Result<Box<dyn Store>, OutboxError> {
    use super::postgres::PostgreSql;
    Ok(Box::new(match opener {
        Opener::Relay => Box::pin(PostgreSql::open(url, settings)).await?,
        Opener::Command => Box::pin(PostgreSql::open_for_operator(url, settings)).await?,
    }))
}

#[cfg(not(feature = "postgres"))]
pub(super) fn open_postgres(
    _: &SecretString,
    _: &Settings,
    _: Opener,
) -> std::future::Ready<Result<Box<dyn Store>, OutboxError>> {
    std::future::ready(Err(OutboxError::Setting(WITHOUT_POSTGRES.to_owned())))
}
