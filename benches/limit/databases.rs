//! Databases of the PostgreSQL server that `BENCH_DATABASE_URL` names; see `benches/with-postgres.sh`.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::Connection as _;

/// The URL of a new and empty one, if there is a server.
pub(crate) async fn new() -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("BENCH_DATABASE_URL").ok()?;
    let name = format!("bench_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut connection = sqlx::PgConnection::connect(&server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    Some(format!("{}/{name}", server.rsplit_once('/').unwrap().0))
}
