//! The modules that a relay is made of, opened and joined: what the server, the worker and those who watch over them share.

use std::sync::Arc;

use anyhow::Context as _;

use super::routes::{self, InUse};
use super::templates::{open_templates, words_by_room};
use crate::config::Settings;
use crate::config::routes::Routes;
use crate::deliver::{Composer, Sender};
use crate::intake::{self, Auth};
use crate::matrix::{Transport, TransportSettings};
use crate::outbox::{self, Outbox};
use crate::pipeline::Pipeline;
use crate::render::Renderer;
use crate::route::Router;

/// See the module.
pub(super) struct Modules {
    pub(super) transport: Transport,
    pub(super) outbox: Outbox,
    pub(super) renderer: Renderer,
    pub(super) router: Router,
    pub(super) in_use: Arc<InUse>,
    pub(super) auth: Arc<Auth>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) sender: Arc<Sender>,
}

impl Modules {
    /// Opens them; says what in the settings is weak. It waits for an outbox that another relay holds.
    pub(super) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let transport = open_transport(&settings.matrix)?;
        let outbox = open_outbox(&settings.outbox).await?;
        let renderer = open_templates(&settings.render).await;
        let router = Router::new(settings.routes.table.clone());
        let auth = open_auth(settings.server.auth.clone(), &settings.routes)?;
        let pipeline = Pipeline::new(router.clone(), renderer.clone(), outbox.clone());
        let sender = Sender::new(transport.clone(), settings.deliver).in_words(words_by_room(&router, &renderer));
        Ok(Self {
            in_use: Arc::new(InUse::new(settings.routes.clone())),
            pipeline: Arc::new(pipeline),
            sender: Arc::new(sender),
            transport,
            outbox,
            renderer,
            router,
            auth,
        })
    }

    /// What makes one message of those that waited.
    pub(super) fn composer(&self) -> Composer {
        let pipeline = Arc::clone(&self.pipeline);
        Arc::new(move |room, waiting, now| pipeline.digest(room, waiting, now))
    }
}

/// The way to the homeserver.
fn open_transport(settings: &TransportSettings) -> anyhow::Result<Transport> {
    if let Some(remark) = settings.plain_http() {
        tracing::warn!("{remark}");
    }
    Ok(Transport::new(settings)?)
}

async fn open_outbox(settings: &outbox::Settings) -> anyhow::Result<Outbox> {
    let opened = Outbox::open_or_wait(settings).await;
    opened.with_context(|| match settings.database_url {
        Some(_) => "cannot open the outbox (RELAY_DATABASE_URL)",
        None => "cannot open the outbox (RELAY_DATA_DIR)",
    })
}

/// Who may come in.
fn open_auth(settings: intake::AuthSettings, routes: &Routes) -> anyhow::Result<Arc<Auth>> {
    let auth = Auth::new(settings, &routes.credentials, routes.compat.clone())?;
    routes::warn_of_open(&auth.open_routes());
    routes::warn_of_guessable(&routes.credentials);
    Ok(Arc::new(auth))
}
