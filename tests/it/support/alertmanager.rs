//! A real Prometheus Alertmanager, Debian's, that posts to the relay.

use serde_json::{Value, json};

use super::matrix::{http_client, send};
use super::process::{Process, Program};

/// A running Alertmanager with one receiver: a webhook.
pub(crate) struct Alertmanager {
    base_url: String,
    http: reqwest::Client,
    // Dropped before the folder it writes to.
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    /// Starts one that sends what it gets to `webhook` within half a second.
    pub(crate) async fn start(webhook: &str) -> Self {
        Self::start_with(webhook, json!({})).await
    }

    /// The same with these settings of its HTTP client, such as what it shows to be let in.
    pub(crate) async fn start_with(webhook: &str, http: Value) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("alertmanager.yml");
        std::fs::write(&config, configuration(webhook, &http).to_string()).expect("the configuration can be written");
        let mut process = Program::new("prometheus-alertmanager", "prometheus-alertmanager")
            .args([
                format!("--config.file={}", config.display()),
                format!("--storage.path={}", folder.path().display()),
                "--web.listen-address=127.0.0.1:0".to_owned(),
                // Empty: no cluster. By default it would listen on all addresses for its peers.
                "--cluster.listen-address=".to_owned(),
            ])
            .start();
        let address = process.wait_for("listening", listening_address).await;
        Self {
            base_url: format!("http://{address}"),
            http: http_client(),
            _process: process,
            _folder: folder,
        }
    }

    /// Hands it alerts as Prometheus does.
    pub(crate) async fn post(&self, alerts: Value) {
        let request = self.http.post(format!("{}/api/v2/alerts", self.base_url));
        send(
            request
                .header("content-type", "application/json")
                .body(alerts.to_string()),
        )
        .await
        .ok();
    }
}

/// Its configuration, which is YAML and so may be JSON. Short waits, as it groups for half a minute by default.
fn configuration(webhook: &str, http: &Value) -> Value {
    json!({
        "route": {
            "receiver": "relay",
            "group_by": ["alertname"],
            "group_wait": "300ms",
            "group_interval": "1s",
        },
        "receivers": [{"name": "relay", "webhook_configs": [
            {"url": webhook, "send_resolved": true, "http_config": http},
        ]}],
    })
}

/// `… msg="Listening on" address=127.0.0.1:43835`.
fn listening_address(line: &str) -> Option<String> {
    let (_, address) = line
        .contains("\"Listening on\"")
        .then(|| line.split_once("address="))??;
    Some(address.trim().to_owned())
}
