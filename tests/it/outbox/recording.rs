//! The shelf of notifications: the last few, newest first, with their bodies.

use grafana_matrix_relay::outbox::{NewRecording, RecordingId};

use super::on_every_store;
use super::place::{Place, accept, at, drain};

on_every_store!(
    only_the_last_recordings_stay,
    recordings_survive_a_restart_and_touch_no_delivery,
);

fn recording(number: i64) -> NewRecording {
    NewRecording {
        title: format!("firing: {number}\0"),
        body: format!("{{\"number\": {number}}}"),
        received_at: at(number),
    }
}

async fn only_the_last_recordings_stay(place: Place) {
    let outbox = place.open().await;
    outbox
        .keep_recordings((1..=3).map(recording).collect(), 3)
        .await
        .unwrap();
    outbox.keep_recordings(vec![recording(4)], 3).await.unwrap();
    let kept = outbox.recordings().await.unwrap();
    let times: Vec<_> = kept.iter().map(|one| one.received_at).collect();
    assert_eq!(times, [at(4), at(3), at(2)]);
    assert!(kept[0].title.starts_with("firing: 4"), "{kept:?}");
    let (shown, body) = outbox.recording(kept[0].id).await.unwrap().unwrap();
    assert_eq!((&shown, body.as_str()), (&kept[0], "{\"number\": 4}"));

    outbox.keep_recordings(Vec::new(), 1).await.unwrap();
    assert_eq!(outbox.recordings().await.unwrap(), kept[..1]);
    outbox.keep_recordings(Vec::new(), 0).await.unwrap();
    assert!(outbox.recordings().await.unwrap().is_empty());
    assert!(outbox.recording(RecordingId(999)).await.unwrap().is_none());
}

async fn recordings_survive_a_restart_and_touch_no_delivery(place: Place) {
    let outbox = place.open().await;
    accept(&outbox, "a", "1", at(0)).await;
    outbox.keep_recordings(vec![recording(1)], 3).await.unwrap();
    let kept = outbox.recordings().await.unwrap();
    let outbox = place.reopen(outbox).await;
    assert_eq!(outbox.recordings().await.unwrap(), kept);
    assert_eq!(drain(&outbox, at(1)).await, ["1"]);
}
