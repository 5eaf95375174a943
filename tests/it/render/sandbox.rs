//! Templates that somebody wrote run in processes of their own, and nobody notices.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use grafana_matrix_relay::message::TemplateName;
use grafana_matrix_relay::render::{Deadline, Draft, Drafts, Isolation, ReloadOutcome, Renderer, Settings, embedded};
use grafana_matrix_relay::{alert, samples};
use tempfile::TempDir;

use super::{body_of, built_in, folder, now, render, settings};

/// The processes of this name that this one has started and that still are something to the system, by their ids.
fn children(name: &str) -> Vec<u32> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |id: &u32| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let has = |field: &str, value: &str| {
            let mut lines = status.lines();
            lines.any(|line| line.strip_prefix(field).is_some_and(|found| found.trim() == value))
        };
        has("PPid:", &own) && has("Name:", name)
    };
    ids.filter(is_child).collect()
}

/// A renderer on these templates whose processes have a name of their own: tests may share a process, as with `cargo test`.
fn named(name: &str, files: &[(&str, &str)]) -> (TempDir, Renderer) {
    let (dir, _) = folder(files);
    let program = dir.path().join(name);
    symlink(env!("CARGO_BIN_EXE_grafana-matrix-relay"), &program).unwrap();
    let renderer = Renderer::open(&Settings {
        isolation: Isolation::Process(program),
        ..settings(dir.path())
    });
    (dir, renderer)
}

/// The default template under another name, so that it is not built in.
fn copy() -> String {
    embedded()
        .find(|(file, _)| *file == "alert.md.j2")
        .unwrap()
        .1
        .to_owned()
}

#[test]
fn what_is_copied_reads_as_what_is_built_in() {
    let (_dir, renderer) = named("of-copy", &[("copy.md.j2", &copy())]);
    assert_eq!(renderer.problems(), []);
    // A test says by which template it came.
    for sample in samples::all().into_iter().filter(|sample| sample.name != "test") {
        let seen = render(&renderer, "copy", &sample.body);
        assert_eq!(seen, render(&built_in(), "alert", &sample.body), "{}", sample.name);
    }
    assert_eq!(children("of-copy").len(), 1);
}

#[test]
fn a_process_that_somebody_ends_costs_nothing() {
    let (_dir, renderer) = named("of-ended", &[("t.md.j2", "Mine: {{ name }}")]);
    for _ in 0..3 {
        for child in children("of-ended") {
            let ended = Command::new("kill").args(["-9", &child.to_string()]).status();
            assert!(ended.unwrap().success());
        }
        let seen = render(&renderer, "t", &body_of("firing"));
        assert_eq!((seen.problem, &*seen.messages[0].body), (None, "Mine: CheckoutSlow"));
        assert_eq!(children("of-ended").len(), 1);
    }
}

#[test]
fn a_draft_that_was_only_compiled_is_not_taken_for_what_is_in_use() {
    let (_dir, renderer) = folder(&[("t.md.j2", "Mine: {{ name }}")]);
    let notification = alert::parse::notification(body_of("firing").as_bytes()).unwrap();
    let shown = |drafts: &Drafts| {
        let preview = drafts.preview(&"t".parse().unwrap(), &notification, now());
        preview.rendered.messages[0].body.clone()
    };
    assert_eq!(shown(&renderer.with_drafts(&[])), "Mine: CheckoutSlow");
    let draft = Draft {
        file: "t.md.j2",
        source: "Draft: {{ name }}",
    };
    let drafts = renderer.with_drafts(&[draft]);
    assert_eq!(shown(&renderer.with_drafts(&[])), "Mine: CheckoutSlow");
    assert_eq!(shown(&drafts), "Draft: CheckoutSlow");
}

#[test]
fn nothing_is_left_of_a_process_nor_does_it_know_anything() {
    let (_dir, renderer) = named("of-nothing", &[("t.md.j2", "{{ name }}")]);
    let child = children("of-nothing")[0];
    let variables = fs::read_to_string(format!("/proc/{child}/environ")).unwrap();
    assert_eq!(variables, "MIMALLOC_ARENA_EAGER_COMMIT=0\0");
    drop(renderer);
    assert_eq!(children("of-nothing"), Vec::<u32>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_can_open_start_and_gain_nothing() {
    let source = r#"{{ alerts[0].startsAt | time("%H:%M %Z", tz="Europe/Berlin") }}"#;
    let (_dir, renderer) = named("of-limits", &[("t.md.j2", source)]);
    let seen = render(&renderer, "t", &body_of("firing"));
    assert_eq!(seen.problem, None, "zones of time are there all the same");
    assert!(seen.messages[0].body.ends_with("CET"), "{}", seen.messages[0].body);
    let child = children("of-limits")[0];
    let limits = fs::read_to_string(format!("/proc/{child}/limits")).unwrap();
    for name in ["Max open files", "Max processes", "Max file size", "Max core file size"] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let values: Vec<_> = line.split_whitespace().take(2).collect();
        assert_eq!(values, ["0", "0"], "{name}: {line}");
    }
    let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
}

#[test]
fn without_processes_what_is_built_in_renders_and_says_why() {
    let (dir, _) = folder(&[("alert.md.j2", "Mine: {{ name }}")]);
    let renderer = Renderer::open(&Settings {
        isolation: Isolation::Process(PathBuf::from("/nowhere")),
        ..settings(dir.path())
    });
    let seen = render(&renderer, "alert", &body_of("firing"));
    assert!(seen.messages[0].body.starts_with("🔥 FIRING · CheckoutSlow"));
    let problem = seen.problem.unwrap().to_string();
    assert!(
        problem.contains("the system starts no process for it (No such file"),
        "{problem}"
    );
}

#[test]
fn a_program_that_answers_nonsense_is_not_waited_for() {
    let (dir, _) = folder(&[("alert.md.j2", "Mine: {{ name }}")]);
    let program = dir.path().join("program");
    fs::write(&program, "#!/bin/sh\nexec cat\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let renderer = Renderer::open(&Settings {
        isolation: Isolation::Process(program),
        ..settings(dir.path())
    });
    let seen = render(&renderer, "alert", &body_of("firing"));
    assert!(seen.messages[0].body.starts_with("🔥 FIRING · CheckoutSlow"));
    assert_eq!(children("cat"), Vec::<u32>::new());
}

#[test]
fn who_gives_up_ends_the_process_that_works_for_them() {
    let folder = TempDir::new().unwrap();
    let (program, begun) = (folder.path().join("of-gone"), folder.path().join("begun"));
    assert!(Command::new("mkfifo").arg(&begun).status().unwrap().success());
    // It never answers; whoever reads the pipe knows that it has begun.
    fs::write(
        &program,
        format!("#!/bin/sh\necho begun > {}\nexec tail -f /dev/null\n", begun.display()),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let renderer = Renderer::open(&Settings {
        templates_dir: None,
        time_zone: jiff::tz::TimeZone::UTC,
        language: None,
        isolation: Isolation::Process(program),
    });
    let notification = alert::parse::notification(body_of("firing").as_bytes()).unwrap();
    let draft = Draft {
        file: "alert.md.j2",
        source: "Mine: {{ name }}",
    };
    let deadline = Deadline::none();
    let within = renderer.within(&deadline);
    let preview = thread::scope(|scope| {
        let preview = scope.spawn(|| within.preview(&[draft], &TemplateName::default(), &notification, now()));
        assert_eq!(fs::read_to_string(&begun).unwrap(), "begun\n");
        drop(deadline.guard());
        preview.join().unwrap()
    });
    let said = &preview.diagnostics[0].problem.message;
    assert!(
        said.contains("the time for all templates of one request was over"),
        "{said}"
    );
    assert!(preview.rendered.messages[0].body.contains("FIRING"));
    assert_eq!(children("tail"), Vec::<u32>::new());
}

/// A program that does `otherwise` until a file is there, and then what the relay does; with a renderer that uses it on a
/// template of its own.
fn absent_at_first(otherwise: &str) -> (TempDir, Renderer, PathBuf) {
    let (dir, _) = folder(&[("alert.md.j2", "Mine: {{ name }}")]);
    let (program, there) = (dir.path().join("program"), dir.path().join("there"));
    let own = env!("CARGO_BIN_EXE_grafana-matrix-relay");
    let script = format!(
        "#!/bin/sh\n[ -e {} ] && exec {own} \"$@\"\n{otherwise}\n",
        there.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let renderer = Renderer::open(&Settings {
        isolation: Isolation::Process(program),
        ..settings(dir.path())
    });
    (dir, renderer, there)
}

#[test]
fn what_was_refused_for_want_of_a_process_is_tried_again_later() {
    let (_dir, renderer, there) = absent_at_first("exit 1");
    let is_mine = || render(&renderer, "alert", &body_of("firing")).messages[0].body == "Mine: CheckoutSlow";
    assert!(!renderer.problems().is_empty() && !is_mine());
    let after = |seconds| renderer.reload(SystemTime::now() + Duration::from_secs(seconds));
    assert_eq!(after(60), ReloadOutcome::Unchanged);
    // Still absent, so there is nothing to tell.
    assert_eq!(after(100), ReloadOutcome::Unchanged);
    fs::write(there, "").unwrap();
    assert_eq!(
        after(200),
        ReloadOutcome::Unchanged,
        "each time it waits for twice as long"
    );
    assert_eq!(after(300), ReloadOutcome::Reloaded { problems: vec![] });
    assert!(is_mine());
    assert_eq!(after(10_000), ReloadOutcome::Unchanged);
}

#[test]
fn a_process_that_is_always_killed_is_said_to_be() {
    let (_dir, renderer, _) = absent_at_first("kill -9 $$");
    let said = "alert.md.j2: was ended by the system, perhaps for want of memory";
    assert_eq!(renderer.problems()[0].to_string(), said);
    let seen = render(&renderer, "alert", &body_of("firing"));
    assert!(seen.messages[0].body.starts_with("🔥 FIRING · CheckoutSlow"));
}

/// A process that is told how long its first job is, and never gets it.
fn announced(bytes: u32, variables: Option<(&str, &str)>) -> ExitStatus {
    let mut process = Command::new(env!("CARGO_BIN_EXE_grafana-matrix-relay"))
        .arg("template-sandbox")
        .env_clear()
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It may have ended by now.
    let _ = process.stdin.take().unwrap().write_all(&bytes.to_le_bytes());
    process.wait().unwrap()
}

#[test]
fn a_process_has_so_much_memory_and_no_more() {
    let as_the_relay = Some(("MIMALLOC_ARENA_EAGER_COMMIT", "0"));
    assert_eq!(
        announced(200 << 20, as_the_relay).code(),
        Some(1),
        "it has room for that, and finds its input at an end"
    );
    assert_eq!(announced(300 << 20, as_the_relay).signal(), Some(6), "it breaks off");
    assert_eq!(
        announced(300 << 20, None).code(),
        Some(78),
        "where its allocator took memory before there was a limit, it reads nothing"
    );
}
