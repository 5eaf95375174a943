//! What goes wrong while notifications are rendered, so that the log says it once and `ready` can name it.
//!
//! Guarantees: a problem is logged when it is new, and once more when its template renders again after an edit; not each
//! time that one notification suffers from it and the next does not. Bounded, since senders may name templates.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::message::TemplateName;
use crate::render::{BudgetSteps, Rendered, TemplateProblem};

/// More are not remembered; the oldest give way.
const MOST: usize = 100;

/// How long a problem counts as one of the present after it was last seen.
const PRESENT: SignedDuration = SignedDuration::from_hours(24);

/// See the module.
#[derive(Default)]
pub(super) struct Problems(Mutex<Vec<Known>>);

/// The templates as they were when something was rendered.
#[derive(Default)]
pub(super) struct Templates {
    /// Another number after each change.
    pub(super) version: u64,
    /// What is known to be wrong with them, and was said when they were loaded.
    pub(super) problems: Vec<TemplateProblem>,
}

struct Known {
    template: TemplateName,
    problem: TemplateProblem,
    /// The version of all templates with which it was seen last, and when that was.
    version: u64,
    at: Timestamp,
}

/// How a rendering went.
pub(super) struct Note {
    template: TemplateName,
    problem: Option<TemplateProblem>,
    budget: BudgetSteps,
}

impl Note {
    pub(super) fn of(template: &TemplateName, rendered: &Rendered) -> Self {
        Self {
            template: template.clone(),
            problem: rendered.problem.clone(),
            budget: rendered.budget,
        }
    }
}

impl Problems {
    /// Counts what a rendering at `now`, by these templates, went through.
    pub(super) fn note(&self, note: Note, templates: &Templates, now: Timestamp) {
        let Note {
            template,
            problem,
            budget,
        } = note;
        let version = templates.version;
        for (step, taken) in budget.taken() {
            metrics::counter!("grafana_matrix_relay_budget_steps_total", "step" => step).increment(u64::from(taken));
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(problem) = problem else {
            let count = known.len();
            known.retain(|one| one.template != template || one.version == version);
            if known.len() < count {
                tracing::info!(template = %template, "template `{template}` works again");
            }
            return;
        };
        metrics::counter!("grafana_matrix_relay_template_errors_total").increment(1);
        // The same place fails with other words for another alert.
        let is_same = |one: &Known| {
            let place = (&one.problem.file, one.problem.line);
            one.template == template && place == (&problem.file, problem.line)
        };
        if let Some(at) = known.iter().position(is_same) {
            known.remove(at);
        } else if !templates.problems.contains(&problem) {
            tracing::warn!(
                template = %template,
                "invalid template {problem}. The built-in template renders the notifications that it fails for, until you correct it"
            );
        }
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push(Known {
            template,
            problem,
            version,
            at: now,
        });
    }

    /// What went wrong lately and was not corrected since.
    pub(super) fn present(&self, now: Timestamp) -> Vec<TemplateProblem> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present: Vec<TemplateProblem> = Vec::new();
        for one in known.iter().filter(|one| now.duration_since(one.at) < PRESENT) {
            if !present.contains(&one.problem) {
                present.push(one.problem.clone());
            }
        }
        present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(template: &TemplateName, problem: Option<(&str, &str)>) -> Note {
        Note {
            template: template.clone(),
            problem: problem.map(|(file, message)| TemplateProblem {
                file: file.to_owned(),
                line: Some(1),
                message: message.to_owned(),
            }),
            budget: BudgetSteps::default(),
        }
    }

    #[test]
    fn a_problem_stays_until_its_template_is_edited_or_a_day_is_over() {
        let (problems, template, now) = (Problems::default(), TemplateName::default(), Timestamp::UNIX_EPOCH);
        let templates = |version| Templates {
            version,
            problems: Vec::new(),
        };
        let note = |problem, version, at| problems.note(noted(&template, problem), &templates(version), at);
        let present = |at| {
            let present = problems.present(at).into_iter();
            present.map(|one| one.message).collect::<Vec<_>>()
        };
        note(Some(("a.md.j2", "one")), 1, now);
        // It works for the next notification, and that is no news.
        note(None, 1, now);
        assert_eq!(present(now), ["one"]);
        note(Some(("a.md.j2", "two")), 1, now);
        assert_eq!(present(now), ["two"], "the same place");
        note(Some(("p.j2", "three")), 1, now);
        assert_eq!(present(now), ["two", "three"]);
        // Another template says nothing about this one.
        problems.note(noted(&TemplateName::update(), None), &templates(2), now);
        assert_eq!(present(now).len(), 2);
        note(None, 2, now);
        assert_eq!(present(now), [""; 0]);
        note(Some(("a.md.j2", "one")), 2, now);
        assert_eq!(present(now + PRESENT), [""; 0]);
    }

    #[test]
    fn names_that_callers_make_up_take_no_memory() {
        let problems = Problems::default();
        for number in 0..1_000 {
            let template: TemplateName = format!("t{number}").parse().unwrap();
            let missing = noted(&template, Some((&template.file_name(), "there is no such template")));
            problems.note(missing, &Templates::default(), Timestamp::UNIX_EPOCH);
        }
        let present = problems.present(Timestamp::UNIX_EPOCH);
        assert_eq!((present.len(), present[MOST - 1].file.as_str()), (MOST, "t999.md.j2"));
    }
}
