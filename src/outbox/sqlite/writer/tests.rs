//! The writer with disks that hang, are full, or fail.

use super::*;

fn writer() -> Writer {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
        .unwrap();
    Writer::start(connection, (), |_, _| Ok(())).unwrap()
}

fn insert(n: i64) -> impl Fn(&mut SqliteSession<'_>) -> Result<(), OutboxError> + Send + 'static {
    move |session| {
        session.0.execute("INSERT INTO t VALUES (?1)", [n])?;
        Ok(())
    }
}

#[tokio::test]
async fn thread_that_panics_is_noticed() {
    let writer = writer();
    let panicked = writer.run(|_| -> Result<(), _> { panic!("a defect, on purpose") });
    let (panicked, ()) = tokio::join!(panicked, writer.stopped());
    assert!(matches!(panicked, Err(OutboxError::Unavailable { .. })));
}

#[tokio::test]
async fn disk_that_hangs_is_not_waited_for() {
    let writer = writer();
    let (go_on, hangs) = channel::<()>();
    let (began, mut has_begun) = mpsc::unbounded_channel::<()>();
    let hangs = Mutex::new(hangs);
    let hanging = writer.run_within(Duration::from_millis(50), move |session: &mut SqliteSession<'_>| {
        began.send(()).unwrap();
        hangs.lock().unwrap().recv().unwrap();
        insert(1)(session)
    });
    let behind = async {
        has_begun.recv().await.unwrap();
        // Neither work that has begun nor what stands behind it is waited for for ever.
        writer.run_within(Duration::from_millis(10), insert(2)).await
    };
    let (hanging, behind) = tokio::join!(hanging, behind);
    for answer in [hanging, behind] {
        let Err(OutboxError::Unknown { reason }) = answer else {
            panic!("{answer:?}")
        };
        assert!(reason.contains("did not answer in time"), "{reason}");
    }
    let owed = writer.run(insert(3));
    go_on.send(()).unwrap();
    owed.await.unwrap();
    assert_eq!(count(&writer).await, 2, "what had begun is done, what had not is not");
    writer.run_within(Duration::from_mins(1), insert(2)).await.unwrap();
}

#[tokio::test]
async fn disk_that_hangs_does_not_keep_the_process_from_its_end() {
    let mut writer = writer();
    writer.patience = Duration::from_millis(50);
    let (go_on, hangs) = channel::<()>();
    let hangs = Mutex::new(hangs);
    let hangs = move |_: &mut SqliteSession<'_>| hangs.lock().unwrap().recv().map_err(OutboxError::bug);
    let late = writer.run_within(Duration::from_millis(10), hangs).await;
    assert!(matches!(late, Err(OutboxError::Unknown { .. })));
    drop(writer);
    // Only now could the thread have gone on.
    go_on.send(()).unwrap();
}

async fn count(writer: &Writer) -> i64 {
    let count = |s: &mut SqliteSession<'_>| Ok(s.0.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?);
    writer.run(count).await.unwrap()
}

#[tokio::test]
async fn work_that_fails_does_not_fail_its_neighbours() {
    let writer = writer();
    let first = writer.run(insert(1));
    let twice = writer.run(|session| {
        session.0.execute("INSERT INTO t VALUES (7)", [])?;
        insert(1)(session)
    });
    let last = writer.run(insert(2));
    let (first, twice, last) = tokio::join!(first, twice, last);
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(twice, Err(OutboxError::Bug(_))));
    assert_eq!(
        count(&writer).await,
        2,
        "the 7 was undone with the work that failed after it"
    );
}

#[tokio::test]
async fn full_disk_is_told_to_everybody_and_ends_when_there_is_space() {
    let writer = writer();
    let limit = |pages: i64| move |s: &mut SqliteSession<'_>| Ok(s.0.pragma_update(None, "max_page_count", pages)?);
    writer.run(limit(3)).await.unwrap();
    let big = |s: &mut SqliteSession<'_>| {
        s.0.execute_batch("CREATE TABLE big (b BLOB); INSERT INTO big VALUES (zeroblob(100000))")?;
        Ok(())
    };
    let (small, big) = tokio::join!(writer.run(insert(1)), writer.run(big));
    assert!(matches!(big, Err(OutboxError::Unavailable { .. })));
    let kept = i64::from(small.is_ok());
    assert_eq!(count(&writer).await, kept, "there is exactly what was said to be there");
    writer.run(limit(1000)).await.unwrap();
    writer.run(insert(2)).await.unwrap();
}
