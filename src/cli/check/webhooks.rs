//! Which bodies a template for bodies of any shape is tried on.

use super::Trial;
use crate::message::TemplateName;

/// The samples that are for it; for a template that has none, bodies that a relay has kept; else the plainest of all.
pub(super) fn for_template<'t>(template: &TemplateName, bodies: &'t [Trial]) -> Vec<&'t Trial> {
    let own = bodies.iter().filter(|trial| trial.of == Some(template.as_str()));
    let own: Vec<_> = own.collect();
    if !own.is_empty() {
        return own;
    }
    let kept: Vec<_> = bodies.iter().filter(|trial| trial.of.is_none()).collect();
    if !kept.is_empty() {
        return kept;
    }
    let plain = TemplateName::webhook();
    bodies.iter().filter(|trial| trial.of == Some(plain.as_str())).collect()
}
