//! The composition root: builds every module, runs server and worker, drains on shutdown.
//!
//! Guarantees: the relay listens only once its outbox is open, a homeserver that is down does not keep it from
//! starting, and at shutdown it first stops accepting, then finishes what is in flight within the grace period. An outbox that
//! does not answer delays the end by a few seconds only: what was accepted is on disk.

mod checks;
mod figures;
mod memory;
mod relay;
mod remembered;
pub mod room_names;
mod rooms;
mod routes;
mod silence;
mod summary;
mod supervisor;
mod templates;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::memory::hide_memory;
pub use self::relay::Relay;
use self::rooms::Rooms;
use self::routes::InUse;
use self::summary::Summary;
use self::templates::{keep_templates, open_templates, words_by_room};
use crate::config::Settings;
use crate::config::routes::{Routes, Watch};
use crate::deliver::{Composer, Sender, Time, Worker, leader};
use crate::intake::{Auth, Example, Parts, Recorder};
use crate::matrix::{Transport, TransportSettings};
use crate::message::TemplateName;
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::route::Router;
use crate::workshop::{self, Workshop};
use crate::{intake, listen, outbox, samples, telemetry};

/// How often old rows are pruned.
const PRUNE: Duration = Duration::from_mins(10);

/// Starts a relay; it runs until [`Relay::stop`]. `page` is served at `/`.
pub async fn start(settings: Settings, page: Option<BoxEndpoint<'static, Response>>) -> anyhow::Result<Relay> {
    let summary = Summary::of(&settings);
    let metrics = telemetry::metrics::install();
    let summing = metrics.clone();
    let transport = open_transport(&settings.matrix)?;
    let outbox = open_outbox(&settings.outbox).await?;
    let (data_dir, is_shared) = data_dir(&settings.outbox);
    let names = room_names::known_lately(settings.outbox.data_dir.clone());
    let renderer = open_templates(&settings.render).await;
    let router = Router::new(settings.routes.table.clone());
    let by_template = |template: &TemplateName| renderer.can_mention_room(template);
    let (rooms, mentioned) = (router.rooms(), router.mentioned_rooms(by_template));
    let auth = open_auth(settings.server.auth, &settings.routes)?;
    let watch = Watch::new(settings.routes_source, &settings.routes);
    let looked_after = Rooms::new(&transport, &outbox, &settings.outbox.data_dir);
    let mut routes = routes::RouteReloader {
        auth: Arc::clone(&auth),
        hangup: routes::hangups(),
        origin: settings.origin,
        heartbeat: None,
        watch,
        in_use: Arc::new(InUse::new(settings.routes)),
        router: router.clone(),
        rooms: looked_after.clone(),
        renderer: renderer.clone(),
    };
    let pipeline = Arc::new(Pipeline::new(router.clone(), renderer.clone(), outbox.clone()));
    let sender = Arc::new(Sender::new(transport.clone(), settings.deliver).in_words(words_by_room(&router, &renderer)));

    let checks = checks::Parts::new(
        outbox.clone(),
        transport.clone(),
        renderer.clone(),
        Arc::clone(&pipeline),
        Arc::clone(&sender),
        Arc::clone(&routes.in_use),
        Arc::clone(&auth),
    )
    .with_metrics(metrics, data_dir);
    let checks = Arc::new(checks);
    let recorder = Arc::new(Recorder::new(settings.server.record_notifications));
    let parts = Parts {
        pipeline: Arc::clone(&pipeline),
        checks: checks.clone(),
        recorder: Arc::clone(&recorder),
        auth: Arc::clone(&auth),
        pages: settings.server.pages,
        examples: examples(),
        workshop: page_routes(page.is_some()),
        page,
    };
    let workshop = Workshop::new(workshop::Parts {
        renderer: renderer.clone(),
        outbox: outbox.clone(),
        default_template: settings.template,
        router,
        names,
        editable: settings.server.editable,
    });
    let endpoint = intake::endpoint(parts, workshop::operations()).data(Arc::new(workshop));

    let (listener, address) = listen(&settings.server.host, settings.server.port).await?;
    let silence = silence::start(&settings.silence, &transport, &checks, &pipeline, &outbox)?;
    routes.heartbeat = silence.heartbeat;

    let (stop_accepting, stop_working) = (CancellationToken::new(), CancellationToken::new());
    let grace = settings.server.grace;
    let server = intake::serve(
        listener,
        endpoint.map_to_response().boxed(),
        settings.server.connections,
        auth,
        stop_accepting.clone(),
        grace,
    );
    let compose: Composer = Arc::new(move |room, waiting, now| pipeline.digest(room, waiting, now));
    let worker = Worker::new(outbox.clone(), sender, settings.digest, compose, Arc::new(Time::now));
    let line = summary.line(address, renderer.on_disk().len());
    let mut keepers = vec![
        tokio::spawn(keep_templates(renderer)),
        tokio::spawn(keep_outbox(outbox.clone())),
        tokio::spawn(recorder.run(outbox.clone())),
        tokio::spawn(routes.run()),
        tokio::spawn(looked_after.keep(rooms, mentioned)),
        tokio::spawn(supervisor::keep_alive()),
    ];
    keepers.extend(silence.tasks);
    keepers.extend(follow(&outbox, transport, is_shared));
    keepers.extend(summing.map(|handle| tokio::spawn(telemetry::metrics::keep_summed(handle))));
    tracing::info!(url.domain = %address.ip(), url.port = address.port(), "{line}");
    supervisor::ready(&line);
    Ok(Relay {
        address,
        outbox,
        grace,
        server: tokio::spawn(server),
        worker: tokio::spawn(worker.run(stop_working.clone(), grace)),
        stop_accepting,
        stop_working,
        keepers,
    })
}

/// Who may come in; says what of that is weak.
fn open_auth(settings: intake::AuthSettings, routes: &Routes) -> anyhow::Result<Arc<Auth>> {
    let auth = Auth::new(settings, &routes.credentials, routes.compat.clone())?;
    routes::warn_of_open(&auth.open_routes());
    routes::warn_of_guessable(&routes.credentials);
    Ok(Arc::new(auth))
}

/// Where the workshop's page is: at `/`, or beside the room of the demo.
fn page_routes(is_beside_room: bool) -> poem::Route {
    if is_beside_room {
        workshop::page::routes_beside_room()
    } else {
        workshop::page::routes()
    }
}

/// The folder of an outbox that is a file; and whether it is none, and shared with other relays.
fn data_dir(settings: &outbox::Settings) -> (Option<PathBuf>, bool) {
    let is_shared = settings.database_url.is_some();
    ((!is_shared).then(|| settings.data_dir.clone()), is_shared)
}

/// The way to the homeserver; says what of that is weak.
fn open_transport(settings: &TransportSettings) -> anyhow::Result<Transport> {
    if let Some(remark) = settings.plain_http() {
        tracing::warn!("{remark}");
    }
    Ok(Transport::new(settings)?)
}

/// Begins what encrypted rooms need, before anything is claimed.
fn follow(outbox: &Outbox, transport: Transport, is_shared: bool) -> [JoinHandle<()>; 2] {
    leader::begin(outbox, &transport, is_shared);
    [
        tokio::spawn(listen::listen(transport.clone())),
        tokio::spawn(leader::keep(outbox.clone(), transport)),
    ]
}

async fn open_outbox(settings: &outbox::Settings) -> anyhow::Result<Outbox> {
    let opened = Outbox::open_or_wait(settings).await;
    opened.with_context(|| match settings.database_url {
        Some(_) => "cannot open the outbox (RELAY_DATABASE_URL)",
        None => "cannot open the outbox (RELAY_DATA_DIR)",
    })
}

async fn listen(host: &str, port: u16) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listen = format!("{host}:{port}");
    let listener = TcpListener::bind(&listen).await;
    let listener = listener.map_err(|error| {
        let next = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ": another program uses the port, maybe another relay. End it, or choose another port with --port; `--port 0` takes a free one"
            }
            _ => "",
        };
        anyhow::Error::new(error).context(format!("cannot listen on {listen} (RELAY_HOST, RELAY_PORT){next}"))
    })?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The built-in samples as examples for Swagger UI.
pub fn examples() -> Vec<Example> {
    let offered = samples::all().into_iter().filter(|sample| sample.offered);
    offered
        .filter_map(|sample| {
            let body = serde_json::from_str(&sample.body).ok()?;
            Some(Example {
                name: sample.name.to_owned(),
                summary: sample.title.to_owned(),
                body,
            })
        })
        .collect()
}

async fn keep_outbox(outbox: Outbox) {
    tokio::join!(keep_pruned(outbox.clone()), outbox.keep_sound());
}

async fn keep_pruned(outbox: Outbox) {
    loop {
        match outbox.prune(Timestamp::now()).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!("pruned {rows} old rows of the outbox"),
            Err(error) => tracing::warn!(error.message = %error, "cannot prune the outbox"),
        }
        tokio::time::sleep(PRUNE).await;
    }
}

#[cfg(test)]
mod tests;
