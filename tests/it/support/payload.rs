//! Notification bodies that tests post, told apart by the name of their alert.

use serde_json::{Value, json};

const GRAFANA: &str = include_str!("../../fixtures/e2e-grafana-firing.json");

/// Grafana's body for one firing alert of this name, in a group of its own.
pub(crate) fn grafana_firing(alertname: &str) -> Value {
    let mut body: Value = serde_json::from_str(GRAFANA).expect("the fixture is JSON");
    for labels in ["/groupLabels", "/commonLabels", "/alerts/0/labels"] {
        body.pointer_mut(labels).expect("the fixture has labels")["alertname"] = json!(alertname);
    }
    body["groupKey"] = json!(format!("{{}}:{{alertname=\"{alertname}\"}}"));
    body["title"] = json!(format!("[FIRING:1] {alertname} Databases (db-3)"));
    body["alerts"][0]["fingerprint"] = json!(fingerprint(alertname));
    body
}

/// The same alert, over.
pub(crate) fn grafana_resolved(alertname: &str) -> Value {
    let mut body = grafana_firing(alertname);
    body["status"] = json!("resolved");
    body["state"] = json!("ok");
    body["title"] = json!(format!("[RESOLVED] {alertname} Databases (db-3)"));
    body["alerts"][0]["status"] = json!("resolved");
    body["alerts"][0]["endsAt"] = json!("2026-11-21T02:29:40Z");
    body
}

/// Sixteen hex digits that belong to the name: FNV-1a, as Grafana has it over all labels.
fn fingerprint(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
