//! What may be written, and how.

use super::*;

#[test]
fn only_paths_that_the_relay_reads_are_templates() {
    for path in [
        "alert.md.j2",
        "partials/header.md.j2",
        "a/b/c/d.md.j2",
        "my_own-2.md.j2",
    ] {
        assert!(is_template(path), "{path}");
    }
    for path in [
        "",
        "alert",
        "alert.md",
        ".md.j2",
        ".hidden.md.j2",
        "../alert.md.j2",
        "partials/../../x.md.j2",
        "/etc/x.md.j2",
        "a//b.md.j2",
        "a/b/c/d/e.md.j2",
        "a\\b.md.j2",
        "ä.md.j2",
        "words.toml",
        "a\0.md.j2",
        "partials/.md.j2",
    ] {
        assert!(!is_template(path), "{path}");
    }
    assert!(!is_template(&format!("{}.md.j2", "a".repeat(300))));
}

#[test]
fn a_file_is_replaced_as_a_whole_and_only_the_one_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("templates");
    let path = root.join("partials/mine.md.j2");
    save(&root, "partials/mine.md.j2", b"one", None).unwrap();
    assert!(matches!(
        save(&root, "partials/mine.md.j2", b"two", None),
        Err(Refusal::Changed)
    ));
    fs::set_permissions(&path, fs::metadata(&path).unwrap().permissions()).unwrap();
    save(&root, "partials/mine.md.j2", b"two", Some(&etag_of(b"one"))).unwrap();
    fs::write(&path, "theirs").unwrap();
    let stale = save(&root, "partials/mine.md.j2", b"three", Some(&etag_of(b"two")));
    assert!(matches!(stale, Err(Refusal::Changed)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    // Nothing is left beside it, whatever became of it.
    assert_eq!(fs::read_dir(root.join("partials")).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_folder() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("templates"), folder.path().join("outside"));
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("alert.md.j2"), "theirs").unwrap();
    symlink(&outside, root.join("partials")).unwrap();
    symlink(outside.join("alert.md.j2"), root.join("alert.md.j2")).unwrap();
    assert!(matches!(
        save(&root, "partials/x.md.j2", b"x", None),
        Err(Refusal::Outside)
    ));
    let etag = etag_of(b"theirs");
    assert!(matches!(
        save(&root, "alert.md.j2", b"x", Some(&etag)),
        Err(Refusal::Link)
    ));
    assert_eq!(fs::read_to_string(outside.join("alert.md.j2")).unwrap(), "theirs");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    // The folder itself may be a link: it is what the operator named.
    symlink(&outside, folder.path().join("linked")).unwrap();
    save(&folder.path().join("linked"), "new.md.j2", b"x", None).unwrap();
    assert_eq!(fs::read_to_string(outside.join("new.md.j2")).unwrap(), "x");
}
