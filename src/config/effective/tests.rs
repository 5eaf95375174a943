//! Which source of a setting wins, and that no secret is shown.

use clap::{Args as _, Command, FromArgMatches as _};

use super::*;

/// The settings of a command line.
fn flags(line: &[&str]) -> Flags {
    let command = Flags::augment_args(Command::new("relay")).mut_args(declared::said_only);
    let matches = command.try_get_matches_from(["relay"].iter().chain(line)).unwrap();
    let mut flags = Flags::from_arg_matches(&matches).unwrap();
    flags.sources = Sources::new(&matches, &[]);
    flags.let_flags_win(&matches);
    flags
}

fn of(line: &[&str], variable: &str) -> (String, From) {
    let all = effective(&flags(line));
    let one = all.iter().find(|one| one.setting.variable == variable).unwrap();
    (one.shown().to_owned(), one.from.clone())
}

#[test]
fn a_setting_says_what_holds_and_where_it_comes_from() {
    let of = |line: &[&str], variable| {
        let (value, from) = of(line, variable);
        format!("{value} {from}")
    };
    assert_eq!(of(&["--port=80"], "RELAY_PORT"), "80 flag");
    assert_eq!(of(&["--port="], "RELAY_PORT"), "9042 default");
    assert_eq!(of(&[], "RELAY_HMAC_TOLERANCE"), "45s default");
    assert_eq!(of(&["--repeat-window=60s"], "RELAY_HMAC_TOLERANCE"), "30s default");
    assert_eq!(of(&[], "RELAY_KEEP_GROUPS"), "30d default");
    assert_eq!(
        of(&["--max-body-bytes=90000000"], "RELAY_MAX_BODIES_BYTES"),
        "90000000 default"
    );
    assert_eq!(of(&[], "RELAY_DATABASE_URL"), "- not set");
    assert_eq!(of(&["--ecs-logging"], "RELAY_LOG_FORMAT"), "ecs ECS_LOGGING");
}

#[test]
fn no_secret_is_shown() {
    let line = ["--relay-token=s3cr3t", "--database-url=postgres://u:s3cr3t@h/d"];
    assert_eq!(of(&line, "RELAY_TOKEN"), ("(secret)".to_owned(), From::Flag));
    let flags = flags(&line);
    let json: Vec<_> = effective(&flags).iter().map(Effective::json).collect();
    let said = format!("{json:?} {:?}", flags.sources);
    assert!(!said.contains("s3cr3t"), "{said}");
    let from = of(&["--relay-token-file=/run/token"], "RELAY_TOKEN");
    assert_eq!(from, ("(secret)".to_owned(), From::SecretFile("/run/token".to_owned())));
}

#[test]
fn a_routes_file_beats_defaults_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes.toml").display().to_string();
    let text = "[routes.default]\nrooms = [\"#a:b\", \"#c:d\"]\nmode = \"new\"\nreminders = true\ntemplate = 'mine'\n\
                credentials.bearer = 's3cr3t'\n";
    std::fs::write(&path, text).unwrap();
    let file = format!("--routes-file={path}");
    let routes = || From::RoutesFile(path.clone());
    assert_eq!(of(&[&file], "MATRIX_DEFAULT_ROOM"), ("#a:b, #c:d".to_owned(), routes()));
    assert_eq!(of(&[&file], "RELAY_REMINDERS"), ("on".to_owned(), routes()));
    assert_eq!(of(&[&file], "RELAY_TOKEN"), ("(secret)".to_owned(), routes()));
    assert_eq!(of(&[&file, "--message-mode=live"], "RELAY_MESSAGE_MODE").1, From::Flag);
    assert_eq!(of(&[&file, "--basic-auth=a:b"], "RELAY_TOKEN").1, From::Unset);
    assert_eq!(
        of(&["--routes-file=nowhere"], "RELAY_TEMPLATE"),
        ("alert".to_owned(), From::Default)
    );
}

#[test]
fn declared_defaults_are_those_of_the_modules() {
    use crate::intake::{ConnectionSettings, LimitSettings};
    use crate::message::{Mode, TemplateName};
    let declared = declared::default;
    let flags = Flags::default();
    let mut values = Values::default();
    let limits = auth::auth(&flags.auth, 8 * 1024 * 1024, &mut values).limits;
    assert_eq!(format!("{limits:?}"), format!("{:?}", LimitSettings::default()));
    let connections = auth::connections(&flags.auth, &mut values);
    assert_eq!(
        format!("{connections:?}"),
        format!("{:?}", ConnectionSettings::default())
    );
    assert_eq!(
        declared("max_body_bytes"),
        LimitSettings::default().max_body_bytes.to_string()
    );
    assert_eq!(declared("default_template"), TemplateName::default().as_str());
    assert_eq!(declared("message_mode").parse(), Ok(Mode::default()));
    assert_eq!(
        declared("encryption").parse(),
        Ok(crate::matrix::EncryptionMode::default())
    );
    assert_eq!(
        declared("key_recipients").parse(),
        Ok(crate::matrix::Recipients::default())
    );
    assert_eq!(values.problems, Vec::<String>::new());
}
