//! The composition root: builds every module, runs server and worker, drains on shutdown.
//!
//! Guarantees: the relay listens only once its outbox is open, a homeserver that is down does not keep it from
//! starting, and at shutdown it first stops accepting, then finishes what is in flight within the grace period. An outbox that
//! does not answer delays the end by a few seconds only: what was accepted is on disk.

mod checks;
mod figures;
mod memory;
mod modules;
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

use jiff::Timestamp;
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::memory::hide_memory;
use self::modules::Modules;
pub use self::relay::Relay;
use self::rooms::Rooms;
use self::summary::Summary;
use self::templates::keep_templates;
use crate::config::Settings;
use crate::config::routes::Watch;
use crate::deliver::{Time, Worker, leader};
use crate::intake::{Example, Parts, Recorder};
use crate::matrix::Transport;
use crate::message::TemplateName;
use crate::outbox::Outbox;
use crate::workshop::{self, Workshop};
use crate::{intake, listen, outbox, samples, telemetry};

/// How often old rows are pruned.
const PRUNE: Duration = Duration::from_mins(10);

/// Starts a relay; it runs until [`Relay::stop`]. `page` is served at `/`.
pub async fn start(settings: Settings, page: Option<BoxEndpoint<'static, Response>>) -> anyhow::Result<Relay> {
    let summary = Summary::of(&settings);
    let metrics = telemetry::metrics::install();
    let modules = Modules::open(&settings).await?;
    let checks = Arc::new(checks::Parts::new(
        &modules,
        metrics.clone(),
        data_dir(&settings.outbox),
    ));
    let recorder = Arc::new(Recorder::new(settings.server.record_notifications));
    let endpoint = endpoint(&modules, &settings, &checks, &recorder, page);

    let (listener, address) = listen(&settings.server.host, settings.server.port).await?;
    let line = summary.line(address, modules.renderer.on_disk().len());
    let (stop_accepting, stop_working) = (CancellationToken::new(), CancellationToken::new());
    let grace = settings.server.grace;
    let server = intake::serve(
        listener,
        endpoint,
        settings.server.connections,
        Arc::clone(&modules.auth),
        stop_accepting.clone(),
        grace,
    );
    let worker = Worker::new(
        modules.outbox.clone(),
        Arc::clone(&modules.sender),
        settings.digest,
        modules.composer(),
        Arc::new(Time::now),
    );
    let mut keepers = keepers(&modules, settings, &checks)?;
    keepers.push(tokio::spawn(recorder.run(modules.outbox.clone())));
    keepers.extend(metrics.map(|handle| tokio::spawn(telemetry::metrics::keep_summed(handle))));
    tracing::info!(url.domain = %address.ip(), url.port = address.port(), "{line}");
    supervisor::ready(&line);
    Ok(Relay {
        address,
        outbox: modules.outbox,
        grace,
        server: tokio::spawn(server),
        worker: tokio::spawn(worker.run(stop_working.clone(), grace)),
        stop_accepting,
        stop_working,
        keepers,
    })
}

/// All that is answered over HTTP.
fn endpoint(
    modules: &Modules,
    settings: &Settings,
    checks: &Arc<checks::Parts>,
    recorder: &Arc<Recorder>,
    page: Option<BoxEndpoint<'static, Response>>,
) -> BoxEndpoint<'static, Response> {
    let parts = Parts {
        pipeline: Arc::clone(&modules.pipeline),
        checks: Arc::clone(checks) as _,
        recorder: Arc::clone(recorder),
        auth: Arc::clone(&modules.auth),
        pages: settings.server.pages,
        examples: examples(),
        workshop: page_routes(page.is_some()),
        page,
    };
    let workshop = Workshop::new(workshop::Parts {
        renderer: modules.renderer.clone(),
        outbox: modules.outbox.clone(),
        default_template: settings.template.clone(),
        router: modules.router.clone(),
        names: room_names::known_lately(settings.outbox.data_dir.clone()),
        editable: settings.server.editable.clone(),
    });
    let endpoint = intake::endpoint(parts, workshop::operations()).data(Arc::new(workshop));
    endpoint.map_to_response().boxed()
}

/// Starts what keeps templates, routes, rooms, keys and the outbox as they should be, and what tells of silence.
fn keepers(modules: &Modules, settings: Settings, checks: &Arc<checks::Parts>) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let Modules {
        transport,
        outbox,
        renderer,
        router,
        ..
    } = modules;
    let silence = silence::start(&settings.silence, transport, checks, &modules.pipeline, outbox)?;
    let by_template = |template: &TemplateName| renderer.can_mention_room(template);
    let (rooms, mentioned) = (router.rooms(), router.mentioned_rooms(by_template));
    let looked_after = Rooms::new(transport, outbox, &settings.outbox.data_dir);
    let routes = routes::RouteReloader {
        auth: Arc::clone(&modules.auth),
        hangup: routes::hangups(),
        origin: settings.origin,
        heartbeat: silence.heartbeat,
        watch: Watch::new(settings.routes_source, &settings.routes),
        in_use: Arc::clone(&modules.in_use),
        router: router.clone(),
        rooms: looked_after.clone(),
        renderer: renderer.clone(),
    };
    let mut keepers = vec![
        tokio::spawn(keep_templates(renderer.clone())),
        tokio::spawn(keep_outbox(outbox.clone())),
        tokio::spawn(routes.run()),
        tokio::spawn(looked_after.keep(rooms, mentioned)),
        tokio::spawn(supervisor::keep_alive()),
    ];
    keepers.extend(silence.tasks);
    keepers.extend(follow(
        outbox,
        transport.clone(),
        settings.outbox.database_url.is_some(),
    ));
    Ok(keepers)
}

/// Where the workshop's page is: at `/`, or beside the room of the demo.
fn page_routes(is_beside_room: bool) -> poem::Route {
    if is_beside_room {
        workshop::page::routes_beside_room()
    } else {
        workshop::page::routes()
    }
}

/// The folder of an outbox that is a file.
fn data_dir(settings: &outbox::Settings) -> Option<PathBuf> {
    settings.database_url.is_none().then(|| settings.data_dir.clone())
}

/// Begins what encrypted rooms need, before anything is claimed.
fn follow(outbox: &Outbox, transport: Transport, is_shared: bool) -> [JoinHandle<()>; 2] {
    leader::begin(outbox, &transport, is_shared);
    [
        tokio::spawn(listen::listen(transport.clone())),
        tokio::spawn(leader::keep(outbox.clone(), transport)),
    ]
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
