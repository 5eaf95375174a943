//! Keeps the routes up to date while the relay runs: when their file changes, and on SIGHUP, which reads everything again that
//! can be read again: routes, templates, files of secrets.
//!
//! Guarantees: SIGHUP ends nothing, and what it led to is one line; a file that cannot be used changes nothing but what
//! `/health/ready`, the log and a metric say; each change is one line of the log. A notification that is being routed sees the old table or the new one, never both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinError;

use super::rooms::Rooms;
use crate::config::routes::{RouteProblem, Routes, Watch, Watched};
use crate::config::{Origin, Reread};
use crate::intake::{Auth, CredentialSettings};
use crate::message::{RouteName, TemplateName};
use crate::render::Renderer;
use crate::route::Router;
use crate::silence::HeartbeatAddress;

/// How often the file is looked at: a saved one is in use within a second.
const POLL: Duration = Duration::from_millis(250);

/// The routes in use, and what is wrong with the file that should have taken their place.
#[derive(Debug)]
pub(super) struct InUse {
    pub(super) routes: ArcSwap<Routes>,
    refused: Mutex<Vec<RouteProblem>>,
}

impl InUse {
    pub(super) fn new(routes: Routes) -> Self {
        Self {
            routes: ArcSwap::from_pointee(routes),
            refused: Mutex::default(),
        }
    }

    /// What somebody should mend, given the templates that there are: the file cannot be used, or names others.
    pub(super) fn problems(&self, templates: &[TemplateName]) -> Vec<RouteProblem> {
        let mut problems = self.refused().clone();
        problems.extend(self.routes.load().unknown_templates(templates));
        problems
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Vec<RouteProblem>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that a change of the routes reaches.
pub(super) struct RouteReloader {
    pub(super) watch: Watch,
    pub(super) in_use: Arc<InUse>,
    pub(super) auth: Arc<Auth>,
    pub(super) router: Router,
    pub(super) rooms: Rooms,
    /// Knows which templates there are.
    pub(super) renderer: Renderer,
    /// Reads again what stands in files.
    pub(super) origin: Origin,
    pub(super) heartbeat: Option<HeartbeatAddress>,
    pub(super) hangup: Option<Signal>,
}

/// What became of routes that are in use now.
struct Taken {
    text: String,
    /// What is hardly meant, though it is usable.
    remarks: Vec<String>,
}

/// Says which routes are for everybody.
pub(super) fn warn_of_open<'a>(routes: impl IntoIterator<Item = &'a RouteName>) {
    for route in routes {
        tracing::warn!(
            alert.route = %route,
            "the route `{route}` has no credential: anyone who reaches this port can send messages to its rooms; set RELAY_TOKEN"
        );
    }
}

/// Says which routes have a credential that might be guessed.
pub(super) fn warn_of_guessable(credentials: &BTreeMap<RouteName, CredentialSettings>) {
    for (route, _) in credentials.iter().filter(|(_, credentials)| credentials.guessable()) {
        tracing::warn!(
            alert.route = %route,
            "a credential of the route `{route}` is shorter than 16 characters, so it can be guessed: choose a random one, for \
             example with `openssl rand -hex 32`"
        );
    }
}

/// SIGHUP from now on, which would end the process otherwise.
pub(super) fn hangups() -> Option<Signal> {
    signal(SignalKind::hangup())
        .map_err(|error| {
            tracing::warn!(
                error.message = %error,
                "cannot receive SIGHUP; the relay still notices changes of the routes file"
            );
        })
        .ok()
}

impl RouteReloader {
    /// Runs until it is aborted.
    pub(super) async fn run(mut self) {
        for remark in self.remarks(&self.in_use.routes.load()) {
            tracing::warn!("{remark}");
        }
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(POLL), if self.watch.has_file() => false,
                () = received(&mut self.hangup) => true,
            };
            if asked {
                let Some(reloader) = self.read_again().await else {
                    return;
                };
                self = reloader;
                continue;
            }
            // Reading a mounted volume may block.
            let looked = tokio::task::spawn_blocking(move || {
                let seen = self.watch.look();
                (self, seen)
            });
            let Ok((reloader, seen)) = looked.await.inspect_err(lost) else {
                return;
            };
            self = reloader;
            match seen {
                Watched::Unchanged => {}
                Watched::Changed(Ok(routes)) => match self.take(*routes) {
                    Ok(Taken { text, remarks }) if remarks.is_empty() => tracing::info!("{text}"),
                    Ok(Taken { text, remarks }) => tracing::warn!("{text}, but {}", remarks.join("; ")),
                    Err(problems) => self.refuse(problems),
                },
                Watched::Changed(Err(problems)) => self.refuse(problems),
            }
        }
    }

    /// Reads again whatever can be, and says so in one line. Where some of the secrets cannot be read, all stay as they are.
    /// `None` where that failed in an unexpected way.
    async fn read_again(self) -> Option<Self> {
        // Reading a mounted volume may block; what is read while requests are served is taken in at once.
        let read = tokio::task::spawn_blocking(move || {
            let templates = self.renderer.reread(SystemTime::now());
            let settings = self.origin.read();
            (self, templates, settings)
        });
        let (mut reloader, templates, settings) = read.await.inspect_err(lost).ok()?;
        let mut said = Vec::new();
        let mut wrong: Vec<String> = templates.iter().map(|problem| format!("template {problem}")).collect();
        match settings {
            Ok(settings) => reloader.take_secrets(settings, &mut said, &mut wrong),
            Err(error) => wrong.extend(error.problems),
        }
        let seen = tokio::task::spawn_blocking(move || {
            let seen = reloader.watch.reload();
            (reloader, seen)
        });
        let (reloader, seen) = seen.await.inspect_err(lost).ok()?;
        let taken = match seen {
            Watched::Unchanged => None,
            Watched::Changed(Ok(routes)) => Some(reloader.take(*routes)),
            Watched::Changed(Err(problems)) => Some(Err(problems)),
        };
        match taken {
            Some(Ok(taken)) => {
                said.insert(0, taken.text);
                wrong.extend(taken.remarks);
            }
            Some(Err(problems)) => {
                wrong.extend(problems.iter().map(ToString::to_string));
                reloader.refuse(problems);
            }
            None => {}
        }
        said.push("the templates were read again".to_owned());
        let said = said.join("; ");
        if wrong.is_empty() {
            tracing::info!("SIGHUP: {said}");
        } else {
            tracing::error!("SIGHUP: {said}; these stay as they were: {}", wrong.join("; "));
        }
        Some(reloader)
    }

    /// Takes in the secrets of files; those of routes come with the routes.
    fn take_secrets(&mut self, settings: Reread, said: &mut Vec<String>, wrong: &mut Vec<String>) {
        match self.auth.replace_own(&settings.pages, &settings.metrics) {
            Ok(()) => self.watch.set_source(settings.source),
            Err(error) => return wrong.push(error.to_string()),
        }
        let is_new = settings.access_token.is_some_and(|token| self.rooms.set_token(token));
        if is_new {
            said.push("the relay uses another access token from now on".to_owned());
        }
        if let (Some(address), Some(heartbeat)) = (&mut self.heartbeat, settings.heartbeat) {
            match address.set(heartbeat) {
                Ok(true) => said.push("the heartbeat goes to another address from now on".to_owned()),
                Ok(false) => {}
                Err(error) => wrong.push(format!("RELAY_HEARTBEAT_URL: {error}")),
            }
        }
        if !settings.files.is_empty() {
            said.push(format!(
                "these files of secrets were read again: {}",
                settings.files.join(", ")
            ));
        }
    }

    /// What is hardly meant, though it is usable.
    fn remarks(&self, routes: &Routes) -> Vec<String> {
        let unknown = routes.unknown_templates(&self.renderer.names());
        let languages = routes.remarks_on_languages(&self.renderer);
        let remarks = routes.warnings.iter().chain(&unknown);
        let remarks = remarks.chain(languages.iter().map(|(_, problem)| problem));
        remarks.map(ToString::to_string).collect()
    }

    fn take(&self, routes: Routes) -> Result<Taken, Vec<RouteProblem>> {
        let open = self.auth.open_routes();
        // First who may come in: a route that is added or guarded now must not be open for a moment.
        if let Err(error) = self.auth.replace_routes(&routes.credentials, routes.compat.clone()) {
            return Err(vec![RouteProblem {
                file: "the credentials of the routes".to_owned(),
                line: None,
                message: error.to_string(),
            }]);
        }
        warn_of_open(self.auth.open_routes().iter().filter(|route| !open.contains(route)));
        warn_of_guessable(&routes.credentials);
        let before = self.router.table();
        let by_template = |template: &TemplateName| self.renderer.can_mention_room(template);
        let (known, mentioned) = (before.rooms(), before.mentioned_rooms(by_template));
        let table = routes.table.clone();
        let new: Vec<_> = table.rooms().into_iter().filter(|room| !known.contains(room)).collect();
        let newly_mentioned: Vec<_> = table
            .mentioned_rooms(by_template)
            .into_iter()
            .filter(|room| !mentioned.contains(room))
            .collect();
        let (routes_count, rooms_count) = (table.routes().len(), table.rooms().len());
        super::figures::routes_taken(&table);
        self.router.replace(table);
        let remarks = self.remarks(&routes);
        self.in_use.routes.store(Arc::new(routes));
        self.in_use.refused().clear();
        metrics::counter!("grafana_matrix_relay_routes_reloads_total", "outcome" => "taken").increment(1);
        // Rooms that were checked before are not asked about again.
        let asked: Vec<_> = new
            .into_iter()
            .chain(newly_mentioned.iter().filter(|room| known.contains(room)).cloned())
            .collect();
        if !asked.is_empty() {
            let rooms = self.rooms.clone();
            tokio::spawn(async move { rooms.report(asked, newly_mentioned).await });
        }
        Ok(Taken {
            text: format!("the routes were read again: {routes_count} routes to {rooms_count} rooms"),
            remarks,
        })
    }

    fn refuse(&self, problems: Vec<RouteProblem>) {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        *self.in_use.refused() = problems;
        metrics::counter!("grafana_matrix_relay_routes_reloads_total", "outcome" => "refused").increment(1);
        super::figures::routes_refused();
        tracing::error!(
            "invalid routes file: the last valid routes stay in use: {}",
            lines.join("; ")
        );
    }
}

fn lost(_: &JoinError) {
    tracing::error!("the relay failed to look for changed files; it uses what it has until you restart it");
}

async fn received(hangup: &mut Option<Signal>) {
    if let Some(signals) = hangup
        && signals.recv().await.is_some()
    {
        return;
    }
    // No more of them will come.
    std::future::pending::<()>().await;
}
