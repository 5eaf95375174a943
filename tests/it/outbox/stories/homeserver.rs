//! The homeserver of a run: what it does with an attempt that reaches it.

use grafana_matrix_relay::message::Relation;
use grafana_matrix_relay::outbox::{Delivery, Part};

use super::run::{Run, room_of};

/// What a room's members see of one event.
#[derive(Debug)]
pub(super) struct Event {
    /// The state that it shows; 0 where it is no group's message.
    pub(super) text: i64,
    pub(super) is_deleted: bool,
}

impl Run {
    /// What a homeserver does with it; the event's name.
    pub(super) fn show(&mut self, delivery: &Delivery) -> String {
        let text = delivery.message.body.as_str();
        if let Some(Relation::Edit { of }) = &delivery.relation {
            let (event, number) = (self.events.get_mut(of).unwrap(), text.parse().unwrap());
            assert!(
                event.text <= number,
                "{of} said {} and is edited to {number}",
                event.text
            );
            event.text = number;
            return format!("${}-edit", delivery.txn_id);
        }
        let event_id = format!("${}", delivery.txn_id);
        if self.events.contains_key(&event_id) {
            // A transaction counts once.
            return event_id;
        }
        let n = room_of(delivery);
        let is_state = delivery.part == Part::Root;
        let numbers = text.lines().map(|line| line.parse::<i64>().unwrap());
        // What does not fit a message has a number below zero.
        let numbers: Vec<i64> = numbers.filter(|number| *number > 0).collect();
        let event = Event {
            text: if is_state { numbers[0] } else { 0 },
            is_deleted: false,
        };
        self.events.insert(event_id.clone(), event);
        let news = numbers.into_iter().filter(|number| self.rows_of.contains_key(number));
        let news: Vec<i64> = news.filter(|_| !is_state).collect();
        let rows = news.iter().map(|number| self.rows_of[number]);
        let in_time = rows.filter(|row| !self.ever_dead.contains(row) && !self.ever_dead.contains(&delivery.id));
        self.order[n].extend(in_time.map(|row| row.0));
        self.told[n].extend(news);
        event_id
    }
}
