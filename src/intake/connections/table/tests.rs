//! Which connection is closed when there are too many.

use std::net::Ipv4Addr;

use super::*;

fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(number))
}

/// So many milliseconds after the first.
struct Clock(Instant);

impl Clock {
    fn at(&self, milliseconds: u64) -> Instant {
        self.0 + Duration::from_millis(milliseconds)
    }

    /// Connections of these addresses, each a millisecond older than the next.
    fn opened(&self, table: &Arc<Table>, addresses: &[u32]) -> Vec<Open> {
        let enter = |(number, after)| table.try_enter(address(number), self.at(after)).unwrap();
        addresses.iter().copied().zip(0..).map(enter).collect()
    }
}

/// Which of them are asked to end if another one comes then.
fn asked(table: &Arc<Table>, open: &[Open], now: Instant) -> Vec<usize> {
    assert!(table.try_enter(address(99), now).is_none());
    going(open)
}

fn going(open: &[Open]) -> Vec<usize> {
    (0..open.len()).filter(|at| open[*at].0.goes().is_some()).collect()
}

const NONE: [usize; 0] = [];

#[tokio::test]
async fn the_oldest_idle_one_of_the_address_that_holds_most_goes_first() {
    let (table, clock) = (Table::new(1), Clock(Instant::now()));
    let open = clock.opened(&table, &[1, 2, 2, 3, 2, 3, 1, 2, 2]);
    let asked = |after| asked(&table, &open, clock.at(after));
    assert_eq!(asked(9), NONE, "their requests may be on their way");
    assert_eq!(asked(250), NONE, "only one that holds less is old enough");
    assert_eq!(asked(300), [1]);
    for at in [1, 2] {
        open[at].0.begin(clock.at(300));
    }
    assert_eq!(asked(600), [4], "idle before those with a request");
    for at in [4, 7, 8] {
        open[at].0.begin(clock.at(600));
    }
    assert_eq!(asked(900), [1], "then the oldest request that has proven nothing");
    for at in [1, 2, 4, 7, 8] {
        assert_eq!(
            open[at].0.prove(Duration::ZERO).await,
            at == 1,
            "one is proven at a time"
        );
    }
    assert_eq!(asked(900), [0], "what has proven something is ended for nobody");
    open[6].0.is_of(address(3));
    assert_eq!(asked(900), [3], "the address is the client's");
}

#[tokio::test]
async fn who_has_a_request_by_now_does_not_go() {
    let (table, clock) = (Table::new(1), Clock(Instant::now()));
    let open = clock.opened(&table, &[1; 9]);
    assert!(table.try_enter(address(2), clock.at(300)).is_none());
    open[0].0.asked().await;
    open[0].0.begin(clock.at(301));
    assert_eq!(going(&open), NONE);
    assert_eq!(asked(&table, &open, clock.at(302)), [1]);
}

#[tokio::test]
async fn bytes_are_given_back_by_who_holds_most() {
    let (table, clock) = (Table::new(3), Clock(Instant::now()));
    let open = clock.opened(&table, &[1, 2, 2, 3]);
    for (connection, bytes) in open.iter().zip([70, 50, 40, 10]) {
        connection.0.begin(clock.at(10));
        connection.0.holds(bytes);
    }
    let asked = |by: usize| {
        open[by].0.wants_bytes(clock.at(300));
        going(&open)
    };
    assert_eq!(asked(0), [1]);
    assert_eq!(asked(1), NONE, "nobody asks on behalf of who holds most");
    open[2].0.holds(0);
    assert_eq!(asked(3), [0]);
    assert!(open[1].0.prove(Duration::ZERO).await);
    assert_eq!(asked(1), [0], "who has proven something may ask all others");
    assert!(open[0].0.prove(Duration::ZERO).await);
    assert_eq!(asked(1), [3]);
}
