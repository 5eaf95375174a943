//! A relay that takes part: started, killed, started again, and asked to take alerts.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

/// Which relay.
pub(crate) enum Kind {
    /// This one, by its program.
    This(PathBuf),
    /// The original.
    Original {
        /// Its repository.
        checkout: PathBuf,
        /// What runs it.
        python: PathBuf,
    },
}

/// One that runs. Its data outlive a kill, as on a disk.
pub(crate) struct Contender {
    kind: Kind,
    settings: Vec<(&'static str, String)>,
    url: String,
    folder: tempfile::TempDir,
    process: Option<Child>,
    http: reqwest::Client,
}

impl Contender {
    /// Starts it for a room of a homeserver.
    pub(crate) async fn start(kind: Kind, home_server: &str, token: &str, room: &str) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let settings = vec![
            ("MATRIX_HOME_SERVER_URL", home_server.to_owned()),
            ("MATRIX_ACCESS_TOKEN", token.to_owned()),
            ("MATRIX_DEFAULT_ROOM", room.to_owned()),
            ("RELAY_HOST", "127.0.0.1".to_owned()),
            ("RELAY_PORT", port.to_string()),
            ("RELAY_DATA_DIR", folder.path().join("data").display().to_string()),
        ];
        let mut contender = Self {
            kind,
            settings,
            url: format!("http://127.0.0.1:{port}/alert"),
            folder,
            process: None,
            http: grafana_matrix_relay::matrix::client_builder()
                .no_proxy()
                .timeout(Duration::from_secs(30))
                .build()?,
        };
        contender.start_again().await?;
        Ok(contender)
    }

    /// Starts it on what it left, and waits until it listens.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        let mut command = match &self.kind {
            Kind::This(program) => {
                let mut command = Command::new(std::path::absolute(program)?);
                command.current_dir(self.folder.path());
                command
            }
            Kind::Original { checkout, python } => {
                let mut command = Command::new(python);
                command
                    .args(["-m", "grafana_matrix_alerting"])
                    .current_dir(checkout.join("relay"));
                command
            }
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().context("the relay does not start")?);
        let address = self.url.trim_start_matches("http://").trim_end_matches("/alert");
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("the relay does not listen on {address}")
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Sends an alert once, as Grafana does; says whether it was accepted.
    pub(crate) async fn takes(&self, alert: &Value) -> bool {
        let answer = self.http.put(&self.url).json(alert).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        self.kill();
    }
}
