//! What is wrong with which template at present, so that the log says it once and not for every notification.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::message::TemplateName;
use crate::render::{Rendered, TemplateProblem};

/// See the module.
#[derive(Default)]
pub(super) struct Problems(Mutex<BTreeMap<TemplateName, TemplateProblem>>);

impl Problems {
    /// Counts what a rendering went through, and logs a problem that is new, another one, or over.
    pub(super) fn note(&self, template: &TemplateName, rendered: &Rendered) {
        for (step, taken) in rendered.budget.taken() {
            metrics::counter!("relay_budget_steps_total", "step" => step).increment(u64::from(taken));
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &rendered.problem {
            Some(problem) => {
                metrics::counter!("relay_template_errors_total").increment(1);
                if known.insert(template.clone(), problem.clone()).as_ref() != Some(problem) {
                    tracing::warn!(
                        template = %template,
                        "template {problem}. Notifications are rendered by the built-in one until this is corrected"
                    );
                }
            }
            None if known.remove(template).is_some() => {
                tracing::info!(template = %template, "template `{template}` works again");
            }
            None => {}
        }
    }
}
