//! What a template can use: every name, filter, function and test, and the values that a notification has.
//!
//! Guarantees: the same words as in `templates/REFERENCE.md`, from the same place; values are what a template would print. No
//! template is run here.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::preview::{NotPreviewed, Shown};
use super::shape::PreviewRequest;
use super::{NotAnswered, Tag, Workshop};
use crate::intake::{Caller, JsonBody, Problem, Refused};
use crate::render::COOKBOOK;
use crate::render::reference::{self, Entry};

/// Everything that a template can use.
#[derive(Debug, Object)]
struct TemplateReference {
    /// Names of the notification, of an alert (`alert.…`), of a change and of a digest.
    variables: Vec<VariableEntry>,
    /// What stands behind `|`.
    filters: Vec<CodeEntry>,
    /// What is called.
    functions: Vec<CodeEntry>,
    /// What stands behind `is`.
    tests: Vec<CodeEntry>,
    /// Names in records that stand in lists and other records.
    nested: Vec<NestedNames>,
    /// Whole templates to begin with, from the cookbook.
    recipes: Vec<Recipe>,
}

/// A template to begin with.
#[derive(Debug, PartialEq, Eq, Object)]
struct Recipe {
    /// What it is for.
    title: String,
    /// The name of the sample that shows it.
    sample: String,
    /// Its text.
    text: String,
}

/// A name.
#[derive(Debug, Object)]
struct VariableEntry {
    /// As it is written.
    name: String,
    /// What kind of value it holds.
    holds: String,
    /// What it is.
    about: String,
}

/// A filter, function or test.
#[derive(Debug, Object)]
struct CodeEntry {
    /// As it is written.
    name: String,
    /// What stands in its brackets, with defaults.
    arguments: String,
    /// What goes in and what comes out.
    types: String,
    /// What it does.
    about: String,
    /// Code for `{{ … }}`, or a whole line if it begins with `{%`.
    example: String,
}

/// Names behind a path.
#[derive(Debug, Object)]
struct NestedNames {
    /// What leads to them; `[]` stands for the members of a list.
    path: String,
    /// The names.
    names: Vec<String>,
}

/// The values of a notification.
#[derive(Debug, Object)]
struct NotificationValues {
    /// Each name with what it prints; of lists how many entries they have, and the first of them.
    values: Vec<NamedValue>,
}

/// A name and its value.
#[derive(Debug, Object)]
struct NamedValue {
    /// As it is written in a template.
    path: String,
    /// What it prints, cut if it is long.
    value: String,
}

pub(super) struct ReferenceApi;

#[OpenApi]
impl ReferenceApi {
    /// What a template can use
    #[oai(
        path = "/workshop/reference",
        method = "get",
        tag = "Tag::Workshop",
        operation_id = "workshop_reference"
    )]
    #[expect(clippy::unused_async, reason = "an operation has to be asynchronous")]
    async fn reference(&self, _caller: Caller) -> Result<Json<TemplateReference>, Refused<NotAnswered>> {
        let tables = reference::variable_tables().iter();
        let variables = tables.flat_map(|(_, _, variables)| variables);
        let nested = reference::nested().map(|(path, names)| NestedNames {
            path: path.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        });
        Ok(Json(TemplateReference {
            variables: variables
                .map(|one| VariableEntry {
                    name: one.path.clone(),
                    holds: one.holds.clone(),
                    about: one.described(),
                })
                .collect(),
            filters: reference::filter_entries().iter().map(code).collect(),
            functions: reference::function_entries().iter().map(code).collect(),
            tests: reference::test_entries().iter().map(code).collect(),
            nested: nested.collect(),
            recipes: recipes(COOKBOOK),
        }))
    }

    /// The values of a notification
    ///
    /// What a template prints for each name. It takes the same as `/preview`; of a sequence the last notification counts.
    #[oai(
        path = "/workshop/values",
        method = "post",
        tag = "Tag::Workshop",
        operation_id = "workshop_values"
    )]
    async fn values(
        &self,
        workshop: Data<&Arc<Workshop>>,
        _caller: Caller,
        request: JsonBody<PreviewRequest>,
    ) -> Result<Json<NotificationValues>, Refused<NotPreviewed>> {
        let task = workshop.task(request.0).await?;
        let (notification, now) = match task.shown {
            Shown::One(notification, now) => (*notification, now),
            Shown::Sequence(mut steps, _) => {
                let none = || Problem::of_field("sequence", "it is empty");
                steps.pop().ok_or_else(none)?
            }
        };
        let renderer = workshop.renderer.for_locale(&task.locale);
        let seen = tokio::task::spawn_blocking(move || renderer.seen(&notification, now)).await;
        let values = seen.unwrap_or_default().into_iter().map(|one| NamedValue {
            path: one.path,
            value: one.value,
        });
        Ok(Json(NotificationValues {
            values: values.collect(),
        }))
    }
}

fn code(entry: &Entry) -> CodeEntry {
    CodeEntry {
        name: entry.name.to_owned(),
        arguments: entry.arguments.to_owned(),
        types: entry.types.to_owned(),
        about: entry.about.to_owned(),
        example: entry.example.to_owned(),
    }
}

/// The recipes of the cookbook: `## 1. Title`, a line that names the sample, and the text between fences.
fn recipes(cookbook: &str) -> Vec<Recipe> {
    let recipe = |part: &str| {
        let (title, rest) = part.split_once('\n')?;
        let (_, title) = title.split_once(". ")?;
        let (_, sample) = rest.split_once("Sample: `")?;
        let (_, text) = rest.split_once("```jinja\n")?;
        Some(Recipe {
            title: title.trim().to_owned(),
            sample: sample.split_once('`')?.0.to_owned(),
            text: text.split_once("```")?.0.to_owned(),
        })
    };
    cookbook.split("\n## ").filter_map(recipe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn every_recipe_of_the_cookbook_is_offered_with_a_sample_that_there_is() {
        let recipes = recipes(COOKBOOK);
        assert_eq!(recipes.len(), COOKBOOK.matches("\n## ").count());
        for recipe in recipes {
            assert!(samples::find(&recipe.sample).is_some(), "{}", recipe.sample);
            assert!(
                recipe.text.contains('{') && !recipe.title.is_empty(),
                "{}",
                recipe.title
            );
        }
    }
}
