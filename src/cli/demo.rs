//! `demo`: the same relay, in front of a stand-in homeserver in this process, with sample alerts and a page.
//!
//! The stand-in is the one that the tests use, and the relay talks to it over HTTP as to any homeserver. Nothing is
//! kept: the outbox lives in a temporary folder.

mod incident;
mod refused;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use poem::{EndpointExt as _, IntoEndpoint as _};
use serde_json::Value;

use crate::config::{Flags, Settings};
use crate::demo::Lapse;
use crate::route::{Mention, MentionPolicy, SeverityFilter};
use crate::standin::Homeserver;
use crate::{demo, matrix, samples, startup};

/// How to show it.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// End when the samples are delivered, instead of waiting for Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Make the room end-to-end encrypted. The page shows it as the client of the person on call decrypts it.
    #[arg(long)]
    encrypted: bool,
}

/// Between two notifications of the incident, so that a person can see what each of them does to the room.
const PAUSE: Duration = Duration::from_secs(4);
/// How often it is looked whether everything is in the room.
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn run(flags: &Flags, options: Options) -> anyhow::Result<ExitCode> {
    let homeserver = Homeserver::new("example.org");
    anyhow::ensure!(
        !options.encrypted || cfg!(feature = "encryption"),
        "this build of the relay cannot encrypt: use one with the feature `encryption`"
    );
    let room = demo::create_room(&homeserver, options.encrypted);
    let running = homeserver
        .start()
        .await
        .context("the stand-in homeserver cannot listen")?;
    let folder = tempfile::Builder::new()
        .prefix("grafana-matrix-relay-demo-")
        .tempdir()?;
    let mut settings = settings(flags, &running.base_url, &room, folder.path())?;
    let token = !settings.routes_source.credentials.open();
    let refuses = !options.once && !token;
    if refuses {
        refused::add_route(&mut settings, &demo::create_refusing_room(&homeserver).parse()?)?;
    }
    let editable = settings.server.editable.as_ref();
    let saves = editable.map_or_else(String::new, |dir| format!(", and saves it in {}", dir.display()));

    let offered = samples::all()
        .into_iter()
        .map(|sample| (sample.name.to_owned(), sample.title.to_owned(), sample.body).into())
        .collect();
    let lapse = Lapse::new(&incident::TITLES, PAUSE);
    let page = demo::routes(homeserver.clone(), room.room_id.clone(), offered, lapse.clone());
    let relay = startup::start(settings, Some(page.into_endpoint().map_to_response().boxed())).await?;
    let (address, begun) = (relay.address, Timestamp::now());

    if token {
        tracing::warn!("--relay-token is given, so neither the demo nor its page can post samples: leave it out");
    } else if options.once {
        play_once(&relay, begun).await?;
    } else {
        refused::fill(address, relay.outbox.clone()).await?;
        tokio::spawn(play_on(address, lapse, begun));
    }
    super::print::line(&format!(
        "\n  The room:       http://{address}/\n  Templates:      http://{address}/workshop/ shows what an edit does{saves}\n  \
         Try payloads:   http://{address}/docs\n\n  Ctrl-C ends it; nothing else is kept. The next step, a real room: README.md, or \
         `grafana-matrix-relay serve --help`.\n"
    ))?;
    if options.once {
        running.shutdown().await?;
        relay.stop().await?;
    } else {
        let stop = super::stopped()?;
        let ended = async move {
            stop.await;
            // The page's live connections end with the stand-in; the relay would wait for them.
            if let Err(error) = running.shutdown().await {
                tracing::warn!(error.message = %error, "the stand-in homeserver did not stop in order");
            }
        };
        relay.run_until(ended).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(flags: &Flags, url: &str, room: &demo::DemoRoom, folder: &Path) -> anyhow::Result<Settings> {
    let matrix = matrix::Settings {
        home_server: url.to_owned(),
        access_token: room.access_token.clone().into(),
        request_timeout: Duration::from_secs(30),
        encryption: matrix::EncryptionSettings {
            folder: Some(folder.to_owned()),
            ..matrix::EncryptionSettings::default()
        },
    };
    let mut settings = Settings::for_demo(flags, matrix, room.room_id.parse()?)?;
    folder.clone_into(&mut settings.outbox.data_dir);
    settings.outbox.database_url = None;
    // Whoever tries the relay is alone with it, and the files are in the folder from which it was started.
    if flags.auth.workshop.is_none() {
        settings.server.editable.clone_from(&settings.render.templates_dir);
    }
    settings.routes.table.set_mentions(&called(room));
    Ok(settings)
}

/// The person on call is mentioned for what is critical.
fn called(room: &demo::DemoRoom) -> MentionPolicy {
    let critical = SeverityFilter {
        label: "severity".to_owned(),
        values: vec!["critical".to_owned()],
    };
    MentionPolicy::new(vec![Mention {
        severity: Some(critical),
        users: vec![room.on_call.clone()],
        ..Mention::default()
    }])
}

/// The whole incident, each notification when the one before is in the room.
async fn play_once(relay: &startup::Relay, begun: Timestamp) -> anyhow::Result<()> {
    for number in 0..incident::LENGTH {
        play(relay.address, number, begun).await?;
        until_delivered(relay).await?;
    }
    tracing::info!("{} sample notifications are in the room", incident::LENGTH);
    Ok(())
}

/// The incident again and again, as fast as the page says.
async fn play_on(address: SocketAddr, lapse: Lapse, mut begun: Timestamp) {
    loop {
        let number = lapse.next().await;
        if number == 0 {
            begun = Timestamp::now();
        }
        if let Err(error) = play(address, number, begun).await {
            tracing::warn!(error.message = %error, "the relay refused a notification of the incident");
        }
    }
}

/// Waits until nothing waits any more.
async fn until_delivered(relay: &startup::Relay) -> anyhow::Result<()> {
    loop {
        let stats = relay.outbox.stats(Timestamp::now()).await?;
        if stats.pending + stats.in_flight == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Posts a notification of the incident as Grafana would.
async fn play(address: SocketAddr, number: usize, begun: Timestamp) -> anyhow::Result<()> {
    let body = incident::notification(number, begun, Timestamp::now())?;
    post(address, "/alert", &body).await.map(drop)
}

/// Posts a notification, and gives the answer.
async fn post(address: SocketAddr, path: &str, body: &Value) -> anyhow::Result<Value> {
    let client = matrix::client_builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()?;
    let request = client
        .post(format!("http://{address}{path}"))
        .header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await?;
    let answer = answer.error_for_status().context("the relay refused a sample")?;
    Ok(serde_json::from_str(&answer.text().await?)?)
}
