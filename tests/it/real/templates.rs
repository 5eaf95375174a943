//! Templates that people edit, before a real Synapse; the many ways to get one wrong are tried against the stand-in.

use super::{accept_all, assert_once_and_in_order, names, wait_for_names};
use crate::support::matrix::{Event, SOON};
use crate::support::relay::Setup;
use crate::support::synapse::Synapse;

/// A list that is put into itself until no text of it ends, and a text of it.
const BOUNDLESS: &str = "{% set ns = namespace(x=['x' * 200]) %}
{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{% set text = ns.x ~ '' %}";

#[tokio::test]
async fn an_edit_without_bounds_costs_no_message_and_no_order() {
    let synapse = Synapse::start().await;
    let room = &synapse.rooms.default.room_id;
    let folder = tempfile::tempdir().unwrap();
    let save = |text: &str| {
        let (new, file) = (folder.path().join("new"), folder.path().join("alert.md.j2"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, file).unwrap();
    };
    save("Mine: {{ name }}");
    let setup = Setup::new(&synapse, room).env("RELAY_TEMPLATES_DIR", &folder.path().display().to_string());
    let mut relay = setup.start().await;
    let names = names("Edited", 3);
    accept_all(&relay, &names[..1]).await;

    // What shows in a trial is not taken; the last version that worked stays.
    save(&format!("{BOUNDLESS}{{{{ name }}}}"));
    relay.says("alert.md.j2: takes too much").await;
    accept_all(&relay, &names[1..2]).await;

    // What no trial shows is taken, and gives way when it comes to light.
    save(&format!(
        "{{% if name == '{}' %}}{BOUNDLESS}{{% endif %}}{{{{ name }}}}",
        names[2]
    ));
    relay.says_next("the changed templates").await;
    accept_all(&relay, &names[2..]).await;

    let messages = wait_for_names(&synapse, room, &names, SOON).await;
    assert_once_and_in_order(&messages, &names);
    let bodies: Vec<&str> = messages.iter().map(Event::body).collect();
    assert_eq!(
        bodies[..2],
        [format!("Mine: {}", names[0]), format!("Mine: {}", names[1])]
    );
    assert!(
        bodies[2].contains("alert.md.j2: takes too much")
            && bodies[2].contains("The built-in template was used instead of yours"),
        "{bodies:?}"
    );
}
