//! Follows what happens in the rooms, as long as somebody has to know: the members and devices of encrypted rooms.
//!
//! Guarantees: one `/sync` at a time, and none while no room is encrypted; what was interrupted is read again after the next
//! start. A homeserver that is down is asked less and less often, and said so once. What the events mean is decided in
//! [`matrix`](crate::matrix).

use std::time::Duration;

use crate::matrix::{Failure, Transport, Verdict};

/// How soon it is tried again after a failure; doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Follows for ever.
pub async fn listen(transport: Transport) {
    let mut trouble = Trouble::default();
    loop {
        transport.follows_keys().await;
        match transport.follow_keys().await {
            Ok(()) => trouble.is_over(),
            // It is waited for until this one's turn comes.
            Err(failure) if failure.verdict == Verdict::OtherRelay => {}
            Err(failure) => tokio::time::sleep(trouble.begins(&failure)).await,
        }
    }
}

/// What has failed how often in a row.
#[derive(Default)]
struct Trouble {
    failures: u32,
    said: Option<String>,
}

impl Trouble {
    /// Says what failed, unless it was said; and how long to wait.
    fn begins(&mut self, failure: &Failure) -> Duration {
        let words = failure.to_string();
        if self.said.as_ref() != Some(&words) {
            tracing::warn!(
                matrix.errcode = failure.errcode,
                "cannot read changes of keys and members of encrypted rooms from the homeserver: {words}"
            );
            self.said = Some(words);
        }
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(10));
        self.failures += 1;
        pause.min(LONGEST_PAUSE)
    }

    fn is_over(&mut self) {
        if self.said.take().is_some() {
            tracing::info!("the relay reads changes of keys and members of encrypted rooms again");
        }
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::matrix::{Client, EncryptionSettings, Settings};

    #[tokio::test]
    async fn pauses_grow_to_a_minute_and_begin_anew() {
        let unanswered = Failure::unanswered(Duration::from_secs(1));
        let mut trouble = Trouble::default();
        let pauses: Vec<u64> = (0..9).map(|_| trouble.begins(&unanswered).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        trouble.is_over();
        assert_eq!(trouble.begins(&unanswered), FIRST_PAUSE);
    }

    #[tokio::test]
    async fn nothing_is_asked_while_no_room_is_encrypted() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            home_server: "http://127.0.0.1:1".to_owned(),
            access_token: SecretString::from("token"),
            request_timeout: Duration::from_secs(1),
            encryption: EncryptionSettings {
                folder: Some(folder.path().to_owned()),
                ..EncryptionSettings::default()
            },
        };
        let client = Client::new(&settings).unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(50), client.follows_keys());
        assert!(waits.await.is_err());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "and nothing is written"
        );
    }
}
