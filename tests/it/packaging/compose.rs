//! The compose file of Grafana, relay and PostgreSQL: whatever it asks for is there.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{packaging, run};

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(packaging(path)).unwrap()).unwrap()
}

#[test]
fn each_variable_is_in_the_example_and_each_folder_is_there() {
    let text = fs::read_to_string(packaging("compose/compose.yaml")).unwrap();
    let asked: BTreeSet<&str> = text
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split([':', '}']).next())
        .collect();
    let example = fs::read_to_string(packaging("compose/.env.example")).unwrap();
    let offered: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .collect();
    assert_eq!(asked, offered);

    let compose = yaml("compose/compose.yaml");
    let services = compose["services"].as_object().unwrap();
    assert!(services.keys().eq(["grafana", "relay", "postgres"]), "{compose:#}");
    let volumes = services
        .values()
        .filter_map(|service| service["volumes"].as_array())
        .flatten();
    for volume in volumes.map(|volume| volume.as_str().unwrap().split(':').next().unwrap()) {
        let is_there = match volume.strip_prefix('.') {
            Some(_) => packaging("compose").join(volume).is_dir(),
            None => compose["volumes"].get(volume).is_some(),
        };
        assert!(is_there, "{volume}");
    }
    let help = run(env!("CARGO_BIN_EXE_grafana-matrix-relay"), &["serve", "--help"]);
    for setting in services["relay"]["environment"].as_object().unwrap().keys() {
        assert!(help.contains(&format!("[env: {setting}")), "{setting}");
    }
}

#[test]
fn grafana_is_told_the_address_of_the_relay_and_its_token() {
    let provisioned = yaml("compose/grafana/alerting/matrix.yaml");
    let settings = &provisioned["contactPoints"][0]["receivers"][0]["settings"];
    assert_eq!(settings["url"], "http://relay:9042/alert");
    assert_eq!(settings["authorization_credentials"], "$RELAY_TOKEN");
    let grafana = &yaml("compose/compose.yaml")["services"]["grafana"];
    assert!(grafana["environment"]["RELAY_TOKEN"].is_string(), "{grafana:#}");
    assert_eq!(
        provisioned["policies"][0]["receiver"],
        provisioned["contactPoints"][0]["name"]
    );
}
