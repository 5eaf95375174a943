//! How often refusals are logged, so that nobody can flood the log who has no credential.
//!
//! Guarantees: an address gets so many lines a minute for each reason, and all addresses together so many; how many
//! were left out is said when the minute is over, in a few lines. Memory is bounded whatever addresses appear. Everything is counted
//! in the metrics beside this.
//!
//! Deliberately no lock: who shows the right credential is let in however often others have failed from the same address.
//! Behind a NAT or a proxy that is one address for many, and a sender that is kept out loses alerts, since Grafana does
//! not send them again. Against guessing there are secrets that cannot be guessed.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// For how long lines are counted together.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// Lines of one address for one reason.
const LINES: u32 = 10;
/// Lines of all addresses.
const ALL_LINES: u32 = 200;
/// How many addresses are counted by themselves in a minute.
const REMEMBERED: usize = 4096;
/// How many of them are named in what is said of the lines that were left out.
const NAMED: usize = 10;

/// Counts the lines of this minute.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    began: Option<Timestamp>,
    lines: u32,
    clients: HashMap<Option<IpAddr>, BTreeMap<&'static str, Count>>,
    /// What was left out of addresses that are not remembered.
    further: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    lines: u32,
    left_out: u64,
}

impl Refusals {
    /// Whether there is a line left in this minute for this address and this reason; one that is unknown is an address, too.
    pub(super) fn may_be_logged(&self, client: Option<IpAddr>, reason: &'static str, now: Timestamp) -> bool {
        self.summarise(Some(now));
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        minute.began.get_or_insert(now);
        minute.may_be_logged(client, reason)
    }

    /// Says what was left out, if the minute is over at this time; in any case without one.
    pub(super) fn summarise(&self, now: Option<Timestamp>) {
        let over = {
            let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A clock that was set back must not make a minute last for hours.
            let is_over = |began: Timestamp| now.is_none_or(|now| now.duration_since(began).abs() >= MINUTE);
            minute.began.is_some_and(is_over).then(|| std::mem::take(&mut *minute))
        };
        for (client, left_out, text) in over.map(Minute::left_out).unwrap_or_default() {
            tracing::warn!(client.ip = client, log.left_out = left_out, "{text}");
        }
    }
}

impl Minute {
    fn may_be_logged(&mut self, client: Option<IpAddr>, reason: &'static str) -> bool {
        if self.clients.len() >= REMEMBERED && !self.clients.contains_key(&client) {
            self.further += 1;
            return false;
        }
        let count = self.clients.entry(client).or_default().entry(reason).or_default();
        let is_logged = count.lines < LINES && self.lines < ALL_LINES;
        if is_logged {
            count.lines += 1;
            self.lines += 1;
        } else {
            count.left_out += 1;
        }
        is_logged
    }

    /// What to say of what was left out: the address, how many lines, and the sentence.
    fn left_out(self) -> Vec<(String, u64, String)> {
        let total = |counts: &BTreeMap<_, Count>| counts.values().map(|count| count.left_out).sum::<u64>();
        let clients = self
            .clients
            .into_iter()
            .map(|(client, counts)| (total(&counts), client, counts));
        let mut clients: Vec<_> = clients.filter(|(total, ..)| *total > 0).collect();
        clients.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
        let rest = clients.split_off(clients.len().min(NAMED));
        let mut said: Vec<_> = clients
            .into_iter()
            .map(|(total, client, counts)| {
                let client = client.map_or_else(|| "an unknown address".to_owned(), |client| client.to_string());
                let left_out = counts.iter().filter(|(_, count)| count.left_out > 0);
                let reasons: Vec<_> = left_out
                    .map(|(reason, count)| format!("{reason}: {}", count.left_out))
                    .collect();
                let text = format!(
                    "{total} more refusals of {client} within a minute were not logged ({})",
                    reasons.join(", ")
                );
                (client, total, text)
            })
            .collect();
        let further = self.further + rest.iter().map(|(total, ..)| total).sum::<u64>();
        if further > 0 {
            let text = format!("{further} more refusals of further addresses within a minute were not logged");
            said.push(("further".to_owned(), further, text));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(number))
    }

    /// How many of so many are logged.
    fn logged(refusals: &Refusals, client: u32, reason: &'static str, count: usize, second: i64) -> usize {
        let may_be_logged = |_: &usize| refusals.may_be_logged(Some(address(client)), reason, at(second));
        (0..count).filter(may_be_logged).count()
    }

    #[test]
    fn an_address_has_so_many_lines_a_minute_for_each_reason() {
        let refusals = Refusals::default();
        assert_eq!(logged(&refusals, 1, "wrong", 500, 0), 10);
        assert_eq!(logged(&refusals, 1, "missing", 5, 1), 5);
        assert_eq!(logged(&refusals, 1, "missing", 500, 59), 5);
        assert_eq!(logged(&refusals, 2, "wrong", 500, 59), 10);
        assert_eq!(logged(&refusals, 1, "wrong", 500, 60), 10);
        assert_eq!(logged(&refusals, 1, "wrong", 500, -100), 10, "the clock was set back");
    }

    #[test]
    fn what_was_left_out_is_said_and_nothing_twice() {
        let refusals = Refusals::default();
        logged(&refusals, 1, "wrong", 500, 0);
        logged(&refusals, 1, "missing", 12, 0);
        logged(&refusals, 2, "wrong", 10, 0);
        let minute = std::mem::take(&mut *refusals.0.lock().unwrap());
        let said: Vec<_> = minute.left_out().into_iter().map(|(_, _, text)| text).collect();
        assert_eq!(
            said,
            ["492 more refusals of 0.0.0.1 within a minute were not logged (missing: 2, wrong: 490)"]
        );
        assert_eq!(refusals.0.lock().unwrap().began, None);
    }

    #[test]
    fn lines_and_memory_are_bounded_whatever_addresses_appear() {
        let refusals = Refusals::default();
        let lines: usize = (0..10_000).map(|client| logged(&refusals, client, "wrong", 2, 0)).sum();
        assert_eq!(lines, 200);
        let minute = std::mem::take(&mut *refusals.0.lock().unwrap());
        assert_eq!(minute.clients.len(), REMEMBERED);
        let said = minute.left_out();
        assert_eq!(said.len(), NAMED + 1);
        assert_eq!(said.iter().map(|(_, left_out, _)| left_out).sum::<u64>(), 20_000 - 200);
    }
}
