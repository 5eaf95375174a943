//! Stories that random runs came upon, cut down by hand: what a head had taken up before it was seen is told by nobody, also
//! where the head is named in a digest, so it has no place in the order.

use grafana_matrix_relay::outbox::DeliveryId;

use super::super::on_every_store;
use super::super::place::Place;
use super::run::Run;
use super::{Finish, Step, Tell};

on_every_store!(
    a_digest_names_a_head_and_not_what_the_head_had_taken_up,
    a_head_that_is_sent_again_brings_back_nothing_that_it_had_taken_up,
);

const HEAD: Step = Step::Tell(0, Tell::Head { rest: false });
const LINE: Step = Step::Tell(0, Tell::Line);
const MESSAGE: Step = Step::Message(0);
const CLAIM: Step = Step::Claim { fold: false };

async fn take<const N: usize>(mut run: Run, steps: [Step; N]) -> Run {
    for step in steps {
        run = run.take(step).await;
    }
    run
}

/// What was tried before ends the digest, in front of a message that is older than the line.
async fn a_digest_names_a_head_and_not_what_the_head_had_taken_up(place: Place) {
    let mut run = take(Run::start(place).await, [MESSAGE, CLAIM]).await;
    run.finish(0, Finish::Release).await;
    run.drop(DeliveryId(1)).await;
    let run = take(
        run,
        [HEAD, MESSAGE, MESSAGE, MESSAGE, Step::Retry(0), MESSAGE, LINE, HEAD],
    )
    .await;
    assert_eq!(run.end().await, [vec![8, 3, 4, 5, 1, 6], vec![]]);
}

/// A newer message is in the room before.
async fn a_head_that_is_sent_again_brings_back_nothing_that_it_had_taken_up(place: Place) {
    let mut run = take(Run::start(place).await, [HEAD, LINE, HEAD]).await;
    run.drop(DeliveryId(1)).await;
    let mut run = take(run, [MESSAGE, CLAIM]).await;
    run.finish(0, Finish::Delivered).await;
    let run = take(run, [MESSAGE, MESSAGE, MESSAGE]).await;
    assert_eq!(run.end().await, [vec![4, 5, 6, 7, 3], vec![]]);
}
