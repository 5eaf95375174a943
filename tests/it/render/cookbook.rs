//! Every recipe of the cookbook gives what stands below it.

use grafana_matrix_relay::render;

use super::{body_of, folder, render};

#[test]
fn every_recipe_gives_what_stands_below_it() {
    let recipes: Vec<&str> = render::COOKBOOK.split("\n## ").skip(1).collect();
    assert_eq!(recipes.len(), 20);
    let block = |recipe: &str, kind: &str| -> String {
        let start = recipe.split(&format!("```{kind}\n")).nth(1).unwrap();
        start.split("```").next().unwrap().to_owned()
    };
    let files: Vec<(String, String)> = recipes
        .iter()
        .enumerate()
        .map(|(at, recipe)| (format!("recipe{at}.md.j2"), block(recipe, "jinja")))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(file, text)| (file.as_str(), text.as_str()))
        .collect();
    let (_dir, renderer) = folder(&files);
    assert_eq!(renderer.problems(), []);
    for (at, recipe) in recipes.iter().enumerate() {
        let sample = recipe.split("Sample: `").nth(1).unwrap().split('`').next().unwrap();
        let seen = render(&renderer, &format!("recipe{at}"), &body_of(sample));
        assert_eq!(seen.problem, None);
        assert_eq!(
            seen.messages[0].body.trim_end(),
            block(recipe, "text").trim_end(),
            "{recipe}"
        );
    }
}
