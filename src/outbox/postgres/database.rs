//! Connecting to PostgreSQL, and bringing its schema to the present version.
//!
//! Guarantees: a commit is durable when it returns, even where the server's default says otherwise; replicas that start
//! together migrate once; a database that a newer relay wrote is left as it is.

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Postgres, Transaction};

use crate::outbox::OutboxError;

/// The tables, and the number of this form of them. Nothing was released with another one.
const SCHEMA: &str = include_str!("schema.sql");
const KNOWN: i64 = 1;

/// Connections of one relay: one that accepts, the others for claims, records and readers.
const CONNECTIONS: u32 = 8;

/// How long to wait for a connection before the database counts as gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// A relay that stops in the middle of a transaction, as a machine does that sleeps, holds its rooms no longer than this.
const IDLE: &str = "SET idle_in_transaction_session_timeout = '15s'";

/// This program's advisory lock, for the schema.
const LOCKS: i32 = 0x6772_6f62;

const DURABLE: &str = "
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

const LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock($1, 0)";
const HAS_VERSION: &str = "SELECT to_regclass('outbox_schema') IS NOT NULL";
const VERSION: &str = "SELECT coalesce(max(version), 0) FROM outbox_schema";
const CREATE_VERSION: &str = "CREATE TABLE outbox_schema (version BIGINT NOT NULL)";
const SET_VERSION: &str = "INSERT INTO outbox_schema VALUES ($1)";

/// A pool that has reached the database once.
pub(super) async fn connect(url: &SecretString) -> Result<PgPool, OutboxError> {
    // The parser's own words may repeat the URL, which holds a password.
    let refused =
        || OutboxError::Setting("not a URL of PostgreSQL (expected postgres://user:password@host/database)".to_owned());
    let url = url.expose_secret();
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(refused());
    }
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| refused())?
        .application_name("grafana-matrix-relay")
        .disable_statement_logging();
    // A pool would try until its patience ends, and then not say why.
    options.connect().await.map_err(not_let_in)?.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::query(DURABLE).execute(&mut *connection).await?;
                sqlx::query(IDLE).execute(connection).await.map(drop)
            })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// A server that is away, or says that it is starting or full, is waited for. One that answers and does not let this relay in goes
/// by the settings: a user, a password, a database, or whether TLS is spoken.
fn not_let_in(error: sqlx::Error) -> OutboxError {
    let by_settings = match &error {
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            let class = |class: &str| code.starts_with(class);
            class("28") || class("3D") || class("42")
        }),
        sqlx::Error::Tls(_) => true,
        _ => false,
    };
    if by_settings {
        OutboxError::Setting(error.to_string())
    } else {
        error.into()
    }
}

/// A transaction whose statements each see what was committed before them: the waits for locks rely on that.
pub(super) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, OutboxError> {
    Ok(pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?)
}

/// Makes the tables in a database that has none of them.
pub(super) async fn migrate(pool: &PgPool) -> Result<(), OutboxError> {
    let mut transaction = begin(pool).await?;
    sqlx::query(LOCK_SCHEMA).bind(LOCKS).execute(&mut *transaction).await?;
    let found = version(&mut transaction).await?;
    if found > 0 {
        return check(found);
    }
    sqlx::query(CREATE_VERSION).execute(&mut *transaction).await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    sqlx::query(SET_VERSION).bind(KNOWN).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// Refuses any schema but the present one.
pub(super) async fn check_version(pool: &PgPool) -> Result<(), OutboxError> {
    check(version(&mut *pool.acquire().await?).await?)
}

fn check(found: i64) -> Result<(), OutboxError> {
    match found {
        found if found > KNOWN => Err(OutboxError::NewerSchema { found, known: KNOWN }),
        found if found < KNOWN => Err(OutboxError::OlderSchema { found, known: KNOWN }),
        _ => Ok(()),
    }
}

async fn version(connection: &mut PgConnection) -> Result<i64, OutboxError> {
    if !sqlx::query_scalar::<_, bool>(HAS_VERSION)
        .fetch_one(&mut *connection)
        .await?
    {
        return Ok(0);
    }
    Ok(sqlx::query_scalar(VERSION).fetch_one(connection).await?)
}
