//! The templates while the relay runs: what is wrong with them is logged once, and changed files are taken in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::deliver::WordsByRoom;
use crate::render::{self, ReloadOutcome, Renderer, TemplateProblem};
use crate::route::Router;

/// How often the templates folder is looked at: a saved template is in use within a second.
pub(super) const TEMPLATE_POLL: Duration = Duration::from_millis(250);

/// Loads the templates once they have come to rest, or after a second: something may be putting them there right now.
pub(super) async fn open_templates(settings: &render::Settings) -> Renderer {
    for _ in 0..4 {
        if !settings.is_being_written(SystemTime::now()) {
            break;
        }
        tokio::time::sleep(TEMPLATE_POLL).await;
    }
    let renderer = Renderer::open(settings);
    if let Some(remark) = renderer.remark_on_own_language() {
        tracing::warn!("{remark}");
    }
    renderer
}

/// What the relay itself says of a message in a room.
pub(super) fn words_by_room(router: &Router, renderer: &Renderer) -> WordsByRoom {
    let (router, renderer) = (router.clone(), renderer.clone());
    Arc::new(move |room| renderer.for_locale(&router.locale(room)).words())
}

/// Takes in edits of the templates, and says once for each change what is broken.
pub(super) async fn keep_templates(renderer: Renderer) {
    let mut known = Vec::new();
    report_templates(&mut known, renderer.problems());
    loop {
        tokio::time::sleep(TEMPLATE_POLL).await;
        let renderer = renderer.clone();
        // Reading a mounted volume may block.
        match tokio::task::spawn_blocking(move || renderer.reload(SystemTime::now())).await {
            Ok(ReloadOutcome::Reloaded { problems }) => {
                if problems.iter().all(TemplateProblem::is_partial) {
                    tracing::info!("the relay uses the changed templates");
                } else {
                    tracing::warn!("the relay does not use the changed templates; the next lines say why");
                }
                report_templates(&mut known, problems);
            }
            Ok(ReloadOutcome::Unchanged | ReloadOutcome::Settling) => {}
            Err(_) => tracing::error!("the relay failed to look for changed templates; those in use stay"),
        }
    }
}

pub(super) fn report_templates(known: &mut Vec<TemplateProblem>, problems: Vec<TemplateProblem>) {
    for problem in problems.iter().filter(|problem| !known.contains(problem)) {
        if problem.is_partial() {
            tracing::error!("template {problem}");
        } else {
            tracing::error!(
                "invalid template {problem} (until you correct it, all templates stay as they were; after a start the relay uses \
                 the built-in one)"
            );
        }
    }
    *known = problems;
}
