//! Changes in the templates folder: taken in when they are whole and work, and otherwise not.

use std::fs;

use grafana_matrix_relay::render::{ReloadOutcome, Renderer, Settings};
use jiff::tz::TimeZone;
use tempfile::TempDir;

use super::{body_of, folder, render, write};

/// The two looks that it takes for a change to count.
fn settle(renderer: &Renderer) -> ReloadOutcome {
    assert_eq!(renderer.reload(), ReloadOutcome::Settling);
    renderer.reload()
}

#[test]
fn a_saved_change_is_taken_in_and_a_broken_one_is_not() {
    let (dir, renderer) = folder(&[("alert.md.j2", "one {{ name }}")]);
    let body = |renderer: &Renderer| render(renderer, "alert", &body_of("firing")).messages.remove(0).body;
    assert_eq!(renderer.reload(), ReloadOutcome::Unchanged);
    write(dir.path(), "alert.md.j2", "two, longer {{ name }}");
    assert_eq!(settle(&renderer), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(body(&renderer), "two, longer CheckoutSlow");

    for broken in ["three {{ nmae }}", "three {% if %}", ""] {
        write(dir.path(), "alert.md.j2", broken);
        let ReloadOutcome::Reloaded { problems } = settle(&renderer) else {
            panic!("not reloaded")
        };
        assert_eq!(problems.len(), 1, "{broken}");
        assert_eq!(renderer.problems(), problems);
        assert_eq!(body(&renderer), "two, longer CheckoutSlow");
        assert_eq!(renderer.reload(), ReloadOutcome::Unchanged);
    }
    fs::remove_file(dir.path().join("alert.md.j2")).unwrap();
    assert_eq!(settle(&renderer), ReloadOutcome::Reloaded { problems: vec![] });
    assert!(body(&renderer).starts_with("🔥 FIRING"));
}

#[test]
fn a_file_that_is_still_being_written_is_left_alone() {
    let (dir, renderer) = folder(&[("alert.md.j2", "one")]);
    write(dir.path(), "alert.md.j2", "half of");
    assert_eq!(renderer.reload(), ReloadOutcome::Settling);
    write(dir.path(), "alert.md.j2", "half of it and the rest");
    assert_eq!(renderer.reload(), ReloadOutcome::Settling);
    assert_eq!(renderer.reload(), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(
        render(&renderer, "alert", &body_of("firing")).messages[0].body,
        "half of it and the rest"
    );
}

#[test]
fn a_broken_part_does_not_break_its_templates() {
    let (dir, renderer) = folder(&[("t.md.j2", "{% include \"p/x.j2\" %}"), ("p/x.j2", "good {{ name }}")]);
    write(dir.path(), "p/x.j2", "bad {{ nmae }}");
    write(dir.path(), "new.md.j2", "new");
    let ReloadOutcome::Reloaded { problems } = settle(&renderer) else {
        panic!("not reloaded")
    };
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].file, "p/x.j2");
    assert_eq!(
        render(&renderer, "t", &body_of("firing")).messages[0].body,
        "good CheckoutSlow"
    );
    assert_eq!(render(&renderer, "new", &body_of("firing")).messages[0].body, "new");
}

#[cfg(unix)]
#[test]
fn a_configmap_that_swaps_its_link_is_followed() {
    use std::os::unix::fs::symlink;
    let dir = TempDir::new().unwrap();
    write(dir.path(), "..v1/alert.md.j2", "one");
    write(dir.path(), "..v2/alert.md.j2", "two");
    symlink("..v1", dir.path().join("..data")).unwrap();
    symlink("..data/alert.md.j2", dir.path().join("alert.md.j2")).unwrap();
    let settings = Settings {
        templates_dir: Some(dir.path().to_owned()),
        time_zone: TimeZone::UTC,
    };
    let renderer = Renderer::open(&settings);
    assert_eq!(render(&renderer, "alert", &body_of("firing")).messages[0].body, "one");
    symlink("..v2", dir.path().join("..tmp")).unwrap();
    fs::rename(dir.path().join("..tmp"), dir.path().join("..data")).unwrap();
    assert_eq!(settle(&renderer), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(render(&renderer, "alert", &body_of("firing")).messages[0].body, "two");
    assert_eq!(
        renderer.names().len(),
        4,
        "the hidden folders hold no templates of their own"
    );
}
