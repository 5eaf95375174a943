//! An answer that is believed for a while.
//!
//! Guarantees: it is asked for by one at a time; who asks meanwhile waits for the same answer.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// The last answer, and when it came.
pub(super) struct Remembered<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Remembered<T> {
    /// The last answer if it is younger than `believed`, else a new one.
    pub(super) async fn or_ask(&self, believed: Duration, ask: impl Future<Output = T>) -> T {
        let mut held = self.0.lock().await;
        if let Some((_, answer)) = held.as_ref().filter(|(at, _)| at.elapsed() < believed) {
            return answer.clone();
        }
        let answer = ask.await;
        *held = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_are_one_question() {
        let (remembered, asked) = (Remembered::default(), AtomicU32::new(0));
        let ask = async |believed| {
            let question = async {
                tokio::task::yield_now().await;
                asked.fetch_add(1, Ordering::SeqCst)
            };
            remembered.or_ask(believed, question).await
        };
        let answers = join_all((0..100).map(|_| ask(Duration::from_hours(1)))).await;
        assert!(answers.iter().all(|answer| *answer == 0), "{answers:?}");
        assert_eq!(ask(Duration::ZERO).await, 1);
        assert_eq!(ask(Duration::from_hours(1)).await, 1);
    }
}
