//! Whose turn it is among what waits for a room. Pure, so that the two databases cannot come to differ.
//!
//! News (messages, heads, lines, replies) goes in the order of acceptance. What only shows the state of a group whose
//! head is in the room, such as an edit, *gives way* to news as long as it was never tried: after a storm of resolves
//! the room learns what is new first, and meanwhile later edits take the place of those that wait. Guarantees: nothing
//! that was tried is overtaken, news never overtakes news, and whoever gives way has its turn after ten others at the
//! latest, however much news comes. (What finds its head gone waits for the edit before it, which takes the head's place.)

use jiff::Timestamp;

use super::delivery::DeliveryId;

/// How many in a row may go before what gives way.
const PATIENCE: u32 = 10;

/// A row that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waits {
    pub(super) id: DeliveryId,
    pub(super) attempts: u32,
    pub(super) accepted_at: Timestamp,
}

/// What is to be known of a room's queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queue {
    /// The first of all that waits.
    pub(super) first: Waits,
    /// Whether it gives way.
    pub(super) gives_way: bool,
    /// The first that does not, if the first of all does.
    pub(super) news: Option<Waits>,
    /// How often in a row something went before what gives way.
    pub(super) overtaken: u32,
}

/// Who is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) next: Waits,
    /// Whether it is news, at whose place a digest may stand.
    pub(super) is_news: bool,
    /// What to remember of the room from now on.
    pub(super) overtaken: u32,
}

impl Queue {
    /// See the module.
    pub(super) fn turn(&self) -> Turn {
        match self.news.filter(|_| self.gives_way) {
            Some(news) if news.attempts > 0 || self.overtaken < PATIENCE => Turn {
                next: news,
                is_news: true,
                // Each counts once, however often it is tried.
                overtaken: self.overtaken.saturating_add(u32::from(news.attempts == 0)),
            },
            _ => Turn {
                next: self.first,
                is_news: !self.gives_way,
                // What was tried goes first again, such as a digest that stands before an edit: the edit still waits.
                overtaken: if self.gives_way { 0 } else { self.overtaken },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(id: i64, attempts: u32) -> Waits {
        Waits {
            id: DeliveryId(id),
            attempts,
            accepted_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_edit_gives_way_ten_times_in_a_row_and_never_to_nobody() {
        let mut queue = Queue {
            first: waits(1, 0),
            gives_way: true,
            news: Some(waits(2, 0)),
            overtaken: 0,
        };
        for _ in 0..10 {
            let turn = queue.turn();
            assert_eq!((turn.next.id.0, turn.is_news), (2, true));
            queue.overtaken = turn.overtaken;
        }
        let turn = queue.turn();
        assert_eq!((turn.next.id.0, turn.is_news, turn.overtaken), (1, false, 0));
        // What was tried keeps its place all the same: it may be in the room already.
        queue.news = Some(waits(2, 1));
        let turn = queue.turn();
        assert_eq!((turn.next.id.0, turn.overtaken), (2, queue.overtaken));
        queue.news = None;
        assert_eq!(queue.turn().next.id.0, 1);
    }

    #[test]
    fn news_goes_in_its_order() {
        let queue = Queue {
            first: waits(1, 0),
            gives_way: false,
            news: None,
            overtaken: 4,
        };
        let turn = queue.turn();
        assert_eq!((turn.next.id.0, turn.is_news, turn.overtaken), (1, true, 4));
    }
}
