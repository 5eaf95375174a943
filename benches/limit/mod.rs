//! What no store can beat: a file that is appended to and synced by one thread, which takes all that waits into one
//! `fdatasync`.

pub(crate) mod databases;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

/// The same durability without a store.
pub(crate) struct Bare(mpsc::Sender<oneshot::Sender<()>>);

impl Bare {
    /// Appends so many bytes each time, to a file in this directory.
    pub(crate) fn start(directory: &Path, bytes: usize) -> Self {
        let (queue, mut waiting) = mpsc::channel::<oneshot::Sender<()>>(256);
        let mut file = File::create(directory.join("bare")).unwrap();
        std::thread::spawn(move || {
            let (bytes, mut batch) = (vec![b'x'; bytes], Vec::new());
            while waiting.blocking_recv_many(&mut batch, 256) > 0 {
                file.write_all(&bytes.repeat(batch.len())).unwrap();
                file.sync_data().unwrap();
                batch.drain(..).for_each(|answer| answer.send(()).unwrap());
            }
        });
        Self(queue)
    }

    pub(crate) async fn append(&self) {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.unwrap();
        answered.await.unwrap();
    }
}

/// So many clients for one round, each of which waits for its answer before it calls again; the number of calls.
pub(crate) async fn round<F: Future<Output = ()>>(clients: usize, length: Duration, call: impl Fn(usize) -> F) -> f64 {
    let start = Instant::now();
    let client = async |n: usize| {
        let mut calls = 0_u32;
        while start.elapsed() < length {
            call(n).await;
            calls += 1;
        }
        calls
    };
    let calls: u32 = join_all((0..clients).map(client)).await.into_iter().sum();
    f64::from(calls)
}
