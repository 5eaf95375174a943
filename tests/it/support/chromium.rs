//! A real Chromium, driven through its WebDriver, for what a person sees.
//!
//! Guarantees: headless, with a profile of its own, gone with its driver.

use serde_json::json;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};

use super::matrix::http_client;
use super::process::{Process, Program};

/// No sandbox because tests may run as root; no work in the background; the pipe ends the browser with its driver.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
];

/// Calls back with the page's text when it contains the argument; an observer, so that nothing is asked twice.
const WAIT_FOR_TEXT: &str = "
    const [wanted, done] = arguments;
    const look = () => {
        const text = document.body.innerText;
        if (!text.includes(wanted)) return;
        observer.disconnect();
        done(text);
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
    look();
";

/// The same for a condition, which is asked again and again, because inputs have values that no observer sees. Not with each
/// frame: drawing takes the processors from the relay that is waited for.
const WAIT_UNTIL: &str = "
    const [done] = arguments;
    const look = () => (CONDITION) ? done(true) : setTimeout(look, 25);
    look();
";

/// A browser with one window.
pub(crate) struct Browser {
    /// For everything that the shortcuts do not do.
    pub(crate) driver: WebDriver,
    /// Of chromedriver, for what WebDriver does not know.
    port: u16,
    _chromedriver: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one, with a window of this size in CSS pixels.
    pub(crate) async fn start(width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut chromedriver = Program::new("chromedriver", "chromedriver")
            .args(["--port=0"])
            .env("HOME", profile.path())
            .end_with("TERM")
            .start();
        let port = chromedriver.wait_for("started", started_on_port).await;
        let mut wishes = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            wishes.add_arg(argument).expect("an argument");
        }
        wishes
            .add_arg(&format!("--window-size={width},{height}"))
            .expect("an argument");
        wishes
            .set_logging_prefs("browser", LoggingPrefsLogLevel::All)
            .expect("a log level");
        let folder = profile.path().join("profile");
        wishes
            .add_arg(&format!("--user-data-dir={}", folder.display()))
            .expect("an argument");
        // The driver is asked through a client of its own, which needs TLS chosen before.
        let _chosen = grafana_matrix_relay::matrix::client_builder();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wishes).await;
        let driver = driver.unwrap_or_else(|error| panic!("no browser: {error}\n{}", chromedriver.log()));
        Self {
            driver,
            port,
            _chromedriver: chromedriver,
            _profile: profile,
        }
    }

    /// Lets the system be dark or light, as the page sees it.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    /// Makes the window as wide and high as this, in CSS pixels; a phone has no scroll bars that take room.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Lets the screen be touched: then there is no pointer that is fine.
    pub(crate) async fn touches(&self) {
        let touch = json!({"enabled": true, "maxTouchPoints": 1});
        self.devtools("Emulation.setTouchEmulationEnabled", touch).await;
    }

    /// Taps with a finger.
    pub(crate) async fn tap(&self, x: f64, y: f64) {
        for (kind, points) in [("touchStart", json!([{"x": x, "y": y}])), ("touchEnd", json!([]))] {
            let event = json!({"type": kind, "touchPoints": points});
            self.devtools("Input.dispatchTouchEvent", event).await;
        }
    }

    async fn devtools(&self, command: &str, parameters: serde_json::Value) {
        let session = self.driver.session_id();
        let url = format!("http://127.0.0.1:{}/session/{session}/goog/cdp/execute", self.port);
        let body = json!({"cmd": command, "params": parameters});
        let answer = http_client().post(url).json(&body).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(answer.status().is_success(), "{command}: {answer:?}");
    }

    /// Opens a page.
    pub(crate) async fn open(&self, url: &str) {
        self.driver.goto(url).await.expect("the page loads");
    }

    /// Waits until the page shows a text, now or after a change, and returns all that it shows.
    pub(crate) async fn wait_for_text(&self, text: &str) -> String {
        let arguments = vec![json!(text)];
        let shown = self.driver.execute_async(WAIT_FOR_TEXT, arguments).await;
        let shown = shown.unwrap_or_else(|error| panic!("the page never showed `{text}`: {error}"));
        shown.convert().expect("a text")
    }

    /// Waits until an expression of JavaScript is true in the page, now or after any change, also inside the editor.
    pub(crate) async fn wait_until(&self, what: &str) {
        let script = WAIT_UNTIL.replace("CONDITION", what);
        let met = self.driver.execute_async(&script, Vec::new()).await;
        if let Err(error) = met {
            let text = self.driver.execute("return document.body.innerText", Vec::new()).await;
            let text = text.map(|text| text.json().to_string()).unwrap_or_default();
            panic!("never true: `{what}`: {error}; the page shows {text}");
        }
    }

    /// What the page wrote to its console since the last call: errors and refusals of its policy among it.
    pub(crate) async fn console(&self) -> Vec<String> {
        let entries = self.driver.get_log("browser").await.expect("chromedriver keeps a log");
        entries.into_iter().map(|entry| entry.message).collect()
    }

    /// A picture of the window, as PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        self.driver.screenshot_as_png().await.expect("a window can be pictured")
    }

    /// Closes it in order; a browser that is dropped instead is killed.
    pub(crate) async fn quit(self) {
        self.driver.quit().await.expect("a browser can be closed");
    }
}

/// `ChromeDriver was started successfully on port 33197.`
fn started_on_port(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}
