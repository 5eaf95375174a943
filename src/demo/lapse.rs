//! The incident that the demo plays in time-lapse: which step it is at, and the page's buttons for it.
//!
//! Guarantees: a step is played once and in order, however many ask for it. It says when a step is due, and plays none itself.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, Response, handler};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;

/// Where the incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    /// How many steps have been played.
    played: usize,
    /// How many shall be played at once.
    wanted: usize,
    /// Whether the next one comes by itself.
    is_playing: bool,
}

/// Time-lapse of an incident; cheap to clone.
#[derive(Debug, Clone)]
pub struct Lapse {
    steps: &'static [&'static str],
    pause: Duration,
    state: watch::Sender<State>,
}

impl Lapse {
    /// An incident of these steps, each in a few words, with so much time between them. It plays by itself.
    pub fn new(steps: &'static [&'static str], pause: Duration) -> Self {
        let state = State {
            played: 0,
            wanted: 1,
            is_playing: true,
        };
        Self {
            steps,
            pause,
            state: watch::Sender::new(state),
        }
    }

    /// Waits until the next step is due, or asked for, and says which it is.
    pub async fn next(&self) -> usize {
        let mut changes = self.state.subscribe();
        loop {
            let state = *changes.borrow_and_update();
            let is_left = state.played < self.steps.len();
            if is_left && state.wanted > state.played {
                self.state.send_modify(|state| state.played += 1);
                return state.played;
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(self.pause), if is_left && state.is_playing => {
                    self.state.send_modify(|state| state.wanted = state.wanted.max(state.played + 1));
                }
            }
        }
    }

    fn shown(&self) -> serde_json::Value {
        let State { played, is_playing, .. } = *self.state.borrow();
        json!({
            "steps": self.steps,
            "played": played,
            "playing": is_playing && played < self.steps.len(),
            "pause_seconds": self.pause.as_secs(),
        })
    }
}

/// What a button of the page wants.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wish {
    Pause,
    Play,
    Step,
    Again,
}

#[derive(Debug, Deserialize)]
struct Wished {
    wish: Wish,
}

/// Where it is.
#[handler]
pub(super) fn show(Data(lapse): Data<&Lapse>) -> Response {
    Json(lapse.shown()).into_response()
}

/// A button was pressed. Only JSON is taken, which no page of another site can send.
#[handler]
pub(super) fn press(Data(lapse): Data<&Lapse>, wished: poem::Result<Json<Wished>>) -> Response {
    let Ok(wish) = wished.map(|Json(wished)| wished.wish) else {
        return StatusCode::UNPROCESSABLE_ENTITY.into();
    };
    let last = lapse.steps.len();
    lapse.state.send_modify(|state| match wish {
        Wish::Pause => state.is_playing = false,
        Wish::Play => state.is_playing = true,
        Wish::Step => {
            state.is_playing = false;
            state.wanted = (state.played + 1).min(last);
        }
        Wish::Again => {
            *state = State {
                played: 0,
                wanted: 1,
                is_playing: true,
            }
        }
    });
    Json(lapse.shown()).into_response()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn steps_come_by_themselves_or_by_a_button_and_each_once() {
        let lapse = Lapse::new(&["a", "b", "c"], Duration::from_hours(1));
        assert_eq!(lapse.next().await, 0);
        // The next one is an hour away, unless somebody asks.
        assert_eq!(lapse.next().now_or_never(), None);
        lapse.state.send_modify(|state| state.wanted = 2);
        assert_eq!(lapse.next().now_or_never(), Some(1));
        assert_eq!(lapse.next().now_or_never(), None);
        // Two are asked for at once; then it is over, whatever is wanted.
        lapse
            .state
            .send_modify(|state| (state.is_playing, state.wanted) = (false, 9));
        assert_eq!(lapse.next().now_or_never(), Some(2));
        assert_eq!(lapse.next().now_or_never(), None);

        let lapse = Lapse::new(&["a", "b"], Duration::ZERO);
        assert_eq!((lapse.next().await, lapse.next().await), (0, 1));
    }
}
