//! Completions and manual pages, as a package installs them.

use std::fs;
use std::process::Command;

use super::run;

const RELAY: &str = env!("CARGO_BIN_EXE_grafana-matrix-relay");

#[test]
fn bash_completes_commands() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions");
    fs::write(&file, run(RELAY, &["completions", "bash"])).unwrap();
    let script = r#"source "$0"; COMP_WORDS=(grafana-matrix-relay send); COMP_CWORD=1
        function=$(complete -p grafana-matrix-relay); function=${function#*-F }
        "${function%% *}" grafana-matrix-relay send grafana-matrix-relay; echo "${COMPREPLY[@]}""#;
    let completed = run("bash", &["-c", script, file.to_str().unwrap()]);
    assert_eq!(completed.trim(), "send-test");
    for shell in ["fish", "zsh"] {
        assert!(run(RELAY, &["completions", shell]).contains("send-test"), "{shell}");
    }
}

#[test]
fn the_manual_names_every_setting_and_each_command_has_a_page() {
    let help = run(RELAY, &["serve", "--help"]);
    let page = run(RELAY, &["man"]);
    let settings = help
        .split("[env: ")
        .skip(1)
        .filter_map(|rest| rest.split(['=', ']']).next());
    for setting in settings {
        assert!(page.contains(setting), "{setting} is not in the manual");
    }
    let folder = tempfile::tempdir().unwrap();
    run(RELAY, &["man", "--dir", folder.path().to_str().unwrap()]);
    for page in fs::read_dir(folder.path()).unwrap() {
        let page = page.unwrap().file_name().into_string().unwrap();
        assert!(!page.contains("-help") && !page.contains("-document"), "{page}");
    }
    for name in [
        "grafana-matrix-relay",
        "grafana-matrix-relay-check",
        "grafana-matrix-relay-outbox-retry",
    ] {
        let page = fs::read_to_string(folder.path().join(name).with_extension("1")).unwrap();
        assert!(page.contains(".TH"), "{page}");
        // A command's page is about the settings that it reads.
        let reads_folder = name.ends_with("-retry") || name.ends_with("-check") || name == "grafana-matrix-relay";
        assert_eq!(page.contains("RELAY_DATA_DIR"), reads_folder, "{name}");
        assert_eq!(
            page.contains("RELAY_DIGEST_AFTER"),
            name == "grafana-matrix-relay",
            "{name}"
        );
    }
}

#[test]
fn the_version_names_a_commit_only_where_the_build_was_told_it() {
    let said = Command::new(RELAY).arg("--version").output().unwrap();
    let commit = option_env!("RELAY_REVISION").map_or_else(String::new, |commit| format!(" ({commit})"));
    let expected = format!("grafana-matrix-relay {}{commit}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(said.stdout).unwrap(), expected);
}
