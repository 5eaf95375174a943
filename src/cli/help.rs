//! What `--help` shows of a command: its own options, of the settings only those that it reads, and examples.
//!
//! Every command takes every setting, so that a relay and the commands beside it can be given the same line; but help is
//! about the command at hand.

use clap::Command;

/// The settings that a command and its subcommands read, by the names of their fields.
const READ: [(&str, &[&str]); 14] = [
    (
        "demo",
        &[
            "host",
            "port",
            "relay_token",
            "relay_token_file",
            "templates_dir",
            "default_template",
            "message_mode",
            "reminders",
            "timezone",
            "language",
            "ecs_logging",
        ],
    ),
    ("render", &RENDERING),
    (
        "check",
        &[
            "templates_dir",
            "default_template",
            "timezone",
            "language",
            "dead_man_room",
            "routes_file",
            "default_room",
            "home_server_url",
            "access_token",
            "access_token_file",
            "hook_url",
            "hook_url_file",
            "data_dir",
            "database_url",
            "database_url_file",
            "matrix_timeout",
        ],
    ),
    (
        "route",
        &[
            "routes_file",
            "default_room",
            "default_template",
            "message_mode",
            "reminders",
        ],
    ),
    (
        "send-test",
        &[
            "home_server_url",
            "access_token",
            "access_token_file",
            "hook_url",
            "hook_url_file",
            "default_room",
            "routes_file",
            "matrix_timeout",
            "templates_dir",
            "default_template",
            "timezone",
            "language",
        ],
    ),
    ("templates", &RENDERING),
    ("outbox", &["data_dir", "database_url", "database_url_file"]),
    (
        "health",
        &[
            "host",
            "port",
            "relay_token",
            "relay_token_file",
            "page_auth",
            "page_auth_file",
            "page_token",
            "page_token_file",
            "metrics_token",
            "metrics_token_file",
        ],
    ),
    ("document", &[]),
    (
        "identity",
        &[
            "home_server_url",
            "access_token",
            "access_token_file",
            "recovery_key",
            "recovery_key_file",
            "data_dir",
            "default_room",
            "routes_file",
            "matrix_timeout",
        ],
    ),
    ("openapi", &[]),
    ("completions", &[]),
    ("man", &[]),
    ("help", &[]),
];
const RENDERING: [&str; 4] = ["templates_dir", "default_template", "timezone", "language"];

pub(super) const ROOT: &str = "\
Examples:
  grafana-matrix-relay demo                 # try it without a homeserver
  grafana-matrix-relay                      # serve, with settings from the environment and .env
  grafana-matrix-relay serve --help         # all settings";
pub(super) const SERVE: &str = "\
Examples:
  grafana-matrix-relay serve
  grafana-matrix-relay serve --default-room '#alerts:example.org' --timezone Europe/Berlin
  grafana-matrix-relay serve --routes-file routes.toml --port 9100";
pub(super) const DEMO: &str = "\
Examples:
  grafana-matrix-relay demo
  grafana-matrix-relay demo --port 0 --templates-dir my-templates";
pub(super) const RENDER: &str = "\
Examples:
  grafana-matrix-relay render --sample mixed
  grafana-matrix-relay render --payload body.json --template compact --as html
  grafana-matrix-relay render --sequence incident --mode thread";
pub(super) const CHECK: &str = "\
Examples:
  grafana-matrix-relay check --strict
  grafana-matrix-relay check --rooms --routes-file routes.toml
  grafana-matrix-relay check --all --json";
pub(super) const ROUTE: &str = "\
Examples:
  grafana-matrix-relay route --payload body.json --routes-file routes.toml
  grafana-matrix-relay route --sample mixed --route ops";
pub(super) const SEND_TEST: &str = "\
Examples:
  grafana-matrix-relay send-test
  grafana-matrix-relay send-test --room '#alerts:example.org' --sample firing";
pub(super) const TEMPLATES: &str = "\
Examples:
  grafana-matrix-relay templates list
  grafana-matrix-relay templates export templates";
pub(super) const TEMPLATES_LIST: &str = "\
Examples:
  grafana-matrix-relay templates list
  grafana-matrix-relay templates list --templates-dir my-templates";
pub(super) const TEMPLATES_EXPORT: &str = "\
Examples:
  grafana-matrix-relay templates export templates
  grafana-matrix-relay templates export templates --force";
pub(super) const TEMPLATES_REFERENCE: &str = "\
Examples:
  grafana-matrix-relay templates reference";
pub(super) const OUTBOX: &str = "\
Examples:
  grafana-matrix-relay outbox list --state dead
  grafana-matrix-relay outbox retry 42
  grafana-matrix-relay outbox give-up 43 edit-7";
pub(super) const OUTBOX_LIST: &str = "\
Examples:
  grafana-matrix-relay outbox list
  grafana-matrix-relay outbox list --state dead --room '#alerts:example.org'
  grafana-matrix-relay outbox list --before 120 --limit 20";
pub(super) const OUTBOX_SHOW: &str = "\
Examples:
  grafana-matrix-relay outbox show 42
  grafana-matrix-relay outbox show edit-7";
pub(super) const OUTBOX_RETRY: &str = "\
Examples:
  grafana-matrix-relay outbox retry 42 43
  grafana-matrix-relay outbox retry --room '#alerts:example.org'
  grafana-matrix-relay outbox retry --all";
pub(super) const OUTBOX_BACKUP: &str = "\
Examples:
  grafana-matrix-relay outbox backup outbox-2026-11-30.db";
pub(super) const OUTBOX_RESTORE: &str = "\
Examples:
  grafana-matrix-relay outbox restore outbox-2026-11-30.db";
pub(super) const OUTBOX_GIVE_UP: &str = "\
Examples:
  grafana-matrix-relay outbox give-up 42
  grafana-matrix-relay outbox give-up 43 edit-7";
pub(super) const OUTBOX_DELETE: &str = "\
Examples:
  grafana-matrix-relay outbox delete 42";
pub(super) const CONFIG: &str = "\
Examples:
  grafana-matrix-relay config
  grafana-matrix-relay config --json --routes-file routes.toml";
#[cfg(feature = "encryption")]
pub(super) const IDENTITY: &str = "\
Examples:
  grafana-matrix-relay identity show
  grafana-matrix-relay identity recover";
#[cfg(feature = "encryption")]
pub(super) const IDENTITY_SHOW: &str = "\
Examples:
  grafana-matrix-relay identity show
  grafana-matrix-relay identity show --json";
#[cfg(feature = "encryption")]
pub(super) const IDENTITY_RECOVER: &str = "\
Examples:
  grafana-matrix-relay identity recover
  grafana-matrix-relay identity recover --recovery-key-file /run/secrets/recovery_key";
#[cfg(feature = "encryption")]
pub(super) const IDENTITY_RESET: &str = "\
Examples:
  grafana-matrix-relay identity reset --yes
  grafana-matrix-relay identity reset --yes --password-file password";
pub(super) const OPENAPI: &str = "\
Examples:
  grafana-matrix-relay openapi";
pub(super) const COMPLETIONS: &str = "\
Examples:
  grafana-matrix-relay completions bash";
pub(super) const MAN: &str = "\
Examples:
  grafana-matrix-relay man
  grafana-matrix-relay man --dir man";
pub(super) const HEALTH: &str = "\
Examples:
  grafana-matrix-relay health
  grafana-matrix-relay health --ready --port 9100";

/// Hides the settings that a command does not read. `serve`, which a line without a command means, and `config` show all.
pub(super) fn of_own(command: Command) -> Command {
    of_commands(command).mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg })
}

/// The same for all but the program itself, whose manual page lists all settings.
pub(super) fn of_commands(mut command: Command) -> Command {
    // The settings reach the commands when this is built.
    command.build();
    command.mut_subcommands(
        |command| match READ.into_iter().find(|(name, _)| *name == command.get_name()) {
            Some((_, read)) => hide_others(command, read),
            None => command,
        },
    )
}

fn hide_others(command: Command, read: &'static [&'static str]) -> Command {
    command
        .mut_args(|arg| {
            let hide = arg.is_global_set() && !read.contains(&arg.get_id().as_str());
            if hide { arg.hide(true) } else { arg }
        })
        .mut_subcommands(|command| hide_others(command, read))
}

#[cfg(test)]
mod tests;
