//! The outbox's promise as one suite of facts, which holds on every store.
//!
//! A fact is an async function that takes a fresh [`place::Place`]; `on_every_store!` makes a test of it per store.

pub(crate) mod place;
mod tale;
mod timeline;

mod crash;
mod damage;
mod digest;
mod doubt;
mod encrypted;
mod group;
mod interleavings;
mod model;
mod operator;
mod order;
mod patience;
mod races;
mod record;
mod recording;
mod repeat;
mod replicas;
mod schema;
mod silence;
mod stories;
mod versions;

/// Makes a test of each fact on each store.
macro_rules! on_every_store {
    ($($fact:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $fact() {
                super::$fact(crate::outbox::place::Place::sqlite()).await;
            })+
        }
        mod on_postgresql {
            $(#[tokio::test]
            async fn $fact() {
                super::$fact(crate::outbox::place::Place::postgresql().await).await;
            })+
        }
    };
}
use on_every_store;
