//! Each command shows its own options, and its examples are understood.

use clap::FromArgMatches as _;

use super::*;
use crate::cli::Cli;

/// All commands that do something, each with its words.
fn commands(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
    let words = format!("{words} {}", command.get_name());
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        commands(sub, &words, found);
    }
    if !command.is_hide_set() {
        found.push((words.trim().to_owned(), command.clone()));
    }
}

fn all() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    commands(&of_own(Cli::with_settings()), "", &mut found);
    found
}

fn help(words: &str) -> String {
    let (_, mut command) = all().into_iter().find(|(name, _)| name == words).unwrap();
    command.render_long_help().to_string()
}

#[test]
fn each_command_shows_the_settings_that_it_reads_and_no_others() {
    for (words, mut command) in all() {
        let help = command.render_long_help().to_string();
        let name = words.split(' ').nth(1).unwrap_or_default();
        let shown = |id: &str| help.contains(&format!("--{}", id.replace('_', "-")));
        let of_serve = ["header_timeout", "digest_threshold", "trusted_proxies"];
        let shows_all = ["serve", "config"].contains(&name);
        assert_eq!(of_serve.iter().all(|id| shown(id)), shows_all, "{words}\n{help}");
        assert_eq!(of_serve.iter().any(|id| shown(id)), shows_all, "{words}\n{help}");
        if let Some((_, read)) = READ.iter().find(|(of, _)| *of == name) {
            assert!(read.iter().all(|id| shown(id)), "{words}\n{help}");
        }
    }
    let give_up = help("grafana-matrix-relay outbox give-up");
    assert!(
        give_up.contains("--data-dir") && !give_up.contains("--home-server-url"),
        "{give_up}"
    );
    assert!(!help("grafana-matrix-relay").contains("--home-server-url"));
}

#[test]
fn each_command_has_examples_that_it_understands() {
    for (words, mut command) in all() {
        let help = command.render_long_help().to_string();
        let examples = help.split_once("Examples:\n").map_or("", |(_, examples)| examples);
        let lines: Vec<_> = examples
            .lines()
            .map(|line| line.split("  # ").next().unwrap_or(line))
            .collect();
        assert!(!lines.is_empty(), "{words}\n{help}");
        for line in lines {
            let parsed = of_own(Cli::with_settings())
                .try_get_matches_from(line.split_whitespace().map(|word| word.trim_matches('\'')));
            let is_help = |error: &clap::Error| error.kind() == clap::error::ErrorKind::DisplayHelp;
            let fault = parsed.err().filter(|error| !is_help(error));
            assert!(fault.is_none(), "{line}: {fault:?}");
        }
    }
}

#[test]
fn a_setting_that_help_hides_is_taken_all_the_same() {
    let line = [
        "grafana-matrix-relay",
        "outbox",
        "list",
        "--home-server-url",
        "https://matrix.example.org",
    ];
    let matches = of_own(Cli::with_settings()).try_get_matches_from(line).unwrap();
    let parsed = Cli::from_arg_matches(&matches).unwrap();
    assert!(parsed.flags.home_server_url.is_some());
}
