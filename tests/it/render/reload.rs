//! Changes in the templates folder: taken in when they are whole and work, and otherwise not.

use std::fs;
use std::time::{Duration, SystemTime};

use grafana_matrix_relay::render::{ReloadOutcome, Renderer};
use tempfile::TempDir;

use super::{body_of, folder, render, settings, write};

/// When every file has been at rest for long enough.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(10)
}

/// The looks that it takes for a change to count: two, and one more where a file was written over.
fn settle(renderer: &Renderer) -> ReloadOutcome {
    assert_eq!(renderer.reload(later()), ReloadOutcome::Settling);
    match renderer.reload(later()) {
        ReloadOutcome::Settling => renderer.reload(later()),
        outcome => outcome,
    }
}

/// The same, and what is wrong then.
fn settled(renderer: &Renderer) -> Vec<String> {
    let ReloadOutcome::Reloaded { problems } = settle(renderer) else {
        panic!("not reloaded")
    };
    problems.iter().map(ToString::to_string).collect()
}

/// The plain text that a template makes of a sample.
fn shown(renderer: &Renderer, template: &str) -> String {
    render(renderer, template, &body_of("firing")).messages.remove(0).body
}

#[test]
fn a_saved_change_is_taken_in_and_a_broken_one_is_not() {
    let (dir, renderer) = folder(&[("alert.md.j2", "one {{ name }}")]);
    let body = |renderer: &Renderer| render(renderer, "alert", &body_of("firing")).messages.remove(0).body;
    assert_eq!(renderer.reload(later()), ReloadOutcome::Unchanged);
    write(dir.path(), "alert.md.j2", "two, longer {{ name }}");
    assert_eq!(settle(&renderer), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(body(&renderer), "two, longer CheckoutSlow");

    for broken in ["three {{ nmae }}", "three {% if %}", ""] {
        write(dir.path(), "alert.md.j2", broken);
        let ReloadOutcome::Reloaded { problems } = settle(&renderer) else {
            panic!("not reloaded")
        };
        assert!(!problems.is_empty(), "{broken}");
        assert_eq!(renderer.problems(), problems);
        assert_eq!(body(&renderer), "two, longer CheckoutSlow");
        assert_eq!(renderer.reload(later()), ReloadOutcome::Unchanged);
    }
    fs::remove_file(dir.path().join("alert.md.j2")).unwrap();
    assert_eq!(settle(&renderer), ReloadOutcome::Reloaded { problems: vec![] });
    assert!(body(&renderer).starts_with("🔥 FIRING"));
}

#[test]
fn a_file_that_is_still_being_written_is_left_alone() {
    let (dir, renderer) = folder(&[("alert.md.j2", "one")]);
    write(dir.path(), "alert.md.j2", "half of");
    assert_eq!(renderer.reload(later()), ReloadOutcome::Settling);
    // The writer stalls, but it is the same file, which it may not be done with.
    assert_eq!(renderer.reload(later()), ReloadOutcome::Settling);
    write(dir.path(), "alert.md.j2", "half of it and the rest");
    assert_eq!(renderer.reload(later()), ReloadOutcome::Settling);
    assert_eq!(renderer.reload(later()), ReloadOutcome::Settling);
    assert_eq!(renderer.reload(later()), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(
        render(&renderer, "alert", &body_of("firing")).messages[0].body,
        "half of it and the rest"
    );
}

#[test]
fn a_file_that_was_written_just_now_is_left_alone_unless_it_was_put_in_place_whole() {
    let (dir, renderer) = folder(&[("alert.md.j2", "one"), ("compact.md.j2", "one")]);
    let fresh = |file: &str| {
        let saved = fs::metadata(dir.path().join(file)).unwrap().modified().unwrap();
        saved + Duration::from_millis(600)
    };
    for file in ["alert.md.j2", "new.md.j2"] {
        write(dir.path(), file, "half of");
        for _ in 0..5 {
            assert_eq!(renderer.reload(fresh(file)), ReloadOutcome::Settling, "{file}");
        }
        assert_eq!(
            renderer.reload(later()),
            ReloadOutcome::Reloaded { problems: vec![] },
            "{file}"
        );
        assert_eq!(shown(&renderer, file.strip_suffix(".md.j2").unwrap()), "half of");
    }
    write(dir.path(), ".other", "two");
    fs::rename(dir.path().join(".other"), dir.path().join("compact.md.j2")).unwrap();
    assert_eq!(renderer.reload(fresh("compact.md.j2")), ReloadOutcome::Settling);
    assert_eq!(
        renderer.reload(fresh("compact.md.j2")),
        ReloadOutcome::Reloaded { problems: vec![] }
    );
}

#[test]
fn one_broken_file_keeps_the_whole_folder_as_it_was_until_it_is_mended() {
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
    assert!(renderer.source("new.md.j2").is_none());
    write(dir.path(), "p/x.j2", "mended {{ name }}");
    assert_eq!(settled(&renderer), [""; 0]);
    assert_eq!(shown(&renderer, "t"), "mended CheckoutSlow");
    assert_eq!(shown(&renderer, "new"), "new");
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
    let renderer = Renderer::open(&settings(dir.path()));
    assert_eq!(render(&renderer, "alert", &body_of("firing")).messages[0].body, "one");
    symlink("..v2", dir.path().join("..tmp")).unwrap();
    fs::rename(dir.path().join("..tmp"), dir.path().join("..data")).unwrap();
    assert_eq!(settle(&renderer), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(render(&renderer, "alert", &body_of("firing")).messages[0].body, "two");
    assert_eq!(
        renderer.names(),
        folder(&[]).1.names(),
        "the hidden folders hold no templates of their own"
    );
}

#[test]
fn a_file_that_is_put_in_place_whole_counts_at_the_second_look() {
    let (dir, renderer) = folder(&[("alert.md.j2", "one")]);
    write(dir.path(), ".new", "two");
    fs::rename(dir.path().join(".new"), dir.path().join("alert.md.j2")).unwrap();
    assert_eq!(renderer.reload(later()), ReloadOutcome::Settling);
    assert_eq!(renderer.reload(later()), ReloadOutcome::Reloaded { problems: vec![] });
    assert_eq!(shown(&renderer, "alert"), "two");
}

#[test]
fn what_was_saved_just_now_may_not_be_whole() {
    let (dir, _) = folder(&[("alert.md.j2", "one")]);
    let settings = settings(dir.path());
    let saved = fs::metadata(dir.path().join("alert.md.j2"))
        .unwrap()
        .modified()
        .unwrap();
    assert!(settings.is_being_written(saved + Duration::from_millis(100)));
    assert!(!settings.is_being_written(saved + Duration::from_secs(1)));
    // Another machine's clock is ahead; waiting for it would help nobody.
    assert!(!settings.is_being_written(saved - Duration::from_secs(1)));
}

#[test]
fn the_wrong_use_of_a_part_costs_only_the_template_that_uses_it_so() {
    let wrong = [
        // The part that is built in wants `alert`.
        ("partials/line.md.j2", None),
        ("parts/own.j2", Some("{{ alert.name }}")),
    ];
    for (part, own) in wrong {
        let misuse = format!("{{% for a in firing %}}\n{{% include \"{part}\" %}}\n{{% endfor %}}");
        let (dir, renderer) = folder(&[("alert.md.j2", "one {{ name }}")]);
        if let Some(own) = own {
            write(dir.path(), part, own);
            write(
                dir.path(),
                "own.md.j2",
                "{% set alert = alerts[0] %}{% include \"parts/own.j2\" %}",
            );
            assert_eq!(settled(&renderer), [""; 0]);
        }
        let others = ["compact", "detailed"].map(|template| shown(&renderer, template));
        write(dir.path(), "alert.md.j2", &misuse);
        let problems = settled(&renderer);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("alert.md.j2:2: ") && problems[0].contains(part) && problems[0].contains("`alert`"),
            "{problems:?}"
        );
        assert_eq!(shown(&renderer, "alert"), "one CheckoutSlow");
        assert_eq!(
            ["compact", "detailed"].map(|template| shown(&renderer, template)),
            others
        );
        if own.is_some() {
            assert_eq!(shown(&renderer, "own"), "CheckoutSlow");
        }

        // The same at the start, where there is no version before.
        let renderer = Renderer::open(&settings(dir.path()));
        assert_eq!(renderer.problems().len(), 1, "{:?}", renderer.problems());
        assert_eq!(
            ["compact", "detailed"].map(|template| shown(&renderer, template)),
            others
        );
        assert!(shown(&renderer, "alert").starts_with("🔥 FIRING · CheckoutSlow"));
    }
}

#[test]
fn edits_that_belong_together_are_taken_together_and_the_broken_one_is_named() {
    let (dir, renderer) = folder(&[
        ("p.j2", "old {{ x }}"),
        ("a.md.j2", "{% set x = 1 %}{% include \"p.j2\" %}"),
        ("b.md.j2", "old b"),
    ]);
    write(dir.path(), "p.j2", "new {{ x }}");
    write(dir.path(), "a.md.j2", "{% include \"p.j2\" %}");
    write(dir.path(), "b.md.j2", "new b");
    let problems = settled(&renderer);
    assert!(
        problems.len() == 1 && problems[0].starts_with("a.md.j2:1: p.j2:1: "),
        "{problems:?}"
    );
    assert_eq!(
        (shown(&renderer, "a"), shown(&renderer, "b")),
        ("old 1".to_owned(), "old b".to_owned())
    );
    write(dir.path(), "a.md.j2", "{% set x = 2 %}{% include \"p.j2\" %}");
    assert_eq!(settled(&renderer), [""; 0]);
    assert_eq!(
        (shown(&renderer, "a"), shown(&renderer, "b")),
        ("new 2".to_owned(), "new b".to_owned())
    );
}

#[test]
fn a_part_that_is_taken_away_stays_in_use_while_something_needs_it() {
    let (dir, renderer) = folder(&[("t.md.j2", "{% include \"p/x.j2\" %}"), ("p/x.j2", "part {{ name }}")]);
    let part = dir.path().join("p/x.j2");
    fs::rename(&part, dir.path().join("p/y.j2")).unwrap();
    let problems = settled(&renderer);
    assert!(
        problems.len() == 1 && problems[0].starts_with("p/x.j2: is gone and still in use: t.md.j2:1"),
        "{problems:?}"
    );
    assert_eq!(shown(&renderer, "t"), "part CheckoutSlow");
    // Another change does not make it forget.
    write(dir.path(), "other.md.j2", "other");
    assert_eq!(settled(&renderer).len(), 1);
    assert_eq!(shown(&renderer, "t"), "part CheckoutSlow");
    write(dir.path(), "t.md.j2", "new {% include \"p/y.j2\" %}");
    assert_eq!(settled(&renderer), [""; 0]);
    assert_eq!(shown(&renderer, "t"), "new part CheckoutSlow");
    assert!(renderer.source("p/x.j2").is_none());
}

#[test]
fn a_folder_that_cannot_be_read_keeps_its_templates() {
    let (dir, renderer) = folder(&[
        ("alert.md.j2", "mine"),
        ("own.md.j2", "{% include \"p/x.j2\" %}"),
        ("p/x.j2", "part"),
    ]);
    let (there, away) = (dir.path().to_owned(), dir.path().with_extension("away"));
    let keeps = |what: &str| {
        let problems = settled(&renderer);
        assert!(
            problems.len() == 1 && problems[0].starts_with(".: ") && problems[0].contains("the templates folder"),
            "{what}: {problems:?}"
        );
        assert_eq!(
            (shown(&renderer, "alert"), shown(&renderer, "own")),
            ("mine".into(), "part".into()),
            "{what}"
        );
        assert_eq!(renderer.reload(later()), ReloadOutcome::Unchanged, "{what}");
        assert_eq!(renderer.on_disk().len(), 3, "{what}");
    };
    fs::rename(&there, &away).unwrap();
    keeps("gone");
    fs::write(&there, "").unwrap();
    keeps("not a folder");
    fs::remove_file(&there).unwrap();
    fs::create_dir(&there).unwrap();
    keeps("another one, and empty, as where a volume was");
    fs::remove_dir(&there).unwrap();
    fs::rename(&away, &there).unwrap();
    assert_eq!(settled(&renderer), [""; 0]);
    assert_eq!(shown(&renderer, "alert"), "mine");
    // A file that is deleted in a folder that can be read is meant to be deleted.
    fs::remove_file(there.join("alert.md.j2")).unwrap();
    assert_eq!(settled(&renderer), [""; 0]);
    assert!(shown(&renderer, "alert").starts_with("🔥 FIRING"));
}

#[cfg(unix)]
#[test]
fn files_and_folders_that_cannot_be_seen_stay_in_use() {
    use std::os::unix::fs::symlink;
    let (dir, renderer) = folder(&[
        ("alert.md.j2", "mine {% include \"partials/own.j2\" %}"),
        ("partials/own.j2", "part"),
        ("b.md.j2", "b"),
    ]);
    fs::remove_dir_all(dir.path().join("partials")).unwrap();
    symlink("nowhere", dir.path().join("partials")).unwrap();
    fs::remove_file(dir.path().join("b.md.j2")).unwrap();
    symlink("nowhere.j2", dir.path().join("b.md.j2")).unwrap();
    let problems = settled(&renderer);
    assert_eq!(
        problems,
        [
            "b.md.j2: a link that leads nowhere",
            "partials/: a link that leads nowhere"
        ]
    );
    assert_eq!(
        (shown(&renderer, "alert"), shown(&renderer, "b")),
        ("mine part".into(), "b".into())
    );
}

#[test]
fn files_beyond_the_most_that_are_read_are_reported_and_keep_what_is_in_use() {
    let (dir, renderer) = folder(&[("z.md.j2", "z")]);
    for number in 0..200 {
        write(dir.path(), &format!("p/{number}.j2"), "x");
    }
    let problems = settled(&renderer);
    assert_eq!(problems, ["z.md.j2: is not read: there are more than 200 files"]);
    assert_eq!(shown(&renderer, "z"), "z");
}

#[test]
fn what_is_built_in_says_for_whom_it_stands_in() {
    let (dir, renderer) = folder(&[
        ("alert.md.j2", "mine\n{% if %}{% endif %}"),
        ("update.md.j2", "{{ chnage }}"),
        ("partials/truncated.md.j2", "{{ nmae }}"),
    ]);
    assert_eq!(renderer.problems().len(), 3);
    for (template, file, said) in [
        (
            "alert",
            "alert.md.j2:2",
            "template alert has an error in line 2, so the built-in one was used",
        ),
        ("compact", "partials/truncated.md.j2:1", "(partials/truncated.md.j2:1: "),
        (
            "detailed",
            "partials/truncated.md.j2:1",
            "(partials/truncated.md.j2:1: ",
        ),
        ("update", "update.md.j2:1", "template update has an error in line 1, so"),
    ] {
        let seen = render(&renderer, template, &body_of("firing"));
        let body = &seen.messages[0].body;
        assert!(
            body.contains("\n⚠️ ") && body.contains(said) && body.contains("CheckoutSlow"),
            "{body}"
        );
        assert_eq!(seen.problem.unwrap().to_string().split(": ").next(), Some(file));
    }
    write(dir.path(), "alert.md.j2", "mine");
    settled(&renderer);
    assert_eq!(shown(&renderer, "alert"), "mine");
    // From then on there is a version that works, and nothing to say about those who read it.
    write(dir.path(), "alert.md.j2", "mine\n{% if %}{% endif %}");
    assert_eq!(settled(&renderer).len(), 3);
    assert_eq!(shown(&renderer, "alert"), "mine");

    // Where nobody can tell whether there are templates at all, it says that.
    let file = dir.path().join("b");
    fs::write(&file, "").unwrap();
    let renderer = Renderer::open(&settings(&file));
    assert!(shown(&renderer, "alert").contains("instead of yours (.: cannot read the templates folder"));
}
