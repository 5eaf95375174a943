//! What encryption costs: sends into an encrypted room of few and of many members, and memory with one.

use std::path::Path;
use std::time::{Duration, Instant};

use grafana_matrix_relay::standin::{Homeserver, NewRoom};

use crate::process::{Process, Start};
use crate::{load, row};

const DELIVERED: u32 = 300;

/// Rooms of 5 and of 200 members, each with one device, beside a plain room of the same homeserver.
pub(crate) async fn measure(data: &Path) {
    let mut plain = None;
    for (name, people, is_encrypted) in [
        ("a plain room", 5, false),
        ("an encrypted room of 5 members", 5, true),
        ("an encrypted room of 200 members", 200, true),
    ] {
        let data = data.join(name.replace(' ', "-"));
        std::fs::create_dir_all(&data).unwrap();
        let (first, rate, resident) = sends(&data, people, is_encrypted).await;
        let limit = *plain.get_or_insert(rate);
        row(
            &format!("deliveries into {name}"),
            format!("{rate:.0}/s"),
            format!("{limit:.0}/s into a plain room"),
            rate / limit,
        );
        if is_encrypted {
            println!(
                "| the first of them, with the keys of device and room | {first:.1?} | | |\n\
                 | memory with it, its own and resident | {:.1} and {:.1} MiB | | |",
                resident.0, resident.1
            );
        }
    }
}

/// How long the first message takes, how many a second follow, and what the relay holds then.
async fn sends(data: &Path, people: usize, is_encrypted: bool) -> (Duration, f64, (f64, f64)) {
    let homeserver = Homeserver::new("example.org");
    let token = homeserver.login("bot", "RELAY");
    let mut room = NewRoom::named("ops").member("bot");
    for person in 0..people {
        let name = format!("person{person}");
        homeserver.publish_device(&name);
        room = room.member(name);
    }
    let room = homeserver.create_room(&if is_encrypted { room.encrypted() } else { room });
    let running = homeserver.start().await.unwrap();
    let relay = Process::start(&Start {
        homeserver: running.base_url.clone(),
        token,
        room: room.clone(),
        ..Start::alone(data)
    });
    let delivered = async |count: u32| {
        while homeserver.sends_seen(&room) < u64::from(count) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let began = Instant::now();
    load::post(&relay.address, load::one, 1, 1, 0).await;
    delivered(1).await;
    let first = began.elapsed();
    let began = Instant::now();
    load::post(&relay.address, load::one, 16, DELIVERED.into(), 1_000).await;
    delivered(DELIVERED + 1).await;
    let rate = f64::from(DELIVERED) / began.elapsed().as_secs_f64();
    (first, rate, relay.memory_mib())
}
